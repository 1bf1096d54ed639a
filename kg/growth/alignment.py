"""A newer state of a data set in the indices of an older one: an id that stays keeps its index, one that goes leaves a tombstone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.graph import KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.vocabulary import Vocabulary

__all__ = ["aligned", "buried"]

Indices = NDArray[np.int64]
Name = TypeVar("Name")

_COLUMNS = ("labels", "texts", "iris")


def aligned(old: Dataset, new: Dataset) -> Dataset:
    """Return what a fresh build found, numbered as an older data set numbers it.

    - An id that is in both keeps its index; one that comes back finds the index of its tombstone.
    - A new id follows after the last index of its kind, in the order of the build.
    - An id that is gone leaves a tombstone: no text, no link, no edge, no rating.

    Kinds, sources, edge types and splits keep their order, and so do ratings: those of pairs of user and item that were
    rated before stay before those of new pairs. Apart from order and tombstones the result equals `new`.

    Args:
        old: The data set whose indices are in use.
        new: What `kg.build` made of the present state of the sources; it has no tombstones.

    Returns:
        The data set: with the graph of `old` itself if no node and no edge changed, with its own ledger version if no
        rating and no split did either, else with the next one.
    """
    if new.graph is old.graph:
        graph, place = old.graph, {kind: np.arange(len(nodes)) for kind, nodes in old.graph.nodes.items()}
    else:
        graph, place = _graph(old.graph, new.graph)

    def moved(ratings: Ratings) -> Ratings:
        user, item = place[USER][ratings.user], place[ITEM][ratings.item]
        return replace(ratings, user=user, item=item, num_users=len(graph.users), num_items=len(graph.items))

    ratings = moved(new.ratings)
    order = _order(old.ratings, ratings)
    row_of = np.argsort(order)
    splits = {name: _split(new.splits[name], row_of, place[ITEM]) for name in _in_order(old.splits, new.splits)}
    shown = None if new.shown is None else moved(new.shown)
    present = replace(new, graph=graph, ratings=ratings.select(order), shown=shown, splits=splits)
    same = graph is old.graph and old.namespace == new.namespace and _same_ratings(old, present)
    return replace(present, ledger_version=old.ledger_version + (not same))


def buried(nodes: Nodes, which: NDArray[np.bool_], ids: Iterable[str] | None = None) -> Nodes:
    """Return nodes of which some have become tombstones.

    Args:
        nodes: All nodes of a kind.
        which: Which become tombstones, bool `[num_nodes]`.
        ids: What stands there instead of their raw ids; by default these stay, so that who comes back finds the index.
    """
    raw_ids = nodes.vocabulary.ids
    if ids is not None:
        raw_ids[which] = list(ids)
    vocabulary = Vocabulary(nodes.vocabulary.kind, raw_ids, removed=nodes.vocabulary.removed | which)
    labels, texts, iris = (getattr(nodes, name).copy() for name in _COLUMNS)
    labels[which], texts[which], iris[which] = raw_ids[which], None, None
    return Nodes(vocabulary=vocabulary, labels=labels, texts=texts, iris=iris)


def _graph(old: KnowledgeGraph, new: KnowledgeGraph) -> tuple[KnowledgeGraph, dict[str, Indices]]:
    """Return the new graph in the indices of the old one, the old one itself if nothing changed; and the index of each node."""
    nodes, place = {}, {}
    for kind in _in_order(old.nodes, [*old.nodes, *new.nodes]):
        nodes[kind], place[kind] = _nodes(kind, old.nodes.get(kind), new.nodes.get(kind))
    sources = tuple(_in_order(old.sources, new.sources))
    source_place = np.array([sources.index(source) for source in new.sources], dtype=np.int16)
    edges = {}
    for edge_type in _in_order(old.edges, new.edges):
        before = new.edges[edge_type]
        start, end = place[edge_type.source][before.index[0]], place[edge_type.target][before.index[1]]
        moved = replace(before, index=np.stack([start, end]), provenance=source_place[before.provenance])
        edges[edge_type] = moved.select(np.lexsort((moved.provenance, end, start)))  # as a build leaves them
    graph = KnowledgeGraph(name=new.name, nodes=nodes, edges=edges, sources=sources)
    return old if _same_graph(old, graph) else graph, place


def _in_order(old: Iterable[Name], new: Iterable[Name]) -> list[Name]:
    """Return what `new` holds: first what `old` holds as well, in its order."""
    there = dict.fromkeys(new)
    return list(dict.fromkeys([*(name for name in old if name in there), *there]))


def _nodes(kind: str, old: Nodes | None, new: Nodes | None) -> tuple[Nodes, Indices]:
    """Return the nodes of a kind in the indices of the old ledger, and the index there of each new one."""
    if new is None:
        assert old is not None
        return buried(old, old.present), np.empty(0, dtype=np.int64)
    if old is None:
        return new, np.arange(len(new))
    place = old.vocabulary.places(new.vocabulary.ids)
    fresh = place < 0
    place[fresh] = len(old) + np.arange(fresh.sum())
    ids = np.concatenate([old.vocabulary.ids, new.vocabulary.ids[fresh]])
    removed = np.ones(len(ids), dtype=bool)
    removed[place] = False
    columns: dict[str, NDArray[np.object_]] = {name: np.full(len(ids), None, dtype=object) for name in _COLUMNS}
    columns["labels"] = ids.copy()
    for name, column in columns.items():
        column[place] = getattr(new, name)
    return Nodes(vocabulary=Vocabulary(kind, ids, removed=removed), **columns), place


def _order(old: Ratings, new: Ratings) -> Indices:
    """Return the rows of `new`: first those of pairs that `old` rates, in its order, then the others in theirs."""
    pairs = pd.Index(old.user * new.num_items + old.item)
    row = pairs.get_indexer(pd.Index(new.user * new.num_items + new.item))
    return np.argsort(np.where(row < 0, len(old) + np.arange(len(new)), row), kind="stable")


def _split(split: NamedSplit, row_of: Indices, item: Indices) -> NamedSplit:
    items = ("test_items", "validation_items")
    return NamedSplit.of_roles(
        {role: np.sort((item if role in items else row_of)[rows]) for role, rows in split.roles.items()}
    )


def _same_graph(one: KnowledgeGraph, other: KnowledgeGraph) -> bool:
    """Return whether two graphs are the same to the last index, so that the same files describe them."""
    return (
        (one.name, one.sources) == (other.name, other.sources)
        and (list(one.nodes), list(one.edges)) == (list(other.nodes), list(other.edges))
        and all(_same(nodes, other.nodes[kind]) for kind, nodes in one.nodes.items())
        and all(_same(edges, other.edges[edge_type]) for edge_type, edges in one.edges.items())
    )


def _same_ratings(one: Dataset, other: Dataset) -> bool:
    def roles(dataset: Dataset) -> Mapping[str, dict[str, list[int]]]:
        return {name: {role: rows.tolist() for role, rows in of.roles.items()} for name, of in dataset.splits.items()}

    def shown(dataset: Dataset) -> Ratings:
        return dataset.ratings.select(np.zeros(0, dtype=np.int64)) if dataset.shown is None else dataset.shown

    ratings = ((one.ratings, other.ratings), (shown(one), shown(other)))
    return one.scale == other.scale and all(_same(*both) for both in ratings) and roles(one) == roles(other)


def _same(one: object, other: object) -> bool:
    """Compare two frozen values of the same class field by field."""
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))  # type: ignore[arg-type]
