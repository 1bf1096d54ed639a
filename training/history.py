"""The course of a run: one record an epoch, as CSV for people and TensorBoard for curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kg.storage.atomic import write_file

__all__ = ["History"]


class History:
    """Records in memory; written when asked.

    Args:
        records: Records of an interrupted run that goes on.
    """

    def __init__(self, records: list[dict[str, Any]] | None = None) -> None:
        self.records = list(records or [])

    def add(self, **values: Any) -> None:
        """Append one record."""
        self.records.append(values)

    def write(self, directory: Path) -> None:
        """Write `history.csv` and a TensorBoard event file below `tensorboard/`."""
        from torch.utils.tensorboard import (
            SummaryWriter,
        )  # loads for half a second, which only training should wait for

        write_file(directory / "history.csv", pd.DataFrame(self.records).to_csv(index=False))
        with SummaryWriter(str(directory / "tensorboard")) as writer:
            for step, record in enumerate(self.records):
                for name, value in record.items():
                    if isinstance(value, float) and value == value:
                        writer.add_scalar(name, value, step)
