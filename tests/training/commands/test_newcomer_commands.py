"""Commands about what is new, on a tiny run: what is written answers as what was in memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kg.errors import InputError
from models.lists.boosts_and_filters import BoostsAndFilters
from training.bundle import load_run
from training.cli import app
from training.config import RunConfig
from training.forgetting import RunForgetting
from training.lists import block_of_lists, write_lists
from training.report import evaluation_report
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
YAML = """- id: 007
  title: The seventh
  text: A film about seven spies.
  concepts: {genre: [Drama, Unheard]}
  ratings: {ann: 5, 1: 2}
- {id: plain, genre: War}
"""


@pytest.fixture
def run(tiny_run: Path) -> Path:
    return tiny_run


def call(*arguments: object) -> Any:
    found = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.fixture
def grown(run: Path, tmp_path: Path) -> Path:
    (tmp_path / "new.yaml").write_text(YAML)
    told = call("add-items", run, tmp_path / "new.yaml", "--out", tmp_path / "grown")
    assert told["items"] == ["007", "plain"]
    assert told["notes"] == ["genre 'Unheard' of item '007' is not known to the graph and says nothing"]
    return tmp_path / "grown"


# Runs that carry what joined them


def test_a_grown_run_answers_as_the_one_in_memory(run: Path, grown: Path) -> None:
    there = load_run(grown).recommender
    here = load_run(run).recommender.add_items(
        [
            {
                "id": "007",
                "title": "The seventh",
                "text": "A film about seven spies.",
                "genre": "Drama",
                "ratings": {"ann": 5, "1": 2},
            },
            {"id": "plain", "genre": "War"},
        ]
    )
    pairs = [(user, item) for user in ("ann", "3", "8") for item in ("007", "plain", "2")]
    pd.testing.assert_frame_equal(there.predict(pairs), here.predict(pairs), check_exact=True)
    assert there.graph.items.labels[-2:].tolist() == ["The seventh", "plain"]
    assert there.additions[0].lines == (1, 6)  # where each record begins in the YAML
    assert there.recommend(user="3", k=3, candidates=["007"])["evidence"][0] in (
        [],
        [{"reason": "genre: Drama", "source": "new.yaml", "line": 1}],
    )


def test_a_table_like_the_one_of_the_build_is_read_by_its_description(run: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("id,title,genre\nnew,Film 9,Drama\nodd,Film 10,Opera\n")
    (tmp_path / "people.csv").write_text("id,job\nzoe,cook\n")
    by = ("--description", run.parent / "tiny.yaml")
    told = call("add-items", run, tmp_path / "more.csv", *by, "--out", tmp_path / "grown")
    assert told["items"] == ["new", "odd"]
    assert told["notes"] == ["genre 'Opera' of item 'odd' is not known to the graph and says nothing"]
    call("add-users", tmp_path / "grown", tmp_path / "people.csv", *by, "--out", tmp_path / "both")
    there = load_run(tmp_path / "both").recommender
    here = (
        load_run(run)
        .recommender.add_items(
            [
                {"id": "new", "title": "Film 9", "text": "Film 9", "genre": "Drama"},
                {"id": "odd", "title": "Film 10", "text": "Film 10"},
            ]
        )
        .add_users([{"id": "zoe", "job": "cook"}])
    )
    pairs = [(user, item) for user in ("ann", "zoe") for item in ("new", "odd", "2")]
    pd.testing.assert_frame_equal(there.predict(pairs), here.predict(pairs), check_exact=True)


def test_a_grown_run_grows_again_and_the_old_ones_stay(run: Path, grown: Path, tmp_path: Path) -> None:
    before = load_run(grown).recommender.predict([("ann", "007")])
    (tmp_path / "people.csv").write_text("id,label,job,ratings\nzoe,Zoe,cook,007=5|2=1\nold,,spy,\n")
    told = call("add-users", grown, tmp_path / "people.csv", "--out", tmp_path / "both")
    assert told["users"] == ["zoe", "old"]
    both = load_run(tmp_path / "both").recommender
    pd.testing.assert_frame_equal(both.predict([("ann", "007")]), before, check_exact=True)
    assert both.train.user_counts[-2:].tolist() == [2, 0]
    assert "007" not in set(both.recommend(user="zoe", k=20)["id"])
    assert set(both.recommend(user="old", k=20)["source"]) == {
        "cold: demographics",
        "cold: text+concepts",
        "cold: concepts",
    }
    assert len(load_run(run).recommender.graph.items) == 8
    assert len(load_run(grown).recommender.graph.users) == 9


def test_what_is_measured_of_a_grown_run_is_the_trained_one(run: Path, grown: Path) -> None:
    one, other = (evaluation_report(load_run(folder), baselines=False)["parts"] for folder in (run, grown))
    assert one == other


def test_a_grown_run_is_sealed(grown: Path) -> None:
    path = grown / "additions.json"
    path.write_text(path.read_text().replace("seven spies", "seven spoons"))
    with pytest.raises(InputError, match=r"additions\.json: this file is damaged"):
        load_run(grown)


def test_a_grown_run_is_not_taken_for_the_training_of_its_configuration(run: Path, grown: Path) -> None:
    with pytest.raises(InputError, match="another graph, configuration or seed"):
        train_run(run.parent / "graph", RunConfig.load(run / "config.yaml"), grown)


def test_who_is_forgotten_leaves_the_ratings_of_new_items(grown: Path) -> None:
    RunForgetting.prepare(grown, ["ann"]).write()
    after = load_run(grown).recommender
    assert after.train.item_counts[-2:].tolist() == [1, 0]
    assert "ann" not in (grown / "additions.json").read_text()


def test_who_joined_a_run_can_be_forgotten_whatever_the_id_was_given_as(run: Path, tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text('[{"id": 700123, "job": "cook"}, {"id": "anna", "job": "spy"}]')
    call("add-users", run, tmp_path / "people.json", "--out", tmp_path / "grown")
    graph = tmp_path / "graph"
    shutil.copytree(run / "graph", graph)
    for person, left in (("700123", ["anna"]), ("anna", [])):
        told = call("forget", graph, "--user", person, "--run", tmp_path / "grown")
        assert told["forgotten"][str(tmp_path / "grown")]["people"] == 1
        assert told["retrain"] == []  # training never saw them
        after = load_run(tmp_path / "grown").recommender
        assert [raw_id for found in after.additions for raw_id in found.nodes.vocabulary] == left
        assert not any(person.encode() in path.read_bytes() for path in (tmp_path / "grown").glob("*.json"))
    assert CliRunner().invoke(app, ["forget", str(graph), "--user", "nobody"]).exit_code != 0


# Commands


def test_predictions_of_one_pair_and_of_a_file(run: Path, tmp_path: Path) -> None:
    one = call("predict", run, "--user", "3", "--item", "7")["pairs"]
    (tmp_path / "pairs.csv").write_text("user,item\n3,7\nann,0\n")
    many = call("predict", run, "--pairs", tmp_path / "pairs.csv")["pairs"]
    assert many[0] == one[0]
    assert [row["user"] for row in many] == ["3", "ann"]
    assert one[0]["source"] == "cold: text+concepts"
    told = CliRunner().invoke(app, ["predict", str(run), "--user", "3", "--item", "7"])
    assert f"{one[0]['score']:.2f}" in told.output


def test_similar_items_are_listed(run: Path) -> None:
    rows = call("similar", run, "--item", "1", "-k", 3)["items"]
    assert len(rows) == 3
    assert "1" not in {row["id"] for row in rows}
    assert [row["similarity"] for row in rows] == sorted((row["similarity"] for row in rows), reverse=True)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("new.yaml", "id: 1\n", "expected a list of items"),
        ("new.yaml", "- [\n", "not valid YAML"),
        ("new.json", '[{"id": "n",}]', "expected JSON"),
        ("new.json", '["n"]', "expected a record"),
        ("new.json", "[]", "no item in this file"),
        ("new.csv", "name\nn\n", "expected a column 'id'"),
        ("new.csv", "id,ratings\nn,5\n", "id=stars|id=stars"),
        ("new.csv", "id,genres\nn,War\n", "Did you mean 'genre'"),
        ("new.csv", "id\n3\n", "'3' is known already"),
        ("new.csv", "id,genre\nn,War\n\nm,War\n3,War\nk,War\n", "new.csv, line 5: the item id '3' is known already"),
        (
            "new.yaml",
            "- id: n\n- id: m\n  genre: War\n- genre: War\n- id: k\n",
            "new.yaml, line 4: item number 3 has no id",
        ),
        ("new.yaml", "- id: n\n- war\n", "new.yaml, line 2: item number 2 is 'war'"),
        ("new.yaml", "- id: n\n- id: n\n", "new.yaml, line 2: the new item 'n' stands twice"),
        ("new.yaml", "- {id: n}\n- id: m\n  ratings: {ann: 9}\n", "new.yaml, line 2: the rating of item 'm'"),
        ("new.yaml", "- {id: n}\n\n- id: m\n  ratings: {nobody: 3}\n", "new.yaml, line 3: user 'nobody' is not among"),
        ("new.json", '[{"id": "n"}, {"id": "3"}]', "new.json: the item id '3' is known already"),
    ],
)
def test_files_that_cannot_be_used(run: Path, tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(
            app, ["add-items", str(run), str(tmp_path / name), "--out", str(tmp_path / "out")], catch_exceptions=False
        )
    assert sentence in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "RUN"], "give --user and --item, or --pairs"),
        (["predict", "RUN", "--user", "3"], "give --user and --item, or --pairs"),
        (["recommend", "RUN", "--all"], "give --all together with --out"),
        (["recommend", "RUN", "--user", "3", "--all", "--out", "x.parquet"], "give --all together with --out"),
        (["similar", "RUN", "--item", "zz"], "item 'zz' is not among"),
        (["add-items", "RUN", "a.csv", "b.csv", "--out", "grown"], "expected one file of items without --description"),
    ],
)
def test_calls_that_cannot_be_met(run: Path, arguments: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        CliRunner().invoke(app, [str(run) if part == "RUN" else part for part in arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("user,item\nann,3\nann,zz\n", "pairs.csv, line 3: item 'zz' is not among the 8 known item ids"),
        ("user,item\n\nann,3\nbob,3\nann,zz\n", "pairs.csv, line 4: user 'bob' is not among the 9 known user ids"),
        ("user;item\nann;3\n", "found the one column 'user;item'; is the separator right?"),
        ("user\nann\n", "expected a column 'item'"),
    ],
)
def test_pairs_that_cannot_be_predicted_are_named_with_their_place(
    run: Path, tmp_path: Path, content: str, sentence: str
) -> None:
    (tmp_path / "pairs.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(app, ["predict", str(run), "--pairs", str(tmp_path / "pairs.csv")], catch_exceptions=False)
    assert sentence in str(caught.value)


def test_a_directory_that_is_there_is_not_replaced(run: Path, grown: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a run is here already"):
        CliRunner().invoke(
            app, ["add-items", str(run), str(tmp_path / "new.yaml"), "--out", str(grown)], catch_exceptions=False
        )


# Lists of all users


def test_lists_of_all_users_are_those_of_each(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.lists._USERS", 4)  # several blocks
    told = call("recommend", run, "--all", "--out", tmp_path / "lists.parquet", "-k", 5)
    found = pd.read_parquet(tmp_path / "lists.parquet")
    recommender = load_run(run).recommender
    users = list(recommender.graph.users.vocabulary)
    assert (told["users"], told["rows"]) == (len(users), len(found))
    assert found["user"].unique().tolist() == users
    for user in users:
        mine = found[found["user"] == user]
        listed = recommender.recommend(user=user, k=5)
        assert mine["item"].tolist() == listed["id"].tolist()
        assert mine["rank"].tolist() == list(range(1, len(listed) + 1))
        for column in ("score", "low", "high"):
            np.testing.assert_allclose(mine[column], listed[column], atol=1e-4)
        assert mine["source"].tolist() == listed["source"].tolist()


def test_lists_of_all_users_keep_to_rules(run: Path, tmp_path: Path) -> None:
    recommender = load_run(run).recommender
    rules = BoostsAndFilters(hidden=np.arange(8) == 7, boost=np.where(np.arange(8) == 6, 4.0, 0.0))
    found = block_of_lists(recommender, np.arange(9), 3, exclude_seen=False, rules=rules)
    for user, mine in found.groupby("user", sort=False):
        listed = recommender.recommend(user=str(user), k=3, exclude_seen=False, rules=rules)
        assert mine["item"].tolist() == listed["id"].tolist()
    assert "7" not in set(found["item"])
    written = write_lists(recommender, tmp_path / "deep" / "lists.parquet", 100, rules=rules)
    assert written.rows == sum(
        len(recommender.recommend(user=user, k=100, rules=rules)) for user in recommender.graph.users.vocabulary
    )
    with pytest.raises(InputError, match="at least 1, got 0"):
        write_lists(recommender, tmp_path / "none.parquet", 0)
