"""Records, as JSON and Parquet hold them, as columns of text; fields of objects inside are found by their paths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["LIST_SEPARATOR", "RecordCells", "cell_text"]

# Joins the members of a list that came from JSON or Parquet inside one cell.
LIST_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordCells:
    """The cells of records.

    Attributes:
        columns: The cells of each field that holds values, text `[num_records]`; unknown is "".
        nested: The cells of each field inside objects, as `{"reviewer.id": {record number: cell}}`: only the known ones.
        objects: For each field that holds an object, alone or in a list, the number of the first record where it does.
    """

    columns: dict[str, list[str]] = field(default_factory=dict)
    nested: dict[str, dict[int, str]] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[dict[str, Any]]) -> RecordCells:
        """Return the cells of records."""
        found = cls()
        names = list(dict.fromkeys(key for record in records for key in record))
        for name in names:
            cells = [found._cell(record.get(name), name, number) for number, record in enumerate(records)]
            if name not in found.objects or any(cells):
                found.columns[name] = cells
        return found

    def _cell(self, value: object, path: str, number: int) -> str:
        """Return the cell of a value; objects inside are put under `nested`, and leave it empty."""
        if _holds_object(value):
            inside: dict[str, list[str]] = {}
            self._open(value, path, number, inside)
            for name, values in inside.items():
                self.nested.setdefault(name, {})[number] = LIST_SEPARATOR.join(values)
            return ""
        return cell_text(value)

    def _open(self, value: object, path: str, number: int, inside: dict[str, list[str]]) -> None:
        if isinstance(value, dict):
            self.objects.setdefault(path, number)
            for key, member in value.items():
                self._open(member, f"{path}.{key}", number, inside)
        elif _holds_object(value):
            for member in value:  # type: ignore[attr-defined]
                self._open(member, path, number, inside)
        else:
            inside.setdefault(path, []).append(cell_text(value))


def _holds_object(value: object) -> bool:
    if isinstance(value, (list, tuple, np.ndarray)):
        return any(_holds_object(member) for member in value)
    return isinstance(value, dict)


def cell_text(value: object) -> str:
    """Return a value as text: what is not known is empty, and members of a list are joined by `LIST_SEPARATOR`."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        return LIST_SEPARATOR.join(cell_text(member) for member in value)
    return json.dumps(value, ensure_ascii=False, default=str)
