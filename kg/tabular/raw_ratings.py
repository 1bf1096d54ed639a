"""Ratings with raw ids, as they stand in their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
        row: For each rating its row in `rows`, rising, int64 `[num_ratings]`; lists hold several of one row.
        user, item: Raw ids; their index runs from 0.
        value: Stars; where the feedback is implicit 1 for a choice, 0 for what was shown and not taken.
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

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentence about the first bad rating, if there is one."""
        ratings = np.flatnonzero(bad)
        rows = np.zeros(len(self.rows), dtype=bool)
        rows[self.row[ratings]] = True
        self.rows.refuse(rows, lambda row: sentence(int(ratings[np.searchsorted(self.row[ratings], row)])))

    def counts(self, which: NDArray[np.bool_]) -> list[int]:
        """Return for each table how many of its ratings a mask picks."""
        table_of = self.rows.table_of[self.row[which]]
        return [int(number) for number in np.bincount(table_of, minlength=len(self.rows.tables))]

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

    def beside(self, other: RawRatings) -> RawRatings:
        """Return these ratings and others of the same tables, in the order of their rows."""
        order = np.argsort(np.concatenate([self.row, other.row]), kind="stable")

        def both(one: NDArray[Any] | None, two: NDArray[Any] | None) -> Any:
            if one is None and two is None:
                return None
            ones = (np.ones(len(part)) if column is None else column for part, column in ((self, one), (other, two)))
            return np.concatenate(list(ones))[order]

        return replace(
            self,
            row=both(self.row, other.row),
            user=pd.concat([self.user, other.user], ignore_index=True)[order].reset_index(drop=True),
            item=pd.concat([self.item, other.item], ignore_index=True)[order].reset_index(drop=True),
            value=both(self.value, other.value),
            time=both(self.time, other.time),
            weight=both(self.weight, other.weight),
        )

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
