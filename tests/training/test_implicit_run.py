"""A run on implicit feedback, from choices to lists: nothing in it asks for stars."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.schema import ITEM, USER
from training.bundle import Run, load_run
from training.cli import app
from training.commands.console import recommendation_table
from training.config import RunConfig
from training.experiment import Experiment
from training.films import write_film_source
from training.report import evaluation_report
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
SETTINGS = [
    "training.epochs=60",
    "training.burn_in=20",
    "training.hold=10",
    "training.keep_every=2",
    "split.name=random",
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The film world, of which only is known who rated what."""
    whole = build(Description.load(write_film_source(tmp_path_factory.mktemp("films"))))
    ratings = whole.ratings.select(whole.ratings.user < 300)
    return replace(whole, ratings=replace(ratings, value=np.ones(len(ratings))), scale=(1.0, 1.0))


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("implicit")
    dataset.save(folder / "graph")
    train_run(folder / "graph", RunConfig().updated(SETTINGS), folder / "run")
    return load_run(folder / "run")


def test_no_message_says_who_chose_what(run: Run) -> None:
    assert run.experiment.data[USER].interactions == []
    assert run.experiment.data[ITEM].interactions == []
    assert run.experiment.data[USER].features["interactions"] == {}


def test_lists_are_measured_and_beat_popularity(run: Run) -> None:
    report = evaluation_report(run)
    warm = report["parts"]["warm"]
    assert not {"rmse", "mae", "coverage_80"} & set(warm)
    assert not {"rmse", "mae"} & set(report["baselines"]["popularity"]["warm"])
    assert warm["ndcg@20"]["value"] > report["baselines"]["popularity"]["warm"]["ndcg@20"]["value"]


def test_known_users_newcomers_and_sentences_get_lists(run: Run) -> None:
    recommender, train = run.recommender, run.experiment.split.train
    user = recommender.graph.users.vocabulary.id_of(0)
    chosen = {recommender.graph.items.vocabulary.id_of(int(item)) for item in train.item[train.user == 0]}
    listed = recommender.recommend(user=user, k=5)
    assert len(listed) == 5
    assert not chosen & set(listed["id"])
    assert listed["score"].between(0, 1).all()
    newcomer = recommender.recommend(history=dict.fromkeys(sorted(chosen)[:3], 1.0), k=5)
    assert not set(sorted(chosen)[:3]) & set(newcomer["id"])
    assert len(recommender.recommend(text="a quiet film about the sea", k=5)) == 5
    assert len(recommender.audience(listed["id"][0], k=5)) == 5


def test_gradient_descent_is_refused(dataset: Dataset) -> None:
    config = RunConfig().updated(["training.method=adamw", "split.validation_share=0.1", "split.name=random"])
    with pytest.raises(InputError, match="implicit feedback has none; use langevin"):
        Experiment(dataset, config).check()


def test_what_was_not_chosen_is_part_of_the_likelihood_alone(run: Run, tmp_path: Path) -> None:
    experiment = run.experiment
    assert len(experiment.examples) > 2 * len(experiment.split.train)
    assert experiment.examples.levels.tolist() == [0.0, 1.0]
    assert len(run.recommender.train) == len(experiment.split.train)


def test_a_number_beside_an_item_is_a_score_and_no_chance(run: Run) -> None:
    listed = run.recommender.recommend(history={}, k=3)
    headers = [str(column.header) for column in recommendation_table("list", listed, implicit=True).columns]
    assert "score" in headers
    assert not {"chance", "stars", "80 % interval"} & set(headers)
    item = run.recommender.graph.items.vocabulary.id_of(0)
    with pytest.raises(InputError, match="a choice has the value 1"):
        run.recommender.recommend(history={item: 5.0})


def test_without_text_lists_know_no_text_either(dataset: Dataset) -> None:
    with_text, without = (
        Experiment(dataset, RunConfig().updated([*SETTINGS, *change])).content
        for change in ((), ("model.leave_out=[text]",))
    )
    assert with_text.text.any()
    assert not without.text.size
    assert without.concepts.nnz == with_text.concepts.nnz


@pytest.fixture
def printed(run: Run) -> Callable[..., str]:
    """A function that calls a command about the run and returns what it prints."""

    def call(command: str, *arguments: str) -> str:
        finished = CliRunner().invoke(app, [command, str(run.directory), *arguments])
        if finished.exit_code:
            raise finished.exception or AssertionError(finished.output)
        return finished.output

    return call


def heads(table: str) -> set[str]:
    """The column heads of a printed table."""
    line = next(line for line in table.splitlines() if line.startswith("┃"))
    return {cell.strip() for cell in line.strip("┃").split("┃")}


def test_a_prediction_of_choices_has_no_stars_and_no_interval(printed: Callable[..., str], run: Run) -> None:
    user, item = (nodes.vocabulary.id_of(0) for nodes in (run.recommender.graph.users, run.recommender.graph.items))
    assert heads(printed("predict", "--user", user, "--item", item)) == {"user", "item", "score", "based on"}


def test_an_evaluation_of_choices_has_no_empty_columns(printed: Callable[..., str]) -> None:
    told = printed("evaluate")
    assert heads(told) == {"model", "ndcg@20", "recall@20"}
    assert "choices; lists of" in told
    assert "rating" not in told.replace("ratings to train", "")


def test_an_explanation_of_choices_speaks_of_no_ratings_and_no_chance(printed: Callable[..., str], run: Run) -> None:
    user, item = (nodes.vocabulary.id_of(0) for nodes in (run.recommender.graph.users, run.recommender.graph.items))
    told = printed("explain", "--user", user, "--item", item, "-k", "999")
    assert "; the average of everything is " in told
    assert heads(told[told.index("┏") :]) == {"part", "score", "stated in"}
    for word in ("stars", "chance", "rate", "nothing is known"):
        assert word not in told.lower().replace("stated", "").replace("[ratings]", ""), word


def test_a_profile_of_choices_speaks_of_choices(printed: Callable[..., str], run: Run) -> None:
    user = run.recommender.graph.users.vocabulary.id_of(0)
    count = int(run.recommender.train.user_counts[0])
    told = printed("profile", "--user", user)
    assert f"{count} choices (" in told
    assert "rated" not in told
    assert "ratings" not in told


def test_what_was_chosen_before_can_be_listed_again(printed: Callable[..., str], run: Run) -> None:
    graph, train = run.recommender.graph, run.recommender.train
    user = graph.users.vocabulary.id_of(0)
    chosen = {graph.items.vocabulary.id_of(int(item)) for item in train.item[train.user == 0]}

    def listed(*more: str) -> set[str]:
        rows = json.loads(printed("recommend", "--user", user, "-k", str(len(graph.items)), "--json", *more))["items"]
        return {row["id"] for row in rows}

    assert listed("--again") == set(graph.items.vocabulary)
    assert listed() == set(graph.items.vocabulary) - chosen


def test_ids_alone_are_a_history_of_choices(printed: Callable[..., str], run: Run) -> None:
    ids = run.recommender.graph.items.vocabulary
    first, second = ids.id_of(0), ids.id_of(1)
    alone, with_value = (
        json.loads(printed("recommend", "--history", text, "--json"))
        for text in (f"{first},{second}", f"{first}=1, {second}=1")
    )
    assert alone["history"] == {first: 1.0, second: 1.0}
    assert alone == with_value
    assert f"for someone who chose {first}" in printed("recommend", "--history", first)
    with pytest.raises(InputError, match="item 'nobody' is not among"):
        printed("recommend", "--history", "nobody")
