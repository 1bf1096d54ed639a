"""Ways from the items that someone rated to another item: one edge, or two edges over a shared node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.queries.provenance import Link, links_of
from kg.schema import ITEM, USER

__all__ = ["Link", "MetaPath", "meta_paths"]


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
    shared: dict[tuple[str, int], list[Link]] = {}
    for _, link in links_of(graph, ITEM, np.array([item])):
        shared.setdefault((link.kind, link.node), []).append(link)
    straight = [link for number in rated.tolist() for link in shared.get((ITEM, number), ())]
    ways = [MetaPath(rated=link.node, near=None, far=link) for link in straight]
    # Neither end lies inside its own path, and a user is not pointed out to others.
    inner = [(kind, node) for kind, node in shared if kind != USER and (kind, node) != (ITEM, item)]
    wanted = {kind: np.array([node for name, node in inner if name == kind]) for kind, _ in inner}
    for start, near in links_of(graph, ITEM, rated, wanted):
        if (near.kind, near.node) != (ITEM, start):
            ways += [MetaPath(rated=start, near=near, far=far) for far in shared[near.kind, near.node]]
    return ways
