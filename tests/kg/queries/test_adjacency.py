from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from kg.dataset import Dataset
from kg.errors import InputError, UnknownNameError
from kg.queries.adjacency import Adjacency, parse_node
from kg.queries.views import to_networkx


def test_neighbours_degrees_and_distances_are_those_of_networkx(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    for ratings in (None, small_dataset.ratings):
        adjacency = Adjacency.of(graph, ratings)
        view = nx.Graph(to_networkx(graph, ratings).to_undirected(as_view=True))
        assert len(adjacency) == len(view)
        for number in range(len(adjacency)):
            node = adjacency.node(number)
            assert adjacency.number(node) == number
            assert {adjacency.node(other) for other in adjacency.beside(number).tolist()} == set(view[node]) - {node}
            assert adjacency.degree[number] == len(set(view[node]) - {node})
        for hops in range(4):
            slow = nx.single_source_shortest_path_length(view, ("user", "007"), cutoff=hops)
            found = adjacency.within(("user", "007"), hops)
            assert {adjacency.node(int(n)): int(found[n]) for n in np.flatnonzero(found >= 0)} == slow


def test_a_negative_distance_is_refused(small_dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="hops must be 0 or more"):
        Adjacency.of(small_dataset.graph).within(("user", "007"), -1)


def test_nodes_are_named_by_kind_and_id_or_another_spelling(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    assert parse_node(graph, "item:a b") == ("item", "a b")
    assert parse_node(graph, "person:Bo  Ek") == ("person", "bo ek")
    assert parse_node(graph, "wiki:http://wiki.example/Bo_Ek") == ("wiki", "http://wiki.example/Bo_Ek")
    assert parse_node(graph, "wiki:Bo Ek, actor") == ("wiki", "http://wiki.example/Bo_Ek")
    with pytest.raises(InputError, match="expected a node as kind:id"):
        parse_node(graph, "drama")
    with pytest.raises(UnknownNameError, match="Did you mean 'genre'"):
        parse_node(graph, "genres:drama")
    with pytest.raises(UnknownNameError, match="Did you mean 'drama'"):
        parse_node(graph, "genre:dramas")
    with pytest.raises(UnknownNameError, match="user 'A'"):
        parse_node(graph, "user:A")
