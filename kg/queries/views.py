"""NetworkX views of a graph: around a node, or all of it."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.queries.adjacency import Node
from kg.ratings import Ratings
from kg.schema import ITEM, RATED, USER, EdgeType

__all__ = ["neighbourhood", "to_networkx"]


def to_networkx(graph: KnowledgeGraph, ratings: Ratings | None = None) -> nx.MultiDiGraph:
    """Return the whole graph.

    Args:
        graph: Any graph; meant for small ones, as each edge becomes several Python objects.
        ratings: If given, each becomes an edge `RATED` from user to item with its `value` in stars.

    Returns:
        Nodes `(kind, raw id)` with `kind`, `id`, `label`, `text`, `iri`; edges, keyed by relation, with `relation`,
        `source` (the file or endpoint that states them) and `line` in it (0 where unknown).
    """
    return _view(graph, {kind: nodes.present for kind, nodes in graph.nodes.items()}, ratings)


def neighbourhood(
    graph: KnowledgeGraph, kind: str, raw_id: str, hops: int = 1, ratings: Ratings | None = None
) -> nx.MultiDiGraph:
    """Return the nodes at most `hops` edges away from a node, in either direction, with all edges among them.

    Args:
        graph: Any graph.
        kind: Kind of the node in the middle.
        raw_id: Its raw id.
        hops: How far to go; 0 gives the node alone.
        ratings: If given, ratings are edges too.

    Raises:
        UnknownNameError: If there is no such kind or node.
        ValueError: If `hops` is negative.
    """
    if hops < 0:
        raise ValueError(f"hops must be 0 or more, got {hops}")
    inside = {name: np.zeros(len(nodes), dtype=bool) for name, nodes in graph.nodes.items()}
    inside[graph.schema.kind(kind)][graph.nodes[kind].vocabulary.index_of(raw_id)] = True
    for _ in range(hops):
        before = {name: mask.copy() for name, mask in inside.items()}
        for edge_type, index in _links(graph, ratings):
            inside[edge_type.target][index[1][before[edge_type.source][index[0]]]] = True
            inside[edge_type.source][index[0][before[edge_type.target][index[1]]]] = True
    return _view(graph, inside, ratings)


def _links(graph: KnowledgeGraph, ratings: Ratings | None) -> Iterator[tuple[EdgeType, NDArray[np.int64]]]:
    for edge_type, edges in graph.edges.items():
        yield edge_type, edges.index
    if ratings is not None:
        yield EdgeType(USER, RATED, ITEM), np.stack([ratings.user, ratings.item])


def _view(graph: KnowledgeGraph, inside: dict[str, NDArray[np.bool_]], ratings: Ratings | None) -> nx.MultiDiGraph:
    """Return the part of the graph whose nodes are `inside`, with every edge between two of them."""
    view = nx.MultiDiGraph(name=graph.name)
    names: dict[str, dict[int, Node]] = {}
    for kind, nodes in graph.nodes.items():
        names[kind] = {int(index): (kind, nodes.vocabulary.id_of(int(index))) for index in np.flatnonzero(inside[kind])}
        for index, node in names[kind].items():
            view.add_node(
                node, kind=kind, id=node[1], label=nodes.labels[index], text=nodes.texts[index], iri=nodes.iris[index]
            )
    for edge_type, edges in graph.edges.items():
        kept = np.flatnonzero(inside[edge_type.source][edges.index[0]] & inside[edge_type.target][edges.index[1]])
        starts, ends = edges.index[:, kept].tolist()
        origins = edges.provenance[kept].tolist(), edges.lines[kept].tolist()
        for start, end, source, line in zip(starts, ends, *origins, strict=True):
            view.add_edge(
                names[edge_type.source][start],
                names[edge_type.target][end],
                key=edge_type.relation,
                relation=edge_type.relation,
                source=graph.sources[source],
                line=line,
            )
    if ratings is not None:
        for place in np.flatnonzero(inside[USER][ratings.user] & inside[ITEM][ratings.item]):
            user, item = names[USER][int(ratings.user[place])], names[ITEM][int(ratings.item[place])]
            view.add_edge(user, item, key=RATED, relation=RATED, source="ratings", value=float(ratings.value[place]))
    return view
