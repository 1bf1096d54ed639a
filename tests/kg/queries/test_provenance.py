"""Where edges come from."""

from __future__ import annotations

from kg.dataset import Dataset
from kg.queries.provenance import Origin, origin_of
from kg.schema import EdgeType


def test_an_edge_names_its_file_and_line(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    item, genre = graph.items.vocabulary.index_of("é/1"), graph.nodes["genre"].vocabulary.index_of("drama")
    origin = origin_of(graph, EdgeType("item", "genre", "genre"), item, genre)
    assert origin == Origin("items.csv", 3)
    assert str(origin) == "items.csv, line 3"
    assert str(Origin("http://endpoint.example/sparql", 0)) == "http://endpoint.example/sparql"


def test_an_edge_that_is_not_there_has_no_origin(small_dataset: Dataset) -> None:
    graph = small_dataset.graph
    item, genre = graph.items.vocabulary.index_of("03"), graph.nodes["genre"].vocabulary.index_of("drama")
    assert origin_of(graph, EdgeType("item", "genre", "genre"), item, genre) is None
    assert origin_of(graph, EdgeType("item", "likes", "genre"), item, genre) is None
