"""Paths against a plain enumeration of all simple paths by NetworkX."""

from __future__ import annotations

import math
from itertools import islice

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.dataset import Dataset
from kg.errors import UnknownNameError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.queries.connections import path_page, paths
from kg.queries.views import to_networkx
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary

ALPHA, BETA, BO = ("item", "a b"), ("item", "é/1"), ("person", "bo ek")


def graph_of(numbers: dict[str, int], links: list[tuple[str, int, str, int]]) -> KnowledgeGraph:
    nodes = {}
    for kind, size in numbers.items():
        ids = [f"{kind}{number}" for number in range(size)]
        unknown = np.full(size, None, dtype=object)
        nodes[kind] = Nodes(vocabulary=Vocabulary(kind, ids), labels=np.array(ids, object), texts=unknown, iris=unknown)
    edges = {}
    for edge_type in dict.fromkeys((start, end) for start, _, end, _ in links):
        pairs = [(one, other) for start, one, end, other in links if (start, end) == edge_type]
        index = np.array(pairs, dtype=np.int64).T
        edges[EdgeType(edge_type[0], "touches", edge_type[1])] = Edges(
            index=index, provenance=np.zeros(len(pairs), dtype=np.int16)
        )
    return KnowledgeGraph(name="random", nodes=nodes, edges=edges, sources=("file",))


def slow(graph: KnowledgeGraph, view: nx.Graph, start: object, end: object, cutoff: int, *, rare: bool) -> list[float]:
    lengths = [
        sum(math.log(view.degree(node)) for node in path[1:-1]) if rare else float(len(path) - 1)
        for path in nx.all_simple_paths(view, start, end, cutoff=cutoff)
    ]
    return sorted(round(length, 6) for length in lengths)


KINDS = ("user", "item", "tag")
LINKS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.sampled_from(KINDS), st.integers(0, 3)), max_size=24
)


@settings(max_examples=60)
@given(links=LINKS, cutoff=st.integers(0, 5), rare=st.booleans())
def test_paths_are_all_simple_paths_shortest_first(
    links: list[tuple[str, int, str, int]], cutoff: int, rare: bool
) -> None:
    graph = graph_of(dict.fromkeys(KINDS, 4), links)
    view = nx.Graph(to_networkx(graph).to_undirected(as_view=True))
    view.remove_edges_from(list(nx.selfloop_edges(view)))
    start, end = ("user", "user0"), ("item", "item1")
    found = list(paths(graph, start, end, cutoff=cutoff, rare=rare))
    assert [round(path.length, 6) for path in found] == slow(graph, view, start, end, cutoff, rare=rare)
    assert {path.nodes for path in found} == {
        tuple(path) for path in nx.all_simple_paths(view, start, end, cutoff=cutoff)
    }
    assert len({path.nodes for path in found}) == len(found)


def test_a_rare_concept_beats_a_hub_and_equal_lengths_keep_their_order() -> None:
    hub = [("item", number, "tag", 0) for number in range(6)]
    rare = [("item", 0, "tag", 1), ("item", 5, "tag", 1), ("item", 0, "tag", 2), ("item", 5, "tag", 2)]
    graph = graph_of({"user": 1, "item": 6, "tag": 3}, hub + rare)
    found = list(paths(graph, ("item", "item0"), ("item", "item5"), cutoff=2))
    assert [path.nodes[1] for path in found] == [("tag", "tag1"), ("tag", "tag2"), ("tag", "tag0")]
    assert [path.length for path in found] == pytest.approx([math.log(2), math.log(2), math.log(6)])
    by_edges = list(paths(graph, ("item", "item0"), ("item", "item5"), cutoff=2, rare=False))
    assert [path.nodes[1] for path in by_edges] == [("tag", "tag0"), ("tag", "tag1"), ("tag", "tag2")]


def test_ratings_join_users_and_items_and_each_step_names_its_source(small_dataset: Dataset) -> None:
    graph, ratings = small_dataset.graph, small_dataset.ratings
    start = ("user", "8")
    assert not list(paths(graph, start, BETA, cutoff=4))
    found = list(paths(graph, start, BETA, cutoff=3, ratings=ratings))
    through_bo = next(path for path in found if path.nodes == (start, ALPHA, BO, BETA))
    page = path_page(graph, through_bo, ratings)
    assert [node["label"] for node in page["nodes"]] == ["8", "Alpha (1999)", "Bo Ek", "Beta (2001)"]
    assert page["steps"][0] == [
        {"relation": "RATED", "forward": True, "other": "item:a b", "label": "Alpha (1999)", "source": "ratings", "value": 3.0}
    ]  # fmt: skip
    assert page["steps"][2] == [
        {"relation": "actor", "forward": False, "other": "item:é/1", "label": "Beta (2001)", "source": "items.csv", "line": 3}
    ]  # fmt: skip


def test_the_best_of_very_many_paths_is_found_without_listing_them() -> None:
    # 40 x 40 pairs of tags lie between the items: listing paths of 5 edges would take hundreds of thousands of steps.
    links = [("item", 0, "tag", tag) for tag in range(40)] + [("item", 1, "tag", tag) for tag in range(40, 80)]
    links += [("tag", one, "tag", other) for one in range(40) for other in range(40, 80)]
    links += [("item", 0, "user", 0), ("user", 0, "user", 1), ("item", 1, "user", 1)]
    graph = graph_of({"user": 2, "item": 2, "tag": 80}, links)
    best = next(paths(graph, ("item", "item0"), ("item", "item1"), cutoff=5))
    assert best.nodes == (("item", "item0"), ("user", "user0"), ("user", "user1"), ("item", "item1"))
    assert len(list(islice(paths(graph, ("item", "item0"), ("item", "item1"), cutoff=5), 50))) == 50


def test_from_a_node_to_itself_there_is_one_path_and_unknown_ends_raise(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    assert [path.nodes for path in paths(graph, ALPHA, ALPHA)] == [(ALPHA,)]
    with pytest.raises(UnknownNameError, match="user '7'"):
        next(paths(graph, ("user", "7"), ALPHA))
    with pytest.raises(ValueError, match="cutoff must be 0 or more"):
        next(paths(graph, ALPHA, BETA, cutoff=-1))
