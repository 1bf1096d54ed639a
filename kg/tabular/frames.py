"""Tables that Python calls are given: of pandas with any dtype, of Polars and of Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from kg.errors import InputError
from kg.tabular.json_records import cell_text

__all__ = ["arrow_table", "column_values", "table_rows"]


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
            members = getattr(given, method)()
            return members if isinstance(members, list) else [members]
    return None


def arrow_table(given: Any, name: str) -> pa.Table:
    """Return a table as Arrow, with the columns as they are; an index of pandas that has a name is a column.

    Args:
        given: A table of pandas, Polars, Arrow, DuckDB or any library that hands its columns over as Arrow does.
        name: What the caller calls it.

    Raises:
        InputError: If it is no table, or two columns have one name.
    """
    if isinstance(given, pd.DataFrame):
        frame = given if all(level is None for level in given.index.names) else given.reset_index()
        names = [str(column) for column in frame.columns]
        if len(set(names)) < len(names):
            twice = next(column for column in names if names.count(column) > 1)
            raise InputError(f"{name}: two columns are called {twice!r}; rename one")
        return pa.table([_arrow_column(frame.iloc[:, place]) for place in range(len(names))], names=names)
    if hasattr(given, "__arrow_c_stream__"):
        return pa.table(given)
    raise InputError(f"{name}: expected a table of pandas, Polars or Arrow, got {type(given).__name__}")


def _arrow_column(column: pd.Series[Any]) -> pa.Array:
    try:
        return pa.array(column, from_pandas=True)
    except pa.ArrowException:  # values of several types, such as ids of which some are numbers, are text
        return pa.array([None if cell is None or cell is pd.NA or cell is pd.NaT else _cell(cell) for cell in column])


def _cell(value: Any) -> str:
    return cell_text(value) if isinstance(value, float | list | tuple | np.ndarray) else str(value)
