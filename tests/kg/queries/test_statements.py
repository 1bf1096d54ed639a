from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from kg.dataset import Dataset
from kg.errors import UnknownNameError
from kg.graph import Edges, KnowledgeGraph
from kg.queries.statements import between, node_page, statements
from kg.queries.views import to_networkx
from kg.ratings import Ratings
from kg.schema import EdgeType


def test_statements_are_the_edges_of_networkx_from_both_ends(small_dataset: Dataset) -> None:
    graph, ratings = small_dataset.graph, small_dataset.ratings
    view = to_networkx(graph, ratings)
    for node in view:
        away = {
            (node, end, relation, data["source"])
            for _, end, relation, data in view.out_edges(node, keys=True, data=True)
        }
        here = {
            (start, node, relation, data["source"])
            for start, _, relation, data in view.in_edges(node, keys=True, data=True)
        }
        found = [
            (node, edge.other, edge.relation, edge.source) if edge.forward else (edge.other, node, edge.relation, edge.source)
            for edge in statements(graph, node, ratings)
        ]  # fmt: skip
        assert sorted(found) == sorted(away | here)
        for other in view:
            mine = [edge for edge in statements(graph, node, ratings) if edge.other == other]
            assert between(graph, node, other, ratings) == mine


def test_a_page_says_what_is_known_and_where_it_stands(small_dataset: Dataset) -> None:
    page = node_page(small_dataset.graph, ("item", "é/1"), ratings=small_dataset.ratings)
    assert page["node"]["label"] == "Beta (2001)"
    assert page["node"]["iri"] == "http://wiki.example/Beta"
    decade = next(edge for edge in page["edges"] if edge["relation"] == "decade")
    assert decade == {"relation": "decade", "forward": True, "other": "decade:2000s", "label": "2000s", "source": "items.csv", "line": 3}  # fmt: skip
    assert page["near"] == []
    assert node_page(small_dataset.graph, ("item", "é/1"), 0)["edges"] == []


def test_farther_nodes_come_by_distance_then_rarest_first(small_dataset: Dataset) -> None:
    graph, start = small_dataset.graph, ("user", "8")
    view = nx.Graph(to_networkx(graph, small_dataset.ratings).to_undirected(as_view=True))
    distance = nx.single_source_shortest_path_length(view, start)
    near = node_page(graph, start, 3, small_dataset.ratings)["near"]
    found = [(one["hops"], view.degree((one["kind"], one["id"]))) for one in near]
    assert found == sorted((far, view.degree(node)) for node, far in distance.items() if 2 <= far <= 3)
    assert all(distance[one["kind"], one["id"]] == one["hops"] for one in near)


def test_an_edge_to_itself_is_one_statement(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    loop = Edges(index=np.array([[0], [0]]), provenance=np.zeros(1, dtype=np.int16))
    looped = KnowledgeGraph(
        name="loop", nodes=graph.nodes, edges={EdgeType("item", "follows", "item"): loop}, sources=("here",)
    )
    assert len(statements(looped, ("item", "a b"))) == 1


def test_choices_have_no_stars(small_dataset: Dataset) -> None:
    rated = small_dataset.ratings
    choices = Ratings(
        user=rated.user, item=rated.item, value=np.ones(len(rated), np.float32), num_users=rated.num_users, num_items=rated.num_items
    )  # fmt: skip
    page = node_page(small_dataset.graph, ("user", "007"), ratings=choices)
    assert [edge["relation"] for edge in page["edges"]].count("RATED") == 2
    assert not any("value" in edge for edge in page["edges"])


def test_unknown_nodes_raise(small_dataset: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'person'"):
        node_page(small_dataset.graph, ("persons", "x"))
    with pytest.raises(UnknownNameError, match="user '7'"):
        statements(small_dataset.graph, ("user", "7"))
