"""The edges of a node, each with the place that states it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.schema import EdgeType

__all__ = ["Link", "Origin", "links_of", "origin_of"]


@dataclass(frozen=True)
class Origin:
    """The place that states an edge.

    Attributes:
        source: File as the description names it, or address of an endpoint.
        line: Its line, or the number of the record; 0 where unknown.
    """

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}" if self.line else self.source


@dataclass(frozen=True, kw_only=True)
class Link:
    """One edge of the graph, seen from one of its ends.

    Attributes:
        edge_type: Type of the edge.
        forward: Whether the edge starts from the node it is seen from.
        kind: Kind of the node at the other end.
        node: Its index.
        origin: What states the edge.
    """

    edge_type: EdgeType
    forward: bool
    kind: str
    node: int
    origin: Origin


def links_of(
    graph: KnowledgeGraph, kind: str, nodes: NDArray[np.int64], wanted: Mapping[str, NDArray[np.int64]] | None = None
) -> Iterator[tuple[int, Link]]:
    """Yield each edge of some nodes with the node that it is seen from; an edge to itself once.

    Args:
        graph: Any graph.
        kind: Kind of the nodes.
        nodes: Their indices.
        wanted: Nodes by kind that the other end must be among; None for all.
    """
    for edge_type, edges in graph.edges.items():
        for row, here, there in ((0, edge_type.source, edge_type.target), (1, edge_type.target, edge_type.source)):
            if here != kind or (wanted is not None and there not in wanted):
                continue
            chosen = np.isin(edges.index[row], nodes)
            if wanted is not None:
                chosen &= np.isin(edges.index[1 - row], wanted[there])
            if row == 1 and here == there:
                chosen &= edges.index[0] != edges.index[1]
            for place in np.flatnonzero(chosen).tolist():
                origin = Origin(graph.sources[int(edges.provenance[place])], int(edges.lines[place]))
                other = int(edges.index[1 - row, place])
                link = Link(edge_type=edge_type, forward=row == 0, kind=there, node=other, origin=origin)
                yield int(edges.index[row, place]), link


def origin_of(graph: KnowledgeGraph, edge_type: EdgeType, start: int, end: int) -> Origin | None:
    """Return where an edge is stated, the first place if there are several; None if the graph has no such edge."""
    if edge_type not in graph.edges:
        return None
    edges = graph.edges[edge_type]
    places = np.flatnonzero((edges.index[0] == start) & (edges.index[1] == end))
    if not len(places):
        return None
    return Origin(graph.sources[int(edges.provenance[places[0]])], int(edges.lines[places[0]]))
