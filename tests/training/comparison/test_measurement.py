"""A measured row on disk: what was written is read, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.comparison.measurement import Measurement
from training.predictions import Predictions

FACTS = {"identity": "abc", "levels": [1.0, 2.0], "run": None}


def measurement() -> Measurement:
    predictions = {
        "warm": Predictions(stars=np.array([1.5, 2.0], dtype=np.float32), lists=np.array([[3, 1]], dtype=np.int32)),
        "cold_items": Predictions(probabilities=np.array([[0.25, 0.75]], dtype=np.float32)),
        "cold_users": Predictions(),
    }
    return Measurement(predictions=predictions, train_seconds=1.25, peak_memory_mb=100.5, facts=FACTS)


def test_round_trip(tmp_path: Path) -> None:
    before, file = measurement(), tmp_path / "rows" / "row.safetensors"
    before.write(file)
    after = Measurement.read(file)
    assert after is not None
    assert (after.train_seconds, after.peak_memory_mb, after.facts) == (1.25, 100.5, FACTS)
    assert list(after.predictions) == list(before.predictions)
    for part, predictions in before.predictions.items():
        for name, values in vars(predictions).items():
            found = getattr(after.predictions[part], name)
            assert (found is None) == (values is None)
            if values is not None:
                assert found.dtype == values.dtype
                np.testing.assert_array_equal(found, values)


def test_what_is_no_row_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "row.safetensors"
    assert Measurement.read(file) is None
    measurement().write(file)
    for damaged in (b"", file.read_bytes()[:20], b"x" * 100):
        file.write_bytes(damaged)
        assert Measurement.read(file) is None
