"""The rows of a table of ratings, each checked: who, what, how many stars, when, and with which weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError
from kg.report import FileAccount
from kg.tabular.condition import is_comparison, matches
from kg.tabular.rating_description import EventWeights, RatingTable
from kg.tabular.rating_times import seconds_of
from kg.tabular.raw_ratings import RawRatings
from kg.tabular.stack import Stack
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import LIST_SEPARATOR

__all__ = ["read_rows", "refuse_absent_values"]

_SHOWN_VALUES = 5


def read_rows(files: tuple[str, ...], folder: Path, table_format: TableFormat, description: RatingTable) -> RawRatings:
    """Read the rows of files that are ratings, repeats among them.

    Raises:
        InputError: If a row is wrong, with file and line of the first one.
    """
    rows = Stack.read(files, folder, table_format)
    accounts = tuple(FileAccount() for _ in files)
    kept = np.ones(len(rows), dtype=bool)

    def leave(which: NDArray[np.bool_], reason: str) -> None:
        for account, number in zip(accounts, rows.counts(kept & which), strict=True):
            account.drop(reason, number)
        kept[which] = False

    for column, values in (description.where or {}).items():
        leave(~matches(rows.column(column), values), f"{column} is not as in where")
    starred = not description.implicit and description.repeats != "count"
    if starred and description.missing:
        leave(matches(_rating_cells(rows, description), description.missing), "not rated: missing")
    row, item, value = _items(rows, np.flatnonzero(kept), description)
    user = _cells(rows, description.user, row)
    raw = RawRatings(rows=rows, row=row, user=user, item=item, value=value, time=None, weight=None, accounts=accounts)
    for account, table, left, number in zip(
        accounts, rows.tables, rows.counts(~kept), raw.counts(np.ones(len(raw), dtype=bool)), strict=True
    ):
        account.rows = left + number  # a row with a list counts once for each of its items
        account.count("bad bytes replaced", table.replaced)
    for name, article, cells in (("user", "a", user), ("item", "an", item)):
        raw.refuse(
            (cells.str.strip() == "").to_numpy(dtype=bool),
            lambda _, name=name, article=article: (  # type: ignore[misc]
                f"expected {article} {name} id, found an empty cell; give every rating its {name}"
            ),
        )
    if starred:
        cells = _rating_cells(rows, description).iloc[row].reset_index(drop=True)
        raw = replace(raw, value=_stars(raw, cells, description))
    else:
        _count_unread(rows, description, accounts)
    return replace(raw, time=_times(raw, description), weight=_weights(raw, description))


def _cells(rows: Stack, column: str, row: NDArray[np.int64]) -> pd.Series[str]:
    return rows.column(column).iloc[row].reset_index(drop=True)


def _items(
    rows: Stack, row: NDArray[np.int64], description: RatingTable
) -> tuple[NDArray[np.int64], pd.Series[str], NDArray[np.float64]]:
    """Return for each rating its row, its item, and whether the item was chosen: 1, or 0 for shown and not taken."""
    if description.clicked is None:
        return row, _cells(rows, description.item, row), np.ones(len(row))
    taken = _cells(rows, description.clicked, row)
    if description.shown is None:
        numbers = pd.to_numeric(taken.str.strip().str.lower().replace({"true": "1", "false": "0"}), errors="coerce")
        whole = np.zeros(len(rows), dtype=bool)
        whole[row] = ~numbers.isin([0, 1]).to_numpy(dtype=bool)
        rows.refuse(
            whole,
            lambda at: (
                f"expected 1 (taken) or 0 (shown, not taken) in the column {description.clicked!r}, found "
                f"{taken.iloc[int(np.searchsorted(row, at))]!r}; correct it, or leave such rows aside with where"
            ),
        )
        return row, _cells(rows, description.item, row), numbers.to_numpy(dtype=np.float64)
    lists = [_members(cells, description.split) for cells in (_cells(rows, description.shown, row), taken)]
    places: list[int] = []
    items: list[str] = []
    values: list[float] = []
    for place, shown, chosen in zip(row.tolist(), *lists, strict=True):
        every = dict.fromkeys([*shown, *chosen])
        places += [place] * len(every)
        items += every
        values += [float(item in chosen) for item in every]
    return np.array(places, dtype=np.int64), pd.Series(items, dtype=str), np.array(values, dtype=np.float64)


def _members(cells: pd.Series[str], split: str | None) -> list[list[str]]:
    if split is not None:
        cells = cells.str.replace(split, LIST_SEPARATOR, regex=False)
    return [[member for member in map(str.strip, cell.split(LIST_SEPARATOR)) if member] for cell in cells]


def _rating_cells(rows: Stack, description: RatingTable) -> pd.Series[str]:
    return rows.column(
        description.rating,
        remedy="correct the description, or give feedback: implicit under ratings if nobody gave stars",
    )


def _stars(raw: RawRatings, cells: pd.Series[str], description: RatingTable) -> NDArray[np.float64]:
    value = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)

    def as_many(row: int) -> str:
        number = int((cells == cells.iloc[row]).sum())
        return f", as in {number:,} of {len(cells):,} rows" if number > 1 else ""

    raw.refuse(
        np.isnan(value),
        lambda row: (
            f"expected a rating, found {cells.iloc[row]!r}, which is not a number{as_many(row)}; correct it, or give "
            f"missing: [{cells.iloc[row].strip()!r}] under ratings if it says that nothing was rated"
        ),
    )
    low, high = (-np.inf, np.inf) if description.repeats == "sum" else description.scale
    raw.refuse(
        ~(np.isfinite(value) & (value >= low) & (value <= high)),
        lambda row: (
            f"expected a rating from {low:g} to {high:g}, found {value[row]:g}{as_many(row)}; correct the row or the scale in the "
            f"description, or give missing: [{value[row]:g}] under ratings if it says that nothing was rated"
        ),
    )
    return value


def _count_unread(rows: Stack, description: RatingTable, accounts: tuple[FileAccount, ...]) -> None:
    weight = description.weight
    used = {*(description.where or {}), weight.column if isinstance(weight, EventWeights) else weight}
    for table, account in zip(rows.tables, accounts, strict=True):
        if description.rating in table.frame.columns and description.rating not in used:
            account.count(f"values of the column {description.rating!r}, not read", len(table))


def _times(raw: RawRatings, description: RatingTable) -> NDArray[np.int64] | None:
    rows = raw.rows
    if description.time is None or (
        not {"time", "time_format"} & description.model_fields_set and not rows.has(description.time)
    ):
        return None
    cells = _cells(rows, description.time, raw.row)
    time, how = seconds_of(cells, description.time_format, raw.refuse)
    if how != "in seconds":
        for account, number in zip(raw.accounts, raw.counts(np.ones(len(raw), dtype=bool)), strict=True):
            account.count(f"times {how}", number)
    return time


def _weights(raw: RawRatings, description: RatingTable) -> NDArray[np.float64] | None:
    weight = description.weight
    if weight is None:
        return None
    if isinstance(weight, str):
        cells = _cells(raw.rows, weight, raw.row)
        found = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
        expected, remedy = "a weight, a number above 0,", "correct it, or leave such rows aside with where"
    else:
        cells = _cells(raw.rows, weight.column, raw.row).str.strip()
        found = cells.map(weight.values).to_numpy(dtype=np.float64)
        expected = f"one of {', '.join(map(repr, weight.values))} in the column {weight.column!r},"
        remedy = "give it a weight, or leave such rows aside with where"
    single = found.astype(np.float32)  # as weights are kept
    raw.refuse(
        ~(np.isfinite(single) & (single > 0)), lambda row: f"expected {expected} found {cells.iloc[row]!r}; {remedy}"
    )
    return found


def refuse_absent_values(rows: Stack, description: RatingTable) -> None:
    """Refuse a value of `where` that no row has: as a rule it is misspelt, and the others would hide it."""
    for column, values in (description.where or {}).items():
        cells = rows.column(column)
        for value in values:
            if len(cells) and not is_comparison(value) and not matches(cells, (value,)).any():
                known = cells.str.strip().value_counts()
                shown = ", ".join(f"{name!r} ({number:,})" for name, number in known.head(_SHOWN_VALUES).items())
                raise InputError(
                    f"where: no row has {value!r} in the column {column!r}; it has {shown}"
                    f"{'' if len(known) <= _SHOWN_VALUES else ', ...'}; correct where in the description",
                    file=rows.tables[0].file,
                )
