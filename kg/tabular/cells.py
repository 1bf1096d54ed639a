"""The values inside the cells of a column: split, counted, without those that mean unknown."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, Problems
from kg.tabular.expression import without_matches
from kg.tabular.html_entities import unescaped
from kg.tabular.tables import LIST_SEPARATOR, Table

__all__ = ["numbers", "split_cells"]


def split_cells(
    table: Table,
    column: str,
    *,
    split: str | None,
    unknown: Collection[str],
    counted: bool = False,
    remove: str | None = None,
    escaped: bool = False,
) -> pd.DataFrame:
    """Return the values of a column, one a row.

    Args:
        table: The table.
        column: Its column.
        split: Text between several values in one cell, or None for one value a cell.
        unknown: Values that are left out, without spaces around them.
        counted: Whether the first value of a cell says how many follow: `2 17 4` holds `17` and `4`.
        remove: Regular expression whose matches are deleted first.
        escaped: Whether entities of HTML stand for characters.

    Returns:
        A frame with the columns `row` (position in the table) and `value`, in the order of the table.

    Raises:
        InputError: If the column is missing, or a count is not the number of values that follow, with file and line.
    """
    cells = table.column(column).astype(object).reset_index(drop=True)
    if remove is not None:
        cells = without_matches(remove, cells, table.file)
    if escaped and split is not None and ";" in split:  # else it would split the entities
        cells = cells.map(unescaped)
    if split is not None:
        cells = cells.str.replace(split, LIST_SEPARATOR, regex=False)
    lists = cells.str.split(LIST_SEPARATOR)
    if counted:
        lists = _without_counts(lists, table, column)
    values = lists.explode().dropna().astype(object)
    values = (values.map(unescaped) if escaped else values).str.strip()
    values = values[~values.isin(list(unknown))]
    return pd.DataFrame({"row": values.index.to_numpy(dtype=np.int64), "value": values.to_numpy(dtype=object)})


def numbers(table: Table, column: str, *, lowest: float) -> NDArray[np.float64]:
    """Return the cells of a column as numbers, `[num_rows]`.

    Raises:
        InputError: If a cell is no finite number of at least `lowest`, with file and line.
    """
    cells = table.column(column)
    found = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.isfinite(found) & (found >= lowest))
    table.refuse(
        wrong,
        lambda row: (
            f"expected a number of at least {lowest:g} in the column {column!r}, found {cells.iloc[row]!r}; correct it"
        ),
    )
    return found


def _without_counts(lists: pd.Series[list[str]], table: Table, column: str) -> pd.Series[list[str]]:
    """Take the count off each list; a blank cell holds nothing and needs no count, and blanks are no values."""
    found, problems = [], Problems()
    for row, members in enumerate(lists):
        first, *others = [member for member in members if member.strip()] or ["0"]
        found.append(others)
        if not (first.strip().isascii() and first.strip().isdigit()):
            problem = (
                f"expected the column {column!r} to begin with the number of its values, found {first!r}; "
                "correct the line, or leave out counted in the description"
            )
        elif int(first) != len(others):
            problem = (
                f"expected as many values as the column {column!r} counts, {int(first):,}; found {len(others):,}; "
                "correct the line, or the split in the description"
            )
        else:
            continue
        problems.found.append(InputError(problem, file=table.file, line=table.line(row)))
    problems.tell()
    return pd.Series(found, index=lists.index, dtype=object)
