"""A run that is killed and started again ends as if nothing had happened, to the last bit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kg.dataset import Dataset
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary
from models.posterior import PhasedPosterior
from training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from training.config import AdamWConfig, LangevinConfig, ModelConfig, RunConfig, SplitConfig
from training.experiment import Experiment

USERS, ITEMS, RATINGS = 12, 15, 90
SMALL = ModelConfig(embedding_size=3)
LANGEVIN = RunConfig(model=SMALL, training=LangevinConfig(epochs=36, burn_in=17, hold=5, keep_every=3, chains=2))
ADAMW = RunConfig(
    model=SMALL,
    split=SplitConfig(validation_share=0.2),
    training=AdamWConfig(epochs=24, batches=3, patience=24, clip_norm=5.0),
)

Records = list[dict[str, float]]


class Killed(BaseException):
    """Stands for what ends a process."""


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Everything that happens now and then happens within few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.sampling.BALANCE_EVERY", 8)
        patch.setattr("training.sampling.CURVATURE_EVERY", 7)
        yield


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    index = np.array(np.nonzero(rng.random((ITEMS, 4)) < 0.5))
    edges = Edges(index=index, provenance=np.zeros(index.shape[1], dtype=np.int16))
    graph = KnowledgeGraph(
        name="tiny",
        nodes={USER: nodes(USER, USERS), ITEM: nodes(ITEM, ITEMS), "genre": nodes("genre", 4)},
        edges={EdgeType(ITEM, "genre", "genre"): edges},
        sources=("table",),
    )
    pairs = rng.permutation(USERS * ITEMS)[:RATINGS]
    ratings = Ratings(
        user=pairs // ITEMS,
        item=pairs % ITEMS,
        value=rng.integers(1, 6, RATINGS),
        time=rng.integers(0, 10**7, RATINGS),
        num_users=USERS,
        num_items=ITEMS,
    )
    return Dataset(graph=graph, ratings=ratings, scale=(1, 5))


def experiment(dataset: Dataset, config: RunConfig, dies_at: int | None = None) -> Experiment:
    """An experiment with text vectors given; it is killed when progress reaches a step."""

    def progress(stage: str, done: int, total: int, message: str) -> None:
        if stage == "train" and done == dies_at:
            raise Killed

    made = Experiment(dataset, config, progress=progress)
    made.use_vectors(np.random.default_rng(1).normal(size=(ITEMS, 5)).astype(np.float32))
    return made


def name_of(config: RunConfig) -> str:
    return config.training.method


@pytest.fixture(scope="module")
def whole(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[PhasedPosterior, Records]]:
    """Samples and history of runs that nothing interrupts, by name."""
    found = {}
    for config in (LANGEVIN, ADAMW):
        made = experiment(dataset, config)
        samples = made.run(tmp_path_factory.mktemp("whole") / "checkpoint")
        found[name_of(config)] = (samples, made.history.records)
    return found


def assert_same(found: PhasedPosterior, expected: PhasedPosterior) -> None:
    mine, theirs = found.tensors(), expected.tensors()
    assert set(mine) == set(theirs)
    for name, tensor in theirs.items():
        assert tensor.dtype == mine[name].dtype
        assert torch.equal(mine[name], tensor), name


def without_seconds(records: Records) -> Records:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def test_two_chains_keep_what_they_should(whole: dict[str, tuple[PhasedPosterior, Records]]) -> None:
    samples, records = whole["langevin"]
    assert len(samples.cold_samples) == 2 * len(range(17, 24, 3))  # a third of the 19 steps after burn-in
    later = 2 * len(range(26, 36, 3))  # what is left after two steps to settle
    assert len(samples.samples) == len(samples.cold_samples) + later
    assert [record["epoch"] for record in records] == [*range(36), *range(36)]
    assert len(whole["adamw"][0].samples) == 1
    assert whole["adamw"][0].cold_samples is whole["adamw"][0].samples


# Before the first checkpoint, at one, between two; in burn-in and after it; in the second chain; at the last step.
@pytest.mark.parametrize(
    ("config", "deaths"),
    [
        (LANGEVIN, [1]),
        (LANGEVIN, [10]),
        (LANGEVIN, [19, 28, 29]),
        (LANGEVIN, [36, 37]),
        (LANGEVIN, [25, 60, 72]),
        (ADAMW, [1]),
        (ADAMW, [7, 20]),
        (ADAMW, [24]),
    ],
    ids=lambda given: name_of(given) if isinstance(given, RunConfig) else "-".join(map(str, given)),
)
def test_a_killed_run_ends_like_an_uninterrupted_one(
    dataset: Dataset,
    tmp_path: Path,
    whole: dict[str, tuple[PhasedPosterior, Records]],
    config: RunConfig,
    deaths: list[int],
) -> None:
    file = tmp_path / "checkpoint.safetensors"
    for death in deaths:
        with pytest.raises(Killed):
            experiment(dataset, config, dies_at=death).run(file)
    last = experiment(dataset, config)
    samples = last.run(file)
    expected, records = whole[name_of(config)]
    assert_same(samples, expected)
    assert without_seconds(last.history.records) == without_seconds(records)


def test_a_resumed_run_does_not_start_again(dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, steps = tmp_path / "checkpoint", []
    with pytest.raises(Killed):
        experiment(dataset, LANGEVIN, dies_at=33).run(file)
    last = experiment(dataset, LANGEVIN)
    last.progress = lambda stage, done, total, message: steps.append(done)
    last.run(file)
    assert 30 < steps[0] <= 33
    assert "goes on" in caplog.text


@pytest.mark.parametrize("damage", ["other seed", "cut off", "no checkpoint"])
def test_a_checkpoint_that_does_not_fit_is_left_aside(
    dataset: Dataset,
    tmp_path: Path,
    whole: dict[str, tuple[PhasedPosterior, Records]],
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "checkpoint"
    config = LANGEVIN.updated(["seed=1"]) if damage == "other seed" else LANGEVIN
    with pytest.raises(Killed):
        experiment(dataset, config, dies_at=33).run(file)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-50])
    elif damage == "no checkpoint":
        file.write_bytes(b"words")
    with caplog.at_level(logging.WARNING):
        assert_same(experiment(dataset, LANGEVIN).run(file), whole["langevin"][0])
    assert "starts clean" in caplog.text


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = {"identity": "x", "chain": 1, "history": [{"loss": 0.1}]}
    tensors = {"model/a": torch.randn(2, 3), "kept/a": torch.ones(2).half(), "random": torch.Generator().get_state()}
    Checkpoint(state, tensors).write(tmp_path / "file")
    found = Checkpoint.read(tmp_path / "file")
    assert found is not None
    assert found.state == state
    assert set(found.tensors) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(found.tensors[name], tensor)
    assert set(found.part("model/")) == {"a"}
    assert Checkpoint.read(tmp_path / "absent") is None


def test_an_optimizer_goes_on_where_it_was() -> None:
    def steps(parameter: nn.Parameter, optimizer: torch.optim.Optimizer, number: int) -> None:
        for _ in range(number):
            parameter.grad = parameter.detach() ** 3
            optimizer.step()

    def new(start: Tensor) -> tuple[nn.Parameter, torch.optim.Optimizer]:
        parameter = nn.Parameter(start.clone())
        return parameter, torch.optim.AdamW([parameter], lr=0.1)

    straight, optimizer = new(torch.tensor([1.0, -2.0]))
    steps(straight, optimizer, 3)
    again, restored = new(straight.detach())
    restore_optimizer(restored, {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()})
    steps(straight, optimizer, 4)
    steps(again, restored, 4)
    assert torch.equal(straight, again)
