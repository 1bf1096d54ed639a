from __future__ import annotations

import networkx as nx
import pytest

from kg.dataset import Dataset
from kg.errors import UnknownNameError
from kg.queries.views import neighbourhood, to_networkx
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


def test_a_neighbourhood_is_what_breadth_first_search_reaches(small_dataset: Dataset) -> None:
    whole = to_networkx(small_dataset.graph, small_dataset.ratings).to_undirected(as_view=True)
    for hops in range(4):
        near = neighbourhood(small_dataset.graph, "user", "007", hops, small_dataset.ratings)
        assert set(near) == set(nx.single_source_shortest_path_length(whole, ("user", "007"), cutoff=hops))


def test_ratings_are_edges_only_on_request(small_dataset: Dataset) -> None:
    assert ("user", "007") not in neighbourhood(small_dataset.graph, "item", "é/1")
    near = neighbourhood(small_dataset.graph, "item", "é/1", ratings=small_dataset.ratings)
    assert near.edges[("user", "007"), BETA, RATED]["value"] == 1.5


def test_unknown_names_raise(small_dataset: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'person'"):
        neighbourhood(small_dataset.graph, "persons", "x")
    with pytest.raises(UnknownNameError, match="user '7'"):
        neighbourhood(small_dataset.graph, "user", "7")
    with pytest.raises(ValueError, match="hops must be 0 or more"):
        neighbourhood(small_dataset.graph, "user", "007", -1)
