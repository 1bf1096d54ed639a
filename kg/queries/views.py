"""A graph as a NetworkX graph, for the analysis that people already know."""

from __future__ import annotations

import networkx as nx

from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import RATED

__all__ = ["to_networkx"]


def to_networkx(graph: KnowledgeGraph, ratings: Ratings | None = None) -> nx.MultiDiGraph:
    """Return the whole graph; `networkx.ego_graph(view, node, radius=2, undirected=True)` cuts out what is near a node.

    Args:
        graph: Any graph; meant for small ones, as each edge becomes several Python objects.
        ratings: If given, each becomes an edge `RATED` from user to item with its `value` in stars.

    Returns:
        Nodes `(kind, raw id)` with `kind`, `id`, `label`, `text`, `iri`; edges, keyed by relation, with `relation`,
        `source` (the file or endpoint that states them) and `line` in it (0 where unknown).
    """
    view = nx.MultiDiGraph(name=graph.name)
    names = {kind: [(kind, raw_id) for raw_id in nodes.vocabulary] for kind, nodes in graph.nodes.items()}
    for kind, nodes in graph.nodes.items():
        rows = zip(names[kind], nodes.labels, nodes.texts, nodes.iris, nodes.present, strict=True)
        for name, label, text, iri, present in rows:
            if present:
                view.add_node(name, kind=kind, id=name[1], label=label, text=text, iri=iri)
    for edge_type, edges in graph.edges.items():
        relation = edge_type.relation
        for start, end, source, line in zip(*edges.index, edges.provenance, edges.lines.tolist(), strict=True):
            ends = names[edge_type.source][start], names[edge_type.target][end]
            view.add_edge(*ends, key=relation, relation=relation, source=graph.sources[source], line=line)
    if ratings is not None:
        for user, item, value in zip(ratings.user, ratings.item, ratings.value.tolist(), strict=True):
            ends = names["user"][user], names["item"][item]
            view.add_edge(*ends, key=RATED, relation=RATED, source="ratings", value=value)
    return view
