"""Worlds of one item, one user or two users: every command answers, or says in one sentence what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import training.bundle
from kg.build import build
from kg.description import Description
from kg.errors import InputError
from models.recommender import Recommender
from training.bundle import load_run
from training.cli import app
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
CONFIG = RunConfig(
    text=TextConfig(num_features=2, synthetic_texts=0),
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=12, burn_in=4, hold=1, keep_every=1),
    split=SplitConfig(test_share=0.2),
)
WORLDS = {
    "one user": [("u0", f"i{number}", 1 + number % 5) for number in range(20)],
    "one item": [(f"u{number}", "i0", 1 + number % 5) for number in range(20)],
    "two users": [(f"u{user}", f"i{item}", 1 + (user + item) % 5) for user in range(2) for item in range(10)],
}
KINDS = [  # world, with texts and concepts, of choices
    ("one user", False, False),
    ("one user", True, False),
    ("one item", True, False),
    ("one item", False, True),
    ("two users", True, True),
]
Kind = tuple[str, bool, bool]


def write_run(folder: Path, rows: list[tuple[str, str, int]], *, described: bool, implicit: bool) -> Path:
    """Build and train a world; described, its items have texts and genres, and its users jobs."""
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    (table[["user", "item"]] if implicit else table).to_csv(folder / "ratings.csv", index=False)
    feedback = "feedback: implicit" if implicit else "scale: [1, 5]"
    description = f"name: tiny\nratings: {{file: ratings.csv, {feedback}}}\n"
    if described:
        for kind in ("user", "item"):
            ids = sorted(set(table[kind]))
            words = [f"word{number % 2}" for number in range(len(ids))]
            pd.DataFrame({"id": ids, "word": words}).to_csv(folder / f"{kind}s.csv", index=False)
        description += (
            'items:\n  - {file: items.csv, id: id, text: "About {word}.", concepts: {genre: {column: word}}}\n'
            "users:\n  - {file: users.csv, id: id, concepts: {job: {column: word}}}\n"
        )
    (folder / "tiny.yaml").write_text(description)
    build(Description.load(folder / "tiny.yaml")).save(folder / "graph")
    train_run(folder / "graph", CONFIG, folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Kind, Path]]:
    """The worlds, each loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.bundle.load_run", cache(load_run))
        yield {
            (world, described, implicit): write_run(
                tmp_path_factory.mktemp("tiny"), WORLDS[world], described=described, implicit=implicit
            )
            for world, described, implicit in KINDS
        }


def told(run: Path, command: str, *arguments: str) -> str:
    """What a command says: its output, or the sentence that it ends in."""
    finished = CliRunner().invoke(app, [command, str(run), *arguments])
    if finished.exception is None or isinstance(finished.exception, SystemExit):
        assert finished.exit_code == 0, finished.output
        return finished.output
    if isinstance(finished.exception, InputError):
        return str(finished.exception)
    raise finished.exception


QUESTIONS = {
    "profile": (["--user", "u0"], r"user u0\n.+based on: (warm|few ratings)"),
    "segments": (["--k", "2"], r"segments need at least two users|no concept has five items|2 segments of \d+ users"),
    "similar": (["--item", "i0"], r"items like i0|no item beside 'i0'"),
    "recommend": (["--user", "u0"], r"for user u0|the person has (rated|chosen) (the only item|all \d+ items) already"),
    "explain": (["--user", "u0", "--item", "i0"], r"the average of everything is"),
    "questions": ([], r"questions to someone new|questions ask for stars"),
    "audience": (["--item", "i0"], r"users for item i0|every user who has (rated|chosen) anything has"),
    "predict": (["--user", "u0", "--item", "i0"], r"predictions"),
    "evaluate": (["--no-baselines"], r"warm: \d+ (rating|choice)s?; lists of \d+ users?"),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("command", QUESTIONS)
def test_every_command_answers_or_says_what_is_missing(runs: dict[Kind, Path], kind: Kind, command: str) -> None:
    arguments, answer = QUESTIONS[command]
    said = told(runs[kind], command, *arguments)
    assert re.search(answer, said, re.DOTALL), said
    assert "nan" not in said
    assert not re.search(r"\b1 (users|items|ratings|choices|people|segments|sessions|days)\b", said), said


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_all_profiles_are_written(runs: dict[Kind, Path], kind: Kind, tmp_path: Path) -> None:
    users = 1 if kind[0] == "one user" else 20 if kind[0] == "one item" else 2
    said = told(runs[kind], "profile", "--all", "--out", str(tmp_path / "profiles.csv"))
    assert f"{users} profile{'s' * (users > 1)} written" in said
    assert len(pd.read_csv(tmp_path / "profiles.csv")) == users


def test_an_empty_list_says_why_to_machines_as_well(runs: dict[Kind, Path]) -> None:
    run = runs["one item", True, False]
    rated = next(user for user in (f"u{number}" for number in range(20)) if not json.loads(listed(run, user))["items"])
    found = json.loads(listed(run, rated))
    assert found["note"] == "the person has rated the only item already; --again lists them"
    assert [row["id"] for row in json.loads(listed(run, rated, "--again"))["items"]] == ["i0"]
    assert json.loads(told(run, "similar", "--item", "i0", "--json")) == {
        "item": "i0",
        "items": [],
        "note": "this run has no item beside 'i0'",
    }


def test_lists_of_all_users_count_those_without_any_row(runs: dict[Kind, Path], tmp_path: Path) -> None:
    run = runs["one item", True, False]
    rated = len(recommender_of(runs, "one item", True, False).train)
    out = str(tmp_path / "lists.parquet")
    assert f"Nothing was left to list for {rated} of them." in told(run, "recommend", "--all", "--out", out)
    assert len(pd.read_parquet(out)) == 20 - rated
    assert "Nothing was left" not in told(
        run, "recommend", "--all", "--again", "--out", str(tmp_path / "again.parquet")
    )
    assert len(pd.read_parquet(tmp_path / "again.parquet")) == 20


def listed(run: Path, user: str, *more: str) -> str:
    return told(run, "recommend", "--user", user, "--json", *more)


def recommender_of(runs: dict[Kind, Path], *kind: Any) -> Recommender:
    return training.bundle.load_run(runs[kind]).recommender


def test_conditions_that_leave_nothing_are_told(runs: dict[Kind, Path]) -> None:
    recommender = recommender_of(runs, "one user", True, False)
    rows = recommender.recommend(user="u0", candidates=[])
    assert rows.attrs["note"] == "candidates, filters and rules leave none of 20 items to list"
    filters = {"genre": "word1"}
    word1 = [item for number, item in enumerate(sorted(f"i{number}" for number in range(20))) if number % 2]
    rows = recommender.recommend(history=dict.fromkeys(word1, 3.0), filters=filters)
    assert rows.attrs["note"].startswith(
        "the person has rated all 10 items that candidates, filters and rules leave already"
    )
    assert "note" not in recommender.recommend(history={}, filters=filters).attrs


# What a row is based on, where nothing else is known


def test_without_texts_and_concepts_none_are_claimed(runs: dict[Kind, Path]) -> None:
    recommender = recommender_of(runs, "one user", False, False)
    train, ids = recommender.train, recommender.graph.items.vocabulary
    new = ids.id_of(int(np.flatnonzero(train.item_counts == 0)[0]))
    rated = ids.id_of(int(np.flatnonzero(train.item_counts)[0]))
    assert recommender.predict([("u0", new), ("u0", rated)])["source"].tolist() == ["average", "few ratings"]
    assert set(recommender.recommend(user="u0", k=20)["source"]) == {"average"}
    assert set(recommender.recommend(history={}, k=20)["source"]) == {"popularity", "average"}
    assert recommender.similar_items(rated, k=20).set_index("id")["source"][new] == "average"
    assert set(recommender.similar_items(new, k=20)["source"]) == {"average"}


def test_as_much_is_claimed_as_is_known(runs: dict[Kind, Path]) -> None:
    recommender = recommender_of(runs, "one user", True, False)
    known = recommender.add_items(
        [
            {"id": "both", "text": "About word1.", "genre": "word1"},
            {"id": "text", "text": "About word1."},
            {"id": "concept", "genre": "word1"},
            {"id": "nothing"},
        ]
    ).add_users([{"id": "described", "job": "word0"}, {"id": "stranger"}])
    items = ["both", "text", "concept", "nothing"]
    of_items = ["cold: text+concepts", "cold: text", "cold: concepts", "average"]
    for user in ("u0", "described", "stranger"):
        assert known.predict([(user, item) for item in items])["source"].tolist() == of_items
    rated = known.graph.items.vocabulary.id_of(int(np.argmax(known.train.item_counts)))
    based = known.predict([("described", rated), ("stranger", rated)])["source"].tolist()
    # One user alone has the job, which the model therefore has not learned.
    assert based == ["popularity", "popularity"]
    assert known.profile("stranger").source == "average"


def test_a_described_user_of_a_rated_item_is_told_by_demographics(runs: dict[Kind, Path]) -> None:
    recommender = recommender_of(runs, "one item", True, False)
    known = recommender.add_users([{"id": "described", "job": "word0"}, {"id": "stranger"}])
    based = known.predict([("described", "i0"), ("stranger", "i0")])["source"].tolist()
    assert based == ["cold: demographics", "popularity"]
    assert [known.profile(user).source for user in ("described", "stranger")] == ["cold: demographics", "average"]
