"""Times of ratings: Unix times in any unit, ISO 8601, or any format that is given, as whole seconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError

__all__ = ["seconds_of"]

_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")
_FIRST = 1e11  # as seconds the year 5138, as milliseconds 1973; each further unit begins 1,000 times higher
_ANY_UNIT = 1e6  # up to here a number says nothing of its unit: 0 and -1 often stand for unknown
_FIRST_DAY, _LAST_DAY = 19000101, 20991231  # as seconds these lie in 1970, when nobody rated
_DAYS = r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"

Refuse = Callable[[NDArray[np.bool_], Callable[[int], str]], None]


def seconds_of(cells: pd.Series[str], time_format: str | None, refuse: Refuse) -> tuple[NDArray[np.int64], str]:
    """Return times in seconds since 1970, rounded down, and how they are written.

    Args:
        cells: The times as they stand in the table; the index runs from 0.
        time_format: How they are written, in the directives of `strptime`; None recognises Unix times by their range,
            and ISO 8601. A time without an offset is UTC.
        refuse: Raises `InputError` with a sentence about the first row of a mask, if there is one.

    Raises:
        InputError: If a time is not written as it should be, or `time_format` is no format.
    """
    if time_format is not None:
        return _dates(cells, time_format, f"written {time_format!r}", refuse), f"written {time_format}"
    numbers = pd.to_numeric(cells, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64)
    if len(cells) and 2 * int(np.isnan(values).sum()) > len(cells):
        return _dates(cells, "ISO8601", "a Unix time or an ISO 8601 date", refuse), "written in ISO 8601"
    refuse(
        ~(np.abs(values) < 2.0**63),
        lambda row: (
            f"expected a Unix time, found {cells.iloc[row]!r}; correct it, or give time_format, or time: null, in the description"
        ),
    )
    in_range = len(cells) > 0 and _FIRST_DAY <= values.min() and values.max() <= _LAST_DAY
    if in_range and bool(cells.str.strip().str.fullmatch(_DAYS).all()):
        return _dates(cells, "%Y%m%d", "a date such as 20150615", refuse), "written as days (20150615)"
    telling = np.abs(values) >= _ANY_UNIT
    place = np.zeros(len(values), dtype=np.int64)
    for step in range(1, len(_UNITS)):
        place[np.abs(values) >= _FIRST * 1000 ** (step - 1)] = step
    unit = int(np.median(place[telling])) if telling.any() else 0
    if unit:
        refuse(
            telling & (place != unit),
            lambda row: (
                f"expected a Unix time in {_UNITS[unit]} as in most rows, found {cells.iloc[row]!r}, which looks like "
                f"{_UNITS[place[row]]}; write all times in one unit"
            ),
        )
    exact = numbers.to_numpy()
    whole = exact if exact.dtype.kind == "i" else np.floor(values)
    return (whole // 1000**unit).astype(np.int64), f"in {_UNITS[unit]}"


def _dates(cells: pd.Series[str], time_format: str, expected: str, refuse: Refuse) -> NDArray[np.int64]:
    try:
        parsed = pd.to_datetime(cells.str.strip(), format=time_format, utc=True, errors="coerce")
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"time_format: {time_format!r} is no format of dates ({error}); write it with the directives of strptime, "
            "for example '%m/%d/%Y %H:%M'"
        ) from None
    refuse(
        parsed.isna().to_numpy(dtype=bool),
        lambda row: (
            f"expected {'a time ' if expected.startswith('written') else ''}{expected}, found {cells.iloc[row]!r}; correct it, "
            "or give another time_format, or time: null, in the description"
        ),
    )
    return np.asarray(parsed.astype("datetime64[s, UTC]").astype(np.int64), dtype=np.int64)
