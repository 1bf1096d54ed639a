from __future__ import annotations

import numpy as np
import pytest

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary


def nodes(kind: str, size: int) -> Nodes:
    nothing = np.full(size, None, dtype=object)
    return Nodes(
        vocabulary=Vocabulary(kind, [str(index) for index in range(size)]),
        labels=np.array(["x"] * size, dtype=object),
        texts=nothing,
        iris=nothing,
    )


def edges(*pairs: tuple[int, int], source: int = 0) -> Edges:
    return Edges(
        index=np.array(pairs, dtype=np.int64).reshape(-1, 2).T, provenance=np.full(len(pairs), source, dtype=np.int16)
    )


def graph(found: dict[tuple[str, str, str], Edges]) -> KnowledgeGraph:
    kinds = {"user": nodes("user", 2), "item": nodes("item", 3), "genre": nodes("genre", 1)}
    return KnowledgeGraph(
        name="g",
        nodes=kinds,
        edges={EdgeType(*edge_type): part for edge_type, part in found.items()},
        sources=("here",),
    )


def test_counts_and_schema() -> None:
    made = graph({("item", "genre", "genre"): edges((0, 0), (2, 0)), ("user", "likes", "genre"): edges()})
    assert (made.num_nodes, made.num_edges, len(made.users), len(made.items)) == (6, 2, 2, 3)
    assert made.schema.kinds == ("user", "item", "genre")
    assert made.schema.relation("likes") == (("user", "likes", "genre"),)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (edges((3, 0)), r"item indices outside 0 \.\. 2"),
        (edges((0, 1)), r"genre indices outside 0 \.\. 0"),
        (edges((-1, 0)), "item indices outside"),
        (edges((0, 0), source=1), r"a source outside 0 \.\. 0"),
    ],
)
def test_edges_must_fit_the_nodes(found: Edges, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        graph({("item", "genre", "genre"): found})


def test_users_and_items_are_always_there() -> None:
    with pytest.raises(ValueError, match="needs nodes of kind 'item'"):
        KnowledgeGraph(name="g", nodes={"user": nodes("user", 1)}, edges={}, sources=())


def test_columns_must_fit_the_vocabulary() -> None:
    with pytest.raises(ValueError, match="labels of kind item"):
        Nodes(
            vocabulary=Vocabulary("item", ["a"]),
            labels=np.array([], dtype=object),
            texts=np.array([None]),
            iris=np.array([None]),
        )


def test_edges_need_matching_shapes() -> None:
    with pytest.raises(ValueError, match="provenance"):
        Edges(index=np.zeros((2, 3), dtype=np.int64), provenance=np.zeros(2, dtype=np.int16))


def test_a_graph_cannot_be_changed() -> None:
    made = graph({("item", "genre", "genre"): edges((0, 0))})
    with pytest.raises(TypeError):
        made.nodes["more"] = nodes("more", 1)  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        made.edges[EdgeType("item", "genre", "genre")].index[0, 0] = 1
