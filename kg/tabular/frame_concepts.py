"""Concepts out of columns that nobody has described, guessed by the type of their values."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg.errors import InputError

__all__ = ["concepts_of", "is_number"]

logger = logging.getLogger(__name__)

_MOST_CODES = 20  # numbers that take more values than this are amounts, and cut into ranges
_SHARES = (0.2, 0.4, 0.6, 0.8)
_TELLING = 20  # texts: of fewer it says little that they are all different


def concepts_of(table: pa.Table, used: Collection[str], name: str) -> dict[str, dict[str, Any]]:
    """Return how the columns of a table are read as concepts, as a description says it.

    A list holds several values, and so does a text, between `|`. Of a time the year counts. Numbers of more than twenty
    values are cut into five ranges that hold about as many rows each. A column of texts that are all different connects
    nothing; it is left out, with a warning.

    Args:
        table: The table.
        used: Columns that are something else.
        name: What the caller calls the table.

    Raises:
        InputError: If the name of a column has no letter, or two columns give one name.
    """
    concepts: dict[str, dict[str, Any]] = {}
    for column in table.column_names:
        if column in used:
            continue
        if (concept := _concept(table.column(column), column, name)) is not None:
            relation = _relation(column, name)
            if relation in concepts:
                other = concepts[relation]["column"]
                raise InputError(f"{name}: the columns {other!r} and {column!r} both mean {relation!r}; rename one")
            concepts[relation] = {"column": column, **concept}
    return concepts


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _concept(values: pa.ChunkedArray, column: str, name: str) -> dict[str, Any] | None:
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return {"pattern": r"^(\d{4})"}
    if is_number(kind):
        numbers = pc.cast(values, pa.float64()).drop_null().to_numpy()
        numbers = numbers[np.isfinite(numbers)]
        if len(np.unique(numbers)) <= _MOST_CODES:
            return {}
        borders = np.unique(np.quantile(numbers, _SHARES, method="nearest"))
        return {"bins": borders[borders > numbers.min()].tolist()}
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return {}
    known = pc.drop_null(values)
    if len(known) >= _TELLING and len(known.unique()) == len(known):
        logger.warning(
            f"{name}: the {len(known):,} values of the column {column!r} are all different and connect nothing, so they are "
            f"left out; if the language model shall read them, give columns={{'text': {column!r}}}"
        )
        return None
    return {"split": "|"}


def _relation(column: str, name: str) -> str:
    """Return the name of a relation: `release_year` for `releaseYear` and `Release year`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()
    relation = re.sub(r"[^a-z0-9]+", "_", words).strip("_").lstrip("0123456789_")
    if not relation:
        raise InputError(f"{name}: the column {column!r} gives no name in plain letters; rename it")
    return relation
