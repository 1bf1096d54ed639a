"""The rows of a file of ratings, each checked: who, what, how many stars, when, and with which weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, Problems
from kg.report import FileAccount
from kg.tabular.condition import is_comparison, matches
from kg.tabular.rating_description import EventWeights, RatingTable
from kg.tabular.rating_times import seconds_of
from kg.tabular.raw_ratings import RawRatings
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import LIST_SEPARATOR, Table, read_table

__all__ = ["read_rows"]

_SHOWN_VALUES = 5


def read_rows(
    files: tuple[str, ...], folder: Path, table_format: TableFormat, description: RatingTable, *, every: bool = False
) -> RawRatings:
    """Read the rows of files that are ratings, repeats among them.

    Args:
        files: The files.
        folder: Where their paths start.
        table_format: How they are split.
        description: What their columns mean.
        every: Whether these are all files of ratings, where each value of `where` must occur: as a rule one that does not is
            misspelt, and the others would hide it.

    Raises:
        InputError: If a row is wrong, with file and line; several wrong rows are told together.
    """
    tables = [read_table(folder / file, table_format) for file in files]
    problems, parts = Problems(), []
    for name, table in zip(files, tables, strict=True):
        with problems.gathered():
            parts.append(_read(name, table, description))
    if problems.found and all(problem.line is None for problem in problems.found):
        raise problems.found[0]  # the description is wrong, not the rows
    problems.tell()
    if every:
        _refuse_absent_values(tables, description)
    return RawRatings.joined(parts)


def _refuse_absent_values(tables: Sequence[Table], description: RatingTable) -> None:
    for column, values in (description.where or {}).items():
        cells = pd.concat([table.column(column) for table in tables], ignore_index=True)
        for value in values:
            if len(cells) and not is_comparison(value) and not matches(cells, (value,)).any():
                known = cells.str.strip().value_counts()
                shown = ", ".join(f"{name!r} ({number:,})" for name, number in known.head(_SHOWN_VALUES).items())
                raise InputError(
                    f"where: no row has {value!r} in the column {column!r}; it has {shown}"
                    f"{'' if len(known) <= _SHOWN_VALUES else ', ...'}; correct where in the description",
                    file=tables[0].file,
                )


def _read(name: str, table: Table, description: RatingTable) -> RawRatings:
    account, kept = FileAccount(), np.ones(len(table), dtype=bool)
    starred = not description.implicit and description.repeats != "count"
    conditions = [
        (table.column(column), values, False, f"{column} is not as in where")
        for column, values in (description.where or {}).items()
    ]
    if starred:
        remedy = "correct the description, or give feedback: implicit under ratings if nobody gave stars"
        stars = table.column(description.rating, remedy=remedy)
        conditions.append((stars, description.missing or (), True, "not rated: missing"))
    for cells, values, out, reason in conditions:
        leave = matches(cells, values) == out
        account.drop(reason, int((kept & leave).sum()))
        kept &= ~leave
    frame = _items(table, np.flatnonzero(kept), description)
    row = frame.pop("row").to_numpy()
    account.rows = int((~kept).sum()) + len(frame)  # a row with a list counts once for each of its items
    table.count_spellings(account)
    frame = frame.assign(user=_cells(table, description.user, row), file=0, line=table.lines(row))
    raw = RawRatings(frame=frame, names=(name,), paths=(table.file,), accounts=(account,))
    for kind, article in (("user", "a"), ("item", "an")):
        raw.refuse(
            (frame[kind].str.strip() == "").to_numpy(dtype=bool),
            lambda _, kind=kind, article=article: (  # type: ignore[misc]
                f"expected {article} {kind} id, found an empty cell; give every rating its {kind}"
            ),
        )
    weight = description.weight
    if starred:
        frame["value"] = _stars(raw, _cells(table, description.rating, row), description)
    elif description.rating in table.frame.columns and description.rating not in {
        *(description.where or {}),
        weight.column if isinstance(weight, EventWeights) else weight,
    }:
        account.count(f"values of the column {description.rating!r}, not read", len(table))
    if description.time is not None and (
        {"time", "time_format"} & description.model_fields_set or table.has(description.time)
    ):
        frame["time"], how = seconds_of(_cells(table, description.time, row), description.time_format, raw.refuse)
        if how != "in seconds":
            account.count(f"times {how}", len(frame))
    if weight is not None:
        column = weight.column if isinstance(weight, EventWeights) else weight
        frame["weight"] = _weights(raw, _cells(table, column, row), weight)
    return raw


def _cells(table: Table, column: str, row: NDArray[np.int64]) -> pd.Series[str]:
    return table.column(column).iloc[row].reset_index(drop=True)


def _items(table: Table, row: NDArray[np.int64], description: RatingTable) -> pd.DataFrame:
    """Return for each rating its `row`, its `item`, and as `value` whether that was chosen: 1, or 0 for shown and not taken."""
    if description.clicked is None:
        return pd.DataFrame({"row": row, "item": _cells(table, description.item, row), "value": 1.0})
    taken = _cells(table, description.clicked, row)
    if description.shown is None:
        numbers = pd.to_numeric(taken.str.strip().str.lower().replace({"true": "1", "false": "0"}), errors="coerce")
        wrong = np.zeros(len(table), dtype=bool)
        wrong[row] = ~numbers.isin([0, 1]).to_numpy(dtype=bool)
        table.refuse(
            wrong,
            lambda at: (
                f"expected 1 (taken) or 0 (shown, not taken) in the column {description.clicked!r}, found "
                f"{taken.iloc[int(np.searchsorted(row, at))]!r}; correct it, or leave such rows aside with where"
            ),
        )
        return pd.DataFrame({"row": row, "item": _cells(table, description.item, row), "value": numbers.astype(float)})
    lists = [_members(cells, description.split) for cells in (_cells(table, description.shown, row), taken)]
    members = [
        (place, item, float(item in chosen))
        for place, shown, chosen in zip(row.tolist(), *lists, strict=True)
        for item in dict.fromkeys([*shown, *chosen])
    ]
    return pd.DataFrame(members, columns=["row", "item", "value"]).astype(
        {"row": np.int64, "item": str, "value": float}
    )


def _members(cells: pd.Series[str], split: str | None) -> list[list[str]]:
    if split is not None:
        cells = cells.str.replace(split, LIST_SEPARATOR, regex=False)
    return [[member for member in map(str.strip, cell.split(LIST_SEPARATOR)) if member] for cell in cells]


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


def _weights(raw: RawRatings, cells: pd.Series[str], weight: str | EventWeights) -> NDArray[np.float64]:
    if isinstance(weight, str):
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
        expected, remedy = "a weight, a number above 0,", "correct it, or leave such rows aside with where"
    else:
        cells = cells.str.strip()
        numbers = cells.map(weight.values).to_numpy(dtype=np.float64)
        expected = f"one of {', '.join(map(repr, weight.values))} in the column {weight.column!r},"
        remedy = "give it a weight, or leave such rows aside with where"
    single = numbers.astype(np.float32)  # as weights are kept
    raw.refuse(
        ~(np.isfinite(single) & (single > 0)), lambda row: f"expected {expected} found {cells.iloc[row]!r}; {remedy}"
    )
    return numbers
