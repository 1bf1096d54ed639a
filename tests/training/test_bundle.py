"""A saved run: the same answers after loading, and a sentence with the file's name when anything in it is wrong."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.manifest import seal
from models.posterior import PhasedPosterior, Posterior
from models.recommender import Recommender
from models.saved import FORMAT_VERSION
from training.bundle import load_run, write_run
from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
ROOT = Path(__file__).resolve().parents[2]
CONFIG = RunConfig(
    text=TextConfig(num_features=2),
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=6, burn_in=2, hold=1, keep_every=1),
)
FACTS = {"train_seconds": 1.0, "peak_memory_mb": 1.0}
SEALED = (
    *("config.yaml", "history.csv", "manifest.json", "metrics.json", "recommender.json", "split.safetensors"),
    *("edges.arrow", "nodes.arrow"),
    *(f"{name}.safetensors" for name in ("embeddings", "inputs", "lists", "model", "newcomers")),
    *(f"graph/{name}.parquet" for name in ("edges", "nodes", "ratings", "splits")),
    *("graph/kg.nq.gz", "graph/manifest.json", "graph/report.json"),
)


@pytest.fixture(scope="module")
def graph(write_tiny_graph: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_graph(tmp_path_factory.mktemp("bundle"))


def trained(graph: Path, folder: Path) -> Recommender:
    """Train, write the run into a folder, and return what was written."""
    folder.mkdir()
    experiment = Experiment(Dataset.load(graph), CONFIG)
    recommender = experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    write_run(experiment, recommender, graph, folder, FACTS)
    return recommender


@pytest.fixture(scope="module")
def original(graph: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, Path]:
    folder = tmp_path_factory.mktemp("original") / "run"
    return trained(graph, folder), folder


@pytest.fixture
def run(original: tuple[Recommender, Path], tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(original[1], tmp_path / "run"))


def refusal(run: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        _ = load_run(run).experiment  # what no answer is read from is checked when it is read
    return caught.value


# What is written is what is read


def test_a_loaded_run_predicts_the_same_bits(original: tuple[Recommender, Path]) -> None:
    before, folder = original
    after = load_run(folder).recommender
    user, item = (torch.from_numpy(index.ravel()) for index in np.indices((9, 8)))
    assert torch.equal(before.predictor.probabilities(user, item), after.predictor.probabilities(user, item))
    pairs = [(u, i) for u in before.graph.users.vocabulary for i in before.graph.items.vocabulary]
    pd.testing.assert_frame_equal(before.predict(pairs), after.predict(pairs), check_exact=True)


def test_a_loaded_run_recommends_the_same(original: tuple[Recommender, Path]) -> None:
    before, folder = original
    after = load_run(folder).recommender
    wishes: list[dict[str, Any]] = [{"user": "3"}, {"user": "8"}, {"history": {"1": 5.0, "6": 2.0}}, {"text": "war"}]
    for wish in wishes:
        told, again = (who.recommend(**wish) for who in (before, after))
        pd.testing.assert_frame_equal(told, again, check_exact=True)
    np.testing.assert_array_equal(before.rank_scores(np.arange(9)), after.rank_scores(np.arange(9)))


def test_the_same_training_writes_the_same_bytes(
    graph: Path, original: tuple[Recommender, Path], tmp_path: Path
) -> None:
    trained(graph, tmp_path / "again")
    for name in SEALED:
        if name in ("manifest.json", "history.csv"):  # they tell the time that the training took
            continue
        assert (tmp_path / "again" / name).read_bytes() == (original[1] / name).read_bytes(), name


def test_a_run_moves_with_everything_it_needs(
    graph: Path, original: tuple[Recommender, Path], run: Path, tmp_path: Path
) -> None:
    moved = run.rename(tmp_path / "elsewhere")
    hidden = graph.rename(tmp_path / "hidden")
    try:
        assert load_run(moved).recommender.recommend(user="1")["label"].str.startswith("Film").all()
    finally:
        hidden.rename(graph)


def test_the_manifest_says_what_made_the_run(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["seed"] == CONFIG.seed
    assert manifest["encoder"] == "stand-in"
    assert {"torch", "numpy", "transformers"} <= set(manifest["libraries"])
    assert RunConfig.load(run / "config.yaml") == CONFIG


# Damage


def test_the_sealed_files_are_all_that_loading_needs(run: Path) -> None:
    found = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    curves = {name for name in found if name.startswith("tensorboard/")}  # for people; loading never looks there
    assert found - curves == set(SEALED)


@pytest.mark.parametrize("name", SEALED)
def test_a_flipped_byte_is_found_and_the_file_named(run: Path, name: str) -> None:
    whole = (run / name).read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 2):
        spoilt = bytearray(whole)
        spoilt[place] ^= 0x01
        (run / name).write_bytes(spoilt)
        assert refusal(run).file == str(run / name)


@pytest.mark.parametrize("name", SEALED)
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    assert name.removesuffix("/manifest.json") in str(refusal(run))
    assert "kgrec train" in str(refusal(run)) or name.startswith("graph/")


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_cut_off_model_is_named(run: Path, left: float) -> None:
    whole = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(whole[: int(left * len(whole))])
    assert refusal(run).file == str(run / "model.safetensors")


@pytest.mark.parametrize("name", ["manifest.json", "graph/manifest.json"])
def test_a_newer_format_is_named_and_kgrec_shall_be_updated(run: Path, name: str) -> None:
    manifest = json.loads((run / name).read_text())
    manifest["format_version"] = 99
    (run / name).write_text(json.dumps(manifest))
    error = refusal(run)
    if name == "manifest.json":
        assert "version 99" in str(error)
        assert f"reads version {FORMAT_VERSION};" in str(error)
        assert "update kgrec" in str(error)
    assert error.file == str(run / name)


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"format": "zip"}', "[" * 100_000])
def test_a_manifest_that_is_none_is_named(run: Path, content: str) -> None:
    (run / "manifest.json").write_text(content)
    assert refusal(run).file == str(run / "manifest.json")


def test_what_is_no_run_is_refused(run: Path, graph: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "absent", run / "config.yaml"):
        assert "expected a run directory" in str(refusal(place))
    assert "not the manifest of a run" in str(refusal(graph))


# Never a pickle


def test_no_package_can_unpickle() -> None:
    modules = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    calls = {("torch", "load"), ("torch", "save"), ("np", "load"), ("numpy", "load")}
    methods = {"read_pickle", "to_pickle", "allow_pickle"}
    sources = [path for room in ("kg", "models", "training") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 30
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names: set[str] = set()
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
                assert not methods & {alias.name for alias in node.names}, path
                assert not (node.module == "torch" and {"load", "save"} & {alias.name for alias in node.names}), path
            elif isinstance(node, ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert (owner, node.attr) not in calls, path
                assert node.attr not in methods, path
            elif isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", path
            assert not names & modules, path


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_not_written(
    original: tuple[Recommender, Path], tmp_path: Path, value: float
) -> None:
    recommender = original[0]
    samples = {name: stacked.clone() for name, stacked in recommender.posterior.samples.parameters.items()}
    table = next(iter(sorted(samples)))
    samples[table].view(-1)[0] = value
    spoilt = replace(recommender, posterior=PhasedPosterior.single(Posterior(samples)))
    spoilt.keep(recommender)
    with pytest.raises(InputError) as caught:
        spoilt.save(tmp_path / "spoilt")
    assert f"expected finite weights, found 1 in '{table}' that are infinite or no numbers" in str(caught.value)
    assert not (tmp_path / "spoilt").exists()


def test_weights_that_are_no_numbers_are_not_read(original: tuple[Recommender, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(original[1], folder)
    samples = load_file(folder / "model.safetensors")
    table = min(samples)
    samples[table].view(-1)[0] = torch.nan
    save_file(samples, folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    names = manifest["files"]
    (folder / "manifest.json").unlink()
    content = {name: value for name, value in manifest.items() if name not in ("files", "checksum")}
    seal(folder, content, tuple(names))
    with pytest.raises(InputError, match=f"expected finite weights, found 1 in '{table}'"):
        Recommender.load(folder)
