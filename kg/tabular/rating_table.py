"""The table of ratings, checked row by row and turned into indices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.description import Description
from kg.errors import InputError, did_you_mean
from kg.growth.forgotten import OF_FORGOTTEN, Forgotten
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tabular.rating_description import RatingTable
from kg.tabular.stack import Stack
from kg.vocabulary import Vocabulary

__all__ = ["RawRatings", "choose_ratings", "index_ratings", "read_ratings"]

_SHOWN_CANDIDATES = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RawRatings:
    """Ratings with raw ids, their values checked.

    Attributes:
        rows: Where they stand.
        user, item: Raw ids.
        value: Stars; 1 where the feedback is implicit.
        time: Unix times in seconds, or None.
    """

    rows: Stack
    user: pd.Series[str]
    item: pd.Series[str]
    value: NDArray[np.float64]
    time: NDArray[np.int64] | None


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


def read_ratings(description: RatingTable, folder: Path) -> RawRatings:
    """Read and check a table of ratings; raises `InputError` with file and line of the first bad row."""
    rows = Stack.read(description.files, folder, description.format)
    user, item = rows.column(description.user), rows.column(description.item)
    for article, name, cells in (("a", "user", user), ("an", "item", item)):
        rows.refuse(
            (cells.str.strip() == "").to_numpy(dtype=bool),
            lambda _, name=name, article=article: (  # type: ignore[misc]
                f"expected {article} {name} id, found an empty cell; give every rating its {name}"
            ),
        )
    value = _choices(rows, description) if description.implicit else _stars(rows, description)
    twice = pd.DataFrame({"user": user, "item": item}).duplicated().to_numpy(dtype=bool)
    verb = "chooses" if description.implicit else "rates"

    def repeated(row: int) -> str:
        first = int(np.argmax(((user == user.iloc[row]) & (item == item.iloc[row])).to_numpy(dtype=bool)))
        file, line = rows.place(first)
        where = f"line {line}" if file == rows.place(row)[0] else f"{file}, line {line}"
        return f"user {user.iloc[row]!r} {verb} item {item.iloc[row]!r} for the second time, first in {where}; keep one of the two"

    rows.refuse(twice, repeated)
    return RawRatings(rows=rows, user=user, item=item, value=value, time=_times(rows, description))


def _stars(rows: Stack, description: RatingTable) -> NDArray[np.float64]:
    cells = rows.column(
        description.rating,
        remedy="correct the description, or give feedback: implicit under ratings if nobody gave stars",
    )
    value = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
    rows.refuse(np.isnan(value), lambda row: f"expected a rating, found {cells.iloc[row]!r}, which is not a number")
    low, high = description.scale
    rows.refuse(
        ~((value >= low) & (value <= high)),
        lambda row: (
            f"expected a rating from {low:g} to {high:g}, found {value[row]:g}; correct the row or the scale in the description"
        ),
    )
    return value


def _choices(rows: Stack, description: RatingTable) -> NDArray[np.float64]:
    for table in rows.tables:
        if description.rating in table.frame.columns:
            raise InputError(
                f"expected no column {description.rating!r} in implicit feedback, found one; leave out feedback: implicit "
                "in the description to use the stars, or remove the column to count every row as a choice",
                file=table.file,
            )
    return np.ones(len(rows))


def _times(rows: Stack, description: RatingTable) -> NDArray[np.int64] | None:
    if description.time is None or ("time" not in description.model_fields_set and not rows.has(description.time)):
        return None
    cells = rows.column(description.time)
    numbers = pd.to_numeric(cells, errors="coerce")
    rows.refuse(
        ~(np.abs(numbers.to_numpy(dtype=np.float64)) < 2.0**63),
        lambda row: (
            f"expected a Unix time in seconds, found {cells.iloc[row]!r}; correct it, or give time: null in the description"
        ),
    )
    return numbers.to_numpy().astype(np.int64)


def index_ratings(
    raw: RawRatings,
    users: Vocabulary,
    items: Vocabulary,
    *,
    unknown_ids: str,
    files: dict[str, FileAccount],
    forgotten: Forgotten,
) -> Ratings:
    """Replace raw ids by indices.

    Args:
        raw: The ratings.
        users: All users.
        items: All items.
        unknown_ids: `error`, or `drop` to leave out and count ratings of unknown users or items.
        files: Receives an account of each file.
        forgotten: People whose ratings are left out and counted.

    Raises:
        InputError: If an id is unknown and `unknown_ids` is `error`, with file and line.
    """
    user, item = users.find(raw.user.to_numpy(dtype=object)), items.find(raw.item.to_numpy(dtype=object))
    known = ~forgotten.mask(raw.user.to_numpy(dtype=object))
    accounts = [files.setdefault(name, FileAccount()) for name in raw.rows.names]
    for account, number in zip(accounts, raw.rows.counts(~known), strict=True):
        account.drop(OF_FORGOTTEN, number)
    for name, cells, index, vocabulary in (("user", raw.user, user, users), ("item", raw.item, item, items)):
        unknown = (index < 0) & known
        if unknown_ids == "drop":
            for position, (account, number) in enumerate(zip(accounts, raw.rows.counts(unknown), strict=True)):
                mine = cells[unknown & (raw.rows.table_of == position)]
                account.drop(f"no {name} of this id", number, sorted(set(mine[:1000]))[:3])
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

            raw.rows.refuse(unknown, sentence)
    for account, table, kept in zip(accounts, raw.rows.tables, raw.rows.counts(known), strict=True):
        account.rows += len(table)
        account.kept += kept
        account.count("bad bytes replaced", table.replaced)
    return Ratings(
        user=user[known],
        item=item[known],
        value=raw.value[known].astype(np.float32),
        time=None if raw.time is None else raw.time[known],
        num_users=len(users),
        num_items=len(items),
    )
