"""Linking by expressions of an engine against the same by sets and loops, and by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.rdf.engine import Engine, open_engine
from kg.rdf.linking import LinkedTriples, link_statements
from kg.rdf.predicates import HIERARCHY, PredicateChoice
from kg.rdf.statement_tables import read_statements
from kg.report import FileAccount

A = "http://a.example/"
BROADER = HIERARCHY[0]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("linking")


def link(
    engine: Engine,
    folder: Path,
    text: str,
    items_of: Mapping[str, Sequence[int]],
    choice: PredicateChoice | None = None,
    *,
    min_degree: int = 1,
) -> tuple[LinkedTriples, FileAccount]:
    account, file = FileAccount(), folder / "t.nt"
    file.write_text(text)
    statements = read_statements(file, engine, lenient=True, account=account)
    choice = choice or PredicateChoice()
    return link_statements(engine, statements, items_of, choice, file, account, min_degree=min_degree), account


def ends(linked: LinkedTriples) -> list[tuple[int | str, str, int | str, int]]:
    """Return subject, predicate, object and line of each edge; an item is its index."""
    return [
        (
            int(subject) if subject_is_item else linked.entities[subject],
            linked.predicates[predicate],
            int(target) if object_is_item else linked.entities[target],
            int(line),
        )
        for subject, subject_is_item, predicate, target, object_is_item, line in zip(
            linked.subject,
            linked.subject_is_item,
            linked.predicate,
            linked.object,
            linked.object_is_item,
            linked.line,
            strict=True,
        )
    ]


def slowly(
    triples: Sequence[tuple[str, str, str]], items_of: Mapping[str, Sequence[int]], kept: set[str], min_degree: int
) -> tuple[list[tuple[int | str, str, int | str, int]], list[str]]:
    """The definition, read aloud."""
    rows = [(*triple, line) for line, triple in enumerate(triples, 1) if triple[1] in kept]
    reach: dict[str, set[int]] = {}
    for subject, _predicate, target, _line in rows:
        if (subject in items_of) != (target in items_of):
            entity, item = (target, subject) if subject in items_of else (subject, target)
            reach.setdefault(entity, set()).update(items_of[item])
    rare = {entity for entity, items in reach.items() if len(items) < min_degree}
    rows = [row for row in rows if not {row[0], row[2]} & rare]
    reached, before = set(reach) - rare, -1
    while len(reached) > before:
        before = len(reached)
        for subject, predicate, target, _line in rows:
            onwards = predicate in HIERARCHY or subject.startswith("_:")
            if subject in reached and target not in items_of and onwards:
                reached.add(target)
    found: list[tuple[int | str, str, int | str, int]] = []
    seen: set[tuple[str, str, str]] = set()
    entities: list[str] = []
    for subject, predicate, target, line in rows:
        known = all(end in items_of or end in reached for end in (subject, target))
        if known and (subject, predicate, target) not in seen:
            seen.add((subject, predicate, target))
            for start in items_of.get(subject, (subject,)):
                found += [(start, predicate, end, line) for end in items_of.get(target, (target,))]
            entities += [end for end in (subject, target) if end not in items_of]
    return found, list(dict.fromkeys(entities))


NODES = [A + name for name in "abcdefgh"] + ["_:x", "_:y"]
PREDICATES = [A + "p", A + "q", *HIERARCHY]


@settings(max_examples=25)
@given(
    triples=st.lists(
        st.tuples(st.sampled_from(NODES), st.sampled_from(PREDICATES), st.sampled_from(NODES)), max_size=25
    ),
    keep=st.none() | st.just(["p"]),
    min_degree=st.integers(1, 3),
)
def test_expressions_say_what_the_definition_says(
    engine: Engine, folder: Path, triples: list[tuple[str, str, str]], keep: list[str] | None, min_degree: int
) -> None:
    items_of = {A + "a": [0], A + "b": [1, 2], A + "c": [2]}
    text = "".join(
        " ".join(term if term.startswith("_:") else f"<{term}>" for term in triple) + " .\n" for triple in triples
    )
    if keep is not None and not any(predicate == A + "p" for _, predicate, _ in triples):
        keep = None
    named = [tuple(term.replace("_:", "_:t.nt#") for term in triple) for triple in triples]
    kept = set(PREDICATES) if keep is None else {A + "p", *HIERARCHY}
    linked, account = link(engine, folder, text, items_of, PredicateChoice(keep=keep), min_degree=min_degree)
    expected, entities = slowly(named, items_of, kept, min_degree)  # type: ignore[arg-type]
    assert ends(linked) == expected
    assert list(linked.entities) == entities
    assert account.rows == len(triples) == account.kept + sum(account.dropped.values())


def test_links_count_for_every_item_that_bears_the_iri(engine: Engine, folder: Path) -> None:
    text = f"<{A}x> <{A}p> <{A}e> .\n<{A}x> <{A}p> <{A}e> .\n<{A}f> <{A}q> <{A}y> .\n<{A}f> <{A}p> <{A}g> .\n"
    linked, account = link(engine, folder, text, {A + "x": [0, 2], A + "y": [1]})
    assert ends(linked) == [(0, A + "p", A + "e", 1), (2, A + "p", A + "e", 1), (A + "f", A + "q", 1, 3)]
    assert linked.entities == [A + "e", A + "f"]
    assert account.dropped == {"neither end is a linked item or reached from one": 1, "stated twice": 1}


def test_predicates_are_chosen_and_hierarchies_always_kept(engine: Engine, folder: Path) -> None:
    text = "".join(f"<{A}x> <{A}{name}> <{A}{name}o> .\n" for name in "pqr") + f"<{A}po> <{BROADER}> <{A}qo> .\n"
    linked, account = link(engine, folder, text, {A + "x": [0]}, PredicateChoice(keep=["p", A + "q"]))
    assert linked.predicates == [A + "p", A + "q", BROADER]
    assert account.dropped == {"the predicate is not kept": 1}


def test_a_hierarchy_is_followed_upwards_to_its_top(engine: Engine, folder: Path) -> None:
    chain = "".join(f"<{A}c{step}> <{BROADER}> <{A}c{step + 1}> .\n" for step in range(4))
    aside = f"<{A}other> <{BROADER}> <{A}c2> .\n"  # narrower than a reached concept, but itself not reached
    text = f"<{A}x> <{A}p> <{A}c0> .\n" + chain + aside
    linked, account = link(engine, folder, text, {A + "x": [0]}, PredicateChoice(keep=["p"]))
    assert linked.entities == [f"{A}c{step}" for step in range(5)]
    assert account.dropped == {"neither end is a linked item or reached from one": 1}


def test_the_label_of_an_entity_is_english_where_there_is_a_choice(engine: Engine, folder: Path) -> None:
    label = "<http://www.w3.org/2000/01/rdf-schema#label>"
    names = f'<{A}e> {label} "Eh"@fr .\n<{A}e> {label} "E" .\n<{A}e> {label} "Ee"@en .\n<{A}f> {label} " " .\n'
    text = f"<{A}x> <{A}p> <{A}e> .\n<{A}x> <{A}p> <{A}f> .\n" + names
    linked, account = link(engine, folder, text, {A + "x": [0]})
    assert linked.labels == ["Ee", None]
    assert account.counts == {"labels read": 3}
    assert account.dropped == {"the object is a literal": 1}


def test_a_file_without_triples_gives_nothing(engine: Engine, folder: Path) -> None:
    linked, account = link(engine, folder, "# nothing\n", {A + "x": [0]}, PredicateChoice(keep=["p"]))
    assert ends(linked) == []
    assert linked.entities == []
    assert account == FileAccount()


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


def test_every_expression_has_a_form_for_spark(engine: Engine, folder: Path) -> None:
    noted = _Spark(engine)
    text = f"<{A}x> <{A}p> <{A}e> .\n<{A}e> <{BROADER}> <{A}f> .\n<{A}y> <{A}p> <{A}e> .\n"
    linked, _ = link(noted, folder, text, {A + "x": [0], A + "y": [1]}, min_degree=2)  # type: ignore[arg-type]
    assert len(ends(linked)) == 3
    assert len(noted.queries) >= 10
    assert all(query.startswith(("SELECT", "WITH")) and "`" in query for query in noted.queries)
