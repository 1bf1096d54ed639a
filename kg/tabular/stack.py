"""Tables of the same columns, one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import Problems
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import Table, read_table

__all__ = ["Stack"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Several files read as one table; a row still knows its file and line.

    Attributes:
        names: The files as the description names them.
        tables: Their tables.
    """

    names: tuple[str, ...]
    tables: tuple[Table, ...]

    @classmethod
    def read(cls, files: Sequence[str], folder: Path, table_format: TableFormat) -> Stack:
        """Read files of one format; raises `InputError` as `read_table` does."""
        return cls(names=tuple(files), tables=tuple(read_table(folder / file, table_format) for file in files))

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables)

    @cached_property
    def table_of(self) -> NDArray[np.int64]:
        """For each row the position of its table, `[num_rows]`."""
        return np.repeat(np.arange(len(self.tables)), [len(table) for table in self.tables])

    def has(self, column: str) -> bool:
        """Whether any of the tables has a column."""
        return any(table.has(column) for table in self.tables)

    def column(self, name: str, *, remedy: str = "correct the description") -> pd.Series[str]:
        """Return a column over all tables; raises `InputError` with the remedy if one lacks it."""
        return pd.concat([table.column(name, remedy=remedy) for table in self.tables], ignore_index=True)

    def place(self, row: int) -> tuple[Path, int]:
        """Return the file and the line of a row."""
        position = int(self.table_of[row])
        before = sum(len(table) for table in self.tables[:position])
        return self.tables[position].file, self.tables[position].line(row - before)

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentences about the bad rows, if there are any."""
        problems, start = Problems(), 0
        for table in self.tables:
            mine = bad[start : start + len(table)]
            with problems.gathered():
                table.refuse(mine, lambda row, start=start: sentence(start + row))  # type: ignore[misc]
            start += len(table)
        problems.tell()

    def counts(self, which: NDArray[np.bool_]) -> list[int]:
        """Return for each table how many of its rows a mask picks."""
        return [int(number) for number in np.bincount(self.table_of[which], minlength=len(self.tables))]
