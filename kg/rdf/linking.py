"""The statements of an RDF source about linked items, the entities that they bring, and the codes of these.

Everything here is Ibis expressions over a table of statements (`position`, `subject`, `predicate`, `object`), so that a source
may be larger than memory and the same code runs on DuckDB and on Spark. Nodes are codes, so that all joins but those with the
names of items are joins of integers. Only the answer comes into memory: integers for the edges, and the IRIs and labels of the
entities reached.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from ibis import _
from numpy.typing import NDArray

from kg.rdf.engine import Engine
from kg.rdf.predicates import HIERARCHY, PredicateChoice
from kg.rdf.statement_tables import Statements
from kg.report import FileAccount
from kg.triples import BLANK

__all__ = ["LinkedTriples", "link_statements"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedTriples:
    """Triples of one source about linked items, in the order of the source.

    Attributes:
        predicates: IRIs of the predicates kept.
        entities: IRIs of the entities reached, in order of first mention.
        labels: The label the source gives to each entity, or None.
        predicate: Position in `predicates`, int32 `[num_edges]`.
        subject, object: An item index, or a position in `entities`, int32 `[num_edges]`.
        subject_is_item, object_is_item: Which of both, bool `[num_edges]`.
        line: Line of the source that states it, from 1, int64 `[num_edges]`; 0 where the source does not tell.
    """

    predicates: Sequence[str]
    entities: Sequence[str]
    labels: Sequence[str | None]
    predicate: NDArray[np.int32]
    subject: NDArray[np.int32]
    object: NDArray[np.int32]
    subject_is_item: NDArray[np.bool_]
    object_is_item: NDArray[np.bool_]
    line: NDArray[np.int64]


def link_statements(
    engine: Engine,
    statements: Statements,
    items_of: Mapping[str, Sequence[int]],
    choice: PredicateChoice,
    file: Path,
    account: FileAccount,
    *,
    min_degree: int = 1,
) -> LinkedTriples:
    """Pick the triples about linked items, and those between the entities that these reach.

    An entity is reached by a triple that connects it with a linked item, or by being what a reached one is part of (a
    hierarchy is followed upwards), or what a reached node without an IRI of its own speaks of. A triple is kept if each of its ends is a linked item or a reached entity.

    Args:
        engine: Holds the statements.
        statements: The statements of a source.
        items_of: For each linked IRI the items that bear it; a triple counts for each of them.
        choice: Which predicates are kept.
        file: Named in messages.
        account: Receives the counts.
        min_degree: An entity in triples with fewer different items than this is left out, with what hangs on it alone.

    Raises:
        InputError: If a predicate to keep or to drop does not occur in the file at all: most likely it is misspelt.
    """
    predicates, number = _predicates(engine, statements.triples, choice, file, account)
    links = engine.table(
        pa.table(
            {
                "node": pa.array([name for name, items in items_of.items() for _item in items], pa.string()),
                "item": pa.array([item for items in items_of.values() for item in items], pa.int64()),
            }
        )
    )
    items = engine.keep(statements.nodes.inner_join(links, "node").select(id="code", item="item"))
    linked = engine.keep(items.select("id").distinct())
    coded = _chosen(engine, statements.triples, predicates, linked)
    if min_degree > 1:
        coded = _without_rare(engine, coded, items, min_degree)
        number = _drop(f"an entity of fewer than {min_degree} items", number, engine.count(coded), account)
    upwards = [code for code, predicate in enumerate(predicates) if predicate in HIERARCHY]
    reached = _reached(engine, coded, statements.nodes, upwards)
    ends = linked.union(reached)
    kept = coded.semi_join(ends, [("s", "id")]).semi_join(ends, [("o", "id")])
    same = kept.group_by("s", "predicate", "o", "s_linked", "o_linked")
    unique = engine.keep(same.agg(position=_.position.min(), times=_.count()))
    counts = engine.numbers(unique.agg(kept=_.times.sum(), unique=_.count()))
    number = _drop("neither end is a linked item or reached from one", number, counts["kept"], account)
    account.kept += _drop("stated twice", number, counts["unique"], account)
    entities = engine.keep(_in_order_of_mention(unique))
    edges = _edges(engine, unique, items, entities)
    named = _named(engine, entities, statements)
    columns = {name: column.to_numpy() for name, column in zip(edges.column_names, edges.columns, strict=True)}
    position = columns.pop("position")
    return LinkedTriples(
        predicates=predicates,
        entities=named["node"].to_numpy().tolist(),
        labels=named["label"].to_numpy().tolist(),
        line=statements.lines_of(position),
        **columns,
    )


def _predicates(
    engine: Engine, triples: ibis.Table, choice: PredicateChoice, file: Path, account: FileAccount
) -> tuple[list[str], int]:
    """Return the predicates to keep, in order of first mention, and the number of their triples."""
    counts = triples.group_by("predicate").agg(number=_.count(), first=_.position.min()).order_by("first")
    numbers = {row["predicate"]: row["number"] for row in engine.rows(counts).to_pylist()}
    kept = choice.kept(list(numbers), file)
    wanted = [predicate for predicate in numbers if predicate in kept]
    number = sum(numbers[predicate] for predicate in wanted)
    account.drop("the predicate is not kept", sum(numbers.values()) - number)
    return wanted, number


def _chosen(engine: Engine, triples: ibis.Table, predicates: Sequence[str], linked: ibis.Table) -> ibis.Table:
    """Return the triples of some predicates with their place among these, and which of their ends are linked items."""
    codes = engine.table(
        pa.table({"predicate": pa.array(predicates, pa.string()), "code": np.arange(len(predicates), dtype=np.int32)})
    )
    chosen = triples.inner_join(codes, "predicate").select("position", s="subject", predicate="code", o="object")
    for end in ("s", "o"):
        marks = linked.select(**{f"{end}_code": "id"}).mutate(**{f"{end}_linked": True})
        chosen = chosen.left_join(marks, [(end, f"{end}_code")]).drop(f"{end}_code")
    return engine.keep(chosen.mutate(s_linked=_.s_linked.fill_null(False), o_linked=_.o_linked.fill_null(False)))


def _without_rare(engine: Engine, coded: ibis.Table, items: ibis.Table, min_degree: int) -> ibis.Table:
    """Return the triples without those of an entity that stands in triples with fewer than so many different items."""
    about = [
        coded.filter(_.s_linked & ~_.o_linked).select(entity="o", id="s"),
        coded.filter(~_.s_linked & _.o_linked).select(entity="s", id="o"),
    ]
    degrees = about[0].union(about[1]).inner_join(items, "id").group_by("entity").agg(degree=_.item.nunique())
    rare = engine.keep(degrees.filter(_.degree < min_degree).select("entity"))
    return engine.keep(coded.anti_join(rare, [("s", "entity")]).anti_join(rare, [("o", "entity")]))


def _reached(engine: Engine, coded: ibis.Table, nodes: ibis.Table, upwards: Sequence[int]) -> ibis.Table:
    """Return the codes (`id`) of the entities that linked items reach, and of what follows from these."""
    subjects = coded.filter(~_.s_linked & _.o_linked).select(id="s")
    objects = coded.filter(_.s_linked & ~_.o_linked).select(id="o")
    reached = engine.keep(subjects.union(objects).distinct())
    between = coded.filter(~_.s_linked & ~_.o_linked)
    blank = nodes.filter(_.node.startswith(BLANK)).select(id="code")
    spoken = between.semi_join(blank, [("s", "id")]).select("s", "o")
    steps = engine.keep(between.filter(_.predicate.isin(list(upwards))).select("s", "o").union(spoken).distinct())
    if not engine.count(steps):
        return reached
    frontier = reached
    while True:
        above = steps.semi_join(frontier, [("s", "id")]).select(id="o").distinct()
        frontier = engine.keep(above.anti_join(reached, "id"))
        if not engine.count(frontier):
            return reached
        reached = engine.keep(reached.union(frontier))


def _drop(reason: str, before: int, after: int, account: FileAccount) -> int:
    account.drop(reason, before - after)
    return after


def _in_order_of_mention(triples: ibis.Table) -> ibis.Table:
    """Return the entities (`id`) of triples with their place in the order of first mention (`entity`)."""
    mentioned = (
        triples.filter(~_.s_linked)
        .select(id="s", place=_.position * 2)
        .union(triples.filter(~_.o_linked).select(id="o", place=_.position * 2 + 1))
    )
    first = mentioned.group_by("id").agg(first=_.place.min())
    return first.select("id", entity=ibis.row_number().over(order_by=_.first))


def _edges(engine: Engine, triples: ibis.Table, items: ibis.Table, entities: ibis.Table) -> pa.Table:
    """Return one row a triple and pair of items that bear its IRIs."""
    numbers = engine.keep(items.select("id", number="item").union(entities.select("id", number="entity")))
    subjects = numbers.select(s="id", subject="number")
    objects = numbers.select(o="id", object="number")
    edges = triples.inner_join(subjects, "s").inner_join(objects, "o").order_by("position", "subject", "object")
    return engine.rows(
        edges.select(
            "predicate",
            "position",
            subject=_.subject.cast("int32"),
            object=_.object.cast("int32"),
            subject_is_item="s_linked",
            object_is_item="o_linked",
        )
    )


def _named(engine: Engine, entities: ibis.Table, statements: Statements) -> pa.Table:
    """Return the name and the label of each entity, in order."""
    known = engine.keep(entities.inner_join(statements.nodes, [("id", "code")]).select("node", "entity"))
    order = _["rank"].cast("int64") * (1 << 60) + _.position  # the best rank, and of these the first
    best = statements.labels.inner_join(known, [("iri", "node")]).group_by("entity").agg(label=_.label.argmin(order))
    return engine.rows(known.left_join(best, "entity").order_by("entity").select("node", "label"))
