"""A saved recommender answers as the one in memory, bit for bit, and nothing is worked out for it again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models.inputs
import training.experiment
from kg.dataset import Dataset
from kg.errors import InputError
from models.cold.cold_start_prior import ColdStartPriors
from models.cold.residuals import Residuals
from models.cold.user_thresholds import UserThresholds
from models.lists.item_item import ContentRegression, ItemItemModel
from models.network.projection import TextProjection
from models.posterior import PhasedPosterior, Posterior
from models.recommender import Recommender
from training.bundle import load_run, write_run
from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
from training.experiment import Experiment

TRAINING = LangevinConfig(epochs=6, burn_in=2, hold=1, keep_every=1)
SIZES = {"text": TextConfig(num_features=2), "training": TRAINING}
ITEM = [{"id": "new", "title": "Film new", "concepts": {"genre": "War"}, "ratings": {"1": 1.0, "2": 1.0}}]
UNRATED = [{"id": "bare", "title": "Film bare"}]
USER = [{"id": "late", "concepts": {"job": "spy"}, "ratings": {"3": 1.0, "0": 1.0}}, {"id": "later"}]

Answers = Callable[[Recommender], dict[str, Any]]


@pytest.fixture(scope="module", params=["stars", "stars without a map", "choices"])
def trained(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_graph: Callable[..., Path],
    with_a_map: Callable[[Recommender], Recommender],
) -> tuple[Recommender, Path]:
    """A recommender in memory, and the run that was written of it."""
    folder = tmp_path_factory.mktemp("saved")
    graph = write_graph(folder, implicit=request.param == "choices")
    config = RunConfig(model=ModelConfig(embedding_size=2), **SIZES)
    experiment = Experiment(Dataset.load(graph), config)
    recommender = experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))
    recommender = recommender if request.param == "stars without a map" else with_a_map(recommender)
    (folder / "run").mkdir()
    write_run(experiment, recommender, graph, folder / "run", {})
    return recommender, folder / "run"


def refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("a run that was read works nothing out again")


@pytest.fixture
def nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever training works out once raises."""
    for owner, name in (
        (TextProjection, "fit"),
        (training.experiment, "make_split"),
        (training.experiment, "graph_inputs"),
        (models.inputs, "graph_inputs"),
        (ColdStartPriors, "_prior"),
        (Residuals, "of"),
        (UserThresholds, "of"),
        (ItemItemModel, "fit"),
        (ContentRegression, "of"),
        (Posterior, "predictor"),
        (PhasedPosterior, "predictor"),
        (training.experiment, "with_expected_users"),
        (training.experiment, "with_expected_items"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    for module in ("sklearn.decomposition", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)


def test_a_run_answers_as_in_memory(trained: tuple[Recommender, Path], answers: Answers, nothing_is_made: None) -> None:
    before, run = trained
    assert answers(Recommender.load(run)) == answers(before)


def test_who_joins_a_run_is_placed_as_in_memory(
    trained: tuple[Recommender, Path], answers: Answers, nothing_is_made: None, tmp_path: Path
) -> None:
    def joined(recommender: Recommender) -> Recommender:
        return recommender.add_items(ITEM).add_users(USER).add_items(UNRATED)

    before, run = trained
    extended, again = joined(before), joined(Recommender.load(run))
    wanted = answers(extended)
    assert answers(again) == wanted
    again.save(tmp_path / "grown")
    read = Recommender.load(tmp_path / "grown")
    assert answers(read) == wanted
    assert read.origin is not None
    assert [len(part) for part in read.additions] == [1, 2, 1]
    assert answers(read.origin) == answers(before)


def test_a_recommender_saved_alone_is_a_run_without_its_training(
    trained: tuple[Recommender, Path], answers: Answers, tmp_path: Path
) -> None:
    before, run = trained
    before.save(tmp_path / "alone")
    for name in ("model", "embeddings", "inputs", "lists", "newcomers"):
        assert (tmp_path / "alone" / f"{name}.safetensors").read_bytes() == (run / f"{name}.safetensors").read_bytes()
    alone = load_run(tmp_path / "alone")
    assert answers(alone.recommender) == answers(before)
    with pytest.raises(InputError, match="was saved alone"):
        _ = alone.experiment
    Recommender.load(tmp_path / "alone").save(tmp_path / "alone")  # over itself, while it is mapped
    assert answers(Recommender.load(tmp_path / "alone")) == answers(before)


def test_the_split_is_read_and_not_drawn(trained: tuple[Recommender, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    run = load_run(trained[1])
    drawn = Experiment(run.experiment.dataset, run.experiment.config).split
    monkeypatch.setattr(training.experiment, "make_split", refuse)
    split = load_run(trained[1]).experiment.split
    assert (split.name, split.sentence, list(split.test)) == (drawn.name, drawn.sentence, list(drawn.test))
    parts = [(split.train, drawn.train), *((split.test[name], drawn.test[name]) for name in split.test)]
    for read, wanted in parts:
        for column in ("user", "item", "value"):
            np.testing.assert_array_equal(getattr(read, column), getattr(wanted, column))


def test_something_else_is_not_replaced(trained: tuple[Recommender, Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else than a run"):
        trained[0].save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_older_run_is_to_be_trained_again(trained: tuple[Recommender, Path], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "kgrec run", "format_version": 4}))
    with pytest.raises(
        InputError, match="format version 4, this kgrec reads version 5; make the run again with `kgrec train`"
    ):
        Recommender.load(tmp_path)


def test_arrays_are_mapped_and_not_copied(trained: tuple[Recommender, Path]) -> None:
    recommender = Recommender.load(trained[1])
    addresses = {
        "model": next(iter(recommender.posterior.warm.samples.values())).data_ptr(),
        "embeddings": recommender.predictor.cold.items.data_ptr(),
        "inputs": recommender.train.user.ctypes.data,
        "lists": recommender.item_item.weights.ctypes.data,
    }
    mapped = {}
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, *_, name = line.split()
        start, end = (int(part, 16) for part in span.split("-"))
        mapped |= {part: name for part, address in addresses.items() if start <= address < end}
    assert mapped == {part: str(trained[1] / f"{part}.safetensors") for part in addresses}


def test_loading_imports_no_training(trained: tuple[Recommender, Path]) -> None:
    asked = (
        "import sys; from models.recommender import Recommender; "
        f"Recommender.load({str(trained[1])!r}).recommend(user='3'); "
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('training', 'sklearn', 'pyarrow.parquet')))"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
