"""Tables of any common file format as columns of text; a bad row is named by file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kg.description import TableFormat
from kg.errors import InputError, did_you_mean

__all__ = ["LIST_SEPARATOR", "Table", "read_bytes", "read_table"]

# Joins the members of a list that came from JSON or Parquet inside one cell.
LIST_SEPARATOR = "\x1f"
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SPARE = ("\x1f", "\x1e", "\x1d", "\x01", "\x02")


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

    def column(self, name: str) -> pd.Series[str]:
        """Return a column; raises `InputError` with the columns there are if it is missing."""
        if name not in self.frame.columns:
            known = ", ".join(repr(column) for column in self.frame.columns)
            hint = did_you_mean(name, self.frame.columns) or (
                " Is the separator right?" if len(self.frame.columns) == 1 and self.text is not None else ""
            )
            raise InputError(
                f"expected a column {name!r}, found only {known}; correct the description.{hint}", file=self.file
            )
        return self.frame[name]

    def line(self, row: int) -> int:
        """Return the line (counted from 1) at which a row starts; for JSON and Parquet the number of the record."""
        if self.text is None:
            return row + 1
        header = 0 if self.format.columns else 1
        for number, (line, _) in enumerate(_rows(self.text, self.format, self.file)):
            if number == row + header:
                return line
        return row + 1


def read_bytes(file: Path) -> bytes:
    """Return the content of a file, unpacked if its name ends in `.gz`; raises `InputError` if it cannot be read."""
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if file.suffix == ".gz" else content
    except FileNotFoundError:
        raise InputError("no such file; check the path in the description and --data", file=file) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"expected a whole gzip file, found one that is cut off or damaged ({error}); fetch it again", file=file
        ) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", file=file) from None


def read_table(file: Path, table_format: TableFormat | None = None) -> Table:
    """Read a table: delimited text, JSON (list of objects) or Parquet, each also as `.gz`.

    Args:
        file: The suffix decides how it is read unless the format gives a separator.
        table_format: Separator, columns, encoding.

    Raises:
        InputError: If the file is missing, damaged, or a row does not have the fields it should have.
    """
    table_format = table_format or TableFormat()
    suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    content = read_bytes(file)
    if table_format.separator is None and suffix == ".json":
        return Table(file=file, frame=_json(content, file), text=None, format=table_format)
    if table_format.separator is None and suffix == ".parquet":
        return Table(file=file, frame=_parquet(content, file), text=None, format=table_format)
    return _delimited(content, file, table_format)


def _separator(file: Path, table_format: TableFormat) -> str:
    suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    separator = table_format.separator or _SEPARATORS.get(suffix.lower())
    if separator is None:
        raise InputError(
            f"the suffix {suffix!r} does not say how to read this table; give format: {{separator: ...}} in the description",
            file=file,
        )
    return separator


def _quote(separator: str, table_format: TableFormat) -> str | None:
    if table_format.quote is not None:
        return table_format.quote or None
    return '"' if separator == "," else None


def _delimited(content: bytes, file: Path, table_format: TableFormat) -> Table:
    separator = _separator(file, table_format)
    text, replaced = _utf8(content, file, table_format)
    quote = _quote(separator, table_format)
    delimiter, data = separator, text
    for _ in range(table_format.skip_rows):
        data = data.partition(b"\n")[2]
    if len(separator.encode()) > 1:
        delimiter = next((spare for spare in _SPARE if spare.encode() not in data), "")
        if not delimiter:
            raise InputError(
                "the file holds control characters and cannot be split by a separator of several characters", file=file
            )
        data, quote = data.replace(separator.encode(), delimiter.encode()), None
    first = next(_rows(text, table_format, file), None)
    if first is None:
        if not table_format.columns:
            raise InputError("expected a line with column names, found an empty file", file=file)
        return Table(
            file=file,
            frame=pd.DataFrame(columns=table_format.columns, dtype=str),
            text=text,
            format=table_format,
            replaced=replaced,
        )
    if quote and text.count(quote.encode()) % 2:
        # A quote that is never closed would swallow all rows after it, as one long field.
        for _ in _rows(text, table_format, file, strict=True):
            pass
    columns = list(table_format.columns or first[1])
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(
            f"the column {twice[0]!r} stands twice; column names must differ",
            file=file,
            line=None if table_format.columns else first[0],
        )
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
    return Table(file=file, frame=arrow.to_pandas(), text=text, format=table_format, replaced=replaced)


def _raise_bad_row(text: bytes, file: Path, table_format: TableFormat, separator: str, columns: list[str]) -> None:
    shown = {"\t": "tab", " ": "space"}.get(separator, repr(separator))
    for line, fields in _rows(text, table_format, file):
        if len(fields) != len(columns):
            raise InputError(
                f"expected {len(columns)} fields separated by {shown} ({', '.join(columns)}), found {len(fields)} in "
                f"{shorten(separator.join(fields))!r}; is the separator right?",
                file=file,
                line=line,
            )
    raise InputError(f"a row does not have the {len(columns)} fields it should have", file=file)


def shorten(text: str, length: int = 60) -> str:
    """Return the beginning of a text for an error message."""
    return text if len(text) <= length else text[: length - 3] + "..."


def _rows(
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
        for number, raw in enumerate(lines, start=1 + table_format.skip_rows):
            if row := raw.rstrip("\r\n"):
                yield number, row.split(separator)


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
