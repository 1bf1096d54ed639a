"""Latency is measured on answers that are exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.latency import measure_latency
from models.lists.top_items import top_items
from training.bundle import load_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")


def test_latency_is_measured_on_answers_that_are_exact(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = measure_latency(load_run(tiny_run).recommender, calls=4, catalogue=300)
    assert [row.calls for row in rows] == [4] * 4
    assert all(0 < row.p50 <= row.p95 and 0 < row.processor_p50 <= row.processor_p95 for row in rows)
    monkeypatch.setattr("benchmarks.measurement_commands.measure_latency", lambda recommender: rows)
    answer = CliRunner().invoke(app, ["latency", str(tiny_run), "--out", str(tmp_path / "out"), "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["rows"] == [row.as_json() for row in rows]
    assert json.loads((tmp_path / "out" / "latency.json").read_text()) == told


def test_a_wrong_head_of_a_list_stops_the_measurement(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_list(*arguments: Any, **settings: Any) -> Any:
        items, scores = top_items(*arguments, **settings)
        return items[::-1], scores[::-1]

    monkeypatch.setattr("benchmarks.latency.top_items", reversed_list)
    with pytest.raises(RuntimeError, match="not the exact one"):
        measure_latency(load_run(tiny_run).recommender, calls=2, catalogue=300)
