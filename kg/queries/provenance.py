"""Where an edge comes from, for those who ask why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.graph import KnowledgeGraph
from kg.schema import EdgeType

__all__ = ["Origin", "origin_of"]


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


def origin_of(graph: KnowledgeGraph, edge_type: EdgeType, start: int, end: int) -> Origin | None:
    """Return where an edge is stated, the first place if there are several; None if the graph has no such edge.

    Args:
        graph: Any graph.
        edge_type: Type of the edge.
        start: Index of the node it starts from.
        end: Index of the node it ends at.
    """
    if edge_type not in graph.edges:
        return None
    edges = graph.edges[edge_type]
    found = np.flatnonzero((edges.index[0] == start) & (edges.index[1] == end))
    if not len(found):
        return None
    return Origin(graph.sources[int(edges.provenance[found[0]])], int(edges.lines[found[0]]))
