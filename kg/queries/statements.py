"""What a graph states about single nodes: their edges, each with the file and the line it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kg.graph import KnowledgeGraph
from kg.queries.adjacency import Adjacency, Node
from kg.ratings import Ratings
from kg.schema import ITEM, RATED, USER

__all__ = ["Statement", "between", "node_page", "statements"]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One edge, seen from one of its ends.

    Attributes:
        relation: Name of the relation, or `RATED`.
        forward: Whether the edge leads away from the node it is seen from.
        other: The node at the other end.
        label: Its label.
        source: The file or endpoint that states the edge, or `ratings`.
        line: Line or record in it, counted from 1; 0 where unknown.
        value: Stars of a rating; None for other edges and where all ratings are 1, as implicit feedback is.
    """

    relation: str
    forward: bool
    other: Node
    label: str
    source: str
    line: int = 0
    value: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is not known is left out."""
        found = {**asdict(self), "other": ":".join(self.other)}
        return {name: value for name, value in found.items() if value is not None and (name != "line" or value)}

    @property
    def place(self) -> str:
        """The source with its line, `u.item, line 50`."""
        return f"{self.source}, line {self.line}" if self.line else self.source


def statements(graph: KnowledgeGraph, node: Node, ratings: Ratings | None = None) -> list[Statement]:
    """Return every edge of a node, relation by relation, neighbours by label.

    Raises:
        UnknownNameError: If there is no such kind or node.
    """
    kind, raw_id = node
    index = graph.nodes[graph.schema.kind(kind)].vocabulary.index_of(raw_id)
    found = list(_stated(graph, kind, index))
    if ratings is not None:
        found += _rated(graph, ratings, kind, index)
    return sorted(found, key=lambda one: (one.relation, not one.forward, one.label, one.other))


def between(graph: KnowledgeGraph, one: Node, other: Node, ratings: Ratings | None = None) -> list[Statement]:
    """Return every edge between two nodes, seen from the first."""
    kind, raw_id = one
    index = graph.nodes[kind].vocabulary.index_of(raw_id)
    target = graph.nodes[other[0]].vocabulary.index_of(other[1])
    found = list(_stated(graph, kind, index, to=(other[0], target)))
    if ratings is not None:
        found += _rated(graph, ratings, kind, index, to=(other[0], target))
    return sorted(found, key=lambda edge: (edge.relation, not edge.forward))


def _stated(graph: KnowledgeGraph, kind: str, index: int, to: tuple[str, int] | None = None) -> Iterator[Statement]:
    for edge_type, edges in graph.edges.items():
        for row, here, there in ((0, edge_type.source, edge_type.target), (1, edge_type.target, edge_type.source)):
            if here != kind or (to is not None and there != to[0]):
                continue
            mine = edges.index[row] == index
            if to is not None:
                mine &= edges.index[1 - row] == to[1]
            if row == 1 and edge_type.source == edge_type.target:
                mine &= edges.index[0] != edges.index[1]  # an edge to itself is one edge
            others = graph.nodes[there]
            for place in np.flatnonzero(mine).tolist():
                position = int(edges.index[1 - row, place])
                yield Statement(
                    relation=edge_type.relation,
                    forward=row == 0,
                    other=(there, others.vocabulary.id_of(position)),
                    label=str(others.labels[position]),
                    source=graph.sources[edges.provenance[place]],
                    line=int(edges.lines[place]),
                )


def _rated(
    graph: KnowledgeGraph, ratings: Ratings, kind: str, index: int, to: tuple[str, int] | None = None
) -> Iterator[Statement]:
    if kind not in (USER, ITEM):
        return
    there = ITEM if kind == USER else USER
    mine, others = (ratings.user, ratings.item) if kind == USER else (ratings.item, ratings.user)
    chosen = mine == index
    if to is not None:
        chosen &= (others == to[1]) if to[0] == there else False
    nodes, starred = graph.nodes[there], bool((ratings.value != 1).any())
    for place in np.flatnonzero(chosen).tolist():
        position = int(others[place])
        yield Statement(
            relation=RATED,
            forward=kind == USER,
            other=(there, nodes.vocabulary.id_of(position)),
            label=str(nodes.labels[position]),
            source="ratings",
            value=float(ratings.value[place]) if starred else None,
        )


def node_page(graph: KnowledgeGraph, node: Node, hops: int = 1, ratings: Ratings | None = None) -> dict[str, Any]:
    """Return all that is known of one node, as JSON values.

    Args:
        graph: Any graph.
        node: The node.
        hops: How far to look: 0 gives the node alone, 1 its edges, more also the nodes up to that many edges away.
        ratings: If given, ratings are edges too.

    Returns:
        `node`, `edges` (see `Statement`) and `near`: nodes 2 to `hops` edges away, nearest first, of each distance
        those with the fewest neighbours first.

    Raises:
        UnknownNameError: If there is no such kind or node.
        ValueError: If `hops` is negative.
    """
    kind, raw_id = node
    nodes = graph.nodes[graph.schema.kind(kind)]
    index = nodes.vocabulary.index_of(raw_id)
    adjacency = Adjacency.of(graph, ratings)
    distance, degree = adjacency.within(node, hops), adjacency.degree
    far = np.flatnonzero(distance >= 2)
    near = []
    for number in far[np.lexsort((far, degree[far], distance[far]))].tolist():
        name, found = adjacency.node(number)
        label = graph.nodes[name].labels[number - adjacency.offsets[name]]
        near.append({"hops": int(distance[number]), "kind": name, "id": found, "label": str(label)})
    edges = statements(graph, node, ratings) if hops else []
    return {
        "node": {
            "kind": kind,
            "id": raw_id,
            "label": str(nodes.labels[index]),
            "text": nodes.texts[index],
            "iri": nodes.iris[index],
            "neighbours": int(degree[adjacency.number(node)]),
        },
        "edges": [edge.as_json() for edge in edges],
        "near": near,
    }
