from __future__ import annotations

import networkx as nx

from kg.dataset import Dataset
from kg.queries.views import to_networkx
from kg.schema import RATED

ALPHA, BETA, BO = ("item", "a b"), ("item", "é/1"), ("person", "bo ek")


def test_the_whole_graph(small_dataset: Dataset) -> None:
    view = to_networkx(small_dataset.graph)
    assert view.number_of_nodes() == small_dataset.graph.num_nodes
    assert view.number_of_edges() == small_dataset.graph.num_edges
    assert view.nodes[ALPHA]["label"] == "Alpha (1999)"
    assert view.edges[ALPHA, BO, "actor"] == {"relation": "actor", "source": "items.csv", "line": 2}
    assert (
        to_networkx(small_dataset.graph, small_dataset.ratings).number_of_edges() == small_dataset.graph.num_edges + 4
    )


def test_ratings_are_edges_only_on_request(small_dataset: Dataset) -> None:
    assert not any(relation == RATED for *_, relation in to_networkx(small_dataset.graph).edges(keys=True))
    view = to_networkx(small_dataset.graph, small_dataset.ratings)
    near = nx.ego_graph(view, BETA, undirected=True)
    assert near.edges[("user", "007"), BETA, RATED]["value"] == 1.5
