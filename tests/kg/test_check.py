"""Seeded faults, one kind at a time: each is found, named and counted, and a sound graph is left in peace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kg.build import build
from kg.check import check, validate
from kg.checks.findings import Finding, agree
from kg.checks.measures import measures
from kg.checks.shapes import ShapesFile
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from training.cli import app

ITEMS, USERS, START, NOW = 24, 6, 1_000_000_000, 1_700_000_000.0
NOUNS = ("river", "tower", "garden", "letter", "winter", "captain")
DESCRIPTION = """name: sound
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - file: items.csv
    id: id
    label: title
    text: "{plot}"
    same_as: link
    concepts: {genre: {column: genre}, award: {column: award}}
    relations: {follows: {column: after}}
  - {file: more.csv, id: id, same_as: link, optional: true}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
knowledge:
  - {file: facts.nt, source: wiki, optional: true}
"""
WIKI, BROADER = "http://wiki.example/", "<http://www.w3.org/2004/02/skos/core#broader>"
Files = dict[str, str]
Rows = list[list[str]]


def plot(number: int) -> str:
    first, second = NOUNS[number % 6], NOUNS[(number // 6 + 1) % 6]
    return f"Someone finds a {first} beside the old {second} in year {number}."


def sound_files() -> Files:
    """A description with tables and RDF in which nothing is wrong."""
    items = [["id", "title", "genre", "award", "plot", "link", "after"]]
    for number in range(ITEMS):
        title, link = f"Film {chr(65 + number)}", f"{WIKI}F{number}"
        items.append([f"i{number}", title, ("Drama", "War", "Fun")[number % 3], "", plot(number), link, ""])
    users = [["id", "job"], *([f"u{number}", ("spy", "cook")[number % 2]] for number in range(USERS))]
    ratings = [["user", "item", "rating", "time"]]
    ratings += [[f"u{n % USERS}", f"i{n}", str(n % 5 + 1), str(START + n)] for n in range(ITEMS)]
    facts = "".join(
        f"<{WIKI}F{number}> <{WIKI}o/topic> <{WIKI}Topic_{number % 4}> .\n" for number in range(ITEMS)
    ) + "".join(f"<{WIKI}Topic_{number}> {BROADER} <{WIKI}Field> .\n" for number in range(4))
    tables = {"items.csv": items, "users.csv": users, "ratings.csv": ratings}
    return {"description.yaml": DESCRIPTION, "facts.nt": facts, **{name: csv(rows) for name, rows in tables.items()}}


def csv(rows: Rows) -> str:
    return "".join(",".join(f'"{cell}"' if set(cell) & set(',"\n') else cell for cell in row) + "\n" for row in rows)


def built(files: Files, folder: Path) -> Dataset:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return build(Description.load(folder / "description.yaml"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return built(sound_files(), tmp_path_factory.mktemp("sound"))


def cell(file: str, line: int, column: str, value: str) -> Callable[[Files], None]:
    """Put a value into one cell of a table."""

    def spoil(files: Files) -> None:
        rows = [line.split(",") for line in files[file].splitlines()]
        rows[line][rows[0].index(column)] = value
        files[file] = csv(rows)

    return spoil


def added(file: str, text: str) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        files[file] = files.get(file, "") + text

    return spoil


def both(*parts: Callable[[Files], None]) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        for part in parts:
            part(files)

    return spoil


def every(file: str, column: str, value: str) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        for line in range(1, len(files[file].splitlines())):
            cell(file, line, column, value)(files)

    return spoil


def triple(subject: str, predicate: str, target: str) -> Callable[[Files], None]:
    return added("facts.nt", f"<{WIKI}{subject}> {predicate} <{WIKI}{target}> .\n")


# Fault -> how it comes into the files, the checks that find it and no other, words of the sentence.
FAULTS: dict[str, tuple[Callable[[Files], None], set[str], tuple[str, ...]]] = {
    "item without label": (cell("items.csv", 2, "title", ""), {"ItemLabel"}, ("1 of 24 items has no label", "i1")),
    "empty text": (cell("items.csv", 3, "plot", "  "), {"ItemText"}, ("1 of 24 items has no text", "i2 'Film C'")),
    "text of label and concepts": (cell("items.csv", 1, "plot", "Film A. Drama."), {"ItemPlot"}, ("i0 'Film A'",)),
    "text that is only markup": (
        cell("items.csv", 4, "plot", "<p class='a'><br/></p>&nbsp;"),
        {"TextOnlyMarkup", "TextWithMarkup"},
        ("i3 'Film D': <p class='a'>",),
    ),
    "markup in a text": (
        cell("items.csv", 4, "plot", "Two <b>brave</b> women steal a very fast boat."),
        {"TextWithMarkup"},
        ("i3",),
    ),
    "text as N/A": (cell("items.csv", 5, "plot", "N/A"), {"TextUnknown", "ItemPlot"}, ("i4 'Film E': N/A",)),
    "N/A inside a text": (
        cell("items.csv", 5, "plot", "A brave woman steals a boat. N/A. 1999"),
        {"TextUnknown"},
        ("mark for unknown",),
    ),
    "text word for word": (
        both(cell("items.csv", 6, "plot", plot(0)), cell("items.csv", 9, "plot", plot(0))),
        {"TextRepeated"},
        ("3 of 24 items have", "i0 'Film A' and i5 'Film F'"),
    ),
    "text in the wrong encoding": (
        cell("items.csv", 7, "plot", "Ein MÃ¤dchen sucht ihren verlorenen Bruder."),
        {"TextBroken"},
        ("i6",),
    ),
    "label in the wrong encoding": (cell("items.csv", 7, "title", "AmÃ©lie"), {"LabelBroken"}, ("i6 'AmÃ©lie'",)),
    "concept in the wrong encoding": (
        cell("items.csv", 7, "genre", "ComÃ©die"),
        {"LabelBroken"},
        ("1 of 4 concepts of kind 'genre'",),
    ),
    "markup in a label": (cell("items.csv", 7, "title", "Tom <b>and</b> Kate"), {"LabelMarkup"}, ("i6",)),
    "two items of one label": (
        cell("items.csv", 8, "title", "film  a"),
        {"LabelRepeated"},
        ("2 of 24 items have", "i0 'Film A' and i7 'film a'"),
    ),
    "two items of one IRI": (
        cell("items.csv", 8, "link", WIKI + "F0"),
        {"LinkShared"},
        ("2 of 24 items have", "i0 'Film A' and i7 'Film H'"),
    ),
    "one item of two links": (added("more.csv", f"id,link\ni1,{WIKI}other\n"), {"Build"}, ("differ", "1 of 1 rows")),
    "link that is no absolute IRI": (
        cell("items.csv", 9, "link", "wiki/F8"),
        {"Build", "ItemLinked"},
        ("not valid IRIs", "line 10: wiki/F8"),
    ),
    "item without link": (cell("items.csv", 9, "link", ""), {"ItemLinked"}, ("1 of 24 items has no link", "i8")),
    "item without any edge": (
        both(cell("items.csv", 9, "link", ""), cell("items.csv", 9, "genre", "")),
        {"ItemLinked", "ItemIsolated"},
        ("1 of 24 items has no edge at all, for example i8",),
    ),
    "item that follows itself": (cell("items.csv", 2, "after", "i1"), {"Build"}, ("follows of an item and itself",)),
    "item its own neighbour in RDF": (
        triple("F1", f"<{WIKI}o/like>", "F1"),
        {"ItemSelf"},
        ("1 of 24 items is its own neighbour", "i1 'Film B' by wiki:like"),
    ),
    "concept without letters": (cell("items.csv", 3, "genre", "--"), {"ConceptLabel"}, ("kind 'genre'",)),
    "concepts but for case": (
        both(triple("F1", f"<{WIKI}o/topic>", "A_B"), triple("F2", f"<{WIKI}o/topic>", "a_b")),
        {"ConceptRepeated"},
        ("2 of 7 concepts of kind 'wiki'", "'A B'"),
    ),
    "circle of broader concepts": (
        triple("Field", BROADER, "Topic_1"),
        {"ConceptCircle"},
        ("2 of 5 concepts", "wider than"),
    ),
    "concept broader than itself": (triple("Field", BROADER, "Field"), {"ConceptSelf"}, ("by wiki:broader",)),
    "concept of all items": (every("items.csv", "award", "none won"), {"ConceptOfAll"}, ("share 1.00",)),
    "line that is no triple": (added("facts.nt", "<broken\n"), {"Build"}, ("not valid N-Triples", "line 29")),
    "user without ratings": (added("users.csv", "u9,spy\n"), {"UserRated"}, ("1 of 7 users has no rating", "u9")),
    "item without ratings": (
        added("items.csv", f"i99,New,War,,A wholly new story about brave people.,{WIKI}F99,\n"),
        {"ItemRated"},
        ("i99 'New'",),
    ),
    "user without concept": (cell("users.csv", 2, "job", ""), {"UserIsolated"}, ("1 of 6 users has no concept",)),
    "rating in the future": (cell("ratings.csv", 3, "time", "2000000000"), {"RatedInFuture"}, ("1 in all", "u2")),
    "rating before 1990": (cell("ratings.csv", 3, "time", "86400"), {"RatedEarly"}, ("before 1990, 1 in all",)),
    "times in milliseconds": (
        both(cell("ratings.csv", 3, "time", "1000000000000"), cell("ratings.csv", 9, "time", "1000000000000")),
        {"RatedInMilliseconds"},
        ("1 of 6 users has ratings whose time is in milliseconds, 2 in all",),
    ),
    "id with a blank at its end": (
        both(cell("items.csv", 4, "id", "i3 "), cell("ratings.csv", 4, "item", "i3 ")),
        {"IdBlank"},
        ("'i3 ' 'Film D'",),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(fault: str, tmp_path: Path) -> None:
    spoil, expected, words = FAULTS[fault]
    files = sound_files()
    spoil(files)
    findings = check(built(files, tmp_path / "world"), now=NOW)
    assert {finding.check for finding in findings} == expected
    said = " ".join(finding.sentence for finding in findings)
    assert [word for word in words if word not in said] == []


def test_a_sound_graph_is_left_in_peace(sound: Dataset) -> None:
    assert check(sound, now=NOW) == []


# What `build` itself refuses: the refusal is the finding.
REFUSED: dict[str, tuple[Callable[[Files], None], str]] = {
    "rating outside the scale": (cell("ratings.csv", 3, "rating", "6"), "expected a rating from 1 to 5, found 6"),
    "rating twice": (added("ratings.csv", "u0,i0,2,1\n"), "user 'u0' rates item 'i0' for the second time"),
    "item id twice": (added("items.csv", "i0,B,War,,x,,\n"), "the item id 'i0' stands here for the second time"),
    "rating of an unknown item": (added("ratings.csv", "u0,i77,2,1\n"), "the item 'i77' has no row"),
    "item related to an unknown one": (cell("items.csv", 2, "after", "i77"), "'i77'"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_a_build_refuses(fault: str, tmp_path: Path) -> None:
    spoil, words = REFUSED[fault]
    files = sound_files()
    spoil(files)
    with pytest.raises(InputError, match=words):
        built(files, tmp_path / "world")


def changed(dataset: Dataset, *, nodes: dict[str, Nodes] | None = None) -> Dataset:
    graph = dataset.graph
    together = KnowledgeGraph(
        name=graph.name, nodes={**graph.nodes, **(nodes or {})}, edges=graph.edges, sources=graph.sources
    )
    return replace(dataset, graph=together)


def test_a_link_of_a_user_is_an_error(sound: Dataset) -> None:
    users = sound.graph.users
    iris = np.array([None, "http://people.example/ann", *[None] * (USERS - 2)], dtype=object)
    linked = changed(sound, nodes={USER: replace(users, iris=iris)})
    (finding,) = check(linked, now=NOW)
    assert (finding.check, finding.severity, finding.count) == ("UserLinked", "error", 1)
    assert "u1 (http://people.example/ann)" in finding.sentence


def test_a_concept_of_nothing_is_found(sound: Dataset) -> None:
    jobs = sound.graph.nodes["job"]
    nothing = np.array([None] * 3, dtype=object)
    more = Nodes(
        vocabulary=Vocabulary("job", [*jobs.vocabulary, "thief"]),
        labels=np.array([*jobs.labels, "Thief"], dtype=object),
        texts=nothing,
        iris=nothing,
    )
    (finding,) = check(changed(sound, nodes={"job": more}), now=NOW)
    assert finding.check == "ConceptIsolated"
    assert "1 of 3 concepts of kind 'job' belongs to nothing, for example thief 'Thief'" in finding.sentence


def test_an_edge_of_an_unknown_source_is_refused_at_birth(sound: Dataset) -> None:
    edges = sound.graph.edges[EdgeType(ITEM, "genre", "genre")]
    foreign = Edges(index=edges.index, provenance=np.full(len(edges), 99, dtype=np.int16))
    with pytest.raises(ValueError, match="name a source outside"):
        replace(sound.graph, edges={EdgeType(ITEM, "genre", "genre"): foreign})


@given(size=st.integers(1, 40))
def test_the_size_of_the_batches_changes_nothing(size: int, spoilt: Dataset) -> None:
    stated = measures(spoilt, now=NOW)
    assert validate(spoilt, stated, batch=size) == validate(spoilt, stated)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A world with many faults at once, far apart in the tables."""
    files = sound_files()
    for fault in ("two items of one label", "empty text", "circle of broader concepts", "times in milliseconds"):
        FAULTS[fault][0](files)
    return built(files, tmp_path_factory.mktemp("spoilt"))


PREFIXES = """@prefix : <https://kgrec.example/vocabulary#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""


def own(shapes: str, dataset: Dataset, folder: Path) -> list[Finding]:
    file = folder / "my.ttl"
    file.write_text(PREFIXES + shapes)
    return check(dataset, ShapesFile.load(file), now=NOW)


def test_own_shapes_walk_through_the_graph(sound: Dataset, tmp_path: Path) -> None:
    shapes = """:FilmShape a sh:NodeShape ; sh:targetClass :item ; sh:property
      [ sh:path (:genre rdfs:label) ; sh:hasValue "Drama" ; sh:severity sh:Warning ; sh:message "is it a drama?" ] ,
      [ sh:path :numRatings ; sh:minInclusive 2 ] ."""
    first, second = own(shapes, sound, tmp_path)
    assert (first.severity, first.check, first.count) == ("error", "FilmShape", ITEMS)
    assert first.sentence.startswith("24 of 24 items: expected minInclusive 2 of numRatings, for example i0 'Film A';")
    assert second.sentence.startswith("16 of 24 items: is it a drama?, for example i1 'Film B'; i2 'Film C'; i4")
    assert (second.severity, [row["id"] for row in second.rows[:2]]) == ("warning", ["i1", "i2"])


def test_own_shapes_may_look_backwards_and_at_other_nodes(sound: Dataset, tmp_path: Path) -> None:
    shapes = """:S a sh:NodeShape ; sh:targetObjectsOf :job ; sh:property [ sh:path [ sh:inversePath :job ] ; sh:maxCount 2 ] ;
      sh:property [ sh:path [ sh:inversePath :job ] ; sh:class :user ] ."""
    (finding,) = own(shapes, sound, tmp_path)
    assert finding.sentence.startswith("2 of 2 concepts of kind 'job': expected maxCount 2 of job backwards")


def test_own_shapes_that_hold_say_nothing(sound: Dataset, tmp_path: Path) -> None:
    shapes = ":S a sh:NodeShape ; sh:targetClass :user ; sh:property [ sh:path :job ; sh:minCount 1 ; sh:maxCount 1 ] ."
    assert own(shapes, sound, tmp_path) == []


def test_a_shape_about_no_node_is_a_note(sound: Dataset, tmp_path: Path) -> None:
    (finding,) = own(":S a sh:NodeShape ; sh:targetClass :film ; sh:closed true .", sound, tmp_path)
    assert finding.severity == "note"
    assert "'S' is about no node" in finding.sentence
    assert "vocabulary#item>" in finding.remedy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("@prefix : <http://a/> .\n:a :b\n", "line .*expected valid Turtle"),
        ("<http://a> <http://b> 1 .", "found none; write at least one"),
        (PREFIXES + ":S a sh:NodeShape ; sh:property [ sh:path :a ; sh:minCount 1 ] .", "have no target"),
    ],
)
def test_a_wrong_file_of_shapes_is_one_sentence(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "my.ttl").write_text(content)
    with pytest.raises(InputError, match=words):
        ShapesFile.load(tmp_path / "my.ttl")


def test_shapes_of_another_encoding_or_none_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "my.ttl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="save it as UTF-8"):
        ShapesFile.load(tmp_path / "my.ttl")
    with pytest.raises(InputError, match="no such file"):
        ShapesFile.load(tmp_path / "your.ttl")


def test_a_value_is_plural_or_not() -> None:
    assert [agree("[has|have] [its|their] own", count) for count in (1, 2)] == ["has its own", "have their own"]


def test_the_command_tells_and_its_code_says_whether_it_is_sound(
    sound: Dataset, spoilt: Dataset, tmp_path: Path
) -> None:
    sound.save(tmp_path / "sound")
    spoilt.save(tmp_path / "spoilt")
    runner = CliRunner()
    fine = runner.invoke(app, ["check", str(tmp_path / "sound")])
    assert (fine.exit_code, fine.stdout.splitlines()[-1]) == (0, "Nothing is wrong.")
    wrong = runner.invoke(app, ["check", str(tmp_path / "spoilt")])
    assert wrong.exit_code == 1
    assert "error: 2 of 5 concepts of kind 'wiki' are wider than" in wrong.stdout
    assert wrong.stdout.splitlines()[-1] == "2 errors, 2 warnings."
    machine = runner.invoke(app, ["check", str(tmp_path / "spoilt"), "--json"])
    found = json.loads(machine.stdout)
    assert (machine.exit_code, found["ok"], len(found["findings"])) == (1, False, 4)
    assert {"check", "severity", "sentence", "remedy", "count", "total", "kind", "rows"} == set(found["findings"][0])


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--split", "random"], "--leaks"), (["--leaks", "--shapes", "x.ttl"], "not both")]
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], words: str, sound: Dataset, tmp_path: Path) -> None:
    sound.save(tmp_path / "sound")
    error = CliRunner().invoke(app, ["check", str(tmp_path / "sound"), *arguments]).exception
    assert isinstance(error, InputError)
    assert words in str(error)


@pytest.mark.slow
def test_what_is_wrong_with_movielens_is_found_and_nothing_is_invented(real_data: Path) -> None:
    dataset = build(Description.load("movielens-100k", data=real_data), data=real_data)
    found = {finding.check: finding for finding in check(dataset)}
    counts = {name: finding.count for name, finding in found.items()}
    items = dataset.graph.items
    repeated = len(items) - len({str(label).casefold() for label in items.labels})
    assert counts == {
        "ItemText": sum(text is None for text in items.texts),
        "ItemPlot": 5,
        "TextRepeated": 40,
        "LabelRepeated": 2 * repeated,
        "LinkShared": 60,
        "ItemLinked": sum(iri is None for iri in items.iris),
        "ItemIsolated": 1,
        "ConceptRepeated": 4,
    }
    assert not any(finding.severity == "error" for finding in found.values())
    for raw_id in (row["id"] for row in found["ItemPlot"].rows):
        assert len(str(items.texts[items.vocabulary.index_of(raw_id)])) < 100
