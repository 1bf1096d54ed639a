"""The shape of a graph: components, degrees, hubs, nodes that hang on nothing, density."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from kg.graph import Edges, KnowledgeGraph
from kg.queries.adjacency import Adjacency
from kg.ratings import Ratings
from kg.schema import ITEM, RATED, USER, EdgeType

__all__ = ["structure"]

_LARGEST = 5


def structure(graph: KnowledgeGraph, ratings: Ratings | None = None, *, hubs: int = 10) -> dict[str, Any]:
    """Return the shape of a graph in numbers, as JSON values.

    Args:
        graph: Any graph.
        ratings: If given, ratings are edges too.
        hubs: How many hubs to name.

    Returns:
        `nodes`, `edges`, `density` (share of the possible pairs of nodes that are connected),
        `components` (how many, how many of a single node, the largest with its kinds),
        `kinds` (for each: nodes, isolated, and the degrees, the number of different neighbours),
        `relations` (for each: edges, density between its two kinds, mean and largest number of edges at either end),
        `hubs` (nodes other than items that most items are connected with, and what share of all items that is).
    """
    adjacency = Adjacency.of(graph, ratings)
    degree, size = adjacency.degree, len(adjacency)
    by_type = dict(graph.edges)
    if ratings is not None:
        index = np.stack([ratings.user, ratings.item])
        by_type[EdgeType(USER, RATED, ITEM)] = Edges(index=index, provenance=np.zeros(len(ratings), dtype=np.int16))
    return {
        "name": graph.name,
        "nodes": size,
        "edges": sum(len(edges) for edges in by_type.values()),
        "density": float(adjacency.matrix.nnz / max(size * (size - 1), 1)),
        "components": _components(adjacency),
        "kinds": {
            kind: _degrees(degree[adjacency.offsets[kind] : adjacency.offsets[kind] + len(nodes)])
            for kind, nodes in graph.nodes.items()
        },
        "relations": [_relation(graph, edge_type, edges) for edge_type, edges in by_type.items()],
        "hubs": _hubs(adjacency, hubs),
    }


def _components(adjacency: Adjacency) -> dict[str, Any]:
    number, member = connected_components(adjacency.matrix, directed=False)
    sizes = np.bincount(member, minlength=number)
    largest = np.lexsort((np.arange(number), -sizes))[:_LARGEST]
    kinds = []
    for component in largest.tolist():
        inside = {
            kind: int((member[offset : offset + len(adjacency.graph.nodes[kind])] == component).sum())
            for kind, offset in adjacency.offsets.items()
        }
        kinds.append(
            {"nodes": int(sizes[component]), "kinds": {kind: count for kind, count in inside.items() if count}}
        )
    return {"count": int(number), "single_nodes": int((sizes == 1).sum()), "largest": kinds}


def _degrees(degree: NDArray[np.int64]) -> dict[str, Any]:
    if not len(degree):
        return {"nodes": 0, "isolated": 0}
    low, median, high, top = np.percentile(degree, [0, 50, 90, 100])
    return {
        "nodes": len(degree),
        "isolated": int((degree == 0).sum()),
        "lowest": int(low),
        "median": float(median),
        "mean": float(degree.mean()),
        "percentile_90": float(high),
        "highest": int(top),
    }


def _relation(graph: KnowledgeGraph, edge_type: EdgeType, edges: Edges) -> dict[str, Any]:
    sizes = len(graph.nodes[edge_type.source]), len(graph.nodes[edge_type.target])
    density = float(len(edges) / max(sizes[0] * sizes[1], 1))
    facts: dict[str, Any] = {**edge_type._asdict(), "edges": len(edges), "density": density}
    for row, end in enumerate(("source", "target")):
        counts = np.bincount(edges.index[row], minlength=sizes[row])
        facts[f"per_{end}"] = {"mean": float(counts.mean()), "highest": int(counts.max())} if len(counts) else {}
    return facts


def _hubs(adjacency: Adjacency, number: int) -> list[dict[str, Any]]:
    graph, first = adjacency.graph, adjacency.offsets[ITEM]
    of_items = slice(first, first + len(graph.items))
    num_items = np.asarray(adjacency.matrix[:, of_items].sum(axis=1)).ravel()
    num_items[of_items] = 0
    order = np.lexsort((np.arange(len(num_items)), -num_items))[:number]
    hubs = []
    for place in order[num_items[order] > 0].tolist():
        kind, raw_id = adjacency.node(place)
        label = str(graph.nodes[kind].labels[place - adjacency.offsets[kind]])
        share = float(num_items[place] / len(graph.items))
        hubs.append(
            {"kind": kind, "id": raw_id, "label": label, "items": int(num_items[place]), "share_of_items": share}
        )
    return hubs
