"""The guard of a chain: goes back where the loss leaves its level, halves the step, drops what was sampled, and says so."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import training.experiment
import training.guard
from kg.dataset import Dataset
from kg.graph import KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.vocabulary import Vocabulary
from models.posterior import PhasedPosterior
from training.config import LangevinConfig, ModelConfig, RunConfig
from training.experiment import Experiment
from training.guard import MOST, SLACK, SPREADS, Guard
from training.langevin import LangevinSampler
from training.loop import EpochRecord, NonFiniteLossError
from training.runs import train_run
from training.sampling import LangevinTraining
from training.scale_priors import ScalePrior

USERS, ITEMS, RATINGS = 10, 12, 80
CONFIG = RunConfig(
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=60, burn_in=12, hold=5, keep_every=2, chains=2),
)
COLD, WARM = len(range(12, 29, 2)), len(range(34, 60, 2))  # samples of each phase: a third and a tenth of 48 steps
STEP = CONFIG.training.step_size  # type: ignore[union-attr]


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    graph = KnowledgeGraph(
        name="tiny", nodes={USER: nodes(USER, USERS), ITEM: nodes(ITEM, ITEMS)}, edges={}, sources=("table",)
    )
    pairs = rng.permutation(USERS * ITEMS)[:RATINGS]
    value = rng.integers(1, 6, RATINGS)
    ratings = Ratings(user=pairs // ITEMS, item=pairs % ITEMS, value=value, time=None, num_users=USERS, num_items=ITEMS)
    return Dataset(graph=graph, ratings=ratings, scale=(1, 5))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.guard, "EVERY", 20)


class Killed(BaseException):
    """Stands for what ends a process."""


def experiment(dataset: Dataset, dies_at: int | None = None) -> Experiment:
    def progress(stage: str, done: int, total: int, message: str) -> None:
        if stage == "train" and done == dies_at:
            raise Killed

    made = Experiment(dataset, CONFIG, progress=progress)
    made.use_vectors(np.zeros((ITEMS, 1), dtype=np.float32))
    return made


def kicked_after(monkeypatch: pytest.MonkeyPatch, kicks: dict[int, float]) -> None:
    """After these steps of every chain all parameters are multiplied, as where a chain diverges."""
    after = LangevinTraining.after

    def kicked(self: LangevinTraining, record: EpochRecord) -> dict[str, float]:
        found = after(self, record)
        if record.epoch in kicks:
            with torch.no_grad():
                for parameter in self.model.parameters():
                    parameter.mul_(kicks[record.epoch])
        return found

    monkeypatch.setattr(LangevinTraining, "after", kicked)


def rare_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.experiment, "CHECKPOINTS", 1)


def same(found: PhasedPosterior, expected: PhasedPosterior) -> bool:
    mine, theirs = found.tensors(), expected.tensors()
    return set(mine) == set(theirs) and all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_healthy_chain_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    made = experiment(dataset)
    samples = made.run(tmp_path / "checkpoint")
    assert made.guard_events == []
    assert len(samples.cold_samples) == 2 * COLD
    assert len(samples.samples) == 2 * (COLD + WARM)


@pytest.mark.parametrize("kick", [60.0, math.nan])
def test_a_chain_that_leaves_its_level_goes_back_with_half_the_step(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kick: float
) -> None:
    rare_checkpoints(monkeypatch)
    kicked_after(monkeypatch, {46: kick})
    made = experiment(dataset)
    with caplog.at_level(logging.WARNING):
        samples = made.run(tmp_path / "checkpoint")
    assert [(event["chain"], event["step"], event["step_size"]) for event in made.guard_events] == [
        (0, 47, STEP / 2),
        (1, 47, STEP / 2),
    ]
    assert all((event["loss"] is None) == math.isnan(kick) for event in made.guard_events)
    assert caplog.text.count("goes back and on with step size 0.06") == 2
    # The good state is that of step 40: what was sampled in steps 40 to 46 is dropped.
    dropped = len([step for step in range(34, 60, 2) if 40 <= step <= 46])
    assert dropped == 4
    assert len(samples.samples) == 2 * (COLD + WARM - dropped)
    losses = [record["loss"] for record in made.history.records]
    assert max(losses[40:60]) < max(losses[20:40]) + SLACK + SPREADS / math.sqrt(RATINGS)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in samples.tensors().values())


def test_the_chain_before_a_kick_is_that_without(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept samples are those of the healthy chain up to the good state, bit by bit."""
    rare_checkpoints(monkeypatch)
    healthy = experiment(dataset).run(tmp_path / "healthy").samples.part(slice(0, 2 * COLD + 3))
    kicked_after(monkeypatch, {46: 60.0})
    found = experiment(dataset).run(tmp_path / "kicked").samples.part(slice(0, 2 * COLD + 3))
    for name, tensor in healthy.parameters.items():
        assert torch.equal(found.parameters[name], tensor), name


def test_a_kick_at_the_last_step_leaves_no_bad_sample(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare_checkpoints(monkeypatch)
    kicked_after(monkeypatch, {57: 60.0, 59: math.nan})
    made = experiment(dataset)
    samples = made.run(tmp_path / "checkpoint")
    assert [event["step"] for event in made.guard_events if event["chain"] == 0] == [58, 60]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in samples.tensors().values())
    assert float(samples.samples.parameters["users.factors.rows"].abs().max()) < 20


# Before the kick; between kick and checkpoint, which is written every third step; after both; in the second chain.
@pytest.mark.parametrize("deaths", [[45], [47, 48], [50], [52, 107, 109], [118]], ids=lambda deaths: str(deaths))
def test_a_killed_run_that_went_back_ends_like_an_uninterrupted_one(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: list[int]
) -> None:
    kicked_after(monkeypatch, {20: 60.0, 45: 60.0, 47: math.nan})
    whole = experiment(dataset)
    expected = whole.run(tmp_path / "whole")
    assert [event["step"] for event in whole.guard_events] == [21, 46, 48] * 2
    for death in deaths:
        with pytest.raises(Killed):
            experiment(dataset, dies_at=death).run(tmp_path / "checkpoint")
    last = experiment(dataset)
    assert same(last.run(tmp_path / "checkpoint"), expected)
    assert last.guard_events == whole.guard_events
    assert [record["loss"] for record in last.history.records] == [record["loss"] for record in whole.history.records]


def test_a_chain_that_never_comes_to_rest_ends_with_a_sentence(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kicked_after(monkeypatch, dict.fromkeys(range(15, 60), math.nan))
    made = experiment(dataset)
    with pytest.raises(NonFiniteLossError, match=r"lower training\.step_size"):
        made.run(tmp_path / "checkpoint")


def test_events_are_told_in_the_figures_of_the_run(
    small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_dataset.save(tmp_path / "graph")
    short = ["epochs=8", "burn_in=2", "hold=1", "keep_every=1"]
    config = RunConfig().updated(
        ["split.test_share=0.25", "model.embedding_size=2", "text.num_features=0", "text.synthetic_texts=0"]
        + [f"training.{setting}" for setting in short]
    )
    monkeypatch.setattr(Experiment, "item_vectors", np.zeros((3, 1), dtype=np.float32))
    train_run(tmp_path / "graph", config, tmp_path / "healthy")
    kicked_after(monkeypatch, {5: math.nan})
    train_run(tmp_path / "graph", config, tmp_path / "run")
    told = [json.loads((tmp_path / run / "metrics.json").read_text())["guard"] for run in ("healthy", "run")]
    assert told == [[], [{"chain": 0, "step": 6, "loss": None, "step_size": STEP / 2}]]


# The guard alone


@pytest.fixture
def watched() -> tuple[nn.Linear, LangevinSampler, Guard]:
    model = nn.Linear(3, 2, bias=False)
    priors = {model.weight: ScalePrior(initial=1.0, joint=True)}
    sampler = LangevinSampler(priors, generator=torch.Generator().manual_seed(0))
    return model, sampler, Guard(model, sampler, num_ratings=400, burn_in=10)


def test_a_loss_may_double_in_burn_in_and_leave_its_level_by_the_slack_later(
    watched: tuple[nn.Linear, LangevinSampler, Guard],
) -> None:
    guard = watched[2]
    slack = SLACK + SPREADS / 20
    assert guard.sound(0, 400 * 2.0)
    assert guard.sound(1, 400 * 4.9)  # the lowest of the level is 2
    assert not guard.sound(2, 400 * 5.2)
    assert not guard.sound(3, math.nan)
    assert not guard.sound(3, math.inf)
    for step in range(3, 200):
        assert guard.sound(step, 400 * 1.0)
    assert guard.sound(200, 400 * (1.0 + slack - 0.01))
    assert not guard.sound(201, 400 * (1.0 + slack + 0.01))
    guard.new_level()
    assert guard.sound(202, 400 * 9.0)


def moved(model: nn.Linear, sampler: LangevinSampler, seed: int) -> None:
    with torch.no_grad():
        model.weight.normal_(generator=torch.Generator().manual_seed(seed))
    model.weight.grad = torch.ones_like(model.weight)
    sampler.step()
    sampler.draw_scales()


def state_of(sampler: LangevinSampler) -> dict[str, Any]:
    return {name: value.clone() for name, value in sampler.state[sampler.param_groups[0]["params"][0]].items()}


@pytest.mark.parametrize("drawn_before", [True, False])
def test_it_goes_back_to_parameters_and_sampler_of_the_good_state(
    watched: tuple[nn.Linear, LangevinSampler, Guard], drawn_before: bool
) -> None:
    """A covariance that was first drawn after the good state is forgotten, too."""
    model, sampler, guard = watched
    if drawn_before:
        moved(model, sampler, 1)
    guard.keep(0, (4, 2))
    weight, before = model.weight.detach().clone(), state_of(sampler)
    assert ("joint" in before) == drawn_before
    moved(model, sampler, 2)
    sampler.state[model.weight]["damping"] *= 3
    guard.keep(7, (5, 3))  # no time to keep anything
    assert guard.go_back(8, 4000.0) == (4, 2)
    assert torch.equal(model.weight, weight)
    after = state_of(sampler)
    assert set(after) == set(before)
    for name, value in before.items():
        assert torch.equal(after[name], 3 * value if name == "damping" else value), name
    assert guard.events == [{"step": 8, "loss": 10.0, "step_size": STEP / 2}]
    moved(model, sampler, 3)  # what comes after leaves the good state as it is
    assert guard.go_back(9, math.nan) == (4, 2)
    assert torch.equal(model.weight, weight)
    assert guard.events[1] == {"step": 9, "loss": None, "step_size": STEP / 4}


def test_after_too_many_times_it_gives_up(watched: tuple[nn.Linear, LangevinSampler, Guard]) -> None:
    guard = watched[2]
    for number in range(MOST):
        assert guard.go_back(number, math.nan) == (0, 0)
    assert guard.go_back(MOST, math.nan) is None
    assert len(guard.events) == MOST


def test_what_a_checkpoint_keeps_of_it_comes_back(watched: tuple[nn.Linear, LangevinSampler, Guard]) -> None:
    model, sampler, guard = watched
    for loss in (None, 400.0, 500.0):
        if loss is not None:
            assert guard.sound(20, loss)
        other = Guard(model, sampler, num_ratings=400, burn_in=10)
        other.restore(json.loads(json.dumps(guard.state())))
        assert (other.level, other.lowest, other.events) == (guard.level, guard.lowest, guard.events)
