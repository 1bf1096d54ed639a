"""Ratings with raw ids, as they stand in their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, Problems
from kg.report import FileAccount

__all__ = ["RawRatings"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RawRatings:
    """Ratings with raw ids, their values checked.

    Attributes:
        frame: A row a rating, the index from 0: `user` and `item`, raw ids; `value`, stars, or of implicit feedback 1 for a
            choice and 0 for what was shown and not taken; where they are known `time`, Unix times in seconds, and `weight`;
            `file`, the position of its file, and `line`. Several ratings may stand in one line, which lists items.
        names: The files as the description names them.
        paths: The same files.
        accounts: For each file what became of the rows that are no ratings, and other numbers worth knowing.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    accounts: tuple[FileAccount, ...]

    def __len__(self) -> int:
        return len(self.frame)

    def values(self, column: str) -> NDArray[np.float64]:
        """Return a column of numbers, `[num_ratings]`."""
        return self.frame[column].to_numpy(dtype=np.float64)

    def place(self, rating: int) -> tuple[Path, int]:
        """Return the file and the line of a rating."""
        return self.paths[self.frame["file"].iloc[rating]], int(self.frame["line"].iloc[rating])

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentences about the bad ratings, one a line, if there are any."""
        ratings = self.frame.loc[bad, ["file", "line"]].drop_duplicates().index.tolist()

        def problem(rating: int) -> InputError:
            file, line = self.place(rating)
            return InputError(sentence(rating), file=file, line=line)

        Problems.raise_all(ratings, problem)

    def counts(self, which: NDArray[np.bool_]) -> list[int]:
        """Return for each file how many of its ratings a mask picks."""
        return [int(number) for number in np.bincount(self.frame["file"][which], minlength=len(self.names))]

    def select(self, which: NDArray[np.bool_]) -> RawRatings:
        """Return the ratings that a mask picks."""
        return replace(self, frame=self.frame[which].reset_index(drop=True))

    def without(self, which: NDArray[np.bool_], reason: str) -> RawRatings:
        """Return the ratings but for those that a mask picks, which are counted as dropped."""
        for account, number in zip(self.accounts, self.counts(which), strict=True):
            account.drop(reason, number)
        return self.select(~which)

    def pairs(self) -> pd.MultiIndex:
        """Return the pairs of user and item."""
        return pd.MultiIndex.from_frame(self.frame[["user", "item"]])

    @classmethod
    def joined(cls, parts: Sequence[RawRatings]) -> RawRatings:
        """Return the ratings of several files, one below the other.

        Raises:
            InputError: If some have times and others none.
        """
        timed = [part for part in parts if "time" in part.frame]
        timeless = [part for part in parts if "time" not in part.frame]
        if timed and timeless:
            raise InputError(
                f"expected times as in {timed[0].names[0]}, found none; add them, or give time: null under ratings",
                file=timeless[0].paths[0],
            )
        starts = np.cumsum([0, *(len(part.names) for part in parts)])
        frames = [
            part.frame.assign(file=part.frame["file"] + start) for part, start in zip(parts, starts, strict=False)
        ]
        return cls(
            frame=pd.concat(frames, ignore_index=True),
            names=tuple(name for part in parts for name in part.names),
            paths=tuple(path for part in parts for path in part.paths),
            accounts=tuple(account for part in parts for account in part.accounts),
        )
