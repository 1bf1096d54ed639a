"""The door: tables in memory give what files and the command line give, errors name table and row, answers load little."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import kgrec
from kg.dataset import Dataset
from kg.errors import JointInputError
from training.config import RunConfig

PROJECT = Path(__file__).resolve().parents[1]
COLUMNS = {"user": "reviewer", "item": "asin", "rating": "stars"}
FEW_STEPS: dict[str, Any] = {"epochs": 40, "burn_in": 20, "hold": 5, "keep_every": 5}
SETTINGS: dict[str, Any] = {"recipe": "quick", "text": {"synthetic_texts": 0}, "training": FEW_STEPS}

DESCRIPTION = """name: tables
ratings: {file: ratings.csv, user: reviewer, item: asin, rating: stars, scale: [0.5, 5]}
items:
  - file: films.csv
    id: asin
    label: title
    text: "{title}. {text}"
    concepts:
      genres: {column: genres, split: "|"}
      cast: {column: cast, split: "|"}
      release_year: {column: releaseYear, bins: [1928, 1946, 1961, 1979]}
      seen_on: {column: Seen on, pattern: '^(\\d{4})'}
users:
  - file: people.csv
    id: reviewer
    concepts:
      age: {column: age}
"""


def ratings() -> pd.DataFrame:
    """Half stars by 20 people on 30 films, each pair once."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(600)[:200]
    stars = rng.integers(1, 11, 200) / 2
    when = pd.to_datetime(1_600_000_000 + 1000 * rng.integers(0, 9000, 200), unit="s")
    return pd.DataFrame(
        {"reviewer": [f"u{pair // 30}" for pair in pairs], "asin": pairs % 30, "stars": stars, "time": when}
    )


def films() -> pd.DataFrame:
    """Years from 1910 in steps of three, of which those at places 6, 12, 17 and 23 (of 29) are borders; a list, and a text with `|`."""
    return pd.DataFrame(
        {
            "asin": range(30),
            "title": [f"Film {number}" for number in range(30)],
            "text": [f"A story of {number} ships." for number in range(30)],
            "genres": ["Drama|War", "Comedy", "Drama"] * 10,
            "cast": [["Ann Lee", "Bo Ek"], ["Cy Doe"], []] * 10,
            "releaseYear": range(1910, 2000, 3),
            "Seen on": pd.to_datetime([f"{2000 + number % 3}-05-01" for number in range(30)]),
        }
    )


def people() -> pd.DataFrame:
    return pd.DataFrame({"reviewer": [f"u{number}" for number in range(20)], "age": [18, 25, 35, 50] * 5})


def tables(**changed: Any) -> dict[str, Any]:
    given = {"ratings": ratings(), "items": films(), "users": people(), "columns": COLUMNS, "scale": (0.5, 5)}
    return {**given, **changed}


def kgrec_command(*arguments: str) -> str:
    command = [sys.executable, "-m", "kgrec", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT).stdout


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same data as files, with a graph and a run by the command line."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "tables.yaml").write_text(DESCRIPTION)
    ratings().to_csv(folder / "ratings.csv", index=False)
    films().assign(cast=films()["cast"].str.join("|")).to_csv(folder / "films.csv", index=False)
    people().to_csv(folder / "people.csv", index=False)
    kgrec_command("build", str(folder / "tables.yaml"), "--out", str(folder / "graph"))
    steps = [f"--set=training.{name}={value}" for name, value in FEW_STEPS.items()]
    train = ("train", str(folder / "graph"), "--out", str(folder / "run"), "--recipe=quick", "--split=none")
    kgrec_command(*train, "--set=text.synthetic_texts=0", *steps)
    return folder


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[kgrec.Recommender, Path]:
    """The recommender of the tables, and the run that it leaves."""
    path = tmp_path_factory.mktemp("fit") / "run"
    return kgrec.fit(**tables(), path=path, **SETTINGS), path


def same(one: Dataset, other: Dataset) -> None:
    """Two data sets hold the same but for the names of files and the lines there."""
    assert one.scale == other.scale
    assert one.graph.nodes.keys() == other.graph.nodes.keys()
    for kind, nodes in one.graph.nodes.items():
        for name in ("labels", "texts", "iris"):
            assert getattr(nodes, name).tolist() == getattr(other.graph.nodes[kind], name).tolist()
        assert list(nodes.vocabulary) == list(other.graph.nodes[kind].vocabulary)
    assert one.graph.edges.keys() == other.graph.edges.keys()
    for edge_type, edges in one.graph.edges.items():
        assert np.array_equal(edges.index, other.graph.edges[edge_type].index)
    for name in ("user", "item", "value", "time"):
        assert np.array_equal(getattr(one.ratings, name), getattr(other.ratings, name))


def test_tables_give_the_graph_of_the_files(by_hand: Path) -> None:
    built = kgrec.build(**tables())
    same(built, Dataset.load(by_hand / "graph"))
    labels = dict.fromkeys(built.graph.nodes["release_year"].labels)
    assert sorted(labels) == ["1928-1945", "1946-1960", "1961-1978", "1979+", "under 1928"]
    assert sorted(built.graph.nodes["genres"].labels) == ["Comedy", "Drama", "War"]
    assert sorted(built.graph.nodes["cast"].labels) == ["Ann Lee", "Bo Ek", "Cy Doe"]
    assert sorted(built.graph.nodes["seen_on"].labels) == ["2000", "2001", "2002"]
    assert sorted(built.graph.nodes["age"].labels) == ["18", "25", "35", "50"]


def test_a_description_gives_it_too_and_leaves_a_directory(by_hand: Path, tmp_path: Path) -> None:
    built = kgrec.build(by_hand / "tables.yaml", path=tmp_path / "graph")
    assert built.fingerprint == Dataset.load(by_hand / "graph").fingerprint
    assert Dataset.load(tmp_path / "graph").fingerprint == built.fingerprint


def test_fit_answers_to_the_last_bit_as_the_command_line_does(
    by_hand: Path, fitted: tuple[kgrec.Recommender, Path]
) -> None:
    recommender, path = fitted
    pairs = [(f"u{user}", str(item)) for user in range(20) for item in range(30)]
    expected = kgrec.load(by_hand / "run").predict(pairs)
    pd.testing.assert_frame_equal(recommender.predict(pairs), expected, check_exact=True)
    pd.testing.assert_frame_equal(kgrec.load(path).predict(pairs), expected, check_exact=True)
    assert len(recommender.train) == 200


def test_five_lines_are_enough() -> None:
    frame = pd.DataFrame({"user": ["u1", "u1", "u2", "u2", "u3"], "item": list("abbca"), "rating": [5, 3, 4, 2, 1]})
    recommender = kgrec.fit(frame, training=FEW_STEPS)
    assert recommender.recommend(user="u1")["id"].tolist() == ["c"]


class Handed:
    """A table of some other library, such as Polars, which hands its columns over as Arrow does, texts as views."""

    def __init__(self, frame: pd.DataFrame) -> None:
        whole = pa.Table.from_pandas(frame, preserve_index=False)
        views = {pa.large_string(): pa.string_view(), pa.string(): pa.string_view()}
        self.table = whole.cast(
            pa.schema([field.with_type(views.get(field.type, field.type)) for field in whole.schema])
        )

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("way", ["arrow", "stream", "index", "category", "mixed"])
def test_every_kind_of_table_gives_the_same_graph(way: str) -> None:
    frame = ratings()
    given: Any = {
        "arrow": lambda: pa.Table.from_pandas(frame, preserve_index=False),
        "stream": lambda: Handed(frame),
        "index": lambda: frame.set_index("reviewer"),
        "category": lambda: frame.assign(reviewer=frame["reviewer"].astype("category")),
        "mixed": lambda: frame.assign(asin=[str(item) if item % 2 else item for item in frame["asin"].astype(object)]),
    }[way]()
    items = Handed(films()) if way == "stream" else films()
    one, other = kgrec.build(**tables(ratings=given, items=items)), kgrec.build(**tables())
    same(one, other)
    assert one.fingerprint == other.fingerprint


def test_without_a_column_of_ratings_each_row_is_a_choice() -> None:
    chosen = ratings()[["reviewer", "asin", "time"]]
    built = kgrec.build(chosen, films(), people(), columns={"user": "reviewer", "item": "asin"})
    assert built.implicit
    assert len(built.ratings) == 200


def test_a_table_in_the_words_of_a_description_is_read_as_it_says() -> None:
    concepts = {"century": {"column": "releaseYear", "pattern": r"^(\d{2})", "wording": "{}xx"}}
    items = {"file": films(), "id": "asin", "label": "title", "concepts": concepts}
    built = kgrec.build(**tables(items=items))
    assert sorted(built.graph.nodes["century"].labels) == ["19xx"]
    assert set(built.graph.nodes) == {"user", "item", "century", "age"}


def test_triples_join_by_the_ids_of_the_items_and_rdf_by_same_as(tmp_path: Path) -> None:
    triples = pd.DataFrame({"head": ["0", "1"], "relation": ["part_of", "part_of"], "tail": ["saga", "saga"]})
    built = kgrec.build(**tables(knowledge=triples))
    (edge_type,) = [found for found in built.graph.edges if found.relation == "knowledge:part_of"]
    assert built.graph.edges[edge_type].index.tolist() == [[0, 1], [0, 0]]
    file = tmp_path / "Wiki.nt"
    file.write_text("<http://w.example/F3> <http://w.example/o/by> <http://w.example/Ann> .\n")
    iris = films().assign(same_as=[f"http://w.example/F{number}" for number in range(30)])
    built = kgrec.build(**tables(items=iris, knowledge=[file, triples]))
    (edge_type,) = [found for found in built.graph.edges if found.relation == "wiki:by"]
    assert built.graph.edges[edge_type].index[0].tolist() == [3]


def test_a_column_of_texts_that_are_all_different_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    plots = films().assign(poster=[f"picture {number}" for number in range(30)])
    with caplog.at_level(logging.WARNING):
        built = kgrec.build(**tables(items=plots))
    assert "poster" not in built.graph.nodes
    assert "items: the 30 values of the column 'poster' are all different" in caplog.text


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "stars beyond the scale": (
        {"ratings": ratings().assign(stars=ratings()["stars"].where(ratings().index != 17, 9.0))},
        "ratings, row 17: expected a rating from 0.5 to 5, found 9; ",
    ),
    "an id twice": (
        {"items": pd.concat([films(), films().iloc[[4]]])},
        "items, row 30: the item id '4' stands here for the second time, first in row 4; ",
    ),
    "an unknown item": (
        {"items": films().iloc[1:]},
        f"ratings, row {int(np.argmax(ratings()['asin'] == 0))}: the item '0' has no row in the tables of items",
    ),
    "a column that is not there": (
        {"ratings": ratings().drop(columns="asin")},
        "ratings: expected a column 'asin', found 'reviewer', 'stars', 'time'; say which it is, as in columns={'item': 'reviewer'}",
    ),
    "a rating by another name": (
        {"columns": {"user": "reviewer", "item": "asin"}},
        "ratings: expected a column 'rating', found 'reviewer', 'asin', 'stars', 'time'; give columns={'rating': 'stars'}",
    ),
    "no ids": (
        {"users": people().rename(columns={"reviewer": "who"})},
        "users: expected the ids in a column 'reviewer' or 'id' or 'user', found 'who', 'age'",
    ),
    "a misspelt role": ({"columns": {**COLUMNS, "itm": "asin"}}, "columns: 'itm' is no name of a column; "),
    "no text": ({"columns": {**COLUMNS, "text": "plot"}}, "items: expected a column 'plot', found 'asin', 'title'"),
    "no table": ({"users": [1, 2]}, "users[0]: expected a table of pandas, Polars or Arrow, got int"),
    "a misspelt setting": ({"repeat": "last"}, "there is no setting 'repeat' of ratings; "),
    "a wrong setting": ({"repeats": "lst"}, "ratings.repeats: Input should be "),
    "two columns of one name": (
        {"items": films().assign(Genres="x")},
        "items: the columns 'genres' and 'Genres' both mean 'genres'; rename one",
    ),
    "no file": ({"items": {"id": "asin"}}, "items: expected a table, or a path, under 'file', found only 'id'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_by_table_and_row(name: str) -> None:
    changed, sentence = WRONG[name]
    with pytest.raises(kgrec.InputError) as caught:
        kgrec.build(**tables(**changed))
    assert any(line.startswith(sentence) for line in caught.value.lines)
    assert "/" not in str(caught.value).partition(";")[0]  # no temporary file


def test_several_problems_are_told_together() -> None:
    stars = ratings()["stars"].where(~ratings().index.isin([3, 17]), 9.0)
    with pytest.raises(JointInputError) as caught:
        kgrec.build(**tables(ratings=ratings().assign(stars=stars)))
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "2 problems",
        "ratings, row 3",
        "ratings, row 17",
    ]


def test_settings_are_those_of_the_command_line_and_a_misspelt_one_is_told(
    fitted: tuple[kgrec.Recommender, Path],
) -> None:
    frame = ratings().rename(columns={"reviewer": "user", "asin": "item", "stars": "rating"})
    with pytest.raises(kgrec.InputError, match=r"there is no setting 'trainin'; .* Did you mean 'training'\?"):
        kgrec.fit(frame, trainin={})
    with pytest.raises(kgrec.InputError, match=r"'training.epoch' is no field .* Did you mean 'epochs'\?"):
        kgrec.fit(frame, scale=(0.5, 5), training={"epoch": 3})
    with pytest.raises(kgrec.InputError, match="another graph, configuration or seed"):
        kgrec.fit(**tables(), path=fitted[1], seed=1, **SETTINGS)
    config = RunConfig.load(fitted[1] / "config.yaml")
    assert (config.split.name, config.training.epochs, config.model.embedding_size) == ("none", 40, 16)


def test_a_split_holds_out_and_a_run_without_one_cannot_be_measured(
    fitted: tuple[kgrec.Recommender, Path], tmp_path: Path
) -> None:
    assert len(kgrec.fit(**tables(), split="random", path=tmp_path / "run", **SETTINGS).train) == 180
    assert "parts" in json.loads(kgrec_command("evaluate", str(tmp_path / "run"), "--no-baselines", "--json"))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        kgrec_command("evaluate", str(fitted[1]))
    assert "this run holds out nothing (split 'none')" in " ".join(caught.value.stderr.split())


# What takes long to load and no list for a known user needs.
NOT_NEEDED = {
    "arviz_stats", "duckdb", "ibis", "lightning_fabric", "matplotlib", "networkx", "optuna", "oxrdflib", "pyshacl", "rdflib",
    "requests", "scipy.stats", "sentence_transformers", "sklearn", "sympy", "tensorboard", "torch._dynamo", "torch_geometric",
    "transformers", "urllib3",
}  # fmt: skip


def test_a_list_loads_nothing_that_it_does_not_need(fitted: tuple[kgrec.Recommender, Path]) -> None:
    code = (
        "import sys\nsys.argv = ['kgrec', 'recommend', sys.argv[1], '--user', 'u1', '--json']\n"
        "import kgrec\nassert not {'torch', 'pandas', 'kg', 'models', 'training'} & set(sys.modules)\n"
        "try:\n    kgrec.main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, str(fitted[1])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT)
    assert json.loads(done.stdout)["user"] == "u1"
    assert set(done.stderr.split()) & NOT_NEEDED == set()


@pytest.mark.parametrize("name", ["kg", "models", "training"])
@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
def test_a_file_of_the_user_that_shadows_a_package_is_named(name: str, form: str, tmp_path: Path) -> None:
    file = tmp_path / form.format(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    sentence = f"kgrec needs its package '{name}', but Python finds {file} under this name; rename that"
    place = {**os.environ, "PYTHONPATH": str(PROJECT)}
    for arguments, code in ((("-c", "import kgrec\nkgrec.fit"), 1), (("-m", "kgrec", "--version"), 1)):
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, cwd=tmp_path, env=place, check=False
        )
        assert done.returncode == code
        assert sentence in done.stderr
    assert done.stderr.startswith("error: kgrec needs")
    assert done.stderr.count("\n") == 1


def test_checkers_and_people_see_the_names() -> None:
    assert dir(kgrec) == sorted(kgrec.__all__) == ["InputError", "Recommender", "build", "fit", "load"]
    with pytest.raises(AttributeError, match="module 'kgrec' has no attribute 'train'"):
        _ = kgrec.train
