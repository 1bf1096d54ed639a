"""Implicit feedback from its files to the graph directory, with numbered lines, counted lists and splits in parts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.report import report_lines
from kg.saved.store import from_rdf, to_rdf
from training.splits import make_split

FILES = {
    "d.yaml": """name: papers
ratings:
  file: [train.csv, later.csv]
  feedback: implicit
items:
  - file: titles.txt
    format: {lines: title}
    id: line
    label: title
    text: "{title}"
  - file: tags.dat
    format: {lines: tags}
    id: line
    concepts:
      tag:
        column: tags
        split: " "
        counted: true
        names_from: {file: names.dat, format: {lines: name, first_line: 1}, code: line, name: name}
  - file: cites.dat
    format: {lines: papers}
    id: line
    relations:
      cites: {column: papers, split: " ", counted: true}
splits:
  given: {parts: {validation: v.csv, warm: w.csv, cold_items: [c.csv, d.csv]}}
""",
    "titles.txt": "Alpha\n\nGamma\nDelta\n",
    "names.dat": "Graphs\nMaps\nNever used\n",
    "tags.dat": "2 1 2\n0\n1 2\n\n",
    "cites.dat": "1 2\n2 1 0\n1 0\n0\n",
    "train.csv": "user,item\nu,0\nv,0\nu,1\n",
    "later.csv": "user,item\nv,1\nw,0\nu,2\nu,3\nv,2\n",
    "v.csv": "user,item\nw,0\n",
    "w.csv": "user,item\nv,1\n",
    "c.csv": "user,item\nv,2\nu,2\n",
    "d.csv": "user,item\nu,3\n",
}

IMPLICIT = "  feedback: implicit\n"


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def pairs(dataset: Dataset) -> list[tuple[str, str]]:
    users, items = dataset.graph.users.vocabulary, dataset.graph.items.vocabulary
    return [
        (users.id_of(user), items.id_of(item))
        for user, item in zip(dataset.ratings.user, dataset.ratings.item, strict=True)
    ]


def test_every_row_is_a_choice_of_value_one_and_files_follow_each_other(papers: Path) -> None:
    dataset = build(Description.load(papers / "d.yaml"))
    assert dataset.implicit
    assert dataset.scale == (1.0, 1.0)
    assert set(dataset.ratings.value.tolist()) == {1.0}
    assert pairs(dataset) == [
        tuple(line.split(",")) for line in ("u,0", "v,0", "u,1", "v,1", "w,0", "u,2", "u,3", "v,2")
    ]
    assert {file: dataset.report["files"][file]["rows"] for file in ("train.csv", "later.csv")} == {
        "train.csv": 3,
        "later.csv": 5,
    }
    assert report_lines(dataset.report)[0] == (
        "papers: 4 items, 3 users, 8 choices (implicit feedback: no stars), without times."
    )


def test_the_number_of_a_line_is_the_id_and_blank_lines_count(papers: Path) -> None:
    items = build(Description.load(papers / "d.yaml")).graph.items
    assert list(items.vocabulary) == ["0", "1", "2", "3"]
    assert items.labels.tolist() == ["Alpha", "1", "Gamma", "Delta"]
    assert items.texts.tolist() == ["Alpha", None, "Gamma", "Delta"]


def test_counted_lists_become_named_concepts_and_relations_between_items(papers: Path) -> None:
    dataset = build(Description.load(papers / "d.yaml"))
    graph = dataset.graph
    assert graph.nodes["tag"].labels.tolist() == ["Graphs", "Maps"]
    assert graph.edges["item", "tag", "tag"].index.T.tolist() == [[0, 0], [0, 1], [2, 1]]
    assert graph.edges["item", "cites", "item"].index.T.tolist() == [[0, 2], [1, 0], [2, 0]]
    files = dataset.report["files"]
    assert files["cites.dat"]["counts"] == {"cites of an item and itself, left out": 1}
    assert files["names.dat"]["counts"] == {"names that no tag needs": 1}
    assert set(files) == set(FILES) - {"d.yaml"} == set(dataset.report["inputs"])


def test_relations_to_unknown_items_may_be_dropped_and_are_counted(papers: Path) -> None:
    change("cites.dat", "1 2\n", "2 2 9\n")(papers)
    change("d.yaml", "cites: {", "cites: {unknown_ids: drop, ")(papers)
    dataset = build(Description.load(papers / "d.yaml"))
    assert dataset.graph.edges["item", "cites", "item"].index.T.tolist() == [[0, 2], [1, 0], [2, 0]]
    assert dataset.report["files"]["cites.dat"]["counts"]["cites of an id that no item has, left out"] == 1


def test_parts_of_a_split_are_rows_of_the_ratings_and_the_rest_trains(papers: Path, tmp_path: Path) -> None:
    built = build(Description.load(papers / "d.yaml"))
    built.save(tmp_path / "graph")
    for dataset in (built, Dataset.load(tmp_path / "graph")):
        split = dataset.splits["given"]
        assert split.validation_ratings.tolist() == [4]
        assert {part: rows.tolist() for part, rows in split.parts.items()} == {"warm": [3], "cold_items": [5, 6, 7]}
        assert list(split.parts) == ["warm", "cold_items"]
        for share in (0.0, 0.5):
            made = make_split(dataset, "given", validation_share=share)
            assert made.train.item.tolist() == [0, 0, 1]
            assert (made.validation.user.tolist(), made.validation.item.tolist()) == ([2], [0])
            assert {part: len(found) for part, found in made.test.items()} == {"warm": 1, "cold_items": 3}


def test_one_file_may_be_ratings_and_part_and_is_counted_once(papers: Path) -> None:
    change("d.yaml", "warm: w.csv", "warm: train.csv")(papers)
    dataset = build(Description.load(papers / "d.yaml"))
    assert dataset.splits["given"].parts["warm"].tolist() == [0, 1, 2]
    assert dataset.report["files"]["train.csv"] == {"rows": 3, "kept": 3}


def test_bad_bytes_of_choices_and_of_names_are_counted(papers: Path) -> None:
    (papers / "later.csv").write_bytes((papers / "later.csv").read_bytes().replace(b"w,0", b"\xff,0"))
    (papers / "v.csv").write_bytes(b"user,item\n\xff,0\n")
    (papers / "names.dat").write_bytes(b"Gr\xffphs\nMaps\n")
    change("d.yaml", IMPLICIT, IMPLICIT + "  format: {bad_bytes: replace}\n")(papers)
    change("d.yaml", "first_line: 1", "first_line: 1, bad_bytes: replace")(papers)
    dataset = build(Description.load(papers / "d.yaml"))
    assert list(dataset.graph.users.vocabulary) == ["u", "v", "\ufffd"]
    files = dataset.report["files"]
    assert [files[name].get("counts") for name in ("train.csv", "later.csv", "v.csv", "names.dat")] == [
        None, {"bad bytes replaced": 1}, {"bad bytes replaced": 1}, {"bad bytes replaced": 1},
    ]  # fmt: skip


def test_choices_are_not_stars_in_rdf(papers: Path) -> None:
    dataset = build(Description.load(papers / "d.yaml"))
    rdf = to_rdf(dataset.graph, ratings=dataset.ratings, implicit=dataset.implicit)
    schema, base = "https://schema.org/", "https://kgrec.example/"
    found = rdf.query(
        f"SELECT ?u ?i WHERE {{ ?c a <{schema}ChooseAction> ; <{schema}agent> ?u ; <{schema}object> ?i }}"
    )
    assert {(str(user), str(item)) for user, item in found} == {
        (f"{base}user/{user}", f"{base}item/{item}") for user, item in pairs(dataset)
    }
    assert not list(rdf.query(f"SELECT ?r WHERE {{ ?r a <{schema}Rating> }}"))
    again = from_rdf(rdf)
    assert again.edges["item", "cites", "item"].index.tolist() == (
        dataset.graph.edges["item", "cites", "item"].index.tolist()
    )


@settings(max_examples=30)  # each example flushes seven files to disk
@given(
    chosen=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 20), max_size=3).map(sorted),
    times=st.booleans(),
)
def test_any_choices_in_any_files_come_back(chosen: list[tuple[int, int]], cuts: list[int], times: bool) -> None:
    bounds = [0, *cuts, len(chosen)]
    chunks = [chosen[start:end] for start, end in pairwise(bounds)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, chunk in enumerate(chunks):
            with (folder / f"{number}.csv").open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["user", "item", *(["time"] if times else [])])
                writer.writerows([user, item, *([user * 10 + item] if times else [])] for user, item in chunk)
        names = [f"{number}.csv" for number in range(len(chunks))]
        description = Description.model_validate({"name": "any", "ratings": {"file": names, "feedback": "implicit"}})
        written = [pair for chunk in chunks for pair in chunk]
        if len(set(written)) < len(written):
            with pytest.raises(InputError, match="for the second time"):
                build(description, data=folder)
            return
        build(description, data=folder).save(folder / "graph")
        loaded = Dataset.load(folder / "graph")
        assert [(int(user), int(item)) for user, item in pairs(loaded)] == written
        assert loaded.implicit
        assert (loaded.ratings.time is not None) == times
        if times:
            assert loaded.ratings.time.tolist() == [user * 10 + item for user, item in written]


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return spoil


def both(*spoils: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for each in spoils:
            each(folder)

    return spoil


CASES = {
    "rating described": (change("d.yaml", IMPLICIT, IMPLICIT + "  rating: stars\n"), "d.yaml", 2, "implicit feedback has no stars; leave out rating"),
    "scale described": (change("d.yaml", IMPLICIT, IMPLICIT + "  scale: [1, 5]\n"), "d.yaml", 2, "implicit feedback has no stars; leave out scale"),
    "no stars, not said": (change("d.yaml", IMPLICIT, ""), "train.csv", None, "expected a column 'rating', found only 'user', 'item'.*give feedback: implicit under ratings"),
    "other feedback": (change("d.yaml", "implicit", "implied"), "d.yaml", 4, "'implied'"),
    "no files": (change("d.yaml", "[train.csv, later.csv]", "[]"), "d.yaml", 3, "give at least one file"),
    "file twice": (change("d.yaml", "later.csv", "train.csv"), "d.yaml", 2, "stands twice"),
    "second file missing": (lambda folder: (folder / "later.csv").unlink(), "later.csv", None, "no such file"),
    "all files missing": (lambda folder: [(folder / name).unlink() for name in ("train.csv", "later.csv")], None, None, "expected the ratings of 'papers' in train.csv"),
    "pair twice, not to be": (both(change("train.csv", "u,1", "u,0"), change("d.yaml", IMPLICIT, IMPLICIT + "  repeats: error\n")), "train.csv", 4, "user 'u' chooses item '0' for the second time, first in line 2"),
    "pair twice over files": (both(change("later.csv", "w,0", "v,0"), change("d.yaml", IMPLICIT, IMPLICIT + "  repeats: error\n")), "later.csv", 3, r"for the second time, first in \S*train.csv, line 3"),
    "empty user in the second file": (change("later.csv", "w,0", ",0"), "later.csv", 3, "expected a user id"),
    "item beyond the lines": (change("later.csv", "w,0", "w,4"), "later.csv", 3, "item '4' has no row"),
    "column missing in the second file": (change("later.csv", "user,item", "user,thing"), "later.csv", None, "expected a column 'item'"),
    "times in one file only": (change("train.csv", "user,item\nu,0\nv,0\nu,1", "user,item,time\nu,0,1\nv,0,1\nu,1,1"), "later.csv", None, "expected times as in train.csv, found none"),
    "unknown pair in a part": (change("w.csv", "v,1", "v,1\nw,1"), "w.csv", 3, "choice of item '1' by user 'w' is not among the ratings, as are 1 of the 2 here"),
    "unknown user in a part": (change("w.csv", "v,1", "v,1\nx,1"), "w.csv", 3, "user 'x' has no row"),
    "parts overlap": (change("d.csv", "u,3", "u,3\nv,1"), "d.csv", 3, "item '1' by user 'v' is in the part 'warm' and here in 'cold_items'"),
    "validation overlaps": (change("w.csv", "v,1", "v,1\nw,0"), "w.csv", 3, "in the part 'validation' and here in 'warm'"),
    "pair twice in a part": (change("d.csv", "u,3", "u,2"), "d.csv", 2, r"second time, first in \S*c.csv, line 3"),
    "part of another name": (change("d.yaml", "warm: w.csv", "hot: w.csv"), "d.yaml", None, "should be 'validation', 'warm', .*'hot'"),
    "nothing to test on": (change("d.yaml", "{validation: v.csv, warm: w.csv, cold_items: [c.csv, d.csv]}", "{validation: v.csv}"), "d.yaml", None, "parts need one to test on"),
    "parts and test": (change("d.yaml", "{parts:", "{test: w.csv, parts:"), "d.yaml", None, "one of test, items and parts"),
    "count too high": (change("tags.dat", "2 1 2\n", "3 1 2\n"), "tags.dat", 1, "as many values as the column 'tags' counts, 3; found 2"),
    "count too low": (change("cites.dat", "2 1 0", "1 1 0"), "cites.dat", 2, "as many values as the column 'papers' counts, 1; found 2"),
    "no count": (change("cites.dat", "2 1 0", "x 1 0"), "cites.dat", 2, "expected the column 'papers' to begin with the number of its values, found 'x'"),
    "more lines than items": (change("cites.dat", "1 0\n0\n", "1 0\n0\n0\n"), "cites.dat", 5, "item '4', by the number of its line, is not among the 4 items"),
    "relation beyond the items": (change("cites.dat", "1 0\n0\n", "1 0\n1 4\n"), "cites.dat", 4, "item '4' in the column 'papers' is not among the 4 items.*unknown_ids: drop under cites"),
    "code without a name": (change("tags.dat", "1 2\n\n", "1 0\n\n"), "tags.dat", 3, "code '0' in the column 'tags' is not among the 3 that have a name"),
    "code with an empty name": (change("names.dat", "Maps", ""), "tags.dat", 1, "code '2' in the column 'tags' is not among the 2"),
    "counted without split": (change("d.yaml", 'papers, split: " ", ', "papers, "), "d.yaml", None, "counted needs split"),
    "lines and columns": (change("d.yaml", "{lines: title}", "{lines: title, columns: [title]}"), "d.yaml", None, "a format with lines splits nothing"),
    "first line without lines": (change("d.yaml", "{lines: title}", "{first_line: 1}"), "d.yaml", None, "first_line goes with lines"),
    "lines called line": (change("d.yaml", "{lines: title}", "{lines: line}"), "d.yaml", None, "give lines another name"),
    "names twice": (change("d.yaml", "names_from:", "names: {1: x}\n        names_from:"), "d.yaml", None, "either names or names_from"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_with_its_place(papers: Path, case: str) -> None:
    spoil, file, line, message = CASES[case]
    spoil(papers)
    with pytest.raises(InputError, match=f"(?i){message}") as caught:
        build(Description.load(papers / "d.yaml"))
    if file is not None:
        assert Path(caught.value.file).name == file
    if line is not None:
        assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_a_code_named_twice_is_refused(papers: Path) -> None:
    (papers / "names.csv").write_text("code,name\n1,Graphs\n2,Maps\n1,Charts\n")
    change("d.yaml", "{file: names.dat, format: {lines: name, first_line: 1}, code: line, name: name}", "{file: names.csv, code: code, name: name}")(papers)  # fmt: skip
    with pytest.raises(InputError, match=r"names\.csv, line 4: the code '1' is named for the second time"):
        build(Description.load(papers / "d.yaml"))
    change("names.csv", "1,Charts\n", "")(papers)
    assert build(Description.load(papers / "d.yaml")).graph.nodes["tag"].labels.tolist() == ["Graphs", "Maps"]


@pytest.mark.slow
def test_citeulike_a_from_the_real_files(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "citeulike-a"
    if not folder.is_dir():
        pytest.skip(f"CiteULike-a is not at {folder}")
    description = Description.load("citeulike-a", data=real_data)
    dataset = build(description)
    graph = dataset.graph
    assert (len(graph.users), len(graph.items), len(dataset.ratings)) == (5_551, 16_980, 204_986)
    # users.dat, which the build does not read, holds the same pairs: one line a user, its number the user.
    lines = (folder / "users.dat").read_text().splitlines()
    assert set(pairs(dataset)) == {(str(user), item) for user, line in enumerate(lines) for item in line.split()[1:]}
    assert graph.items.labels[0] == "The metabolic world of Escherichia coli is not small"
    assert not any("{" in text or "}" in text for text in graph.items.texts)

    names = (folder / "tags.dat").read_text().split("\n")
    tags = (folder / "item-tag.dat").read_text().splitlines()
    edges = graph.edges["item", "tag", "tag"].index
    found = {(int(item), str(graph.nodes["tag"].labels[tag])) for item, tag in edges.T}
    assert found == {(item, names[int(tag)]) for item, line in enumerate(tags) for tag in line.split()[1:]}
    articles = (folder / "citations.dat").read_text().splitlines()
    cited = {(item, int(other)) for item, line in enumerate(articles) for other in line.split()[1:]}
    assert {(item, other) for item, other in cited if item != other} == set(
        map(tuple, graph.edges["item", "cites", "item"].index.T.tolist())
    )

    split = make_split(dataset, "aldi")
    assert (len(split.train), len(split.validation)) == (132_073, 36_273)
    assert {part: len(ratings) for part, ratings in split.test.items()} == {"warm": 16_482, "cold_items": 20_158}
    cold = np.unique(split.test["cold_items"].item)
    assert len(cold) == 1_698
    assert not np.isin(split.train.item, cold).any()
    assert np.isin(split.test["warm"].item, split.train.item).all()

    dataset.save(tmp_path / "one")
    build(description).save(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
