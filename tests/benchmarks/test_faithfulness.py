"""Whether explanations say what the model does: on a tiny run, and on real data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.faithfulness import faithfulness
from kg.errors import InputError
from training.bundle import load_run

SUMS = 1e-5  # stars


def measured(run: Path, *arguments: object) -> dict[str, Any]:
    answer = CliRunner().invoke(app, ["faithfulness", str(run), *map(str, arguments), "--json"])
    assert answer.exit_code == 0, answer.output
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


def test_faithfulness_is_written_for_machines(tiny_run: Path, tmp_path: Path) -> None:
    printed = measured(tiny_run, "--pairs", "3", "--compared", "1", "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "faithfulness.json").read_text()) == printed
    assert (printed["num_pairs"], printed["gnn_explainer"]["num_pairs"]) == (3, 1)
    assert printed["sums"]["largest_error"] < SUMS


def test_faithfulness_is_measured_on_different_held_out_pairs(tiny_run: Path) -> None:
    loaded = load_run(tiny_run)
    report = faithfulness(loaded.recommender, loaded.experiment.split.test, num_pairs=5, num_compared=2)
    assert (report["num_pairs"], report["gnn_explainer"]["num_pairs"]) == (5, 2)
    assert report["sums"]["largest_error"] < SUMS
    for name in ("account", "random"):
        curves = report["curves"][name]
        assert curves["deletion"][0] == curves["insertion"][-1] == pytest.approx(0, abs=1e-9)
        # With nothing left, or nothing put back, both orders have come to the same prediction.
        assert curves["deletion"][-1] == pytest.approx(report["curves"]["random"]["deletion"][-1], abs=1e-9)
        assert curves["insertion"][0] == pytest.approx(curves["deletion"][-1], abs=1e-9)
    with pytest.raises(InputError, match="holds no ratings out"):
        faithfulness(loaded.recommender, {})


@pytest.mark.slow
def test_explanations_of_real_pairs_say_what_the_model_does(real_data: Path, tmp_path: Path) -> None:
    for arguments in (
        ("build", "movielens-100k", "--data", str(real_data), "--out", str(tmp_path / "graph")),
        ("train", str(tmp_path / "graph"), "--split", "u1", "--recipe", "quick", "--out", str(tmp_path / "u1")),
    ):
        command = [sys.executable, "-m", "kgrec", *arguments, "--json"]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
    report = measured(tmp_path / "u1", "--pairs", "100", "--compared", "0")
    assert report["num_pairs"] == 100
    assert report["sums"]["largest_error"] < SUMS
    assert report["between"]["deletion"]["low"] > 0
    assert report["between"]["insertion"]["low"] > 0
    for how in ("message", "fact"):
        assert report["top_concept"][how]["random"]["value"] >= 0.8
