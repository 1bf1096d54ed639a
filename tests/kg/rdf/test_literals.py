"""Literals of RDF become concepts of items as a column would, or texts; what cannot is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError

W = "http://w.example/"
TURTLE = """@prefix : <http://w.example/> . @prefix dbo: <http://dbpedia.org/ontology/> .
:One dbo:runtime 95.0 , "long" ; dbo:releaseDate "1999-05-01" ; dbo:abstract "Un film."@fr , "A  film."@en ; :by :Ann .
:Two dbo:runtime 120 ; dbo:releaseDate "soon" ; dbo:abstract "Ein Film."@de .
:Ann dbo:abstract "A person." ; dbo:runtime 3 .
"""


def made(folder: Path, literals: str, **changes: str) -> Dataset:
    (folder / "items.csv").write_text(f"id,title,iri\n1,One,{W}One\n2,Two,{W}Two\n")
    (folder / "ratings.csv").write_text("user,item,rating\nu,1,1\n")
    (folder / "facts.ttl").write_text(TURTLE)
    (folder / "d.yaml").write_text(
        "name: small\nratings: {file: ratings.csv}\n"
        "items:\n  - {file: items.csv, id: id, label: title, text: '{title}.', same_as: iri}\n"
        f"knowledge:\n  - {{file: facts.ttl, source: wiki, literals: {literals}}}\n"
    )
    return build(Description.load(folder / "d.yaml"))


def named(dataset: Dataset, relation: str, kind: str) -> list[tuple[str, str]]:
    graph = dataset.graph
    index = graph.edges[next(found for found in graph.edges if found.relation == relation)].index
    labels = graph.nodes[kind].labels
    return [(graph.items.vocabulary.id_of(item), str(labels[concept])) for item, concept in index.T.tolist()]


def account(dataset: Dataset) -> dict[str, Any]:
    files: Any = dataset.report["files"]
    found: dict[str, Any] = files["facts.ttl"]
    return found


def test_numbers_fall_into_bins_and_what_is_no_number_is_counted(tmp_path: Path) -> None:
    dataset = made(tmp_path, "{dbo:runtime: {bins: [90, 110], wording: '{} minutes'}}")
    assert named(dataset, "wiki:runtime", "runtime") == [("1", "90-109 minutes"), ("2", "110+ minutes")]
    assert account(dataset)["counts"] == {
        "literals read": 4,
        "literals about what is no linked item": 1,
        "literals that are no numbers, left out": 1,
    }
    assert account(dataset)["dropped"] == {"the object is a literal": 6}


def test_a_pattern_picks_the_value_and_the_kind_may_be_named(tmp_path: Path) -> None:
    dataset = made(tmp_path, r"{releaseDate: {pattern: '^(\d{4})'}}")
    assert named(dataset, "wiki:releaseDate", "release_date") == [("1", "1999")]
    assert account(dataset)["counts"]["literals without a match of the pattern"] == 1
    dataset = made(tmp_path, r"{releaseDate: {pattern: '^(\d{3})', kind: decade, wording: '{}0s'}}")
    assert named(dataset, "wiki:releaseDate", "decade") == [("1", "1990s")]


def test_texts_are_english_where_there_is_a_choice(tmp_path: Path) -> None:
    dataset = made(tmp_path, "{abstract: {text: true}}")
    assert dataset.graph.items.texts.tolist() == ["One. A film.", "Two. Ein Film."]
    assert dataset.graph.nodes["wiki"].texts.tolist() == ["A person."]


@pytest.mark.parametrize(
    ("literals", "message"),
    [
        ("{dbo:runtme: {}}", "no literal has the predicate 'dbo:runtme'.*Did you mean 'runtime'"),
        ("{runtime: {bins: [3, 2]}}", "bins must rise"),
        ("{runtime: {text: true, bins: [3]}}", "either text or a concept"),
        ("{'http://w.example/1': {}}", "gives no name; give kind"),
        ("{runtime: {kind: item}}", "'item' is taken"),
        ("{runtime: {kind: wiki}}", "'wiki' is taken"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, literals: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        made(tmp_path, literals)
    assert "\n" not in str(caught.value)
