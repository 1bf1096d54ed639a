"""Concepts that are part of wider ones: what belongs to a concept belongs to all above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.schema import EdgeType

__all__ = ["UPWARDS", "with_wider_concepts"]

UPWARDS = ("broader", "subClassOf")  # local names of the relations that lead to a wider concept


def with_wider_concepts(graph: KnowledgeGraph, edge_type: EdgeType) -> NDArray[np.int64]:
    """Return the edges of a type, and one to every concept above an edge's target.

    Follows `skos:broader` and `rdfs:subClassOf` among concepts of the target's kind to the top; a
    cycle ends where it began. Without such relations the edges come back as they are.

    Returns:
        int64 `[2, num_edges]`, each pair once, sorted by source and target where edges were added.
    """
    index = graph.edges[edge_type].index
    upwards = [
        edges.index
        for (source, relation, target), edges in graph.edges.items()
        if source == target == edge_type.target and relation.rpartition(":")[2] in UPWARDS
    ]
    if not upwards or edge_type.source == edge_type.target:
        return index
    import networkx as nx  # takes a quarter of a second, which only graphs with a hierarchy should wait for

    hierarchy = nx.DiGraph(np.concatenate(upwards, axis=1).T.tolist())
    above = {concept: sorted(nx.descendants(hierarchy, concept)) for concept in set(index[1].tolist()) & set(hierarchy)}
    added = [(source, wider) for source, target in index.T.tolist() for wider in above.get(target, ())]
    if not added:
        return index
    return np.unique(np.concatenate([index, np.array(added, dtype=np.int64).T], axis=1), axis=1)
