"""Delimited text by any separator, or by lines alone: cells, and the line at which each row starts."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kg.errors import MOST_PROBLEMS, InputError, Problems
from kg.storage.packed import plain_suffix
from kg.tabular.table_format import LINE, TableFormat

__all__ = ["read_delimited"]

csv.field_size_limit(2**31 - 1)  # the default takes a cell of 131,072 characters for an error

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SAMPLE, _SAMPLE_LINES = 1 << 16, 100  # characters and lines that show whether fields are in quotes
_BATCH = 100_000  # rows that stand as Python's texts at a time


def read_delimited(
    content: bytes, file: Path, table_format: TableFormat
) -> tuple[pd.DataFrame, NDArray[np.int64], int]:
    """Return the cells of a delimited text, the line of each row, and how many bad bytes were replaced.

    Raises:
        InputError: If the text cannot be decoded, or a row does not have the fields it should have.
    """
    text, replaced = _decoded(content, file, table_format)
    skipped = table_format.skip_rows
    if table_format.lines is not None:
        cells = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")[skipped:]] if text else []
        numbers = [str(table_format.first_line + row) for row in range(len(cells))]
        frame = pd.DataFrame({LINE: numbers, table_format.lines: cells}, dtype=str)
        return frame, np.arange(len(cells)) + skipped + 1, replaced
    separator = table_format.separator or _SEPARATORS.get(plain_suffix(file))
    if separator is None:
        raise InputError(
            f"the suffix {plain_suffix(file)!r} does not say how to read this table; give format: {{separator: ...}} "
            "in the description",
            file=file,
        )
    rows = _rows(text, separator, file, table_format)
    header, columns = None, list(table_format.columns or ())
    if not columns:
        header, columns = next(rows, (None, []))
    if not columns:
        raise InputError("expected a line with column names, found an empty file", file=file)
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"the column {twice[0]!r} stands twice; column names must differ", file=file, line=header)
    lines, batches = [np.empty(0, dtype=np.int64)], []
    problems, num_bad = Problems(), 0
    while batch := list(islice(rows, _BATCH)):
        lines.append(np.array([line for line, _ in batch]))
        bad = [(line, fields) for line, fields in batch if len(fields) != len(columns)]
        for line, fields in bad[: MOST_PROBLEMS - len(problems.found)]:
            problems.found.append(InputError(_bad_row(separator, table_format, fields, columns), file=file, line=line))
        num_bad += len(bad)
        if not num_bad:
            cells_of = zip(*(fields for _, fields in batch), strict=True)
            batches.append(pa.table([pa.array(cells, pa.large_string()) for cells in cells_of], names=columns))
    num_rows = sum(map(len, lines))
    if num_bad == num_rows > 1:
        raise problems.found[0]  # the description is wrong, not the rows
    problems.more = num_bad - len(problems.found)
    problems.tell()
    frame = pa.concat_tables(batches).to_pandas() if batches else pd.DataFrame(columns=columns, dtype=str)
    return frame, np.concatenate(lines), replaced


def _rows(text: str, separator: str, file: Path, table_format: TableFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield line and fields of each row that is not blank, from the header on."""
    lines = io.StringIO(text, newline="")
    for _ in range(table_format.skip_rows):
        next(lines, None)
    start = table_format.skip_rows
    quote = _quote(text, separator, table_format)
    if quote is None:
        splits = len(table_format.columns) - 1 if table_format.rest and table_format.columns else -1
        for number, raw in enumerate(lines, start=1 + start):
            if row := raw.rstrip("\r\n"):
                fields = row.split(separator, splits)
                splits = len(fields) - 1 if table_format.rest and splits < 0 else splits
                yield number, fields
        return
    reader = csv.reader(lines, delimiter=separator, quotechar=quote, strict=True)
    line = start
    try:
        for fields in reader:
            if fields:
                yield line + 1, fields
            line = start + reader.line_num
    except csv.Error:
        raise InputError(
            f"the quotes of a field are not closed where it ends; write {quote}{quote} for a {quote} inside quotes, "
            "or give format: {quote: ''} in the description if quotes are plain text",
            file=file,
            line=line + 1,
        ) from None


def _quote(text: str, separator: str, table_format: TableFormat) -> str | None:
    """Return the character around fields: as the format says, else `"` for commas and wherever the first rows show it."""
    if table_format.rest or len(separator) > 1:
        return None
    if table_format.quote is not None:
        return table_format.quote or None
    return '"' if separator == "," or _shows_quotes(text, separator, table_format) else None


def _shows_quotes(text: str, separator: str, table_format: TableFormat) -> bool:
    """Whether all names of the header are in quotes, or all known cells of a column in the first rows."""
    lines = text[:_SAMPLE].replace("\r", "").split("\n")[table_format.skip_rows :]
    if len(text) > _SAMPLE:
        del lines[-1]
    mark = re.escape(separator)
    field = re.compile(f'(?:^|{mark})("(?:[^"]|"")*"(?={mark}|$)|[^{mark}]*)')
    rows = [[cell.strip() for cell in field.findall(line)] for line in lines if line.strip()][:_SAMPLE_LINES]

    def quoted(cells: list[str]) -> bool:
        return any(cells) and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells if cell)

    header = rows[:1] if table_format.columns is None else []
    if header and all(header[0]) and quoted(header[0]):
        return True
    known = [row for row in rows[len(header) :] if len(row) == len(rows[0])]
    return any(quoted(list(column)) for column in zip(*known, strict=True))


def _bad_row(separator: str, table_format: TableFormat, fields: list[str], columns: list[str]) -> str:
    """Return what is wrong with a row of another number of fields."""
    row, plain = separator.join(fields), table_format.quote is None and separator != "," and len(separator) == 1
    if plain and '"' in row and len(next(csv.reader([row], delimiter=separator))) == len(columns):
        return (
            f"expected {len(columns)} fields, found {len(fields)}, for fields are in quotes here; give "
            "format: {quote: '\"'} in the description"
        )
    mark = {"\t": "tab", " ": "space"}.get(separator, repr(separator))
    shown = row if len(row) <= 60 else row[:57] + "..."
    return (
        f"expected {len(columns)} fields separated by {mark} ({', '.join(columns)}), found {len(fields)} in {shown!r}; "
        "is the separator right?"
    )


def _decoded(content: bytes, file: Path, table_format: TableFormat) -> tuple[str, int]:
    """Return the content as text without byte order mark, and how many bad places were replaced."""
    encoding, replaced = table_format.encoding, 0
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"  # its mark says so, and no table begins with these bytes in another encoding
    try:
        text = content.decode(encoding)
    except LookupError:
        raise InputError(f"the encoding {encoding!r} is unknown; use utf-8 or latin-1", file=file) from None
    except UnicodeDecodeError as error:
        if table_format.bad_bytes == "error":
            raise InputError(
                f"expected {encoding}, found a byte 0x{content[error.start]:02x} that it does not allow; give "
                "format: {encoding: latin-1} or {bad_bytes: replace} in the description",
                file=file,
                line=content[: error.start].count(b"\n") + 1,
            ) from None
        text = content.decode(encoding, errors="replace")
        replaced = text.count("�") - content.count("�".encode())
    return text.removeprefix("\ufeff"), replaced
