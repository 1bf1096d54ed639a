"""Tables of any common file format as columns of text; a bad row is named by file and line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kg.errors import InputError, Problems, did_you_mean
from kg.report import FileAccount
from kg.storage.packed import plain_suffix, read_bytes
from kg.tabular.delimited import read_delimited
from kg.tabular.json_records import JSON_LINES, LIST_SEPARATOR, Cells, read_json_records, record_cells
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
        starts: The line, counted from 1, at which each row starts, `[num_rows]`; None where rows are records without lines.
        replaced: Number of bad bytes that were replaced (with `bad_bytes: replace`).
        nested: Cells of fields inside objects by their paths, `{"reviewer.id": {row: cell}}`.
        objects: For each field that holds an object the first row where it does.
        whole: For each column of whole numbers written with `.0`, as pandas writes them beside unknown ones, how many are;
            they are read without it.
    """

    file: Path
    frame: pd.DataFrame
    starts: NDArray[np.int64] | None = None
    replaced: int = 0
    nested: Cells = field(default_factory=dict)
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
            return _text({name: self.nested[name]}, len(self), self.file)[name]
        names = [*self.frame.columns, *self.nested]
        split = len(names) == 1 and re.search(r"[\t,;|]", names[0])
        hint = did_you_mean(name, names) or (" Is the separator right?" if split else "")
        raise InputError(f"expected a column {name!r}, found only {_listed(names)}; {remedy}.{hint}", file=self.file)

    def line(self, row: int) -> int:
        """Return the line at which a row starts; for a list in JSON and for Parquet the number of the record."""
        return row + 1 if self.starts is None else int(self.starts[row])

    def lines(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines at which rows start, as `line` does for one, `[num_given_rows]`."""
        return rows + 1 if self.starts is None else self.starts[rows]

    def count_spellings(self, account: FileAccount) -> None:
        """Count in an account what is read in another spelling than it is written."""
        account.count("bad bytes replaced", self.replaced)
        for name, number in self.whole.items():
            account.count(f"cells of {name} written with .0, read as whole numbers", number)

    def refuse(self, bad: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
        """Raise `InputError` with the sentences about the bad rows, if there are any."""
        rows = np.flatnonzero(bad).tolist()
        Problems.raise_all(rows, lambda row: InputError(sentence(row), file=self.file, line=self.line(row)))


def read_table(file: Path, table_format: TableFormat | None = None) -> Table:
    """Read a table: delimited text, JSON (a list of objects, or an object a line) or Parquet, each also as `.gz`, `.bz2` or `.zst`.

    Args:
        file: The suffix decides how it is read unless the format gives a separator or lines; Parquet needs none.
        table_format: Separator, columns, encoding.

    Raises:
        InputError: If the file is missing, damaged, or a row does not have the fields it should have.
    """
    table_format = table_format or TableFormat()
    suffix, content = plain_suffix(file), read_bytes(file)
    by_suffix = table_format.separator is None and table_format.lines is None
    if by_suffix and suffix in (".json", *JSON_LINES):
        records, lines = read_json_records(content, file, by_lines=suffix != ".json")
        cells, objects = record_cells(records, file)
        plain = {
            name: cells.pop(name) for record in records for name in record if name in cells and name not in objects
        }
        table = Table(
            file=file,
            frame=_text(plain, len(records), file),
            starts=np.array(lines) if lines else None,
            nested=cells,
            objects=objects,
        )
    elif by_suffix and (suffix == ".parquet" or (not suffix and content.startswith(_PARQUET))):
        table = _parquet(content, file)
    else:
        frame, starts, replaced = read_delimited(content, file, table_format)
        table = Table(file=file, frame=frame, starts=starts, replaced=replaced)
    return _without_zeros(table)


def _parquet(content: bytes, file: Path) -> Table:
    try:
        arrow = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        raise InputError(
            "expected a Parquet file, found something else or a damaged one; write it anew, or correct its suffix",
            file=file,
        ) from None
    columns: dict[str, pd.Series[str]] = {}
    nested: dict[str, dict[int, str]] = {}
    objects: dict[str, int] = {}
    for name in arrow.column_names:
        column = arrow.column(name)
        try:
            columns[name] = pc.fill_null(pc.cast(column, pa.string()), "").to_pandas()
        except pa.ArrowException:  # nested values have no cast to text
            cells, inside = record_cells([{name: value} for value in column.to_pylist()], file)
            if name not in inside:
                columns[name] = _text({name: cells.pop(name, {})}, len(arrow), file)[name]
            nested |= cells
            objects |= inside
    return Table(file=file, frame=pd.DataFrame(columns, index=range(len(arrow))), nested=nested, objects=objects)


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


def _text(cells: Cells, num_rows: int, file: Path) -> pd.DataFrame:
    columns = {name: [known.get(row, "") for row in range(num_rows)] for name, known in cells.items()}
    try:
        return pd.DataFrame(columns, index=range(num_rows), dtype=str)
    except UnicodeEncodeError:
        raise InputError(
            "a text holds half of a character pair (a lone surrogate), which no file can store", file=file
        ) from None
