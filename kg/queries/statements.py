"""Statements about single nodes: their edges, each with the file and the line it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.queries.adjacency import Adjacency, Node
from kg.queries.provenance import links_of
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
        values = {**asdict(self), "other": ":".join(self.other), "line": self.line or None}
        return {name: value for name, value in values.items() if value is not None}


def statements(graph: KnowledgeGraph, node: Node, ratings: Ratings | None = None) -> list[Statement]:
    """Return every edge of a node, relation by relation, neighbours by label.

    Raises:
        UnknownNameError: If there is no such kind or node.
    """
    return _stated(graph, node, ratings)


def between(graph: KnowledgeGraph, one: Node, other: Node, ratings: Ratings | None = None) -> list[Statement]:
    """Return every edge between two nodes, seen from the first."""
    return _stated(graph, one, ratings, {other[0]: graph.nodes[other[0]].vocabulary.indices([other[1]])})


def _stated(
    graph: KnowledgeGraph, node: Node, ratings: Ratings | None, wanted: dict[str, NDArray[np.int64]] | None = None
) -> list[Statement]:
    kind, raw_id = node
    index = graph.nodes[graph.schema.kind(kind)].vocabulary.indices([raw_id])
    stated = [
        Statement(
            relation=link.edge_type.relation,
            forward=link.forward,
            other=(link.kind, graph.nodes[link.kind].vocabulary.id_of(link.node)),
            label=str(graph.nodes[link.kind].labels[link.node]),
            source=link.origin.source,
            line=link.origin.line,
        )
        for _, link in links_of(graph, kind, index, wanted)
    ]
    there = {USER: ITEM, ITEM: USER}.get(kind)
    if ratings is not None and there is not None and (wanted is None or there in wanted):
        own, others = (ratings.user, ratings.item) if kind == USER else (ratings.item, ratings.user)
        chosen = own == index[0] if wanted is None else (own == index[0]) & (others == wanted[there][0])
        nodes, starred = graph.nodes[there], bool((ratings.value != 1).any())
        stated += [
            Statement(
                relation=RATED,
                forward=kind == USER,
                other=(there, nodes.vocabulary.id_of(int(others[place]))),
                label=str(nodes.labels[others[place]]),
                source="ratings",
                value=float(ratings.value[place]) if starred else None,
            )
            for place in np.flatnonzero(chosen).tolist()
        ]
    return sorted(stated, key=lambda edge: (edge.relation, not edge.forward, edge.label, edge.other))


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
        other_kind, other_id = adjacency.node(number)
        label = graph.nodes[other_kind].labels[number - adjacency.offsets[other_kind]]
        near.append({"hops": int(distance[number]), "kind": other_kind, "id": other_id, "label": str(label)})
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
