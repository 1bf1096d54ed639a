"""The splits that come with the ratings, as files of ratings or of items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError
from kg.forgotten import Forgotten
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.report import FileAccount
from kg.tabular.rating_description import RatingTable, Split
from kg.tabular.rating_table import RawRatings, index_ratings, read_held_out
from kg.tabular.stack import Stack
from kg.tabular.table_format import TableFormat
from kg.vocabulary import Vocabulary

__all__ = ["SplitReader"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitReader:
    """Reads splits against the ratings they belong to.

    Attributes:
        folder: Where the paths start.
        table: How the ratings are read.
        ratings: The ratings.
        users, items: All users, all items.
        files: Receives an account of each file that has none yet.
        forgotten: People whose ratings are left out.
    """

    folder: Path
    table: RatingTable
    ratings: Ratings
    users: Vocabulary
    items: Vocabulary
    files: dict[str, FileAccount]
    forgotten: Forgotten

    def read(self, split: Split) -> NamedSplit:
        """Return a split; raises `InputError` with file and line if it does not fit the ratings."""
        if split.parts is not None:
            return self._parts(split)
        if split.test is not None:
            return NamedSplit(test_ratings=np.sort(self._rows((split.test,), split.format)[0]))
        assert split.items is not None
        validation = None if split.validation_items is None else self._item_list(split.validation_items)
        return NamedSplit(test_items=self._item_list(split.items), validation_items=validation)

    def _parts(self, split: Split) -> NamedSplit:
        assert split.parts is not None
        found: dict[str, NDArray[np.int64]] = {}
        names = list(split.parts)
        taken = np.full(len(self.ratings), -1)
        for number, (name, files) in enumerate(split.rating_files.items()):
            rows, raw = self._rows(files, split.format)
            clash = taken[rows] >= 0
            if clash.any():
                row = int(rows[int(np.argmax(clash))])
                problem = f"is in the part {names[taken[row]]!r} and here in {name!r}; keep one of the two"
                raise self._error(raw, int(self.ratings.user[row]), int(self.ratings.item[row]), problem)
            taken[rows] = number
            found[name] = np.sort(rows)
        return NamedSplit(validation_ratings=found.pop("validation", None), parts=found)

    def _rows(self, files: tuple[str, ...], table_format: TableFormat | None) -> tuple[NDArray[np.int64], RawRatings]:
        """Return the row numbers of the ratings that files repeat, in their order, and what the files hold."""
        raw = read_held_out(files, self.folder, table_format or self.table.format, self.table)
        accounts: dict[str, FileAccount] = {}
        part = index_ratings(
            raw,
            self.users,
            self.items,
            unlisted=self.table.unlisted,
            files=accounts,
            forgotten=self.forgotten,
        )
        for file, account in accounts.items():
            self.files.setdefault(file, account)
        ratings, width = self.ratings, len(self.items)
        places = pd.Series(np.arange(len(ratings)), index=ratings.user * width + ratings.item)
        found = places.reindex(part.user * width + part.item).to_numpy(dtype=np.float64)
        absent = np.isnan(found)
        rows = np.where(absent, 0, found).astype(np.int64)
        wrong = absent | (ratings.value[rows] != part.value if len(ratings) else True)
        if wrong.any():
            place = int(np.argmax(wrong))
            problem = (
                f"is not among the ratings, as are {int(absent.sum()):,} of the {len(absent):,} here"
                if absent[place]
                else f"has {ratings.value[rows[place]]:g} stars among the ratings, {part.value[place]:g} here"
            )
            problem += (
                "; this split belongs to other data, or its file holds ratings of other files and new ones at once"
            )
            raise self._error(raw, int(part.user[place]), int(part.item[place]), problem)
        return rows, raw

    def _error(self, raw: RawRatings, user_index: int, item_index: int, problem: str) -> InputError:
        user, item = self.users.id_of(user_index), self.items.id_of(item_index)
        file, line = raw.place(int(np.argmax(((raw.user == user) & (raw.item == item)).to_numpy(dtype=bool))))
        what = "choice" if self.table.implicit else "rating"
        return InputError(f"the {what} of item {item!r} by user {user!r} {problem}", file=file, line=line)

    def _item_list(self, file: str) -> NDArray[np.int64]:
        rows = Stack.read((file,), self.folder, TableFormat(separator="\t", columns=("id",)))
        cells = rows.column("id").str.strip()
        index = self.items.find(cells.to_numpy(dtype=object))
        rows.refuse(
            index < 0,
            lambda row: (
                f"the item {cells.iloc[row]!r} is not among the {len(self.items):,} items; this split belongs to other data"
            ),
        )
        self.files.setdefault(file, FileAccount(rows=len(rows), kept=len(rows)))
        return np.unique(index)
