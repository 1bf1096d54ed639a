"""Linking by expressions against the same steps in pandas, and the order, counts and sentences that people rely on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.engine import Engine, open_engine
from kg.errors import InputError
from kg.linking import LinkedTriples, link_statements
from kg.report import FileAccount
from kg.statements import Statements, read_statements
from kg.triples import BROADER, LABELS

A = "http://a.example/"
Row = tuple[str, str, str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as opened:
        yield opened


def statements_of(engine: Engine, rows: Sequence[Row]) -> Statements:
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    arrays = [pa.array(list(column), pa.string()) for column in columns]
    triples = pa.table([np.arange(len(rows)), *arrays], names=["position", "subject", "predicate", "object"])
    labels = pa.table({"position": [1, 0, 2], "iri": ["e0", "e0", "e1"], "label": ["b", "a", "c"], "rank": [0, 0, 1]})
    lines = np.arange(len(rows)) * 3 + 1
    return Statements(triples=engine.table(triples), labels=engine.table(labels), lines=lines)


def edges_of(linked: LinkedTriples) -> list[tuple[object, ...]]:
    """The edges, an item as its index and an entity as its IRI."""
    ends = [
        [number if is_item else linked.entities[number] for number, is_item in zip(numbers, items, strict=True)]
        for numbers, items in (
            (linked.subject.tolist(), linked.subject_is_item),
            (linked.object.tolist(), linked.object_is_item),
        )
    ]
    predicates = [linked.predicates[code] for code in linked.predicate]
    return list(zip(ends[0], predicates, ends[1], linked.line.tolist(), strict=True))


def by_pandas(
    rows: Sequence[Row], items_of: Mapping[str, Sequence[int]], keep: Sequence[str] | None, min_degree: int
) -> tuple[list[tuple[object, ...]], list[str], dict[str, int], int]:
    """The slow oracle: edges, entities, reasons, number kept."""
    dropped: dict[str, int] = {}

    def drop(reason: str, number: int) -> None:
        if number:
            dropped[reason] = number

    frame = pd.DataFrame(rows, columns=["subject", "predicate", "object"], dtype=object)
    frame["line"] = np.arange(len(rows)) * 3 + 1
    if keep is not None:
        kept = frame["predicate"].isin([*keep, BROADER])
        drop("the predicate is not kept", int((~kept).sum()))
        frame = frame[kept]
    items: dict[str, set[int]] = {}
    for subject, target in zip(frame["subject"], frame["object"], strict=True):
        if (subject in items_of) != (target in items_of):
            entity, item = (target, subject) if subject in items_of else (subject, target)
            items.setdefault(entity, set()).update(items_of[item])
    rare = {entity for entity, members in items.items() if len(members) < min_degree}
    few = frame["subject"].isin(rare) | frame["object"].isin(rare)
    drop(f"an entity of fewer than {min_degree} items", int(few.sum()))
    frame = frame[~few]
    linked = {end: frame[end].isin(items_of).to_numpy(dtype=bool) for end in ("subject", "object")}
    about = linked["subject"] | linked["object"]
    reached = set(frame["subject"][about & ~linked["subject"]]) | set(frame["object"][about & ~linked["object"]])
    broader = frame[(frame["predicate"] == BROADER).to_numpy(dtype=bool) & ~about]
    while above := set(broader["object"][broader["subject"].isin(reached)]) - reached:
        reached |= above
    between = (
        ~about
        & frame["subject"].isin(reached).to_numpy(dtype=bool)
        & frame["object"].isin(reached).to_numpy(dtype=bool)
    )
    drop("neither end is a linked item or reached from one", int((~(about | between)).sum()))
    frame = frame[about | between]
    repeated = frame.duplicated(["subject", "predicate", "object"])
    drop("stated twice", int(repeated.sum()))
    frame = frame[~repeated]
    edges: list[tuple[object, ...]] = [
        (start, predicate, end, line)
        for subject, predicate, target, line in frame.itertuples(index=False)
        for start in items_of.get(subject, [subject])
        for end in items_of.get(target, [target])
    ]
    ends = frame[["subject", "object"]].to_numpy(dtype=object).ravel()
    return edges, [iri for iri in dict.fromkeys(ends) if iri not in items_of], dropped, len(frame)


NODES = st.sampled_from([f"{letter}{number}" for letter in "ie" for number in range(6)])
PREDICATES = st.sampled_from(["p", "q", BROADER, "http://x.example/r"])


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(NODES, PREDICATES, NODES), max_size=30),
    linked=st.lists(st.sampled_from(["i0", "i1", "i2", "e5"]), max_size=6),
    keep=st.none() | st.just(["p", "http://x.example/r"]),
    min_degree=st.integers(1, 3),
)
def test_expressions_do_what_the_steps_in_pandas_do(
    engine: Engine, rows: list[Row], linked: list[str], keep: list[str] | None, min_degree: int
) -> None:
    items_of: dict[str, list[int]] = {}
    for item, iri in enumerate(linked):
        items_of.setdefault(iri, []).append(item)
    if keep is not None:
        rows = [*rows, ("z", "p", "z"), ("z", "http://x.example/r", "z")]  # so that all that is kept occurs
    account = FileAccount()
    found = link_statements(
        engine, statements_of(engine, rows), items_of, keep, Path("t.nt"), account, min_degree=min_degree
    )
    edges, entities, dropped, kept = by_pandas(rows, items_of, keep, min_degree)
    assert edges_of(found) == edges
    assert found.entities == entities
    assert account.dropped == dropped
    assert account.kept == kept
    assert found.labels == [{"e0": "a", "e1": "c"}.get(entity) for entity in entities]


def linked_file(
    engine: Engine, tmp_path: Path, text: str, items_of: Mapping[str, Sequence[int]], keep: Sequence[str] | None = None
) -> tuple[LinkedTriples, FileAccount]:
    account = FileAccount()
    (tmp_path / "t.nt").write_text(text, encoding="utf-8")
    statements = read_statements(tmp_path / "t.nt", engine, lenient=True, account=account)
    return link_statements(engine, statements, items_of, keep, tmp_path / "t.nt", account), account


def test_links_count_for_every_item_that_bears_the_iri(engine: Engine, tmp_path: Path) -> None:
    text = f"<{A}x> <{A}p> <{A}e> .\n<{A}x> <{A}p> <{A}e> .\n<{A}f> <{A}q> <{A}y> .\n<{A}f> <{A}p> <{A}g> .\n"
    linked, account = linked_file(engine, tmp_path, text, {A + "x": [0, 2], A + "y": [1]})
    assert edges_of(linked) == [(0, A + "p", A + "e", 1), (2, A + "p", A + "e", 1), (A + "f", A + "q", 1, 3)]
    assert linked.entities == [A + "e", A + "f"]
    assert account.dropped == {"neither end is a linked item or reached from one": 1, "stated twice": 1}
    assert account.rows == account.kept + sum(account.dropped.values())


def test_predicates_are_kept_by_local_name_or_whole_iri_and_broader_always(engine: Engine, tmp_path: Path) -> None:
    text = "".join(f"<{A}x> <{A}{name}> <{A}{name}o> .\n" for name in "pqr") + f"<{A}po> <{BROADER}> <{A}qo> .\n"
    linked, account = linked_file(engine, tmp_path, text, {A + "x": [0]}, ["p", A + "q"])
    assert [edge[1] for edge in edges_of(linked)] == [A + "p", A + "q", BROADER]
    assert account.dropped == {"the predicate is not kept": 1}


def test_a_predicate_that_never_occurs_is_an_input_error(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no triple has the predicate 'staring' .* Did you mean 'starring'"):
        linked_file(engine, tmp_path, f"<{A}x> <{A}starring> <{A}e> .\n", {}, ["staring"])


def test_a_hierarchy_is_followed_upwards_to_its_top(engine: Engine, tmp_path: Path) -> None:
    chain = "".join(f"<{A}c{step}> <{BROADER}> <{A}c{step + 1}> .\n" for step in range(4))
    aside = f"<{A}other> <{BROADER}> <{A}c2> .\n"  # narrower than a reached concept, but itself not reached
    linked, account = linked_file(engine, tmp_path, f"<{A}x> <{A}p> <{A}c0> .\n" + chain + aside, {A + "x": [0]}, ["p"])
    assert linked.entities == [f"{A}c{step}" for step in range(5)]
    assert account.dropped == {"neither end is a linked item or reached from one": 1}


def test_the_label_is_english_or_without_language_or_the_first(engine: Engine, tmp_path: Path) -> None:
    labels = {
        "a": ['"Eins"@de', '"One"@en', '"One more"@en', '"1"'],
        "b": ['"Zwei"@de', '"2"', '"Deux"@fr'],
        "c": ['"\\u2003"@en', '"Drei  \\n 3"@de', '"Trois"@fr'],
        "d": [],
    }
    text = "".join(f"<{A}x> <{A}p> <{A}{name}> .\n" for name in labels)
    text += "".join(f"<{A}{name}> <{LABELS[0]}> {label} .\n" for name, found in labels.items() for label in found)
    linked, account = linked_file(engine, tmp_path, text + f'<{A}x> <{A}budget> "12" .\n', {A + "x": [0]})
    assert linked.labels == ["One", "2", "Drei  \n 3", None]
    assert account.counts == {"labels read": 9}
    assert account.dropped == {"the object is a literal": 2}


def test_a_file_without_triples_gives_nothing(engine: Engine, tmp_path: Path) -> None:
    linked, account = linked_file(engine, tmp_path, "# nothing\n", {A + "x": [0]}, ["p"])
    assert edges_of(linked) == []
    assert linked.entities == []
    assert account == FileAccount()


def test_turtle_is_linked_as_n_triples_are(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t.ttl").write_text(f'@prefix : <{A}> . :x :p :e . :e <{LABELS[0]}> "E" .', encoding="utf-8")
    account = FileAccount()
    statements = read_statements(tmp_path / "t.ttl", engine, lenient=True, account=account)
    linked = link_statements(engine, statements, {A + "x": [0]}, None, tmp_path / "t.ttl", account)
    assert edges_of(linked) == [(0, A + "p", A + "e", 0)]
    assert linked.labels == ["E"]


class _Spark:
    """Writes the SQL of every expression down as Spark would get it, and lets DuckDB answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.queries: list[str] = []

    def __getattr__(self, name: str) -> object:
        method = getattr(self.engine, name)

        def noted(*arguments: object) -> object:
            self.queries += [ibis.to_sql(one, dialect="pyspark") for one in arguments if isinstance(one, ibis.Table)]
            return method(*arguments)

        return noted


def test_every_expression_has_a_form_for_spark(engine: Engine) -> None:
    noted = _Spark(engine)
    rows = [("i0", "p", "e0"), ("e0", BROADER, "e1"), ("i1", "p", "e0")]
    link_statements(
        noted,  # type: ignore[arg-type]
        statements_of(engine, rows),
        {"i0": [0], "i1": [1]},
        None,
        Path("t.nt"),
        FileAccount(),
        min_degree=2,
    )
    assert len(noted.queries) >= 10
    assert all(query.startswith(("SELECT", "WITH")) and "`" in query for query in noted.queries)
