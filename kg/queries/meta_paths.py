"""What connects the items someone rated with another item: one edge, or two edges over a shared node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.queries.provenance import Origin
from kg.schema import ITEM, USER, EdgeType

__all__ = ["Link", "MetaPath", "meta_paths"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """One edge of the graph, seen from an item.

    Attributes:
        edge_type: Type of the edge.
        forward: Whether the edge starts from the item.
        kind: Kind of the node at the other end.
        node: Its index.
        origin: What states the edge.
    """

    edge_type: EdgeType
    forward: bool
    kind: str
    node: int
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class MetaPath:
    """A way from a rated item to another item.

    Attributes:
        rated: Index of the rated item.
        near: Its edge to the shared node; None where one edge joins both items.
        far: The other item's edge to the shared node, or to the rated item.
    """

    rated: int
    near: Link | None
    far: Link


def meta_paths(graph: KnowledgeGraph, rated: NDArray[np.int64], item: int) -> list[MetaPath]:
    """Return every way of at most two edges, in either direction, from rated items to an item.

    Args:
        graph: Any graph.
        rated: Item indices.
        item: The item that is led to; a way from itself is none.
    """
    rated = np.unique(rated[rated != item])
    ends = list(_links(graph, np.array([item])))
    shared: dict[tuple[str, int], list[Link]] = {}
    for _, link in ends:
        shared.setdefault((link.kind, link.node), []).append(link)
    straight = set(rated.tolist())
    found = [
        MetaPath(rated=link.node, near=None, far=link)
        for _, link in ends
        if link.kind == ITEM and link.node in straight
    ]
    wanted: dict[str, NDArray[np.int64]] = {}
    for kind, node in shared:
        # Neither end lies inside its own path, and a user is not pointed out to others.
        if kind != USER and (kind, node) != (ITEM, item):
            wanted[kind] = np.append(wanted.get(kind, np.zeros(0, dtype=np.int64)), node)
    for start, near in _links(graph, rated, wanted):
        if (near.kind, near.node) != (ITEM, start):
            found += [MetaPath(rated=start, near=near, far=far) for far in shared[near.kind, near.node]]
    return found


def _links(
    graph: KnowledgeGraph, items: NDArray[np.int64], wanted: dict[str, NDArray[np.int64]] | None = None
) -> Iterator[tuple[int, Link]]:
    """Yield each edge of some items, to wanted nodes only if these are given."""
    for edge_type, edges in graph.edges.items():
        for row, here, there in ((0, edge_type.source, edge_type.target), (1, edge_type.target, edge_type.source)):
            if here != ITEM or (wanted is not None and there not in wanted):
                continue
            mine = np.isin(edges.index[row], items)
            if wanted is not None:
                mine &= np.isin(edges.index[1 - row], wanted[there])
            for place in np.flatnonzero(mine).tolist():
                yield (
                    int(edges.index[row, place]),
                    Link(
                        edge_type=edge_type,
                        forward=row == 0,
                        kind=there,
                        node=int(edges.index[1 - row, place]),
                        origin=Origin(graph.sources[int(edges.provenance[place])], int(edges.lines[place])),
                    ),
                )
