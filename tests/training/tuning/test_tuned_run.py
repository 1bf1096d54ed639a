"""A run that tunes its language model: it keeps the difference, reads sentences and new items by it, and exports it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kg.errors import InputError
from models.recommender import Recommender
from models.text import TextEncoder
from training.bundle import load_run
from training.cli import app
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.runs import train_run
from training.tuning.tune_config import TuneConfig

SHORT = LangevinConfig(epochs=12, burn_in=4, hold=1, keep_every=1)
TUNE = TuneConfig(strategy="top", layers=1, epochs=2, batch_size=4, learning_rate=0.01)


def configured(encoder: str, tune: TuneConfig, split: SplitConfig | None = None) -> RunConfig:
    text = TextConfig(encoder=encoder, max_length=32, num_features=2, synthetic_texts=20, tune=tune)
    return RunConfig(text=text, model=ModelConfig(embedding_size=2), training=SHORT, split=split or SplitConfig())


@pytest.fixture(scope="module")
def graph(write_tiny_graph: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_graph(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def run(graph: Path, tiny_bert: TextEncoder) -> Path:
    train_run(graph, configured(tiny_bert.name, TUNE), graph.parent / "run")
    return graph.parent / "run"


def test_a_run_keeps_what_tuning_changed_and_reads_by_it(run: Path, graph: Path, tiny_bert: TextEncoder) -> None:
    recommender = Recommender.load(run)
    tuned = recommender.encoder.tuned
    assert tuned is not None
    assert tuned.adaptation.strategy == "top"
    assert (run / "encoder.safetensors").stat().st_size < 100_000
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["language_model"]["tuning"]["strategy"] == "top"
    assert manifest["encoder"] == recommender.encoder_fingerprint == recommender.encoder.fingerprint
    train_run(graph, configured(tiny_bert.name, TuneConfig()), graph.parent / "frozen")
    frozen = Recommender.load(graph.parent / "frozen")
    assert frozen.encoder.tuned is None
    assert frozen.encoder.fingerprint != recommender.encoder.fingerprint
    assert not (frozen.item_vectors == recommender.item_vectors).all()


def test_sentences_and_new_items_are_read_by_the_tuned_encoder(run: Path) -> None:
    recommender = Recommender.load(run)
    assert len(recommender.recommend(text="a film about love", k=3)) == 3
    extended = recommender.add_items([{"id": "new", "title": "Film 9", "text": "a film about a tank"}])
    expected = recommender.encoder.encode(["a film about a tank"])
    assert extended.item_vectors[-1] == pytest.approx(expected[0], abs=1e-6)


def test_a_run_that_is_read_again_does_not_tune(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("tuned again")

    monkeypatch.setattr("training.experiment.tuned_encoder", never)
    experiment = load_run(run).experiment
    assert experiment.encoder.tuned is not None


def test_an_exported_encoder_is_refused_for_another_split(run: Path, graph: Path, tmp_path: Path) -> None:
    exported = tmp_path / "encoder"
    told = CliRunner().invoke(app, ["export-encoder", str(run), "--out", str(exported)])
    assert told.exit_code == 0, told.output
    assert (exported / "tuned_on.json").exists()
    train_run(graph, configured(str(exported), TuneConfig()), tmp_path / "same")
    with pytest.raises(InputError, match="tuned on other ratings"):
        train_run(graph, configured(str(exported), TuneConfig(), SplitConfig(seed=1)), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    again = CliRunner().invoke(app, ["export-encoder", str(run), "--out", str(exported)])
    assert isinstance(again.exception, InputError)
