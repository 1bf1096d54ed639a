"""The values inside the cells of a column: split, counted, unescaped, without those that mean unknown."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.tabular.entity_description import Relation
from kg.tabular.expression import without_matches
from kg.tabular.tables import LIST_SEPARATOR, Table

__all__ = ["num_escaped", "numbers", "refuse_values", "related_ids", "split_cells", "unescaped"]

# The semicolon is required: `AT&T` and `?a=1&copy=2` are meant as they stand.
_HTML_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def unescaped(text: str) -> str:
    """Return a text with the characters that entities of HTML, such as `&amp;`, stand for; what is no entity stays."""
    return _HTML_ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def num_escaped(cells: pd.Series[str]) -> int:
    """Return how many cells hold an entity of HTML."""
    suspects = cells[cells.astype(str).str.contains("&", regex=False)]
    return sum(unescaped(cell) != cell for cell in suspects)


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


def related_ids(table: Table, relation: Relation, missing: Sequence[str]) -> pd.DataFrame:
    """Return the ids that the rows of a table name in the column of a relation, as `split_cells` returns values.

    Args:
        table: The table.
        relation: How its column is read.
        missing: Values that mean unknown, unless the relation has its own.
    """
    unknown = {value.strip() for value in (missing if relation.missing is None else relation.missing)} | {""}
    return split_cells(table, relation.column, split=relation.split, unknown=unknown, counted=relation.counted)


def refuse_values(table: Table, values: pd.DataFrame, wrong: NDArray[np.bool_], sentence: Callable[[str], str]) -> None:
    """Raise `InputError` with the sentences about the first wrong one of the `values` in each `row`, if there are any."""
    first = values[wrong].drop_duplicates("row").set_index("row")["value"]
    table.refuse(np.isin(np.arange(len(table)), first.index), lambda row: sentence(str(first[row])))


def numbers(table: Table, column: str, *, lowest: float) -> NDArray[np.float64]:
    """Return the cells of a column as numbers, `[num_rows]`.

    Raises:
        InputError: If a cell is no finite number of at least `lowest`, with file and line.
    """
    cells = table.column(column)
    values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.isfinite(values) & (values >= lowest))
    table.refuse(
        wrong,
        lambda row: (
            f"expected a number of at least {lowest:g} in the column {column!r}, found {cells.iloc[row]!r}; correct it"
        ),
    )
    return values


def _without_counts(lists: pd.Series[list[str]], table: Table, column: str) -> pd.Series[list[str]]:
    """Take the count off each list; a blank cell holds nothing and needs no count, and blanks are no values."""
    members = lists.map(lambda cell: [member for member in cell if member.strip()] or ["0"])
    counts = members.str[0].str.strip()
    whole = counts.map(lambda count: count.isascii() and count.isdigit()).to_numpy(dtype=bool)
    lengths = members.str.len() - 1

    def sentence(row: int) -> str:
        if not whole[row]:
            return (
                f"expected the column {column!r} to begin with the number of its values, found {members[row][0]!r}; "
                "correct the line, or leave out counted in the description"
            )
        return (
            f"expected as many values as the column {column!r} counts, {counts[row]}; found {lengths[row]:,}; "
            "correct the line, or the split in the description"
        )

    table.refuse(counts.where(whole, "-1").astype(np.float64).to_numpy() != lengths.to_numpy(), sentence)
    return members.map(lambda cell: cell[1:])
