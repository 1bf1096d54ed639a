"""A saved recommender answers as the one in memory, bit for bit, and nothing is worked out for it again."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import models.inputs
import training.experiment
from kg.dataset import Dataset
from kg.errors import InputError
from models.cold.cold_start_prior import ColdStartPriors
from models.cold.residuals import Residuals
from models.cold.sentence_map import SentenceMap
from models.lists.item_item import ContentRegression, ItemItemModel
from models.network.projection import TextProjection
from models.posterior import PhasedPosterior, Posterior, UserThresholds
from models.recommender import Recommender
from models.text import TextEncoder
from training.bundle import load_run, write_run
from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
from training.experiment import Experiment

TRAINING = LangevinConfig(epochs=6, burn_in=2, hold=1, keep_every=1)
pytestmark = pytest.mark.usefixtures("stand_in_encoder")
SIZES = {"text": TextConfig(num_features=2), "training": TRAINING}
ITEM = [{"id": "new", "title": "Film new", "concepts": {"genre": "War"}, "ratings": {"1": 1.0, "2": 1.0}}]
UNRATED = [{"id": "bare", "title": "Film bare"}]
USER = [{"id": "late", "concepts": {"job": "spy"}, "ratings": {"3": 1.0, "0": 1.0}}, {"id": "later"}]


def with_a_map(recommender: Recommender) -> Recommender:
    """Return a recommender with a map from sentences that say nothing in particular."""
    rng = np.random.default_rng(0)
    vectors = TextEncoder().encode([f"sentence {number}" for number in range(12)])
    chosen = (rng.random((12, recommender.train.num_items)) < 0.5).astype(np.float32)
    samples, _, size = recommender.predictor.cold_samples.users.shape
    rows = torch.from_numpy(rng.normal(size=(samples, 12, size)).astype(np.float32))
    return recommender.with_map(SentenceMap.fit(vectors, chosen, rows))


def answers(recommender: Recommender) -> dict[str, Any]:
    """Ask all that can be asked, and return the answers as JSON values."""
    items, users = (list(nodes.vocabulary) for nodes in (recommender.graph.items, recommender.graph.users))
    value = 1.0 if recommender.implicit else 4.0
    history = {"1": value, "6": value}
    asks = {
        "predict": lambda: recommender.predict([(user, item) for user in users for item in items]),
        "known": lambda: recommender.recommend(user="3", k=5),
        "unrated user": lambda: recommender.recommend(user="8", k=5),
        "history": lambda: recommender.recommend(history=history, concepts={"job": "spy"}, k=5),
        "nobody": lambda: recommender.recommend(history={}, k=5, diversity=0.3),
        "sentence": lambda: recommender.recommend(text="A film about war.", k=5),
        "histories": lambda: recommender.predict_for_histories({"n": history}, [("n", "2"), ("n", "6")]),
        "similar": lambda: recommender.similar_items("2", k=3),
        "audience": lambda: recommender.audience("6", k=3),
        "questions": lambda: recommender.questions(k=3),
        "explained": lambda: recommender.explain("4", user="3"),
        "explained to someone new": lambda: recommender.explain("4", history=history),
        "profile": lambda: recommender.profile("3"),
        "ranking": lambda: recommender.rank_scores(np.arange(9)),
    }
    return {name: plain(ask()) for name, ask in asks.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON knows it; numbers keep all their digits."""
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict("records"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray | torch.Tensor | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return None if np.isnan(value) else float(value)
    return value if isinstance(value, str | int | None) else repr(type(value))


@pytest.fixture(scope="module", params=["stars", "stars without a map", "choices"])
def trained(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_tiny_graph: Callable[..., Path],
) -> tuple[Recommender, Path]:
    """A recommender in memory, and the run that was written of it."""
    folder = tmp_path_factory.mktemp("saved")
    graph = write_tiny_graph(folder, implicit=request.param == "choices")
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


def test_a_run_answers_as_in_memory(trained: tuple[Recommender, Path], nothing_is_made: None) -> None:
    before, run = trained
    assert answers(Recommender.load(run)) == answers(before)


def test_who_joins_a_run_is_placed_as_in_memory(
    trained: tuple[Recommender, Path], nothing_is_made: None, tmp_path: Path
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
    trained: tuple[Recommender, Path], tmp_path: Path
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
        "model": next(iter(recommender.posterior.samples.parameters.values())).data_ptr(),
        "embeddings": recommender.predictor.cold_samples.items.data_ptr(),
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
