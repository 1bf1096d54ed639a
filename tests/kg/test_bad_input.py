"""Every kind of bad input gives one sentence with file and line, never another error."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_bytes().decode()
        assert old in text
        (folder / name).write_bytes(text.replace(old, new, 1).encode())

    return spoil


def facts(line: str, *, lenient: bool = True) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        lines = gzip.decompress((folder / "facts.nt.gz").read_bytes()).decode().splitlines()
        lines.insert(2, line)
        (folder / "facts.nt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        if not lenient:
            replace("description.yaml", "source: wiki,", "source: wiki, lenient: false,")(folder)

    return spoil


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20]) and None


def turtle(content: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / "facts.ttl").write_text(content)
        replace("description.yaml", "facts.nt.gz", "facts.ttl")(folder)

    return spoil


BAD_IRI = "<http://wiki.example/Al pha> <http://wiki.example/o/starring> <http://wiki.example/X> ."

CASES = {
    "missing file": (lambda folder: (folder / "items.csv").unlink(), "items.csv", None, "no such file"),
    "missing rdf": (lambda folder: (folder / "facts.nt.gz").unlink(), "facts.nt.gz", None, "no such file"),
    "missing split": (lambda folder: (folder / "cold.txt").unlink(), "cold.txt", None, "no such file"),
    "other data": (lambda folder: (folder / "ratings.tsv").unlink(), "world", None, "is this the right description"),
    "wrong separator, header": (replace("description.yaml", "scale:", 'format: {separator: ";"}\n  scale:'), "ratings.tsv", None, "Is the separator right"),
    "wrong separator, no header": (replace("description.yaml", '"::"', '"|"'), "users.dat", 1, "expected 3 fields separated by '|'.*found 1.*is the separator right"),
    "unknown suffix": (replace("description.yaml", "format: {separator: \"::\", columns", "format: {columns"), "users.dat", None, "give format"),
    "short row": (replace("ratings.tsv", "8\ta b\t3\t300", "8\ta b\t3"), "ratings.tsv", 4, "expected 4 fields separated by tab.*found 3"),
    "long row": (replace("items.csv", "Bo  Ek,,", "Bo  Ek,,,,"), "items.csv", 3, "expected 8 fields.*found 10"),
    "short row after blank lines": (replace("ratings.tsv", "8\ta b\t3\t300", "\n\n8\ta b\t3"), "ratings.tsv", 6, "found 3"),
    "missing column": (replace("description.yaml", "label: ", "label: '{titel}' #"), "items.csv", None, "expected a column 'titel'.*Did you mean 'title'"),
    "column twice": (replace("items.csv", "id,title,year", "id,title,title"), "items.csv", 1, "'title' stands twice"),
    "user without a row": (replace("ratings.tsv", "8\ta b", "9\ta b"), "ratings.tsv", 4, "user '9' has no row"),
    "item without a row": (replace("ratings.tsv", "8\ta b", "8\ta  b"), "ratings.tsv", 4, "item 'a  b' has no row.*Did you mean 'a b'"),
    "duplicate item": (replace("items.csv", "é/1,", "a b,"), "items.csv", 3, "'a b' stands here for the second time, first in line 2"),
    "duplicate user": (replace("users.dat", "8::24", "007::24"), "users.dat", 2, "'007' stands here for the second time, first in line 1"),
    "duplicate rating": (replace("ratings.tsv", "8\ta b", "007\ta b"), "ratings.tsv", 4, "for the second time, first in line 2"),
    "rating above the scale": (replace("ratings.tsv", "\t3\t300", "\t6\t300"), "ratings.tsv", 4, "from 1 to 5, found 6"),
    "rating below the scale": (replace("ratings.tsv", "\t3\t300", "\t0\t300"), "ratings.tsv", 4, "from 1 to 5, found 0"),
    "infinite rating": (replace("ratings.tsv", "\t3\t300", "\tinf\t300"), "ratings.tsv", 4, "from 1 to 5, found inf"),
    "rating is no number": (replace("ratings.tsv", "\t3\t300", "\tgood\t300"), "ratings.tsv", 4, "'good', which is not a number"),
    "empty rating": (replace("ratings.tsv", "\t3\t300", "\t\t300"), "ratings.tsv", 4, "found '', which is not a number"),
    "time is no number": (replace("ratings.tsv", "\t3\t300", "\t3\tyesterday"), "ratings.tsv", 4, "'yesterday'"),
    "empty user in ratings": (replace("ratings.tsv", "8\ta b", " \ta b"), "ratings.tsv", 4, "expected a user id, found an empty cell"),
    "empty item in ratings": (replace("ratings.tsv", "8\ta b", "8\t"), "ratings.tsv", 4, "expected an item id, found an empty cell"),
    "empty item id": (replace("items.csv", "03,", ","), "items.csv", 4, "expected an item id.*empty cell"),
    "age is no number": (replace("users.dat", "::24::", "::old::"), "users.dat", 2, "expected a number in the column 'age', found 'old'"),
    "broken utf-8": (lambda folder: (folder / "users.dat").write_bytes(b"007::17::spy\n8::24::\xff\n"), "users.dat", 2, "0xff"),
    "broken utf-8 in ratings": (lambda folder: (folder / "ratings.tsv").write_bytes(b"user\titem\trating\n\xe9\t1\t1\n"), "ratings.tsv", 2, "0xe9"),
    "cut-off gzip": (cut("facts.nt.gz"), "facts.nt.gz", None, "cut off or damaged"),
    "not gzip": (lambda folder: (folder / "facts.nt.gz").write_bytes(b"<a> <b> <c> ."), "facts.nt.gz", None, "cut off or damaged"),
    "invalid IRI, strict": (facts(BAD_IRI, lenient=False), "facts.nt.gz", 3, "expected valid N-Triples"),
    "invalid turtle": (turtle("@prefix a: <http://a/> .\na:b a:c .\n"), "facts.ttl", 2, "expected valid Turtle"),
    "invalid IRI in turtle": (turtle("<http://a/b c> a <http://a/> .\n"), "facts.ttl", 1, "expected valid Turtle"),
    "predicate never seen": (replace("description.yaml", "keep: [starring", "keep: [staring"), "facts.nt.gz", None, "'staring'.*Did you mean 'starring'"),
    "unknown key": (replace("description.yaml", "    label:", "    lable:"), "description.yaml", 8, "unknown key 'lable'.*Did you mean 'label'"),
    "unknown key at the top": (replace("description.yaml", "users:", "user:"), "description.yaml", 17, "unknown key 'user'.*Did you mean 'users'"),
    "unknown key in a concept": (replace("description.yaml", "first: 2", "frist: 2"), "description.yaml", 15, "unknown key 'frist'.*Did you mean 'first'"),
    "unknown key in ratings": (replace("description.yaml", "  scale:", "  scales:"), "description.yaml", 4, "unknown key 'scales'.*Did you mean 'scale'"),
    "key twice": (replace("description.yaml", "    id: id\n", "    id: id\n    id: title\n"), "description.yaml", 8, "'id' stands twice"),
    "missing key": (replace("description.yaml", "name: small\n", ""), "description.yaml", None, "'name' is missing"),
    "missing id": (replace("description.yaml", "    id: id\n", ""), "description.yaml", 6, "give either id or match"),
    "wrong kind of value": (replace("description.yaml", "first: 2", "first: many"), "description.yaml", 15, "valid integer.*'many'"),
    "infinite scale": (replace("description.yaml", "[1, 5]", "[1, 1e999]"), "description.yaml", 4, "finite number"),
    "half a character": (replace("description.yaml", '"N/A"', '"\\ud800"'), "description.yaml", 11, "half of a character pair"),
    "file name too long": (replace("description.yaml", "cold.txt", "c" * 300), "description.yaml", 28, "no file can have this name"),
    "file name with a zero byte": (replace("description.yaml", "file: ratings.tsv", 'file: "r\\0.tsv"'), "description.yaml", 3, "no file can have this name"),
    "time beyond 64 bits": (replace("ratings.tsv", "\t3\t300", "\t3\t" + "9" * 30), "ratings.tsv", 4, "expected a Unix time"),
    "scale upside down": (replace("description.yaml", "[1, 5]", "[5, 1]"), "description.yaml", None, "lowest rating first"),
    "bad pattern": (replace("description.yaml", r"^(\d{3})", r"^(\d{3}"), "description.yaml", 16, "not a regular expression"),
    "pattern without group": (replace("description.yaml", r"^(\d{3})", r"^\d{3}"), "description.yaml", 16, "exactly one group"),
    "bad kind name": (replace("description.yaml", "kind: person", "kind: Per son"), "description.yaml", 14, "lower-case letters"),
    "taken kind": (replace("description.yaml", "source: wiki", "source: genre"), "description.yaml", None, "'genre' is taken"),
    "broken yaml": (replace("description.yaml", "[1, 5]", "[1, 5"), "description.yaml", 5, "not valid YAML"),
    "description is a list": (lambda folder: (folder / "description.yaml").write_text("- a\n"), "description.yaml", None, "expected a description"),
    "description is empty": (lambda folder: (folder / "description.yaml").write_text(""), "description.yaml", None, "expected a description"),
    "description is binary": (lambda folder: (folder / "description.yaml").write_bytes(b"\xff\xfe\x00"), "description.yaml", None, "UTF-8"),
    "split of other data": (replace("test.tsv", "8\ta b\t3", "8\t03\t3"), "test.tsv", 2, "is not among the ratings"),
    "split with another value": (replace("test.tsv", "8\ta b\t3", "8\ta b\t4"), "test.tsv", 2, "has 3 stars among the ratings, 4 here"),
    "held-out item unknown": (replace("cold.txt", "03", "3"), "cold.txt", 1, "'3' is not among"),
    "empty table": (lambda folder: (folder / "items.csv").write_text(""), "items.csv", None, "empty file"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_with_its_place(small_world: Path, case: str) -> None:
    spoil, file, line, message = CASES[case]
    spoil(small_world)
    with pytest.raises(InputError, match=f"(?i){message}") as caught:
        build(Description.load(small_world / "description.yaml"))
    assert caught.value.file is not None
    assert Path(caught.value.file).name == file
    if line is not None:
        assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_invalid_iri_in_n_triples_is_refused_counted_and_named(small_world: Path) -> None:
    good = build(Description.load(small_world / "description.yaml"))
    facts(BAD_IRI)(small_world)
    dataset = build(Description.load(small_world / "description.yaml"))
    account = dataset.report["files"]["facts.nt.gz"]
    assert account["dropped"]["the line is not valid N-Triples"] == 1
    assert account["examples"]["the line is not valid N-Triples"] == ["line 3"]
    assert dataset.graph.num_edges == good.graph.num_edges


def test_an_invalid_link_is_left_out_and_reported(small_world: Path) -> None:
    replace("items.csv", "http://wiki.example/Beta", "not an iri")(small_world)
    dataset = build(Description.load(small_world / "description.yaml"))
    account = dataset.report["files"]["items.csv"]
    assert account["counts"] == {"links that are not valid IRIs, left out": 1}
    assert account["examples"] == {"links that are not valid IRIs": ["line 3: not an iri"]}


def test_empty_text_is_a_stated_case_not_an_error(small_dataset: Dataset) -> None:
    assert small_dataset.graph.items.texts[2] is None
    assert small_dataset.report["items"]["with_text"] == 2


def test_ready_made_description_for_other_data(small_world: Path) -> None:
    with pytest.raises(InputError, match=r"ml-100k/u\.data.*right description"):
        build(Description.load("movielens-100k", data=small_world))


def test_ready_made_description_needs_data_and_a_right_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data DIR"):
        Description.load("movielens-100k", data=None)
    with pytest.raises(InputError, match="Did you mean 'movielens-100k'"):
        Description.load("movielens-10k", data=None)
    with pytest.raises(InputError, match="correct --data"):
        Description.load("movielens-100k", data=tmp_path / "nowhere")


def test_aliases_that_multiply_are_told_in_a_short_sentence(small_world: Path) -> None:
    nested = "x"
    for level in range(10):  # written out, 10 ** 10 letters
        nested = f"[&a{level} {nested}{f', *a{level}' * 9}]"
    replace("description.yaml", "name: small", f"name: {nested}")(small_world)
    with pytest.raises(InputError, match=r"name: input should be a valid string, found \[\[") as caught:
        Description.load(small_world / "description.yaml")
    assert len(str(caught.value)) < 1_000


@pytest.fixture
def graph_directory(small_dataset: Dataset, tmp_path: Path) -> Path:
    small_dataset.save(tmp_path / "graph")
    return tmp_path / "graph"


ARTEFACTS = ["kg.nq.gz", "nodes.parquet", "edges.parquet", "ratings.parquet", "splits.parquet", "report.json"]


@pytest.mark.parametrize("name", ARTEFACTS)
def test_graph_directory_with_a_flipped_byte(graph_directory: Path, name: str) -> None:
    content = bytearray((graph_directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (graph_directory / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: this file is damaged"):
        Dataset.load(graph_directory)


@pytest.mark.parametrize("name", ARTEFACTS)
def test_graph_directory_with_a_missing_file(graph_directory: Path, name: str) -> None:
    (graph_directory / name).unlink()
    with pytest.raises(InputError, match=f"{name}: this file of the graph is missing"):
        Dataset.load(graph_directory)


def test_flipped_bytes_anywhere_in_the_manifest(graph_directory: Path) -> None:
    path = graph_directory / "manifest.json"
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        if chr(good[position]).isspace():
            continue
        bad = bytearray(good)
        bad[position] ^= 1
        path.write_bytes(bad)
        with pytest.raises(InputError):
            Dataset.load(graph_directory)


def test_graph_directory_of_a_newer_version(graph_directory: Path) -> None:
    path = graph_directory / "manifest.json"
    content = json.loads(path.read_text())
    content["format_version"] = 99
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="format version 99, this kgrec reads versions 1 to 3; update kgrec"):
        Dataset.load(graph_directory)


def test_not_a_graph_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json; make one with `kgrec build`"):
        Dataset.load(tmp_path)
    with pytest.raises(InputError, match=r"no manifest\.json"):
        Dataset.load(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text('{"format": "something else"}')
    with pytest.raises(InputError, match="not the manifest of a graph"):
        Dataset.load(tmp_path)
