"""Paths between two nodes, best first, by number of edges or by how rare the nodes are that they pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.queries.adjacency import Adjacency, Node
from kg.queries.statements import between
from kg.ratings import Ratings

__all__ = ["Path", "path_page", "paths"]


@dataclass(frozen=True, kw_only=True)
class Path:
    """One way from a node to another.

    Attributes:
        nodes: The nodes on it, `(kind, raw id)`, with both ends.
        length: Its length in the measure that was asked for.
    """

    nodes: tuple[Node, ...]
    length: float


def paths(
    graph: KnowledgeGraph,
    start: Node,
    end: Node,
    *,
    cutoff: int = 3,
    rare: bool = True,
    ratings: Ratings | None = None,
) -> Iterator[Path]:
    """Yield the simple paths between two nodes along edges in either direction, the shortest first.

    A path is as long as the hubs it passes are large:

        length = sum of log degree(v) over its inner nodes v

    where the degree is the number of different neighbours. This is minus the logarithm of the chance that a walker
    who has left for the first of these nodes, and then goes on to any neighbour at random, walks just this way: a
    path through a director of three films is likely and short, one through a genre of seven hundred is not. With
    `rare=False` the length is the number of edges. Of equally long paths the one with fewer edges comes first, then
    the one whose nodes were numbered first.

    The least length that remains from each node within each number of edges is found first, backwards from the end,
    with array operations. With it as the bound of a best-first search (A*), nothing is expanded that is not on a walk
    as short as a path that is asked for; the graph is never made into objects.

    Args:
        graph: Any graph.
        start: Where paths start, `(kind, raw id)`.
        end: Where they end.
        cutoff: Most edges of a path.
        rare: Whether nodes with few neighbours are worth more.
        ratings: Ratings as edges; without them users hang together with items only through shared concepts.

    Raises:
        UnknownNameError: If there is no such kind or node.
        ValueError: If `cutoff` is negative.
    """
    if cutoff < 0:
        raise ValueError(f"cutoff must be 0 or more edges, got {cutoff}")
    adjacency = Adjacency.of(graph, ratings)
    here, there = adjacency.number(start), adjacency.number(end)
    # What leaving a node costs when it lies inside a path; the first edge of all paths is free or 1 alike.
    cost = np.log(np.maximum(adjacency.degree, 1)) if rare else np.ones(len(adjacency))
    first = 0.0 if rare else 1.0
    remaining = _remaining(adjacency, there, cost, cutoff)
    waiting: list[tuple[float, int, tuple[int, ...], float]] = []

    def push(nodes: tuple[int, ...], spent: float) -> None:
        left = remaining[cutoff + 1 - len(nodes), nodes[-1]]
        if np.isfinite(left):
            # The rounding makes paths that differ by the order of the same sums equally long.
            heappush(waiting, (round(float(spent + left), 9), len(nodes), nodes, spent))

    if here == there:
        yield Path(nodes=(start,), length=0.0)
        return
    push((here,), first - float(cost[here]))
    while waiting:
        length, _, nodes, spent = heappop(waiting)
        last = nodes[-1]
        if last == there:
            yield Path(nodes=tuple(adjacency.node(number) for number in nodes), length=max(length, 0.0))
            continue
        if len(nodes) > cutoff:
            continue
        beyond = adjacency.beside(last)
        for number in beyond[np.isfinite(remaining[cutoff - len(nodes), beyond])].tolist():
            if number not in nodes:
                push((*nodes, number), spent + float(cost[last]))


def _remaining(adjacency: Adjacency, end: int, cost: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """Return the least cost to `end` from each node by at most 0, 1, ... edges, `[cutoff + 1, num_nodes]`.

    Leaving a node costs its cost; to have arrived costs nothing. Where there is no way, it is infinite.
    """
    least = np.full((cutoff + 1, len(adjacency)), np.inf)
    least[:, end] = 0.0
    matrix, connected = adjacency.matrix, np.flatnonzero(adjacency.degree)
    for edges in range(1, cutoff + 1):
        if len(connected):
            best = np.minimum.reduceat(least[edges - 1][matrix.indices], matrix.indptr[connected])
            least[edges, connected] = best + cost[connected]
        least[edges, end] = 0.0
    return least


def path_page(graph: KnowledgeGraph, path: Path, ratings: Ratings | None = None) -> dict[str, Any]:
    """Return a path as JSON values: its length, its nodes, and for each step all edges that state it."""
    labels = [
        str(graph.nodes[kind].labels[graph.nodes[kind].vocabulary.index_of(raw_id)]) for kind, raw_id in path.nodes
    ]
    return {
        "length": path.length,
        "nodes": [
            {"kind": kind, "id": raw_id, "label": label}
            for (kind, raw_id), label in zip(path.nodes, labels, strict=True)
        ],
        "steps": [
            [edge.as_json() for edge in between(graph, one, other, ratings)]
            for one, other in zip(path.nodes, path.nodes[1:], strict=False)
        ],
    }
