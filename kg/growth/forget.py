"""Forgetting: a person leaves every file and every index of a graph, with proof."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.dataset import Dataset, refuse_other
from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph
from kg.growth.alignment import buried
from kg.growth.traces import standing_alone, traces
from kg.named_split import NamedSplit
from kg.report import summary
from kg.schema import ITEM, USER, EdgeType
from kg.storage.atomic import clear_leftovers

__all__ = ["Forgetting", "forget", "forget_in_graph", "prove"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Forgetting:
    """A data set without some people, and how much of it they were.

    Attributes:
        dataset: What is left.
        counts: Number of `people`, `ratings`, `edges` and `concepts` (that belonged to nobody else) that went.
    """

    dataset: Dataset
    counts: Mapping[str, int]


def forget(dataset: Dataset, people: Sequence[str]) -> Forgetting:
    """Remove people from a data set; the indices of all others stay.

    A person's ratings, edges and rows of splits go. Their index stays empty, with a placeholder instead of the id;
    so do the indices of concepts that belong to nobody else any more, such as a rare post code. Their ids join the list of those an update
    leaves out. The report keeps totals and the day, and loses every example that names them. Counts of file accounts stay:
    they say what the build once read. An item that only these people have rated stays, without a rating.

    Args:
        dataset: The data.
        people: Their user ids; those that are not there (any more) only join the list.
    """
    graph, ratings = dataset.graph, dataset.ratings
    forgotten = dataset.forgotten.adding(people)
    place = graph.users.vocabulary.places(list(people))  # of those whom an update has removed, too
    users = np.zeros(len(graph.users), dtype=bool)
    users[place[place >= 0]] = True
    left = replace(graph, edges=_without(graph, users))
    before, after = graph.degrees(), left.degrees()
    orphans = {kind: (before[kind] > 0) & (after[kind] == 0) for kind in graph.nodes if kind not in (USER, ITEM)}
    gone = {USER: users, **orphans}
    nodes = dict(graph.nodes)
    for kind, mask in gone.items():
        placeholders = [forgotten.placeholder(kind, index) for index in np.flatnonzero(mask).tolist()]
        nodes[kind] = buried(nodes[kind], mask, placeholders)
    left = replace(left, nodes=nodes)
    kept = ~users[ratings.user]
    row_of = np.cumsum(kept) - 1
    counts = {
        "people": int(users.sum()),
        "ratings": int((~kept).sum()),
        "edges": graph.num_edges - left.num_edges,
        "concepts": sum(int(mask.sum()) for kind, mask in gone.items() if kind != USER),
    }
    rest = replace(
        dataset,
        graph=left,
        ratings=ratings.select(kept),
        shown=None if dataset.shown is None else dataset.shown.select(~users[dataset.shown.user]),
        splits={name: _split(split, kept, row_of) for name, split in dataset.splits.items()},
        forgotten=forgotten,
        ledger_version=dataset.ledger_version + bool(users.any()),
    )
    return Forgetting(dataset=replace(rest, report=_report(rest, people, counts)), counts=counts)


def forget_in_graph(
    directory: Path, people: Sequence[str], elsewhere: Sequence[Dataset] = (), joined: Collection[str] = ()
) -> Forgetting:
    """Remove people from a graph directory as a whole, and prove it before the old files go.

    Killed half-way, the directory holds either all of the old or all of the new files. To repeat a call that was cut off is
    safe; it clears what lies beside the directory.

    Args:
        directory: The graph.
        people: User ids, each known to the graph or forgotten already.
        elsewhere: Other data sets that may know them instead, as those of runs trained before an update.
        joined: Ids of people who joined a run after its training, whom no data set need know.

    Raises:
        UnknownNameError: If none of them ever knew an id.
        InputError: If the directory is no graph, or a trace is left.
    """
    dataset = Dataset.load(directory)
    refuse_other(directory)
    known = (dataset, *elsewhere)
    for raw_id in people:
        ever = any(raw_id in data.forgotten or data.graph.users.vocabulary.places([raw_id])[0] >= 0 for data in known)
        if not ever and raw_id not in joined:
            dataset.graph.users.vocabulary.index_of(raw_id)
    forgetting = forget(dataset, people)
    if forgetting.counts["people"] or not all(raw_id in dataset.forgotten for raw_id in people):
        forgetting.dataset.save(directory, check=lambda folder: prove(folder, people, dataset.namespace))
    clear_leftovers(directory)
    prove(directory, people, dataset.namespace)
    return forgetting


def prove(directory: Path, people: Sequence[str], namespace: str) -> None:
    """Raise `InputError` if a file of a directory still names one of these people."""
    left = traces(directory, people, namespace)
    if left:
        raise InputError(
            f"a trace of a forgotten person is left in {'; '.join(left[:3])}; please report this",
            file=directory,
        )


def _without(graph: KnowledgeGraph, users: NDArray[np.bool_]) -> dict[EdgeType, Edges]:
    """Return the edges that touch none of the users."""
    left = {}
    for edge_type, edges in graph.edges.items():
        gone = np.zeros(len(edges), dtype=bool)
        for row, kind in enumerate((edge_type.source, edge_type.target)):
            if kind == USER:
                gone |= users[edges.index[row]]
        if not gone.all() or not len(edges):
            left[edge_type] = edges.select(~gone)
    return left


def _split(split: NamedSplit, kept: NDArray[np.bool_], row_of: NDArray[np.int64]) -> NamedSplit:
    items = ("test_items", "validation_items")
    return NamedSplit.of_roles(
        {role: rows if role in items else row_of[rows[kept[rows]]] for role, rows in split.roles.items()}
    )


def _report(dataset: Dataset, people: Sequence[str], counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the report of what is left: new numbers, no example that names the people, and totals of what went."""
    report: dict[str, Any] = dict(dataset.report)
    if "items" in report:
        with_triples, implicit = report["items"]["with_triples"], dataset.implicit
        report.update(summary(dataset.graph, dataset.ratings, with_triples, implicit=implicit, shown=dataset.shown))
        report["splits"] = {name: split.sizes for name, split in dataset.splits.items()}
    alone = [standing_alone(raw_id) for raw_id in people]
    report["files"] = {file: _anonymous(account, alone) for file, account in report.get("files", {}).items()}
    report["notes"] = [note for note in report.get("notes", []) if not any(repr(raw_id) in note for raw_id in people)]
    before = report.get("forgotten", {})
    totals = {what: before.get(what, 0) + number for what, number in counts.items()}
    report["forgotten"] = {**totals, "last": datetime.now(UTC).date().isoformat()}
    return report


def _anonymous(account: Mapping[str, Any], alone: Sequence[re.Pattern[str]]) -> dict[str, Any]:
    """Return the account of a file without the examples that name one of the people."""
    examples = {
        reason: left
        for reason, texts in account.get("examples", {}).items()
        if (left := [text for text in texts if not any(pattern.search(text) for pattern in alone)])
    }
    rest = {name: part for name, part in account.items() if name != "examples"}
    return {**rest, "examples": examples} if examples else rest
