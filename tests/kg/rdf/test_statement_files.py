"""Codes in place of nodes: the same for the same text wherever it stands."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import ibis
import pytest

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from kg.rdf.engine import Engine, open_engine
from kg.rdf.statement_files import StatementFiles
from kg.rdf.statement_tables import Statements, read_statements
from kg.report import FileAccount

A = "http://a.example/"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as opened:
        yield opened


def triples(statements: Statements, engine: Engine) -> list[tuple[int, str, str, str]]:
    nodes = dict(zip(*engine.rows(statements.nodes.select("code", "node")).to_pydict().values(), strict=True))
    rows = engine.rows(statements.triples.order_by("position")).to_pylist()
    return [(row["position"], nodes[row["subject"]], row["predicate"], nodes[row["object"]]) for row in rows]


def test_nodes_that_share_a_code_are_an_error_that_names_them(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of 63 bits are never met by a test, so here there are but few codes."""
    copy = StatementFiles._copy
    monkeypatch.setattr(
        StatementFiles, "_copy", lambda files, query, kind: copy(files, query.replace(">> 1)", ">> 1) % 5"), kind)
    )
    (tmp_path / "t.nt").write_text("".join(f"<{A}{n}> <{A}p> <{A}{n + 1}> .\n" for n in range(20)))
    with pytest.raises(
        InputError, match=rf"t\.nt: {A}\d+ and {A}\d+ have the same 63-bit hash.*give one of them another name"
    ):
        read_statements(tmp_path / "t.nt", engine, lenient=True, account=FileAccount())


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


@pytest.mark.parametrize("enabled", [True, False])
def test_a_build_leaves_the_garbage_collector_as_it_was(small_world: Path, enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        build(Description.load(small_world / "description.yaml"))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
