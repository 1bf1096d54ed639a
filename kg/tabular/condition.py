"""Conditions on the cells of a table, which pick the rows that are meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator

from kg.tabular.table_format import Text

__all__ = ["Condition", "Values", "is_comparison", "matches"]

_COMPARISON = re.compile(r"^(?P<sign>>=|<=|>|<)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$")
_COMPARE = {">=": np.greater_equal, "<=": np.less_equal, ">": np.greater, "<": np.less}


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("YAML reads this as true or false; put it in quotes")
    return value


def _several(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


def _as_mapping(value: object) -> object:
    """Turn the short form `rating >= 4` into `{rating: ">= 4"}`."""
    if isinstance(value, str):
        place = min((at for at in map(value.find, "<>") if at > 0), default=0)
        column, comparison = value[:place].strip(), value[place:].strip()
        if not column or not is_comparison(comparison):
            raise ValueError("expected a column with a value or a list of values, or a comparison such as rating >= 4")
        return {column: (comparison,)}
    if isinstance(value, dict) and (not value or [] in value.values()):
        raise ValueError("give at least one column, and at least one value for each")
    return value


Value = Annotated[int | float | str, BeforeValidator(_no_flag)]
Values = Annotated[tuple[Value, ...], BeforeValidator(_several)]
"""One value or several. A number stands for cells of the same number, however it is written; text for cells of just this
text, apart from blanks around it; a text such as `>= 4` (or `<=`, `>`, `<`) for numbers on that side."""
Condition = Annotated[Mapping[Text, Values], BeforeValidator(_as_mapping)]
"""A value or values for each column, all of which must hold; or one comparison in short, as in `rating >= 4`."""


def is_comparison(value: object) -> bool:
    """Whether a value stands for the numbers on one side of another."""
    return isinstance(value, str) and _COMPARISON.match(value.strip()) is not None


def matches(cells: pd.Series[str], values: Sequence[int | float | str]) -> NDArray[np.bool_]:
    """Return which cells have one of some values, `[num_cells]`."""
    matching = np.zeros(len(cells), dtype=bool)
    texts = {value.strip() for value in values if isinstance(value, str) and not is_comparison(value)}
    if texts:
        matching |= cells.str.strip().isin(texts).to_numpy(dtype=bool)
    rest = [value for value in values if not isinstance(value, str) or is_comparison(value)]
    if rest:
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
        for value in rest:
            if isinstance(value, str):
                comparison = _COMPARISON.match(value.strip())
                assert comparison is not None, "is_comparison says so"
                matching |= _COMPARE[comparison["sign"]](numbers, float(comparison["number"]))
            else:
                matching |= numbers == value
    return matching
