"""Measures of nodes that only the whole graph can tell: counts, shares, partners that share a label, text or link."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from kg.dataset import Dataset
from kg.graph import KnowledgeGraph, Nodes
from kg.hierarchy import UPWARDS
from kg.schema import ITEM, USER

__all__ = ["Measure", "Neighbour", "Value", "measures"]

_FEWEST_HOLDERS = 20  # below, nine in ten is no news
_SHORTEST_TEXT = 3  # words; two items may well share less
_EARLY = 631_152_000  # 1990-01-01: nobody rated before there was a web
_MILLISECONDS = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973
_DAY = 86_400
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Neighbour:
    """A node of the same kind, as the value of a measure."""

    index: int


Value = str | int | float | bool | Neighbour


@dataclass(frozen=True)
class Measure:
    """One property of nodes of one kind.

    Attributes:
        kind: Node kind.
        name: Term of the vocabulary.
        values: Value by node index, only where there is something to state.
    """

    kind: str
    name: str
    values: dict[int, Value]


def measures(dataset: Dataset, *, now: float | None = None) -> list[Measure]:
    """Return what is stated of the nodes of a data set beside the graph itself.

    Args:
        dataset: Graph and ratings.
        now: Unix time in seconds after which a rating lies in the future; by default the clock's, and a day of grace.
    """
    graph = dataset.graph
    return [
        *_edge_counts(graph),
        *(measure for kind, nodes in graph.nodes.items() for measure in _shared(kind, nodes)),
        Measure(ITEM, "numOwnWords", _own_words(graph)),
        *_hubs(graph),
        *_circles(graph),
        *_loops(graph),
        *_rating_counts(dataset, time.time() + _DAY if now is None else now),
    ]


def _edge_counts(graph: KnowledgeGraph) -> Iterator[Measure]:
    counts = graph.degrees()
    for kind, count in counts.items():
        yield Measure(kind, "numEdges", dict(enumerate(count.tolist())))
    if counts[USER].any():
        yield Measure(USER, "othersHaveEdges", dict.fromkeys(range(len(graph.users)), True))
    if any(iri is not None for iri in graph.items.iris):
        yield Measure(ITEM, "othersHaveLinks", dict.fromkeys(range(len(graph.items)), True))


def _shared(kind: str, nodes: Nodes) -> Iterator[Measure]:
    if kind == USER:
        return  # many users are alike, and their labels are ids
    labels = (" ".join(str(label).casefold().split()) for label in nodes.labels)
    texts = (text if text and len(text.split()) >= _SHORTEST_TEXT else None for text in nodes.texts)
    yield Measure(kind, "sharesLabelWith", _partners(labels))
    if kind == ITEM:
        yield Measure(kind, "sharesTextWith", _partners(texts))
        yield Measure(kind, "sharesLinkWith", _partners(nodes.iris))


def _partners(keys: Iterable[str | None]) -> dict[int, Value]:
    """Return for each node that shares its key the first other one that has it."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if key is not None:
            groups[key].append(index)
    return {
        index: Neighbour(members[0] if index != members[0] else members[1])
        for members in groups.values()
        if len(members) > 1
        for index in members
    }


def _own_words(graph: KnowledgeGraph) -> dict[int, Value]:
    """Count the words of each text that are in no label: neither the item's own nor one of a concept of a table."""
    known: dict[int, set[str]] = {
        index: set(_words(str(graph.items.labels[index])))
        for index, text in enumerate(graph.items.texts)
        if text is not None
    }
    for edge_type, edges in graph.edges.items():
        # What RDF adds cannot have come into the text by a template.
        if edge_type.source != ITEM or edge_type.target in (USER, ITEM) or ":" in edge_type.relation:
            continue
        labels = [_words(str(label)) for label in graph.nodes[edge_type.target].labels]
        for item, concept in edges.index.T.tolist():
            if item in known:
                known[item].update(labels[concept])
    return {index: len(set(_words(graph.items.texts[index])) - words) for index, words in known.items()}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _hubs(graph: KnowledgeGraph) -> Iterator[Measure]:
    shares: dict[str, dict[int, Value]] = defaultdict(dict)
    for edge_type, edges in graph.edges.items():
        holders = len(graph.nodes[edge_type.source])
        if edge_type.source in (USER, ITEM) and edge_type.target not in (USER, ITEM) and holders >= _FEWEST_HOLDERS:
            pairs = np.unique(edges.index, axis=1)
            share = np.bincount(pairs[1], minlength=len(graph.nodes[edge_type.target])) / holders
            for concept in np.flatnonzero(share > 0.5).tolist():
                before = shares[edge_type.target].get(concept, 0.0)
                shares[edge_type.target][concept] = max(float(share[concept]), float(before))  # type: ignore[arg-type]
    for kind, values in shares.items():
        yield Measure(kind, "shareOfHolders", values)


def _is_upwards(relation: str) -> bool:
    return relation.rpartition(":")[2] in UPWARDS


def _circles(graph: KnowledgeGraph) -> Iterator[Measure]:
    """Find concepts of which each is wider than the other: strong components of the hierarchy with several members."""
    upwards: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
    for edge_type, edges in graph.edges.items():
        if edge_type.source == edge_type.target and _is_upwards(edge_type.relation):
            upwards[edge_type.source].append(edges.index)
    for kind, parts in upwards.items():
        index, size = np.concatenate(parts, axis=1), len(graph.nodes[kind])
        matrix = sparse.coo_matrix((np.ones(index.shape[1]), tuple(index)), shape=(size, size))
        _, component = connected_components(matrix, directed=True, connection="strong")
        yield Measure(kind, "isWiderThan", _partners(str(number) for number in component))


def _loops(graph: KnowledgeGraph) -> Iterator[Measure]:
    loops: dict[str, dict[int, Value]] = defaultdict(dict)
    for edge_type, edges in graph.edges.items():
        if edge_type.source == edge_type.target:
            for node in edges.index[0][edges.index[0] == edges.index[1]].tolist():
                loops[edge_type.source].setdefault(node, edge_type.relation)
    for kind, values in loops.items():
        yield Measure(kind, "hasEdgeToItself", values)


def _rating_counts(dataset: Dataset, now: float) -> Iterator[Measure]:
    ratings = dataset.ratings
    yield Measure(ITEM, "numRatings", dict(enumerate(ratings.item_counts.tolist())))
    yield Measure(USER, "numRatings", dict(enumerate(ratings.user_counts.tolist())))
    if ratings.time is None:
        return
    time_of = ratings.time
    when = {
        "numRatingsInMilliseconds": np.abs(time_of) >= _MILLISECONDS,
        "numRatingsInFuture": (time_of > now) & (time_of < _MILLISECONDS),
        "numRatingsBefore1990": (time_of < _EARLY) & (time_of > -_MILLISECONDS),
    }
    for name, wrong in when.items():
        count = np.bincount(ratings.user[wrong], minlength=ratings.num_users)
        yield Measure(USER, name, {user: int(count[user]) for user in np.flatnonzero(count).tolist()})
