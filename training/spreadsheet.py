"""Tables as CSV that people open in spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Hashable
from typing import Any

import pandas as pd

__all__ = ["as_csv", "no_formula"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def no_formula(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: of a text that begins like one, with an apostrophe before it.

    What OWASP advises against CSV injection. Numbers stay as they are, `-1` too.
    """
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def as_csv(table: pd.DataFrame, **options: Any) -> str:
    """Return a table as CSV without its index; `options` are those of `DataFrame.to_csv`."""
    columns: dict[Hashable, Any] = {name: no_formula(name) for name in table.columns}
    safe = table.map(no_formula).rename(columns=columns)
    # Python's writer leaves a carriage return without quotes, which readers take for the end of a row.
    torn = any("\r" in str(name) or safe[name].map(lambda cell: "\r" in str(cell)).any() for name in safe.columns)
    return str(safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC if torn else csv.QUOTE_MINIMAL, **options))
