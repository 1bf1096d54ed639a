"""What is said of new items and users, matched to a graph that is built from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.growth.addition_files import read_records
from kg.growth.new_entities import NewEntities
from kg.queries.provenance import origin_of
from kg.schema import ITEM, USER, EdgeType

DESCRIPTION = """name: shop
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, concepts: {genre: {column: genre, split: ";"}}}
users:
  - {file: users.csv, id: id, concepts: {age: {column: age, bins: [18, 25, 26]}}}
"""
GENRE, AGE = EdgeType(ITEM, "genre", "genre"), EdgeType(USER, "age", "age")


def shop(folder: Path, ages: str) -> KnowledgeGraph:
    folder.mkdir(exist_ok=True)
    (folder / "ratings.csv").write_text("user,item,rating\n1,a,5\n2,b,4\n")
    (folder / "items.csv").write_text("id,genre\na,Drama;War\nb,Comedy\n")
    (folder / "users.csv").write_text(f"id,age\n{ages}")
    (folder / "shop.yaml").write_text(DESCRIPTION)
    return build(Description.load(folder / "shop.yaml")).graph


@pytest.fixture
def graph(tmp_path: Path) -> KnowledgeGraph:
    return shop(tmp_path / "shop", "1,20\n2,25\n3,70\n")


def added(graph: KnowledgeGraph, kind: str, given: Any, **more: Any) -> NewEntities:
    return NewEntities.of(graph, kind, given, scale=(1, 5), **more)


def genres(graph: KnowledgeGraph, additions: NewEntities) -> set[str]:
    return set(graph.nodes["genre"].labels[additions.edges[GENRE].index[1]])


def test_a_relation_said_as_a_field_and_under_concepts_is_both(graph: KnowledgeGraph) -> None:
    found = added(graph, ITEM, [{"id": "n", "genre": "Comedy|War", "concepts": {"genre": ["Drama", "War"]}}])
    assert genres(graph, found) == {"Comedy", "Drama", "War"}
    assert not found.notes


def test_no_value_is_no_concept(graph: KnowledgeGraph) -> None:
    found = added(graph, ITEM, [{"id": "n", "text": "words", "concepts": {"genre": None}}])
    assert not found.notes
    assert not found.edges


def test_cells_may_be_arrays_as_parquet_gives_them(graph: KnowledgeGraph) -> None:
    table = pd.DataFrame({"id": ["n", "m"], "genre": [np.array(["Drama", "War"]), None]})
    found = added(graph, ITEM, table)
    assert genres(graph, found) == {"Drama", "War"}
    assert [note.partition(":")[0] for note in found.notes] == ["item 'm' has neither text nor a known concept"]


def test_ids_are_kept_as_text(graph: KnowledgeGraph) -> None:
    found = added(graph, USER, [{"id": 7, "age": 20}])
    assert [record["id"] for record in found.records] == ["7"]
    with pytest.raises(InputError, match="the new user '7' stands twice"):
        added(graph, USER, [{"id": 7, "age": 20}, {"id": "7", "age": 30}])


def test_words_about_a_user_are_not_read_and_that_is_told(graph: KnowledgeGraph) -> None:
    (note,) = added(graph, USER, [{"id": "n", "text": "I like war."}]).notes
    assert note == "user 'n' has no known concept: it counts as an average one"


@pytest.mark.parametrize("ages", ["1,20\n2,25\n3,70\n", "1,20.5\n2,25.5\n3,70\n"])
@pytest.mark.parametrize(
    ("said", "low"), [("18-24", "18"), ("18 to below 25", "18"), ("25", "25"), ("25 to below 26", "25"), ("26+", "26")]
)
def test_a_range_is_found_in_either_spelling(tmp_path: Path, ages: str, said: str, low: str) -> None:
    """The build spells ranges by whether all numbers are whole; a table of new users may be otherwise."""
    graph = shop(tmp_path / "shop", ages)
    found = added(graph, USER, [{"id": "n", "age": said}])
    assert not found.notes
    (label,) = graph.nodes["age"].labels[found.edges[AGE].index[1]]
    assert label.startswith(low)


@pytest.mark.parametrize("said", ["18-25", "17-24", "18 to below 24", "19-24"])
def test_another_range_is_not_taken_for_one_of_the_graph(graph: KnowledgeGraph, said: str) -> None:
    (note,) = (note for note in added(graph, USER, [{"id": "n", "age": said}]).notes if note.startswith("age"))
    assert "is not known to the graph" in note


def test_files_of_one_name_stay_apart(graph: KnowledgeGraph) -> None:
    """A new table often has the name of the one that the graph was built from: its lines are others."""
    once = added(graph, ITEM, [{"id": "n", "genre": "War"}], source="items.csv", lines=[2]).extended(graph)
    twice = added(once, ITEM, [{"id": "m", "genre": "War"}], source="items.csv", lines=[2]).extended(once)
    edges = twice.edges[GENRE]
    told = [str(origin_of(twice, GENRE, start, end)) for start, end in edges.index.T.tolist()]
    assert told == ["items.csv, line 2"] * 2 + ["items.csv, line 3", "items.csv (2), line 2", "items.csv (3), line 2"]


def test_records_come_as_json_lines_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text(
        '{"id": "n", "concepts": {"genre": ["Drama"]}}\n\n{"id": "m", "ratings": {"007": 5}}\n'
    )
    told = read_records(tmp_path / "new.jsonl", "item")
    assert told.records == [{"id": "n", "concepts": {"genre": ["Drama"]}}, {"id": "m", "ratings": {"007": 5}}]
    assert told.lines == [1, 3]
