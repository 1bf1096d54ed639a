"""Delimited text by any separator, or by lines alone: fields and line numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from kg.errors import InputError
from kg.storage.packed import plain_suffix
from kg.tabular.table_format import LINE, TableFormat

__all__ = ["read_delimited", "rows_with_lines"]

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
# Control characters that can stand for a separator of several characters, which Arrow cannot split by.
_SPARE = ("\x1f", "\x1e", "\x1d", "\x01", "\x02")


def _separator(file: Path, table_format: TableFormat) -> str:
    suffix = plain_suffix(file)
    separator = table_format.separator or _SEPARATORS.get(suffix)
    if separator is None:
        raise InputError(
            f"the suffix {suffix!r} does not say how to read this table; give format: {{separator: ...}} in the description",
            file=file,
        )
    return separator


def _quote(separator: str, table_format: TableFormat) -> str | None:
    if table_format.rest:
        return None
    if table_format.quote is not None:
        return table_format.quote or None
    return '"' if separator == "," else None


def read_delimited(content: bytes, file: Path, table_format: TableFormat) -> tuple[pd.DataFrame, bytes, int]:
    """Return the cells of a delimited text, the text as UTF-8, and how many bad bytes were replaced.

    Raises:
        InputError: If the text cannot be decoded, or a row does not have the fields it should have.
    """
    if table_format.lines is not None:
        return _read_lines(content, file, table_format)
    separator = _separator(file, table_format)
    text, replaced = _utf8(content, file, table_format)
    quote = _quote(separator, table_format)
    delimiter, data = separator, text
    for _ in range(table_format.skip_rows):
        data = data.partition(b"\n")[2]
    # Arrow takes a blank line before the header for the header, and trips over a lone header without a line end.
    data = data.lstrip(b"\r\n")
    data = data if data.endswith(b"\n") else data + b"\n"
    if len(separator.encode()) > 1:
        delimiter = next((spare for spare in _SPARE if spare.encode() not in data), "")
        if not delimiter:
            raise InputError(
                "the file holds control characters and cannot be split by a separator of several characters", file=file
            )
        data, quote = data.replace(separator.encode(), delimiter.encode()), None
    first = next(rows_with_lines(text, table_format, file), None)
    if first is None:
        if not table_format.columns:
            raise InputError("expected a line with column names, found an empty file", file=file)
        return pd.DataFrame(columns=list(table_format.columns), dtype=str), text, replaced
    if quote and quote.encode() in data:
        # A quote that is not closed would swallow the rows after it, as one long field.
        for _ in rows_with_lines(text, table_format, file, strict=True):
            pass
    columns = list(table_format.columns or first[1])
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(
            f"the column {twice[0]!r} stands twice; column names must differ",
            file=file,
            line=None if table_format.columns else first[0],
        )
    if table_format.rest:
        rows = [fields for _, fields in rows_with_lines(text, table_format, file)][0 if table_format.columns else 1 :]
        if any(len(fields) != len(columns) for fields in rows):
            _raise_bad_row(text, file, table_format, separator, columns)
        return pd.DataFrame(rows, columns=columns, dtype=str), text, replaced
    seen: list[Any] = []

    def refuse(row: Any) -> str:
        seen.append(row)
        return "skip"

    try:
        arrow = pa_csv.read_csv(
            io.BytesIO(data),
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=max(1 << 20, min(len(data) + 1, 1 << 28)),
                column_names=columns,
                skip_rows_after_names=0 if table_format.columns else 1,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=quote or False,
                double_quote=True,
                newlines_in_values=quote is not None,
                invalid_row_handler=refuse,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException as error:
        raise InputError(f"the table cannot be read: {str(error).splitlines()[0]}", file=file) from None
    if seen:
        _raise_bad_row(text, file, table_format, separator, columns)
    return arrow.to_pandas(), text, replaced


def _read_lines(content: bytes, file: Path, table_format: TableFormat) -> tuple[pd.DataFrame, bytes, int]:
    text, replaced = _utf8(content, file, table_format)
    lines = text.decode().split("\n")
    if lines[-1] == "":  # what follows the last line end is no line
        del lines[-1]
    cells = [line.removesuffix("\r") for line in lines[table_format.skip_rows :]]
    numbers = range(table_format.first_line, table_format.first_line + len(cells))
    frame = pd.DataFrame({LINE: [str(number) for number in numbers], table_format.lines: cells}, dtype=str)
    return frame, text, replaced


def _raise_bad_row(text: bytes, file: Path, table_format: TableFormat, separator: str, columns: list[str]) -> None:
    shown = {"\t": "tab", " ": "space"}.get(separator, repr(separator))
    for line, fields in rows_with_lines(text, table_format, file):
        if len(fields) != len(columns):
            raise InputError(
                f"expected {len(columns)} fields separated by {shown} ({', '.join(columns)}), found {len(fields)} in "
                f"{_shorten(separator.join(fields))!r}; is the separator right?",
                file=file,
                line=line,
            )
    raise InputError(f"a row does not have the {len(columns)} fields it should have", file=file)


def _shorten(text: str, length: int = 60) -> str:
    """Return the beginning of a text for an error message."""
    return text if len(text) <= length else text[: length - 3] + "..."


def rows_with_lines(
    text: bytes, table_format: TableFormat, file: Path, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield `(line, fields)` of each row that is not blank, slowly: only for headers and error messages."""
    separator = _separator(file, table_format)
    quote = _quote(separator, table_format)
    lines = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", newline="")
    for _ in range(table_format.skip_rows):
        next(lines, None)
    if quote and len(separator) == 1:
        reader, start = csv.reader(lines, delimiter=separator, quotechar=quote, strict=strict), 0
        try:
            for fields in reader:
                if fields:
                    yield start + 1 + table_format.skip_rows, fields
                start = reader.line_num
        except csv.Error:
            raise InputError(
                f"the quotes of a field are not closed where it ends; write {quote}{quote} for a {quote} inside quotes, "
                "or give format: {quote: ''} in the description if quotes are plain text",
                file=file,
                line=start + 1 + table_format.skip_rows,
            ) from None
    else:
        breaks = len(table_format.columns) - 1 if table_format.rest and table_format.columns else -1
        for number, raw in enumerate(lines, start=1 + table_format.skip_rows):
            if row := raw.rstrip("\r\n"):
                fields = row.split(separator, breaks)
                breaks = len(fields) - 1 if table_format.rest and breaks < 0 else breaks
                yield number, fields


def _utf8(content: bytes, file: Path, table_format: TableFormat) -> tuple[bytes, int]:
    """Return the content as valid UTF-8 without byte order mark, and how many bad places were replaced."""
    try:
        decoded = content.decode(table_format.encoding)
        replaced = 0
    except LookupError:
        raise InputError(
            f"the encoding {table_format.encoding!r} is unknown; use utf-8 or latin-1", file=file
        ) from None
    except UnicodeDecodeError as error:
        if table_format.bad_bytes == "error":
            raise InputError(
                f"expected {table_format.encoding}, found a byte 0x{content[error.start]:02x} that it does not allow; give "
                "format: {encoding: latin-1} or {bad_bytes: replace} in the description",
                file=file,
                line=content[: error.start].count(b"\n") + 1,
            ) from None
        decoded = content.decode(table_format.encoding, errors="replace")
        replaced = decoded.count("�") - content.count("�".encode())
    plain = table_format.encoding.lower().replace("-", "") == "utf8" and not replaced
    data = content if plain else decoded.encode()
    return data.removeprefix(b"\xef\xbb\xbf"), replaced
