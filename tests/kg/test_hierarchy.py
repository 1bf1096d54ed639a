"""Wider concepts: by hand, to the top, around a cycle, and only where there is a hierarchy."""

from __future__ import annotations

from typing import Any

import numpy as np

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.hierarchy import with_wider_concepts
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary

ABOUT = EdgeType("item", "about", "theme")


def nodes(kind: str, number: int) -> Nodes:
    ids = [f"{kind}{position}" for position in range(number)]
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, ids), labels=np.array(ids, dtype=object), texts=nothing, iris=nothing)


def graph(about: list[tuple[int, int]], **relations: list[tuple[int, int]]) -> KnowledgeGraph:
    def edges(pairs: list[tuple[int, int]]) -> Edges:
        index = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return Edges(index=index, provenance=np.zeros(index.shape[1], dtype=np.int16))

    found: dict[Any, Edges] = {ABOUT: edges(about)}
    found |= {EdgeType("theme", f"world:{name}", "theme"): edges(pairs) for name, pairs in relations.items()}
    kinds = {"user": nodes("user", 1), "item": nodes("item", 3), "theme": nodes("theme", 5)}
    return KnowledgeGraph(name="small", nodes=kinds, edges=found, sources=("here",))


def pairs(of: KnowledgeGraph) -> list[tuple[int, int]]:
    return [(source, target) for source, target in with_wider_concepts(of, ABOUT).T.tolist()]


def test_every_concept_above_is_reached_once() -> None:
    # 0 -> 1 -> 3 and 0 -> 2 -> 3: two ways to the top
    found = pairs(graph([(0, 0), (1, 2), (2, 4)], broader=[(0, 1), (0, 2), (1, 3), (2, 3)]))
    assert found == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 4)]


def test_classes_count_as_well_and_a_cycle_ends() -> None:
    assert pairs(graph([(0, 0)], subClassOf=[(0, 1), (1, 2), (2, 0)])) == [(0, 0), (0, 1), (0, 2)]


def test_other_relations_among_concepts_lead_nowhere() -> None:
    given = [(2, 1), (0, 0)]
    assert pairs(graph(given, related=[(0, 1), (1, 2)])) == given
    assert pairs(graph(given)) == given
    assert pairs(graph(given, broader=[(3, 4)])) == given
