"""The table of ratings, checked row by row and turned into indices; and the splits that come with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.description import Description, RatingTable, Split, TableFormat
from kg.errors import InputError, did_you_mean
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tables import Table, read_table
from kg.vocabulary import Vocabulary

__all__ = ["RawRatings", "choose_ratings", "index_ratings", "read_ratings", "read_split"]

_SHOWN_CANDIDATES = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RawRatings:
    """Ratings with raw ids, their values checked.

    Attributes:
        table: Where they stand.
        user, item: Raw ids.
        value: Stars.
        time: Unix times in seconds, or None.
    """

    table: Table
    user: pd.Series[str]
    item: pd.Series[str]
    value: NDArray[np.float64]
    time: NDArray[np.int64] | None


def choose_ratings(description: Description, folder: Path) -> RatingTable:
    """Return the rating table whose file exists; raises `InputError` if none does."""
    tables = (description.ratings,) if isinstance(description.ratings, RatingTable) else description.ratings
    for table in tables:
        if (folder / table.file).exists():
            return table
    names = " or ".join(table.file for table in tables)
    raise InputError(
        f"expected the ratings of {description.name!r} in {names}, found no such file; is this the right description, and the right --data?",
        file=folder,
    )


def read_ratings(description: RatingTable, folder: Path) -> RawRatings:
    """Read and check a table of ratings; raises `InputError` with file and line of the first bad row."""
    table = read_table(folder / description.file, description.format)
    user, item = table.column(description.user), table.column(description.item)
    for article, name, cells in (("a", "user", user), ("an", "item", item)):
        _refuse(
            (cells.str.strip() == "").to_numpy(dtype=bool),
            table,
            lambda _, name=name, article=article: (
                f"expected {article} {name} id, found an empty cell; give every rating its {name}"
            ),
        )
    cells = table.column(description.rating)
    value = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    _refuse(np.isnan(value), table, lambda row: f"expected a rating, found {cells.iloc[row]!r}, which is not a number")
    low, high = description.scale
    _refuse(
        ~((value >= low) & (value <= high)),
        table,
        lambda row: (
            f"expected a rating from {low:g} to {high:g}, found {value[row]:g}; correct the row or the scale in the description"
        ),
    )
    twice = pd.DataFrame({"user": user, "item": item}).duplicated().to_numpy(dtype=bool)

    def repeated(row: int) -> str:
        first = int(np.argmax(((user == user.iloc[row]) & (item == item.iloc[row])).to_numpy(dtype=bool)))
        return f"user {user.iloc[row]!r} rates item {item.iloc[row]!r} for the second time, first in line {table.line(first)}; keep one of the two"

    _refuse(twice, table, repeated)
    return RawRatings(table=table, user=user, item=item, value=value, time=_times(table, description))


def _times(table: Table, description: RatingTable) -> NDArray[np.int64] | None:
    if description.time is None or (
        "time" not in description.model_fields_set and description.time not in table.frame.columns
    ):
        return None
    cells = table.column(description.time)
    numbers = pd.to_numeric(cells, errors="coerce")
    bad = ~np.isfinite(numbers.to_numpy(dtype=np.float64))
    _refuse(
        bad,
        table,
        lambda row: (
            f"expected a Unix time in seconds, found {cells.iloc[row]!r}; correct it, or give time: null in the description"
        ),
    )
    return numbers.to_numpy().astype(np.int64)


def _refuse(bad: NDArray[np.bool_], table: Table, sentence: object) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        assert callable(sentence)
        raise InputError(sentence(row), file=table.file, line=table.line(row))


def index_ratings(
    raw: RawRatings, users: Vocabulary, items: Vocabulary, *, unknown_ids: str, account: FileAccount
) -> Ratings:
    """Replace raw ids by indices.

    Args:
        raw: The ratings.
        users: All users.
        items: All items.
        unknown_ids: `error`, or `drop` to leave out and count ratings of unknown users or items.
        account: Receives the counts.

    Raises:
        InputError: If an id is unknown and `unknown_ids` is `error`, with file and line.
    """
    user, item = users.find(raw.user.to_numpy(dtype=object)), items.find(raw.item.to_numpy(dtype=object))
    known = np.ones(len(user), dtype=bool)
    for name, cells, index, vocabulary in (("user", raw.user, user, users), ("item", raw.item, item, items)):
        unknown = index < 0
        if unknown_ids == "drop":
            account.drop(f"no {name} of this id", int((unknown & known).sum()), sorted(set(cells[unknown][:1000]))[:3])
            known &= ~unknown
        else:

            def sentence(
                row: int, name: str = name, cells: pd.Series[str] = cells, vocabulary: Vocabulary = vocabulary
            ) -> str:
                hint = did_you_mean(cells.iloc[row], vocabulary) if len(vocabulary) <= _SHOWN_CANDIDATES else ""
                return (
                    f"the {name} {cells.iloc[row]!r} has no row in the tables of {name}s, which know {len(vocabulary):,}; "
                    f"add it there, or give unknown_ids: drop under ratings.{hint}"
                )

            _refuse(unknown, raw.table, sentence)
    account.rows += len(user)
    account.kept += int(known.sum())
    return Ratings(
        user=user[known],
        item=item[known],
        value=raw.value[known].astype(np.float32),
        time=None if raw.time is None else raw.time[known],
        num_users=len(users),
        num_items=len(items),
    )


def read_split(
    split: Split,
    ratings_table: RatingTable,
    folder: Path,
    ratings: Ratings,
    users: Vocabulary,
    items: Vocabulary,
    files: dict[str, FileAccount],
) -> NamedSplit:
    """Read a split that comes with the data; raises `InputError` if it does not fit the ratings."""
    if split.test is None:
        assert split.items is not None
        held_out = _item_list(folder, split.items, items, files)
        validation = (
            None if split.validation_items is None else _item_list(folder, split.validation_items, items, files)
        )
        return NamedSplit(test_ratings=None, test_items=held_out, validation_items=validation)
    description = ratings_table.model_copy(update={"file": split.test, "format": split.format or ratings_table.format})
    raw = read_ratings(description, folder)
    account = files.setdefault(split.test, FileAccount())
    test = index_ratings(raw, users, items, unknown_ids=ratings_table.unknown_ids, account=account)
    places = pd.Series(np.arange(len(ratings)), index=ratings.user * len(items) + ratings.item)
    found = places.reindex(test.user * len(items) + test.item).to_numpy(dtype=np.float64)
    absent = np.isnan(found)
    rows = np.where(absent, 0, found).astype(np.int64)
    wrong = absent | (ratings.value[rows] != test.value if len(ratings) else True)
    if wrong.any():
        place = int(np.argmax(wrong))
        user, item = users.id_of(int(test.user[place])), items.id_of(int(test.item[place]))
        row = int(np.argmax(((raw.user == user) & (raw.item == item)).to_numpy(dtype=bool)))
        problem = (
            "is not among the ratings"
            if absent[place]
            else f"has {ratings.value[rows[place]]:g} stars among the ratings, {test.value[place]:g} here"
        )
        raise InputError(
            f"the rating of item {item!r} by user {user!r} {problem}; this split belongs to other data",
            file=raw.table.file,
            line=raw.table.line(row),
        )
    return NamedSplit(test_ratings=np.sort(rows), test_items=None, validation_items=None)


def _item_list(folder: Path, file: str, items: Vocabulary, files: dict[str, FileAccount]) -> NDArray[np.int64]:
    table = read_table(folder / file, TableFormat(separator="\t", columns=("id",)))
    cells = table.column("id").str.strip()
    index = items.find(cells.to_numpy(dtype=object))
    _refuse(
        index < 0,
        table,
        lambda row: (
            f"the item {cells.iloc[row]!r} is not among the {len(items):,} items; this split belongs to other data"
        ),
    )
    files.setdefault(file, FileAccount(rows=len(table), kept=len(table)))
    return np.unique(index)
