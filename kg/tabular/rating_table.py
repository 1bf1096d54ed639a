"""The table of ratings, checked row by row and turned into indices."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.description import Description
from kg.errors import InputError, did_you_mean
from kg.growth.forgotten import OF_FORGOTTEN, Forgotten
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tables import LIST_SEPARATOR
from kg.tabular.condition import is_comparison, matches
from kg.tabular.rating_description import EventWeights, RatingTable, Split
from kg.tabular.rating_times import seconds_of
from kg.tabular.raw_ratings import RawRatings
from kg.tabular.repeats import choices_and_others, without_repeats
from kg.tabular.stack import Stack
from kg.tabular.suspicious_ratings import refuse_all_equal, refuse_codes
from kg.tabular.table_format import TableFormat
from kg.vocabulary import Vocabulary

__all__ = ["RawRatings", "choose_ratings", "index_ratings", "read_held_out", "read_ratings", "scale_of"]

_SHOWN_CANDIDATES = 100_000
_SHOWN_VALUES = 5


def choose_ratings(description: Description, folder: Path) -> RatingTable:
    """Return the first rating table of which a file exists; raises `InputError` if none does."""
    tables = (description.ratings,) if isinstance(description.ratings, RatingTable) else description.ratings
    for table in tables:
        if any((folder / file).exists() for file in table.files):
            return table
    names = " or ".join(table.files[0] for table in tables)
    raise InputError(
        f"expected the ratings of {description.name!r} in {names}, found no such file; is this the right description, and the right --data?",
        file=folder,
    )


def read_ratings(description: RatingTable, folder: Path, splits: Mapping[str, Split]) -> RawRatings:
    """Read and check a table of ratings, with those files of splits that hold none of its ratings.

    Args:
        description: How they are read.
        folder: Where the paths start.
        splits: The splits that come with them.

    Raises:
        InputError: If a row is wrong, with file and line of the first one; or if all ratings are the same.
    """
    raw = _read(description.files, folder, description.format, description)
    _refuse_absent_values(raw.rows, description)
    groups: dict[str, list[tuple[str, str]]] = {}
    formats: dict[str, TableFormat] = {}
    for name, split in splits.items():
        for part, files in split.rating_files.items():
            for file in files:
                groups.setdefault(file, []).append((name, part))
                formats.setdefault(file, split.format or description.format)
    pairs = _chosen(raw, description).pairs()
    parts = [raw]
    for file in groups:
        if file not in description.files and (folder / file).exists():
            held_out = _read((file,), folder, formats[file], description)
            if len(held_out) and not _chosen(held_out, description).pairs().isin(pairs).any():
                held_out.accounts[0].count("held-out ratings that are in no file of ratings, added", len(held_out))
                parts.append(held_out)
    raw = RawRatings.joined(parts) if len(parts) > 1 else raw
    numbers: dict[tuple[tuple[str, str], ...], int] = {(): 0}
    group_of = [numbers.setdefault(tuple(groups.get(name, ())), len(numbers)) for name in raw.rows.names]
    if description.clicked is not None:
        choices, others = choices_and_others(raw, group_of)
        return without_repeats(choices, description, group_of).beside(others)
    raw = without_repeats(raw, description, group_of)
    if not description.implicit:
        if description.repeats in ("sum", "count"):
            _refuse_beyond_scale(raw, description)
        refuse_codes(raw, description)
        refuse_all_equal(raw)
    return raw


def read_held_out(
    files: tuple[str, ...], folder: Path, table_format: TableFormat, description: RatingTable
) -> RawRatings:
    """Read and check files of a split; raises `InputError` as `read_ratings` does, and if a pair of theirs stands twice."""
    strict = description.model_copy(update={"repeats": description.repeats or "error"})
    raw = _read(files, folder, table_format, description)
    return without_repeats(_chosen(raw, description), strict, [0] * len(files))


def _chosen(raw: RawRatings, description: RatingTable) -> RawRatings:
    """Return ratings without what was shown and not taken."""
    return raw if description.clicked is None else raw.select(raw.value > 0)


def _read(files: tuple[str, ...], folder: Path, table_format: TableFormat, description: RatingTable) -> RawRatings:
    """Read the rows that are ratings, repeats among them."""
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


def _refuse_absent_values(rows: Stack, description: RatingTable) -> None:
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


def scale_of(raw: RawRatings, description: RatingTable) -> tuple[float, float]:
    """Return the lowest and the highest value that a rating can have: 1 and 1 for implicit feedback."""
    if description.implicit:
        return (1.0, 1.0)
    if description.repeats not in ("sum", "count") or "scale" in description.model_fields_set or not len(raw):
        return description.scale
    low, high = float(raw.value.min()), float(raw.value.max())
    return low, max(high, low + 1)


def _refuse_beyond_scale(raw: RawRatings, description: RatingTable) -> None:
    """Check what repeats add up to."""
    low, high = scale_of(raw, description)
    raw.refuse(
        ~((raw.value >= low) & (raw.value <= high)),
        lambda row: (
            f"the rows of user {raw.user.iloc[row]!r} and item {raw.item.iloc[row]!r} make a rating of {raw.value[row]:g}, the scale "
            f"goes from {low:g} to {high:g}; correct the scale in the description, or leave it out"
        ),
    )


def index_ratings(
    raw: RawRatings,
    users: Vocabulary,
    items: Vocabulary,
    *,
    unlisted: str,
    files: dict[str, FileAccount],
    forgotten: Forgotten,
) -> Ratings:
    """Replace raw ids by indices.

    Args:
        raw: The ratings.
        users: All users.
        items: All items.
        unlisted: `drop` to leave out and count ratings of unknown users or items; else they are refused.
        files: Receives an account of each file.
        forgotten: People whose ratings are left out and counted.

    Returns:
        The ratings; where the feedback is implicit those of value 0 are no choices, but what was shown and not taken.

    Raises:
        InputError: If an id is unknown and `unlisted` is not `drop`, with file and line.
    """
    user, item = users.find(raw.user.to_numpy(dtype=object)), items.find(raw.item.to_numpy(dtype=object))
    known = ~forgotten.mask(raw.user.to_numpy(dtype=object))
    accounts = [files.setdefault(name, FileAccount()) for name in raw.rows.names]
    for account, own, number in zip(accounts, raw.accounts, raw.counts(~known), strict=True):
        account.include(own)
        account.drop(OF_FORGOTTEN, number)
    table_of = raw.rows.table_of[raw.row]
    for name, cells, index, vocabulary in (("user", raw.user, user, users), ("item", raw.item, item, items)):
        unknown = (index < 0) & known
        if unlisted == "drop":
            for position, (account, number) in enumerate(zip(accounts, raw.counts(unknown), strict=True)):
                mine = cells[unknown & (table_of == position)]
                account.drop(f"no {name} of this id", number, sorted(set(mine[:1000]))[:3])
            known &= ~unknown
        else:
            number = int(unknown.sum())

            def sentence(
                row: int,
                name: str = name,
                cells: pd.Series[str] = cells,
                vocabulary: Vocabulary = vocabulary,
                number: int = number,
            ) -> str:
                hint = _hint(cells.iloc[row], vocabulary)
                others = f" ({number:,} such ratings in all)" if number > 1 else ""
                return (
                    f"the {name} {cells.iloc[row]!r} has no row in the tables of {name}s, which know {len(vocabulary):,}{others}; "
                    f"add it there, or give unlisted: keep (or drop) under ratings.{hint}"
                )

            raw.refuse(unknown, sentence)
    for account, kept in zip(accounts, raw.counts(known), strict=True):
        account.kept += kept
    return Ratings(
        user=user[known],
        item=item[known],
        value=raw.value[known].astype(np.float32),
        time=None if raw.time is None else raw.time[known],
        weight=None if raw.weight is None else raw.weight[known].astype(np.float32),
        num_users=len(users),
        num_items=len(items),
    )


def _hint(raw_id: str, vocabulary: Vocabulary) -> str:
    """Return which known id may be meant: one of other code points that look the same, or a close one."""
    if not raw_id.isascii():
        form = unicodedata.normalize("NFC", raw_id)
        if any(unicodedata.normalize("NFC", known) == form for known in vocabulary if not known.isascii()):
            return " The tables write it in another Unicode form (NFC or NFD), which looks the same; write both alike."
    return did_you_mean(raw_id, vocabulary) if len(vocabulary) <= _SHOWN_CANDIDATES else ""
