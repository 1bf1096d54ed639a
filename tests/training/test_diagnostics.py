"""Split R-hat and effective sample size: by hand, by law of autoregressions, and of a real small run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from arviz_stats.base import array_stats

from kg.dataset import Dataset
from training import diagnostics
from training.bundle import load_run
from training.config import RunConfig
from training.diagnostics import diagnose
from training.report import evaluation_report
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")


def autoregression(phi: float, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Stationary draws that each remember `phi` of the one before, `[num_chains, num_draws, num_quantities]`."""
    noise = np.random.default_rng(seed).normal(size=shape)
    found = noise.copy()
    for step in range(1, shape[1]):
        found[:, step] = phi * found[:, step - 1] + math.sqrt(1 - phi**2) * noise[:, step]
    return found


def test_the_halves_of_one_chain_by_hand() -> None:
    """Halves 1 2 3 4 and 5 6 7 8: W = 5/3, B = 4 * 8 = 32, so R-hat = sqrt(3/4 + 32 / (4 * 5/3))."""
    found = diagnose("all", np.arange(1.0, 9.0)[None], np.zeros((1, 8, 0)))
    assert found["loss"]["r_hat"] == pytest.approx(math.sqrt(0.75 + 4.8), abs=1e-4)
    assert found["predictions"] == dict.fromkeys(("r_hat", "r_hat_high", "ess", "ess_low"))


def test_several_chains_are_arviz_split_r_hat() -> None:
    draws = np.random.default_rng(0).normal(size=(3, 41)) + np.array([0.0, 0.5, 1.0])[:, None]
    draws = draws[:, :40]
    found = diagnose("warm", draws, np.zeros((3, 40, 0)))
    assert found["loss"]["r_hat"] == pytest.approx(float(array_stats.rhat(draws, method="split")), abs=1e-4)
    assert found["loss"]["ess"] == pytest.approx(float(array_stats.ess(draws, method="bulk")), abs=0.1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_effective_size_of_an_autoregression(phi: float) -> None:
    """The law: n (1 - phi) / (1 + phi)."""
    draws = autoregression(phi, (4, 1000, 200))
    found = diagnose("warm", draws[..., 0], draws)
    predictions = found["predictions"]
    assert predictions["ess"] == pytest.approx(4000 * (1 - phi) / (1 + phi), rel=0.1)
    assert predictions["ess_low"] < predictions["ess"]
    assert predictions["r_hat"] == pytest.approx(1.0, abs=0.02)  # 1 + 4 / effective size
    assert found["warnings"] == []


def test_a_drift_is_told_with_its_remedy() -> None:
    drift = np.linspace(0, 5, 200) + np.random.default_rng(0).normal(size=200)
    found = diagnose("cold", drift[None], np.random.default_rng(1).normal(size=(1, 90, 200)))
    (warning,) = found["warnings"]
    assert "cold phase did not come to rest" in warning
    assert f"{found['loss']['r_hat']:.2f}" in warning
    assert "training.epochs" in warning
    still = diagnose("cold", drift[None] - np.linspace(0, 5, 200), np.random.default_rng(1).normal(size=(1, 90, 200)))
    assert still["warnings"] == []


def test_chains_that_disagree_are_told() -> None:
    apart = np.random.default_rng(2).normal(size=(2, 300)) + np.array([[0.0], [2.0]])
    assert diagnose("warm", apart, np.random.default_rng(3).normal(size=(2, 90, 5)))["warnings"]


def test_samples_that_hardly_move_are_told() -> None:
    draws = autoregression(0.97, (1, 90, 200))
    found = diagnose("warm", np.random.default_rng(4).normal(size=(1, 300)), draws)
    (warning,) = found["warnings"]
    assert "90 samples of the warm phase" in warning
    assert "training.chains" in warning


def test_what_never_moves_is_at_rest_and_too_few_draws_say_nothing() -> None:
    still = diagnose("all", np.ones((1, 20)), np.ones((1, 20, 3)))
    assert (still["loss"], still["predictions"]["ess"]) == ({"r_hat": 1.0, "ess": 20.0}, 20.0)
    few = diagnose("all", np.arange(7.0)[None], np.zeros((1, 7, 3)))
    assert few["loss"] == {"r_hat": None, "ess": None}
    assert few["warnings"] == []


def short_run(dataset: Dataset, folder: Path, *settings: str) -> Path:
    dataset.save(folder / "graph")
    short = ["training.epochs=70", "training.burn_in=20", "training.hold=5", "training.keep_every=2"]
    config = RunConfig().updated(
        ["split.test_share=0.25", "text.synthetic_texts=0", "model.embedding_size=2", *short, *settings]
    )
    train_run(folder / "graph", config, folder / "run")
    return folder / "run"


def test_a_run_tells_of_both_phases_and_of_all_chains(
    small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, np.ndarray, np.ndarray]] = []

    def spy(phase: str, loss: np.ndarray, predictions: np.ndarray) -> dict[str, Any]:
        seen.append((phase, loss, predictions))
        return diagnose(phase, loss, predictions)

    monkeypatch.setattr(diagnostics, "diagnose", spy)
    out = short_run(small_dataset, tmp_path, "training.chains=2", "training.cold_phase=0.4")
    kept = json.loads((out / "metrics.json").read_bytes())["diagnostics"]
    assert list(kept) == ["cold", "warm"]
    run = load_run(out)
    assert evaluation_report(run, baselines=False)["diagnostics"] == kept
    # 50 steps after burn-in: 20 cold, 5 to settle, 25 warm, of which every second leaves a sample
    assert [(kept[name]["chains"], kept[name]["steps"], kept[name]["samples"]) for name in kept] == [
        (2, 20, 10),
        (2, 25, 13),
    ]
    history = run.directory / "history.csv"
    table = np.genfromtxt(history, delimiter=",", names=True)
    of_second = table["loss"][table["chain"] == 1]
    np.testing.assert_allclose(seen[0][1][1], of_second[20:40])
    np.testing.assert_allclose(seen[1][1][1], of_second[45:])
    train = run.recommender.train
    rng = np.random.default_rng(diagnostics._SEED)
    user, item = (
        torch.from_numpy(rng.choice(np.flatnonzero(counts), diagnostics.NUM_PREDICTIONS))
        for counts in (train.user_counts, train.item_counts)
    )
    expected = run.recommender.predictor.probabilities(user, item).numpy() @ run.recommender.levels
    every = np.concatenate([predictions.reshape(-1, predictions.shape[2]) for _, _, predictions in seen])
    np.testing.assert_allclose(every.mean(axis=0), expected, atol=1e-3)


def test_chains_that_lost_samples_to_the_guard_are_not_told_apart() -> None:
    predictions = np.arange(14.0).reshape(7, 2)
    assert diagnostics._by_chain(predictions, 2, uneven=True).shape == (2, 3, 0)
    np.testing.assert_array_equal(diagnostics._by_chain(predictions, 1, uneven=True)[0], predictions)
    np.testing.assert_array_equal(diagnostics._by_chain(predictions[:6], 2, uneven=False)[1], predictions[3:6])
    assert diagnose("all", np.zeros((2, 20)), np.zeros((2, 20, 0)))["predictions"]["ess"] is None


def test_one_phase_is_all_and_gradient_descent_has_no_samples_to_diagnose(
    small_dataset: Dataset, tmp_path: Path
) -> None:
    out = short_run(small_dataset, tmp_path / "one", "model.cold_weight=0")
    assert list(json.loads((out / "metrics.json").read_bytes())["diagnostics"]) == ["all"]
    descent = ("training.method=adamw", "training.epochs=2", "split.validation_share=0.2")
    (tmp_path / "two").mkdir()
    small_dataset.save(tmp_path / "two" / "graph")
    config = RunConfig().updated(
        ["split.test_share=0.25", "text.synthetic_texts=0", "model.embedding_size=2", *descent]
    )
    train_run(tmp_path / "two" / "graph", config, tmp_path / "two" / "run")
    assert json.loads((tmp_path / "two" / "run" / "metrics.json").read_bytes())["diagnostics"] is None
