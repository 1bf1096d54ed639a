"""Records out of JSON: a list of objects, or an object a line (JSON Lines)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from kg.errors import InputError

__all__ = ["JSON_LINES", "read_json_records"]

JSON_LINES = (".jsonl", ".ndjson")
_PYTHON = re.compile(r"\s*[\[{]\s*'")


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
        raise InputError(
            "expected UTF-8, found bytes that are not", file=file, line=content[: error.start].count(b"\n") + 1
        ) from None
    if by_lines:
        return _lines(text, file)
    try:
        records = _parsed(text, file, 1)
    except InputError:
        # An object a line fails where the second begins.
        first = next((line for line in text.split("\n") if line.strip()), "")
        if "\n" in text.strip() and _is_object(first):
            return _lines(text, file)
        raise
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(
            'expected a JSON list of objects, as in [{"id": "1", "title": "..."}], or an object a line', file=file
        )
    return records, []


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _lines(text: str, file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    records, numbers = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            record = _parsed(line, file, number)
            if not isinstance(record, dict):
                raise InputError(
                    f"expected an object on each line (JSON Lines), found {type(record).__name__}",
                    file=file,
                    line=number,
                )
            records.append(record)
            numbers.append(number)
    return records, numbers


def _parsed(text: str, file: Path, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        if _PYTHON.match(text):
            raise InputError(
                "expected JSON, found single quotes, as Python writes its values; write each line anew as "
                "json.dumps(ast.literal_eval(line))",
                file=file,
                line=line,
            ) from None
        raise InputError(f"expected JSON, found an error: {error.msg}", file=file, line=line) from None
    except RecursionError:
        raise InputError("expected a list of objects, found JSON nested too deeply", file=file) from None
    except ValueError:
        raise InputError("expected JSON, found a whole number of thousands of digits", file=file) from None
