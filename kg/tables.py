"""Tables of any common file format as columns of text; a bad row is named by file and line."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kg.errors import InputError, did_you_mean
from kg.storage.packed import plain_suffix, read_bytes
from kg.tabular.delimited import read_delimited, rows_with_lines
from kg.tabular.table_format import TableFormat

__all__ = ["LIST_SEPARATOR", "Table", "read_table"]

# Joins the members of a list that came from JSON or Parquet inside one cell.
LIST_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table in which every cell is text, so that leading zeros and 64-bit ids survive; unknown is "".

    Attributes:
        file: Where it was read.
        frame: The cells, text `[num_rows, num_columns]`.
        text: The delimited text, kept to find line numbers; None for JSON and Parquet.
        format: How it was read.
        replaced: Number of bad bytes that were replaced (with `bad_bytes: replace`).
    """

    file: Path
    frame: pd.DataFrame
    text: bytes | None
    format: TableFormat
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str, *, remedy: str = "correct the description") -> pd.Series[str]:
        """Return a column; raises `InputError` with the columns there are and the remedy if it is missing."""
        if name not in self.frame.columns:
            known = ", ".join(repr(column) for column in self.frame.columns)
            hint = did_you_mean(name, self.frame.columns) or (
                " Is the separator right?" if len(self.frame.columns) == 1 and self.text is not None else ""
            )
            raise InputError(f"expected a column {name!r}, found only {known}; {remedy}.{hint}", file=self.file)
        return self.frame[name]

    def line(self, row: int) -> int:
        """Return the line (counted from 1) at which a row starts; for JSON and Parquet the number of the record."""
        return int(self._first_lines[row])

    def lines(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines at which rows start, as `line` does for one, `[num_given_rows]`."""
        return self._first_lines[rows]

    @cached_property
    def _first_lines(self) -> NDArray[np.int64]:
        """The line at which each row starts, `[num_rows]`."""
        count, skipped = len(self), self.format.skip_rows
        if self.text is None:
            return np.arange(1, count + 1)
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
    """Read a table: delimited text, JSON (list of objects) or Parquet, each also as `.gz`, `.bz2` or `.zst`.

    Args:
        file: The suffix decides how it is read unless the format gives a separator or lines.
        table_format: Separator, columns, encoding.

    Raises:
        InputError: If the file is missing, damaged, or a row does not have the fields it should have.
    """
    table_format = table_format or TableFormat()
    suffix = plain_suffix(file)
    content = read_bytes(file)
    by_suffix = table_format.separator is None and table_format.lines is None
    if by_suffix and suffix == ".json":
        return Table(file=file, frame=_json(content, file), text=None, format=table_format)
    if by_suffix and suffix == ".parquet":
        return Table(file=file, frame=_parquet(content, file), text=None, format=table_format)
    frame, text, replaced = read_delimited(content, file, table_format)
    return Table(file=file, frame=frame, text=text, format=table_format, replaced=replaced)


def _json(content: bytes, file: Path) -> pd.DataFrame:
    try:
        records = json.loads(content)
    except UnicodeDecodeError as error:
        raise InputError(
            "expected UTF-8, found bytes that are not", file=file, line=content[: error.start].count(b"\n") + 1
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"expected JSON, found an error: {error.msg}", file=file, line=error.lineno) from None
    except RecursionError:
        raise InputError("expected a list of objects, found JSON nested too deeply", file=file) from None
    except ValueError:
        raise InputError("expected JSON, found a whole number of thousands of digits", file=file) from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError('expected a JSON list of objects, as in [{"id": "1", "title": "..."}]', file=file)
    columns = list(dict.fromkeys(key for record in records for key in record))
    try:
        return pd.DataFrame(
            {column: [_cell(record.get(column)) for record in records] for column in columns}, dtype=str
        )
    except UnicodeEncodeError:
        raise InputError(
            "a text holds half of a character pair (a lone surrogate), which no file can store", file=file
        ) from None


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        return LIST_SEPARATOR.join(_cell(member) for member in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _parquet(content: bytes, file: Path) -> pd.DataFrame:
    try:
        arrow = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"expected a Parquet file: {str(error).splitlines()[0]}", file=file) from None
    columns = {}
    for name in arrow.column_names:
        column = arrow.column(name)
        try:
            columns[name] = pc.fill_null(pc.cast(column, pa.string()), "").to_pandas()
        except pa.ArrowException:  # nested values have no cast to text
            columns[name] = pd.Series([_cell(value) for value in column.to_pylist()], dtype=str)
    return pd.DataFrame(columns)
