"""Codes in place of nodes: the same for the same text wherever it stands, and read anew where two nodes share one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.rdf import term_codes
from kg.rdf.engine import Engine, open_engine
from kg.rdf.knowledge_description import TripleTable
from kg.rdf.statement_tables import Statements, read_statements, read_table_of_triples
from kg.report import FileAccount

A = "http://a.example/"
TEXT = "".join(f"<{A}{n}> <{A}p> <{A}{n * n % 50}> .\n" for n in range(100)) + f'not a statement\n<{A}1> <{A}q> "x" .\n'
Code = Callable[[str, int], str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as opened:
        yield opened


def tiny(salts: int) -> tuple[Code, list[int]]:
    """Codes of which there are five alone, until so many salts are used up; and the salts that were asked for."""
    real, seen = term_codes.code, []

    def code(text: str, salt: int) -> str:
        seen.append(salt)
        return f"({real(text, salt)} % 5)" if salt < salts else real(text, salt)

    return code, seen


def triples(statements: Statements, engine: Engine) -> list[tuple[int, str, str, str]]:
    nodes = dict(zip(*engine.rows(statements.nodes.select("code", "node")).to_pydict().values(), strict=True))
    rows = engine.rows(statements.triples.order_by("position")).to_pylist()
    return [(row["position"], nodes[row["subject"]], row["predicate"], nodes[row["object"]]) for row in rows]


def test_a_code_depends_on_the_text_and_the_salt_alone() -> None:
    texts = ["", "a", "http://a.example/longer-than-what-lies-inside-a-row", "\u00e9\U0001f600", "a" * 1000]
    query = f"SELECT text, {term_codes.code('text', 0)} AS plain, {term_codes.code('text', 3)} AS salted FROM given"
    found = []
    for column in (pa.array(texts), pa.array(texts[::-1] * 3).dictionary_encode()):
        with duckdb.connect() as connection:
            connection.register("given", pa.table({"text": column}))
            found.append(set(connection.execute(query).fetchall()))
    assert found[0] == found[1]
    codes = [code for _, *row in found[0] for code in row]
    assert len(set(codes)) == 2 * len(texts)
    assert all(0 <= code < 1 << 63 for code in codes)


@pytest.mark.parametrize(("name", "content"), [("t.nt", TEXT), ("t.ttl", TEXT.replace("not a statement\n", ""))])
@pytest.mark.parametrize("salts", [1, 3])
def test_nodes_that_share_a_code_are_read_again_with_another_salt(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, salts: int
) -> None:
    (tmp_path / name).write_text(content)

    def read() -> tuple[list[tuple[int, str, str, str]], list[dict[str, Any]], FileAccount]:
        account = FileAccount(rows=7, dropped={"before": 1})
        found = read_statements(tmp_path / name, engine, lenient=True, account=account)
        literals = engine.rows(found.literals.order_by("position")).to_pylist()
        return triples(found, engine), literals, account

    expected = read()
    code, seen = tiny(salts)
    monkeypatch.setattr(term_codes, "code", code)
    assert read() == expected
    assert sorted(set(seen)) == list(range(salts + 1))
    assert len(expected[0]) == 100


def test_tables_of_triples_are_coded_again_as_well(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("head,relation,tail\n" + "".join(f"n{n},r,n{n + 1}\n" for n in range(20)))
    table = TripleTable(head="head", relation="relation", tail="tail")
    code, seen = tiny(2)
    monkeypatch.setattr(term_codes, "code", code)
    account = FileAccount()
    found = read_table_of_triples(tmp_path / "t.csv", table, engine, account)
    assert triples(found, engine) == [(n, f"n{n}", "r", f"n{n + 1}") for n in range(20)]
    assert max(seen) == 2
    assert account.rows == 20


def test_every_part_of_a_source_gives_a_node_the_same_code(engine: Engine, tmp_path: Path) -> None:
    """Plain lines, lines of the full parser and blank nodes are coded apart, and meet in the joins."""
    lines = [f"<{A}x> <{A}p> <{A}y> .", f"<{A}\\u0078> <{A}p> _:b .", f"_:b <{A}p> <{A}y> . # again"]
    (tmp_path / "t.nt").write_text("\n".join(lines))
    found = read_statements(tmp_path / "t.nt", engine, lenient=False, account=FileAccount())
    assert [row[1::2] for row in triples(found, engine)] == [
        (A + "x", A + "y"),
        (A + "x", "_:t.nt#b"),
        ("_:t.nt#b", A + "y"),
    ]
    assert engine.numbers(found.nodes.agg(nodes=ibis._.code.nunique(), rows=ibis._.count())) == {"nodes": 3, "rows": 3}


def test_a_graph_is_the_same_whatever_the_salt(
    small_world: Path, small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_codes, "code", tiny(1)[0])
    built = build(Description.load(small_world / "description.yaml"))
    assert built.fingerprint == small_dataset.fingerprint
    assert built.report == small_dataset.report


@pytest.mark.parametrize("enabled", [True, False])
def test_a_build_leaves_the_garbage_collector_as_it_was(small_world: Path, enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        build(Description.load(small_world / "description.yaml"))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
