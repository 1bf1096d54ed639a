"""Tables that Python calls are given: of pandas with any dtype, of Polars and of Arrow."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["column_values", "table_rows"]


def table_rows(given: Any) -> list[dict[str, Any]] | None:
    """Return the rows of a table as plain records, None for what is missing; None of what is no table.

    Polars and Arrow are known by their methods, so that neither has to be installed.
    """
    if isinstance(given, pd.DataFrame):
        plain = given.astype(object).where(given.notna(), None)
        return [{str(name): cell for name, cell in row.items()} for row in plain.to_dict("records")]
    for method in ("to_dicts", "to_pylist"):  # of a Polars frame, of an Arrow table
        if hasattr(given, method) and hasattr(given, "columns"):
            return [{str(name): cell for name, cell in row.items()} for row in getattr(given, method)()]
    return None


def column_values(given: Any) -> list[Any] | None:
    """Return the values of a column (a series, an array) as a list; None of what is no column."""
    if isinstance(given, pd.Series | pd.Index):
        return list(given.astype(object))
    for method in ("to_list", "to_pylist", "tolist"):  # of a Polars series, an Arrow array, a NumPy array
        if hasattr(given, method) and not hasattr(given, "columns"):
            found = getattr(given, method)()
            return found if isinstance(found, list) else [found]
    return None
