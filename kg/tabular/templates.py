"""Text templates over columns, in which unknown fields vanish together with their punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kg.tabular.cells import unescaped
from kg.tabular.tables import LIST_SEPARATOR, Table

__all__ = ["render", "template_fields"]

_FIELD = re.compile(r"\{([^{}]+)\}")
_GONE = "\x00"
_BRACKETS = re.compile(r"\s*[(\[{\"'«“]\s*\x00(?:[\s,;]*\x00)*\s*[)\]}\"'»”]")
_DANGLING = re.compile(r"\x00[ \t]*[.,;:!?]*")


def template_fields(template: str) -> list[str]:
    """Return the columns a template names; a template without braces is the name of one column."""
    return _FIELD.findall(template) or [template]


def render(
    table: Table, template: str, missing: Sequence[str]
) -> tuple[list[str | None], dict[str, NDArray[np.bool_]]]:
    """Fill a template for every row.

    `{title} ({year}). {plot}` gives `Heat.` where year and plot are unknown; a row in which every field is
    unknown gives None: no text known, which is not the same as an empty text.

    Returns:
        One text or None per row, and for each field in which rows it is known, bool `[num_rows]`.

    Raises:
        InputError: If the table lacks a column.
    """
    fields = template_fields(template)
    pieces = _FIELD.split(template) if _FIELD.search(template) else ["", template, ""]
    unknown = {value.strip() for value in missing} | {""}
    columns = {field: _readable(table.column(field).tolist(), unknown) for field in fields}
    texts = [_fill(pieces, values) for values in zip(*(columns[field] for field in fields), strict=True)]
    return texts, {
        field: np.array([value is not None for value in column], dtype=bool) for field, column in columns.items()
    }


def _readable(cells: list[str], unknown: set[str]) -> list[str | None]:
    return [
        None if (plain := " ".join(unescaped(cell.replace(LIST_SEPARATOR, ", ")).split())) in unknown else plain
        for cell in cells
    ]


def _fill(pieces: list[str], values: tuple[str | None, ...]) -> str | None:
    if all(value is None for value in values):
        return None
    if None not in values:
        text = "".join(piece for pair in zip(pieces[::2], (*values, ""), strict=True) for piece in pair if piece)
        return " ".join(text.split())
    # The marks stand only around the literal parts, so that punctuation inside the values is left alone.
    literal = "".join(
        piece if position % 2 == 0 else _GONE if values[position // 2] is None else f"\x01{position // 2}\x01"
        for position, piece in enumerate(pieces)
    )
    literal = _DANGLING.sub("", _BRACKETS.sub(_GONE if literal.startswith(_GONE) else "", literal))
    filled = re.sub(r"\x01(\d+)\x01", lambda mark: values[int(mark[1])] or "", literal)
    return re.sub(r"\s+([.,;:!?])(?=\s|$)", r"\1", " ".join(filled.split()))
