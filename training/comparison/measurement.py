"""One row of a benchmark as it lies on disk: the predictions of a model for each test part, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from kg.storage.atomic import make_directory, write_file
from training.predictions import Predictions

__all__ = ["Measurement"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """What one model predicted, and what it cost.

    Attributes:
        predictions: Predictions by test part.
        train_seconds: Wall time from training ratings in memory to the fitted model.
        peak_memory_mb: Largest resident memory of its process until it was fitted, libraries included, in MB.
        facts: More for the table, as JSON values; `identity` says what was measured.
    """

    predictions: Mapping[str, Predictions]
    train_seconds: float
    peak_memory_mb: float
    facts: Mapping[str, Any]

    def write(self, file: Path) -> None:
        """Write one safetensors file: arrays named `part/answer`, and the rest as JSON in its header."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"{part}/{name}": np.ascontiguousarray(values)
            for part, predictions in self.predictions.items()
            for name, values in vars(predictions).items()
            if values is not None
        }
        rest = {
            "parts": list(self.predictions),
            "train_seconds": self.train_seconds,
            "peak_memory_mb": self.peak_memory_mb,
            "facts": dict(self.facts),
        }
        make_directory(file.parent)
        write_file(file, save(arrays, metadata={"row": json.dumps(rest)}))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Read a row, or return None where there is none that can be read."""
        try:
            with safe_open(str(file), framework="numpy") as opened:
                rest = json.loads(opened.metadata()["row"])
                arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        predictions = {
            part: Predictions(
                **{name.rpartition("/")[2]: values for name, values in arrays.items() if name.startswith(f"{part}/")}
            )
            for part in rest.pop("parts")
        }
        return cls(predictions=predictions, **rest)
