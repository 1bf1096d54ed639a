"""Ratings with raw ids, as they stand in their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError
from kg.report import FileAccount
from kg.tabular.stack import Stack

__all__ = ["RawRatings"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RawRatings:
    """Ratings with raw ids, their values checked.

    Attributes:
        rows: The tables.
        row: For each rating its row in `rows`, rising, int64 `[num_ratings]`.
        user, item: Raw ids; their index runs from 0.
        value: Stars; 1 where the feedback is implicit.
        time: Unix times in seconds, or None.
        weight: Weights, or None.
        accounts: For each table what became of the rows that are no ratings, and other numbers worth knowing.
    """

    rows: Stack
    row: NDArray[np.int64]
    user: pd.Series[str]
    item: pd.Series[str]
    value: NDArray[np.float64]
    time: NDArray[np.int64] | None
    weight: NDArray[np.float64] | None
    accounts: tuple[FileAccount, ...]

    def __len__(self) -> int:
        return len(self.row)

    def place(self, rating: int) -> tuple[Path, int]:
        """Return the file and the line of a rating."""
        return self.rows.place(int(self.row[rating]))

    def whole(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows of the tables a mask of ratings picks, `[num_rows]`."""
        found = np.zeros(len(self.rows), dtype=bool)
        found[self.row[which]] = True
        return found

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentence about the first bad rating, if there is one."""
        self.rows.refuse(self.whole(bad), lambda row: sentence(int(np.searchsorted(self.row, row))))

    def counts(self, which: NDArray[np.bool_]) -> list[int]:
        """Return for each table how many of its ratings a mask picks."""
        return self.rows.counts(self.whole(which))

    def drop(self, which: NDArray[np.bool_], reason: str) -> None:
        """Count ratings that a mask picks as dropped."""
        for account, number in zip(self.accounts, self.counts(which), strict=True):
            account.drop(reason, number)

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> RawRatings:
        """Return the ratings that a mask or rising numbers pick."""
        return replace(
            self,
            row=self.row[which],
            user=self.user[which].reset_index(drop=True),
            item=self.item[which].reset_index(drop=True),
            value=self.value[which],
            time=None if self.time is None else self.time[which],
            weight=None if self.weight is None else self.weight[which],
        )

    def pairs(self) -> pd.MultiIndex:
        """Return the pairs of user and item."""
        return pd.MultiIndex.from_arrays([self.user, self.item])

    @classmethod
    def joined(cls, parts: Sequence[RawRatings]) -> RawRatings:
        """Return ratings of several tables, one below the other.

        Raises:
            InputError: If some have times and others none.
        """
        first, *others = parts
        for other in others:
            if (other.time is None) != (first.time is None):
                with_times, without = (first, other) if other.time is None else (other, first)
                raise InputError(
                    f"expected times as in {with_times.rows.names[0]}, found none; add them, or give time: null under ratings",
                    file=without.rows.tables[0].file,
                )
        starts = np.cumsum([0, *(len(part.rows) for part in parts[:-1])])
        return cls(
            rows=Stack(
                names=tuple(name for part in parts for name in part.rows.names),
                tables=tuple(table for part in parts for table in part.rows.tables),
            ),
            row=np.concatenate([start + part.row for start, part in zip(starts, parts, strict=True)]),
            user=pd.concat([part.user for part in parts], ignore_index=True),
            item=pd.concat([part.item for part in parts], ignore_index=True),
            value=np.concatenate([part.value for part in parts]),
            time=None if first.time is None else np.concatenate([part.time for part in parts if part.time is not None]),
            weight=None
            if first.weight is None
            else np.concatenate([part.weight for part in parts if part.weight is not None]),
            accounts=tuple(account for part in parts for account in part.accounts),
        )
