"""Records out of JSON, a list of objects or an object a line; and the cells of such records, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kg.errors import InputError

__all__ = ["JSON_LINES", "LIST_SEPARATOR", "Cells", "cell_text", "read_json_records", "record_cells"]

JSON_LINES = (".jsonl", ".ndjson")
LIST_SEPARATOR = "\x1f"
"""Joins the members of a list inside one cell."""
Cells = Mapping[str, Mapping[int, str]]
"""The known cells of each field, as `{"reviewer.id": {record number: cell}}`."""

_PYTHON = re.compile(r"\s*[\[{]\s*'")
_DEEP = "expected a list of objects, found JSON nested too deeply"


def read_json_records(content: bytes, file: Path, *, by_lines: bool) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the objects of a JSON file, and the line of each; no lines where the file is one list.

    Args:
        content: The file.
        file: Where it was read.
        by_lines: Whether each line is an object; otherwise a list is expected, and JSON Lines are recognised.

    Raises:
        InputError: If the content is not JSON, or not made of objects, with the line.
    """
    try:
        text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError("expected UTF-8, found bytes that are not", file=file, line=line) from None
    if by_lines:
        return _lines(text, file)
    try:
        records = _parsed(text, file, 1)
    except InputError:
        if re.match(r"\s*\{.*\}\s*\n\s*\{", text):  # an object a line fails where the second begins
            return _lines(text, file)
        raise
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(
            'expected a JSON list of objects, as in [{"id": "1", "title": "..."}], or an object a line', file=file
        )
    return records, []


def _lines(text: str, file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    numbers = [number for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    records = [_parsed(line, file, number) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, record in zip(numbers, records, strict=True):
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise InputError(f"expected an object on each line (JSON Lines), found {kind}", file=file, line=number)
    return records, numbers


def _parsed(text: str, file: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"expected JSON, found an error: {error.msg}"
        if _PYTHON.match(text):
            problem = (
                "expected JSON, found single quotes, as Python writes its values; write each line anew as "
                "json.dumps(ast.literal_eval(line))"
            )
        raise InputError(problem, file=file, line=first_line + error.lineno - 1) from None
    except RecursionError:
        raise InputError(_DEEP, file=file) from None
    except ValueError:
        raise InputError("expected JSON, found a whole number of thousands of digits", file=file) from None


def record_cells(records: Sequence[Mapping[str, Any]], file: Path) -> tuple[dict[str, dict[int, str]], dict[str, int]]:
    """Return the cells of records by field, those inside objects by their paths; and where fields hold objects.

    Returns:
        The cells, as `{"reviewer.id": {record number: cell}}`; and for each field that holds an object, alone or in a list,
        the number of the first record where it does.

    Raises:
        InputError: If objects are nested too deeply.
    """
    lists: dict[str, dict[int, list[str]]] = {}
    objects: dict[str, int] = {}

    def visit(value: object, path: str, number: int) -> None:
        if isinstance(value, dict):
            objects.setdefault(path, number)
            for key, member in value.items():
                visit(member, f"{path}.{key}", number)
        elif isinstance(value, list | tuple | np.ndarray) and any(map(_holds_object, value)):
            for member in value:
                visit(member, path, number)
        else:
            lists.setdefault(path, {}).setdefault(number, []).append(cell_text(value))

    try:
        for number, record in enumerate(records):
            for name, value in record.items():
                visit(value, name, number)
    except RecursionError:
        raise InputError(_DEEP, file=file) from None
    cells = {
        path: {number: LIST_SEPARATOR.join(texts) for number, texts in known.items()} for path, known in lists.items()
    }
    return cells, objects


def _holds_object(value: object) -> bool:
    if isinstance(value, list | tuple | np.ndarray):
        return any(map(_holds_object, value))
    return isinstance(value, dict)


def cell_text(value: object) -> str:
    """Return a value as text: what is not known is empty, and members of a list are joined by `LIST_SEPARATOR`."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return LIST_SEPARATOR.join(map(cell_text, value))
    return json.dumps(value, ensure_ascii=False, default=str)
