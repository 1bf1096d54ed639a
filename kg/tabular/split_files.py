"""The splits that come with the ratings, as files of ratings or of items."""

from __future__ import annotations

from collections.abc import Mapping
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
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import read_table
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

    def read_all(self, splits: Mapping[str, Split], notes: list[str]) -> dict[str, NamedSplit]:
        """Return the splits by name, but for optional ones whose files are absent, of which the notes then tell.

        Raises:
            InputError: If a split does not fit the ratings, with file and line.
        """
        by_name = {}
        for name, split in splits.items():
            absent = [file for file in split.files if not (self.folder / file).exists()]
            if absent and split.optional:
                notes.append(f"{absent[0]} is not there; the split {name!r} is not offered.")
            else:
                by_name[name] = self._read(split)
        return by_name

    def _read(self, split: Split) -> NamedSplit:
        if split.items is not None:
            validation = None if split.validation_items is None else self._item_list(split.validation_items)
            return NamedSplit(test_items=self._item_list(split.items), validation_items=validation)
        rows_of: dict[str, NDArray[np.int64]] = {}
        taken: dict[int, str] = {}
        for part, files in split.rating_files.items():
            rows, raw = self._rows(files, split.format or self.table.format)
            for row in rows.tolist():
                if taken.setdefault(row, part) != part:
                    clash = f"is in the part {taken[row]!r} and here in {part!r}; keep one of the two"
                    raise self._error(raw, int(self.ratings.user[row]), int(self.ratings.item[row]), clash)
            rows_of[part] = np.sort(rows)
        if split.parts is None:
            return NamedSplit(test_ratings=rows_of["test"])
        return NamedSplit(validation_ratings=rows_of.pop("validation", None), parts=rows_of)

    def _rows(self, files: tuple[str, ...], table_format: TableFormat) -> tuple[NDArray[np.int64], RawRatings]:
        """Return the row numbers of the ratings that files repeat, in their order, and what the files hold."""
        raw = read_held_out(files, self.folder, table_format, self.table)
        ratings, width = self.ratings, len(self.items)
        accounts: dict[str, FileAccount] = {}
        part = index_ratings(
            raw, self.users, self.items, unlisted=self.table.unlisted, files=accounts, forgotten=self.forgotten
        )
        for file, account in accounts.items():
            self.files.setdefault(file, account)
        rows = pd.Index(ratings.user * width + ratings.item).get_indexer(part.user * width + part.item)
        absent = rows < 0
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
        return rows.astype(np.int64), raw

    def _error(self, raw: RawRatings, user_index: int, item_index: int, problem: str) -> InputError:
        pair = self.users.id_of(user_index), self.items.id_of(item_index)
        same = (raw.frame["user"] == pair[0]) & (raw.frame["item"] == pair[1])
        file, line = raw.place(int(np.argmax(same.to_numpy())))
        what = "choice" if self.table.implicit else "rating"
        return InputError(f"the {what} of item {pair[1]!r} by user {pair[0]!r} {problem}", file=file, line=line)

    def _item_list(self, file: str) -> NDArray[np.int64]:
        table = read_table(self.folder / file, TableFormat(separator="\t", columns=("id",)))
        cells = table.column("id").str.strip()
        index = self.items.find(cells.to_numpy(dtype=object))
        table.refuse(
            index < 0,
            lambda row: (
                f"the item {cells.iloc[row]!r} is not among the {len(self.items):,} items; this split belongs to other data"
            ),
        )
        self.files.setdefault(file, FileAccount(rows=len(table), kept=len(table)))
        return np.unique(index)
