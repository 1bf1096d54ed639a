"""Tables of any common file format as columns of text; a bad row is named by file and line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kg.errors import MOST_PROBLEMS, InputError, Problems, did_you_mean
from kg.storage.packed import plain_suffix, read_bytes
from kg.tabular.delimited import read_delimited, rows_with_lines
from kg.tabular.json_records import JSON_LINES, read_json_records
from kg.tabular.record_cells import LIST_SEPARATOR, RecordCells
from kg.tabular.table_format import TableFormat

__all__ = ["LIST_SEPARATOR", "Table", "read_table"]

_SHOWN = 20
_PARQUET = b"PAR1"  # begins every Parquet file
_WHOLE = r"-?(?:0|[1-9][0-9]*)\.0"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table in which every cell is text, so that leading zeros and 64-bit ids survive; unknown is "".

    Attributes:
        file: Where it was read.
        frame: The cells, text `[num_rows, num_columns]`.
        text: The delimited text, kept to find line numbers; None for JSON and Parquet.
        format: How it was read.
        replaced: Number of bad bytes that were replaced (with `bad_bytes: replace`).
        starts: The line at which each row starts, where the text is not kept but has lines (JSON Lines).
        nested: Cells of fields inside objects by their paths, `{"reviewer.id": {row: cell}}`.
        objects: For each field that holds an object the first row where it does.
        whole: Columns of whole numbers written with `.0`, as pandas writes them beside unknown ones, which are read without
            it, and how many cells of each are.
    """

    file: Path
    frame: pd.DataFrame
    text: bytes | None
    format: TableFormat
    replaced: int = 0
    starts: Sequence[int] = ()
    nested: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    objects: Mapping[str, int] = field(default_factory=dict)
    whole: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, name: str) -> bool:
        """Whether there is a column, or a field of objects by its path."""
        return name in self.frame.columns or name in self.nested

    def column(self, name: str, *, remedy: str = "correct the description") -> pd.Series[str]:
        """Return a column, or a field of objects by its path, as in `reviewer.id`.

        Raises:
            InputError: If there is none, with the columns there are and the remedy; or if it holds objects, with the paths.
        """
        if name in self.objects:
            paths = [path for path in self.nested if path.startswith(f"{name}.")]
            raise InputError(
                f"the column {name!r} holds an object, which is no value; name a field of it: {_listed(paths)}",
                file=self.file,
                line=self.line(self.objects[name]),
            )
        if name in self.frame.columns:
            return self.frame[name]
        if name in self.nested:
            cells = self.nested[name]
            return _text({name: [cells.get(row, "") for row in range(len(self))]}, self.file)[name]
        names = [*self.frame.columns, *self.nested]
        hint = did_you_mean(name, names) or (
            " Is the separator right?" if len(names) == 1 and self.text is not None else ""
        )
        raise InputError(f"expected a column {name!r}, found only {_listed(names)}; {remedy}.{hint}", file=self.file)

    def rows(self, which: NDArray[np.int64]) -> Table:
        """Return the table of some rows; they no longer know their lines."""
        nested = {
            path: {new: cells[row] for new, row in enumerate(which.tolist()) if row in cells}
            for path, cells in self.nested.items()
        }
        return Table(file=self.file, frame=self.frame.iloc[which], text=None, format=self.format, nested=nested)

    def line(self, row: int) -> int:
        """Return the line (counted from 1) at which a row starts; for a list in JSON and for Parquet the number of the record."""
        return int(self._first_lines[row])

    def lines(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines at which rows start, as `line` does for one, `[num_given_rows]`."""
        return self._first_lines[rows]

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentences about the bad rows, if there are any."""
        problems = Problems()
        rows = np.flatnonzero(bad)
        for row in rows[:MOST_PROBLEMS].tolist():
            problems.found.append(InputError(sentence(row), file=self.file, line=self.line(row)))
        problems.more = max(len(rows) - MOST_PROBLEMS, 0)
        problems.tell()

    @cached_property
    def _first_lines(self) -> NDArray[np.int64]:
        """The line at which each row starts, `[num_rows]`."""
        count, skipped = len(self), self.format.skip_rows
        if self.text is None:
            return np.array(self.starts, dtype=np.int64) if self.starts else np.arange(1, count + 1)
        if self.format.lines is not None:
            return np.arange(1, count + 1) + skipped
        header = 0 if self.format.columns else 1
        plain = self.text.count(b"\r") == self.text.count(b"\r\n")
        breaks = self.text.count(b"\n") + (not self.text.endswith(b"\n"))
        if plain and breaks == skipped + header + count:
            # As many lines as rows: none is blank and none holds a line break in quotes.
            return np.arange(1, count + 1) + skipped + header
        numbers = (line for line, _ in rows_with_lines(self.text, self.format, self.file))
        return np.fromiter(numbers, dtype=np.int64)[header:]


def read_table(file: Path, table_format: TableFormat | None = None) -> Table:
    """Read a table: delimited text, JSON (a list of objects, or an object a line) or Parquet, each also as `.gz`, `.bz2` or `.zst`.

    Args:
        file: The suffix decides how it is read unless the format gives a separator or lines; Parquet needs none.
        table_format: Separator, columns, encoding.

    Raises:
        InputError: If the file is missing, damaged, or a row does not have the fields it should have.
    """
    return _without_zeros(_read(file, table_format or TableFormat()))


def _read(file: Path, table_format: TableFormat) -> Table:
    suffix = plain_suffix(file)
    content = read_bytes(file)
    by_suffix = table_format.separator is None and table_format.lines is None
    if by_suffix and suffix in (".json", *JSON_LINES):
        records, starts = read_json_records(content, file, by_lines=suffix != ".json")
        try:
            cells = RecordCells.of(records)
        except RecursionError:
            raise InputError("expected a list of objects, found JSON nested too deeply", file=file) from None
        frame = _text(cells.columns, file) if cells.columns else pd.DataFrame(index=range(len(records)))
        return Table(
            file=file,
            frame=frame,
            text=None,
            format=table_format,
            starts=starts,
            nested=cells.nested,
            objects=cells.objects,
        )
    if by_suffix and (suffix == ".parquet" or (not suffix and content.startswith(_PARQUET))):
        frame, cells = _parquet(content, file)
        return Table(file=file, frame=frame, text=None, format=table_format, nested=cells.nested, objects=cells.objects)
    frame, text, replaced = read_delimited(content, file, table_format)
    return Table(file=file, frame=frame, text=text, format=table_format, replaced=replaced)


def _without_zeros(table: Table) -> Table:
    """Return a table in which a column of nothing but `1995.0` and the like holds `1995`, which is what was meant."""
    columns, whole = {}, {}
    for name, cells in table.frame.items():
        known = cells[cells != ""]
        if len(known) and re.fullmatch(_WHOLE, known.iloc[0]) and known.str.fullmatch(_WHOLE).all():
            columns[str(name)], whole[str(name)] = cells.str.removesuffix(".0"), len(known)
    return replace(table, frame=table.frame.assign(**columns), whole=whole) if columns else table


def _listed(names: Sequence[str]) -> str:
    others = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + others


def _text(columns: Mapping[str, Sequence[str]], file: Path) -> pd.DataFrame:
    try:
        return pd.DataFrame(columns, dtype=str)
    except UnicodeEncodeError:
        raise InputError(
            "a text holds half of a character pair (a lone surrogate), which no file can store", file=file
        ) from None


def _parquet(content: bytes, file: Path) -> tuple[pd.DataFrame, RecordCells]:
    try:
        arrow = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        raise InputError(
            "expected a Parquet file, found something else or a damaged one; write it anew, or correct its suffix",
            file=file,
        ) from None
    columns, cells = {}, RecordCells()
    for name in arrow.column_names:
        column = arrow.column(name)
        try:
            columns[name] = pc.fill_null(pc.cast(column, pa.string()), "").to_pandas()
        except pa.ArrowException:  # nested values have no cast to text
            inside = RecordCells.of([{name: value} for value in column.to_pylist()])
            cells.nested.update(inside.nested)
            cells.objects.update(inside.objects)
            columns |= {key: pd.Series(found, dtype=str) for key, found in inside.columns.items()}
    return pd.DataFrame(columns, index=range(len(arrow))), cells
