"""Arguments of Python calls: ids, pairs and histories in any common form, checked and made plain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from kg.errors import InputError
from kg.tabular.frames import column_values, table_rows

__all__ = ["History", "Pairs", "history_of", "ids_of", "length_of", "mapping_of", "pairs_of", "raw_id"]

Pairs = Iterable[tuple[str, str]] | pd.DataFrame
"""(user id, item id), or a table of pandas, Polars or Arrow with the columns `user` and `item`."""
History = Mapping[str, float] | pd.Series | pd.DataFrame
"""Item id -> stars; a series has the ids as its index, a table the columns `item` and `rating`."""


def raw_id(given: Any, kind: str) -> str:
    """Return an id as the text it is; a whole number is taken for its digits."""
    if isinstance(given, str):
        return given
    if not isinstance(given, bool | np.bool_) and isinstance(given, Integral):
        return str(int(given))
    raise InputError(f"expected the id of one {kind}, a text or a whole number, got {_shown(given)}")


def ids_of(given: Any, kind: str) -> list[str]:
    """Return several ids, given as a collection or a column."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InputError(f"expected a list of {kind} ids, got {_shown(given)}")
    values = column_values(given)
    return [raw_id(each, kind) for each in (given if values is None else values)]


def pairs_of(given: Any) -> list[tuple[str, str]]:
    """Return pairs of a user and an item as texts; see `Pairs`."""
    rows = table_rows(given)
    if rows is not None:
        for name in ("user", "item"):
            if rows and name not in rows[0]:
                raise InputError(f"pairs are a table with the columns user and item; this one has {', '.join(rows[0])}")
        return [(raw_id(row["user"], "user"), raw_id(row["item"], "item")) for row in rows]
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise InputError(f"expected pairs of a user id and an item id, got {_shown(given)}")
    return [_pair(number, pair) for number, pair in enumerate(given, start=1)]


def history_of(given: Any, *, implicit: bool) -> dict[str, float]:
    """Return ratings as item id -> stars; see `History`. Of choices, ids alone are enough."""
    if given is None:
        return {}
    rows = table_rows(given)
    if rows is not None:
        given = [_rated(row, implicit=implicit) for row in rows]
    elif isinstance(given, pd.Series):
        given = list(given.astype(object).items())
    elif isinstance(given, Mapping):
        given = list(given.items())
    elif implicit and not isinstance(given, str) and isinstance(given, Iterable):
        given = [(item, 1.0) for item in ids_of(given, "item")]
    else:
        form = "the ids of items" if implicit else "item id: stars, as in {'50': 5, '181': 4}"
        raise InputError(f"expected a history as {form}, got {_shown(given)}")
    history: dict[str, float] = {}
    for item, stars in given:
        name = raw_id(item, "item")
        if name in history:
            raise InputError(f"item {name!r} stands twice in the history; give each item once")
        if isinstance(stars, bool | np.bool_) or not isinstance(stars, Real):
            raise InputError(f"expected a number of stars for item {name!r}, got {_shown(stars)}")
        history[name] = float(stars)
    return history


def mapping_of(given: Any, what: str) -> Mapping[str, Any] | None:
    """Return what is given by name, such as filters; raises `InputError` for anything else."""
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"expected {what} as relation: values, as in {{'genre': 'Drama'}}, got {_shown(given)}")
    return given


def length_of(given: Any, what: str = "length of the list") -> int:
    """Return the length of a list, or another whole number from 1."""
    if isinstance(given, bool | np.bool_) or not isinstance(given, Integral):
        raise InputError(f"the {what} must be a whole number, got {_shown(given)}")
    if given < 1:
        raise InputError(f"the {what} must be at least 1, got {given}")
    return int(given)


def _pair(number: int, given: Any) -> tuple[str, str]:
    if isinstance(given, str) or not isinstance(given, tuple | list | np.ndarray) or len(given) != 2:
        raise InputError(f"pair number {number} is {_shown(given)}; expected a user id and an item id")
    return raw_id(given[0], "user"), raw_id(given[1], "item")


def _rated(row: Mapping[str, Any], *, implicit: bool) -> tuple[Any, Any]:
    if "item" not in row or ("rating" not in row and not implicit):
        columns = "the column item" if implicit else "the columns item and rating"
        raise InputError(f"a history is a table with {columns}; this one has {', '.join(row)}")
    return row["item"], row.get("rating", 1.0)


def _shown(given: Any) -> str:
    text = repr(given)
    return f"{text if len(text) <= 80 else f'{text[:80]}...'} ({type(given).__name__})"
