"""A search for settings: starts at the default, goes on where it was, and never looks at the test part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from training.bundle import load_run
from training.commands import console
from training.config import RunConfig
from training.experiment import Experiment
from training.films import write_film_source
from training.loop import NonFiniteLossError
from training.runs import train_run
from training.search.search_space import SETTINGS, search_space
from training.search.study import Study, Trial
from training.search.tune import Tuning, tune
from training.search.yardstick import YARDSTICKS, newness

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
EPOCHS = 5
FAST = [f"training.epochs={EPOCHS}", "training.burn_in=2", "training.hold=1", "training.keep_every=1"]
ADAMW = ["training.method=adamw", "training.epochs=2", "training.batches=4", "split.validation_share=0.1"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The film world with its first users; items 0 to 29 are a canonical test part, 30 to 89 a validation part."""
    whole = build(Description.load(write_film_source(tmp_path_factory.mktemp("films"))))
    ratings = whole.ratings.select(whole.ratings.user < 50)
    split = NamedSplit(test_items=np.arange(30), validation_items=np.arange(30, 90))
    return replace(whole, ratings=ratings, splits={"cold-items": split})


@pytest.fixture(scope="module")
def graph(films: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph") / "films"
    films.save(folder)
    return folder


def config(*settings: str) -> RunConfig:
    return RunConfig().updated([*FAST, *settings])


def told(trials: tuple[Trial, ...]) -> list[dict[str, Any]]:
    """What the trials say, without the time they took."""
    return [{**vars(trial), "seconds": None} for trial in trials]


# The search


def test_the_first_trial_is_the_default_judged_on_validation(graph: Path, tmp_path: Path) -> None:
    found = tune(graph, config(), tmp_path / "search", trials=1)
    first = found.study.trials[0]
    assert first.settings == {
        "model.embedding_size": 24,
        "text.num_features": 64,
        "training.step_size": 0.12,
        "training.friction": 0.2,
    }
    train_run(graph, config("split.validation_share=0.1"), tmp_path / "run")
    run = load_run(tmp_path / "run")
    held_out = run.experiment.split.validation
    assert held_out is not None
    users, items = (run.recommender.graph.nodes[kind].vocabulary.ids for kind in ("user", "item"))
    pairs = [(users[user], items[item]) for user, item in zip(held_out.user, held_out.item, strict=True)]
    errors = run.recommender.predict(pairs)["score"] - held_out.value
    assert first.value == pytest.approx(np.sqrt((errors**2).mean()), abs=1e-6)
    assert found.num_ratings == len(held_out)


def test_a_second_call_goes_on_and_ends_as_one_long_call(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(graph, config(), tmp_path / "whole", trials=4)
    assert len({json.dumps(trial.settings) for trial in whole.study.trials}) == 4
    tune(graph, config(), tmp_path / "parts", trials=2)
    trained = counted(monkeypatch)
    parts = tune(graph, config(), tmp_path / "parts", trials=4)
    assert len(trained) == 2
    assert told(parts.study.trials) == told(whole.study.trials)
    assert (tmp_path / "parts" / "best.yaml").read_bytes() == (tmp_path / "whole" / "best.yaml").read_bytes()
    assert len(tune(graph, config(), tmp_path / "parts", trials=3).study.trials) == 4
    assert len(trained) == 2


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list that grows with each training."""
    run, found = Experiment.run, []

    def counting(experiment: Experiment, checkpoint: Path) -> Any:
        found.append(checkpoint)
        return run(experiment, checkpoint)

    monkeypatch.setattr(Experiment, "run", counting)
    return found


@pytest.mark.parametrize("killed", [0, 2])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(graph: Path, tmp_path: Path, killed: int) -> None:
    whole = tune(graph, config(), tmp_path / "whole", trials=3)
    steps: list[str] = []

    def count(stage: str, done: int, total: int, message: str) -> None:
        steps.extend([message] if stage == "train" else [])

    def kill(stage: str, done: int, total: int, message: str) -> None:
        count(stage, done, total, message)
        if len(steps) == killed * EPOCHS + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(graph, config(), tmp_path / "search", trials=3, progress=kill)
    assert (tmp_path / "search" / f"trial-{killed}" / "checkpoint.safetensors").is_file()
    found = tune(graph, config(), tmp_path / "search", trials=3, progress=count)
    assert len(steps) == 3 * EPOCHS + 1  # the step that was cut off is the only one done twice
    assert told(found.study.trials) == told(whole.study.trials)
    assert sorted(path.name for path in (tmp_path / "search").iterdir()) == ["best.yaml", "manifest.json", "trials.csv"]


@pytest.mark.parametrize(
    ("settings", "metric"),
    [
        (FAST, "rmse"),
        (FAST, "ndcg@20"),
        ([*FAST, "split.name=cold-items"], "rmse"),
        (ADAMW, "rmse"),
    ],
    ids=["rmse", "lists", "cold", "adamw"],
)
def test_the_test_part_decides_nothing(
    films: Dataset, graph: Path, tmp_path: Path, settings: list[str], metric: str
) -> None:
    """Other stars, at other times, and where the split does not go by items also for other items: the same search."""
    chosen = RunConfig().updated(settings)
    ratings = films.ratings
    rng = np.random.default_rng(1)
    value, item = ratings.value.copy(), ratings.item.copy()
    if chosen.split.name == "cold-items":
        test = np.flatnonzero(np.isin(item, films.splits["cold-items"].test_items))
    else:
        test = np.random.default_rng(0).permutation(len(ratings))[: round(0.1 * len(ratings))]
        item[test] = rng.integers(ratings.num_items, size=len(test))
    value[test] = 6 - value[test]
    time = None if ratings.time is None else ratings.time.copy()
    if time is not None:
        time[test] = time.max()
    other = Ratings(
        user=ratings.user, item=item, value=value, time=time, num_users=ratings.num_users, num_items=ratings.num_items
    )
    replace(films, ratings=other).save(tmp_path / "other")
    here = tune(graph, chosen, tmp_path / "here", trials=2, metric=metric)
    there = tune(tmp_path / "other", chosen, tmp_path / "there", trials=2, metric=metric)
    assert told(here.study.trials) == told(there.study.trials)
    assert Dataset.load(tmp_path / "other").fingerprint != films.fingerprint


def test_best_yaml_trains_with_all_ratings_again(graph: Path, tmp_path: Path) -> None:
    found = tune(graph, config(), tmp_path / "search", trials=3)
    best = RunConfig.load(tmp_path / "search" / "best.yaml")
    assert best == found.config
    values = [trial.value for trial in found.study.trials]
    assert found.study.best is found.study.trials[int(np.argmin(values))]  # type: ignore[arg-type]
    assert best == config(*(f"{name}={value}" for name, value in found.study.best.settings.items()))
    assert best.split.validation_share == 0
    assert train_run(graph, best, tmp_path / "run").trained


def test_minutes_end_a_search_but_not_before_the_default(graph: Path, tmp_path: Path) -> None:
    found = tune(graph, config(), tmp_path / "search", trials=5, minutes=0)
    assert len(found.study.trials) == 1
    assert found.sentence.endswith("of new items or users. None is better than the default.")


def test_a_training_that_diverges_is_noted_and_passed_over(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = counted(monkeypatch)
    counting = Experiment.run

    def diverging(experiment: Experiment, checkpoint: Path) -> Any:
        posterior = counting(experiment, checkpoint)
        if len(trained) in failing:
            raise NonFiniteLossError("the loss is nan")
        return posterior

    monkeypatch.setattr(Experiment, "run", diverging)
    failing = {1, 3}
    found = tune(graph, config(), tmp_path / "search", trials=4)
    assert [trial.value is None for trial in found.study.trials] == [True, False, True, False]
    assert found.study.best in (found.study.trials[1], found.study.trials[3])
    assert found.study.gain is None
    assert "2 of them without result" in found.sentence
    assert "default" not in found.sentence
    table = (tmp_path / "search" / "trials.csv").read_text().splitlines()
    assert ["failed" in row for row in table] == [False, True, False, True, False]
    failing = set(range(100))
    with pytest.raises(InputError, match="no trial came to an end: the loss is nan"):
        tune(graph, config("seed=1"), tmp_path / "nothing", trials=2)


def test_without_stars_lists_alone_can_judge(films: Dataset, tmp_path: Path) -> None:
    choices = replace(films.ratings, value=np.ones(len(films.ratings)))
    replace(films, ratings=choices, scale=(1.0, 1.0)).save(tmp_path / "choices")
    with pytest.raises(InputError, match="give --metric ndcg@20"):
        tune(tmp_path / "choices", config(), tmp_path / "search", trials=1)
    assert not (tmp_path / "search").exists()
    assert tune(tmp_path / "choices", config(), tmp_path / "search", trials=1, metric="ndcg@20").study.best is not None


def test_another_search_is_replaced_only_when_asked(graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    tune(graph, config(), out, trials=1)
    for other in (
        {"config": config("seed=1")},
        {"config": config(), "metric": "ndcg@20"},
        {"config": config(), "only": ["training.friction"]},
    ):
        with pytest.raises(InputError, match="another graph, configuration, metric or choice of settings"):
            tune(graph, out=out, trials=1, **other)  # type: ignore[arg-type]
    assert tune(graph, config("seed=1"), out, trials=1, overwrite=True).config.seed == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letters.txt").write_text("dear")
    with pytest.raises(InputError, match="something else than a search"):
        tune(graph, config(), tmp_path / "mine", trials=1, overwrite=True)
    assert (tmp_path / "mine" / "letters.txt").read_text() == "dear"


def test_a_damaged_search_is_a_sentence(graph: Path, tmp_path: Path) -> None:
    tune(graph, config(), tmp_path / "search", trials=1)
    manifest = tmp_path / "search" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"number": 0', '"number": 1'))
    with pytest.raises(InputError, match="checksum does not fit; make the search again with `kgrec tune`"):
        tune(graph, config(), tmp_path / "search", trials=1)


# What is searched


def test_every_setting_is_one_of_the_configuration_and_its_range_is_allowed() -> None:
    recipes = [RunConfig(), RunConfig().updated(["training.method=adamw"])]
    for setting in SETTINGS:
        owners = [found for found in recipes if setting.value_in(found) is not None]
        assert owners, setting.name
        for end in (setting.low, setting.high, setting.value_in(owners[0])):
            assert setting.low <= end <= setting.high  # type: ignore[operator]
            assert setting.value_in(owners[0].updated([f"{setting.name}={end}"])) == end


def test_a_range_holds_where_the_search_starts() -> None:
    space = search_space(RunConfig().updated(["model.embedding_size=2", "training.friction=3"]), cold=False)
    found = {setting.name: (setting.low, setting.high) for setting in space}
    assert found["model.embedding_size"] == (2, 64)
    assert found["training.friction"] == (0.05, 3)


def test_what_only_new_items_gain_from_is_searched_only_where_they_are_judged() -> None:
    def names(**how: Any) -> list[str]:
        return [setting.name for setting in search_space(RunConfig(), **how)]

    assert set(names(cold=True)) - set(names(cold=False)) == {"model.cold_weight", "model.cold_share"}
    assert names(cold=False, only=["model.cold_weight"]) == ["model.cold_weight"]


def test_the_method_decides_what_there_is_to_search() -> None:
    adamw = search_space(RunConfig().updated(["training.method=adamw"]), cold=False)
    names = {setting.name for setting in adamw}
    assert {"training.learning_rate", "training.prior_strength", "training.batches"} <= names
    assert not names & {"training.friction", "training.step_size"}
    with pytest.raises(InputError, match=r"no setting to search with langevin; choose among .*friction"):
        search_space(RunConfig(), only=["training.learning_rate"], cold=False)
    with pytest.raises(InputError, match=r"Did you mean 'training.friction'"):
        search_space(RunConfig(), only=["training.fricton"], cold=False)


# What a study says


def study(direction: str, *values: float | None) -> Study:
    space = search_space(RunConfig(), only=["training.friction", "training.step_size"], cold=False)
    trials = tuple(
        Trial(
            number=number,
            settings={"training.friction": 0.1 + number / 100, "training.step_size": 0.1},
            value=value,
            seconds=1.0,
        )
        for number, value in enumerate(values)
    )
    start = {"training.friction": 0.2, "training.step_size": 0.12}
    yardstick = YARDSTICKS[{"less": "rmse", "more": "ndcg@20"}[direction]]
    return Study(space=space, start=start, yardstick=yardstick, seed=0, trials=trials)


def test_best_follows_the_direction_of_the_metric() -> None:
    for direction, number in (("less", 2), ("more", 3)):
        best = study(direction, None, 0.5, 0.2, 0.9, 0.2, 0.9).best
        assert best is not None
        assert best.number == number
    assert study("less", None, None).best is None


def test_importance_waits_for_trials_and_finds_what_matters() -> None:
    assert study("less", *np.linspace(0, 1, 9)).importance is None
    found = study("less", *np.linspace(0, 1, 20)).importance  # the value is the friction, the step size never changes
    assert found == pytest.approx({"training.friction": 1.0, "training.step_size": 0.0})
    assert study("less", *[0.5] * 20).importance is None


def test_proposals_depend_on_the_trials_before_and_the_seed_alone() -> None:
    some = study("less", *np.linspace(1, 0, 8))
    assert some.proposal() == replace(some).proposal()
    assert some.proposal() != replace(some, seed=1).proposal()
    assert some.proposal() != replace(some, trials=some.trials[:7]).proposal()
    for setting in some.space:
        value = some.proposal()[setting.name]
        assert setting.low <= value <= setting.high
        assert float(f"{value:.3g}") == value


# What judges


def slow_ndcg(scores: np.ndarray, liked: set[int], candidates: list[int]) -> float:
    listed = sorted(candidates, key=lambda item: -scores[item])[:20]
    gain = sum(1 / np.log2(place + 2) for place, item in enumerate(listed) if item in liked)
    return float(gain / sum(1 / np.log2(place + 2) for place in range(min(20, len(liked)))))


@pytest.mark.parametrize("split", ["random", "cold-items"])
def test_lists_are_judged_as_by_hand(films: Dataset, tmp_path: Path, split: str) -> None:
    experiment = Experiment(films, config(f"split.name={split}", "split.validation_share=0.1"))
    posterior = experiment.run(tmp_path / "checkpoint.safetensors")
    recommender, train, held_out = (
        experiment.recommender(posterior),
        experiment.split.train,
        experiment.split.validation,
    )
    assert held_out is not None
    found = []
    for user in range(train.num_users):
        liked = set(held_out.item[(held_out.user == user) & (held_out.value >= 4)].tolist())
        seen = set(train.item[train.user == user].tolist())
        pool = set(held_out.item.tolist()) if split == "cold-items" else set(range(train.num_items)) - seen
        if liked:
            found.append(slow_ndcg(recommender.rank_scores(np.array([user]))[0], liked, sorted(pool)))
    assert YARDSTICKS["ndcg@20"].measure(experiment, posterior) == pytest.approx(np.mean(found), abs=1e-9)


def test_newness_is_the_share_of_ratings_without_a_past(films: Dataset) -> None:
    cold = Experiment(films, config("split.name=cold-items", "split.validation_share=0.1")).split
    assert newness(cold) == 1.0
    assert cold.validation is not None
    known = replace(cold, validation=cold.train.select(np.arange(3)).concat(cold.validation.select(np.arange(1))))
    assert newness(known) == 0.25


def test_a_cold_split_without_cold_validation_is_pointed_out(
    graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def judged(split: str) -> Tuning:
        caplog.clear()
        return tune(graph, config(f"split.name={split}"), tmp_path / split, trials=1)

    assert judged("cold-users").newness < 0.5
    assert "does not see what helps new ones" in caplog.text
    found = judged("cold-items")
    assert "100.0% of them of new items or users" in found.sentence
    assert "does not see" not in caplog.text
    assert "model.cold_weight" in found.study.trials[0].settings


# The command


def test_the_command_prints_one_object_or_a_table(graph: Path, tmp_path: Path, kgrec: Callable[..., Any]) -> None:
    settings = [part for setting in FAST for part in ("--set", setting)]
    call = (
        graph,
        "--out",
        tmp_path / "search",
        "--trials",
        2,
        "--only",
        "training.friction, model.embedding_size",
        *settings,
    )
    finished = kgrec("tune", *call, "--json")
    assert finished.code == 0
    found = finished.json
    values = [trial["value"] for trial in found["trials"]]
    assert (found["default"], found["best"]) == (values[0], min(values))
    assert found["gain"] == pytest.approx(values[0] - min(values))
    assert set(found["settings"]) == {"training.friction", "model.embedding_size"}
    shown = kgrec("tune", *call)
    assert shown.code == 0
    assert f"{values[0]:.4f}" in shown.out
    assert "training:" not in shown.err  # nothing was trained again


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "rsme"), "Did you mean 'rmse'"),
        (("--only", "model.embeding_size"), "Did you mean 'model.embedding_size'"),
        (("--split", "u1"), "There is no split 'u1'"),
        (("--set", "training.method=adamw"), "set split.validation_share"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_is_written(
    graph: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kgrec: Callable[..., tuple[int, str, str]],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setattr(console.notes, "width", 500, raising=False)
    code, out, err = kgrec("tune", graph, "--out", tmp_path / "search", *arguments)
    assert said in err
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "search").exists()
