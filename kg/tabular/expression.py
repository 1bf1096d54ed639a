"""A regular expression that somebody wrote in a description: checked when it is read, bounded while it is used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd
import regex

from kg.errors import InputError

__all__ = ["check_expression", "first_groups", "without_matches"]

LONGEST = 1_000  # characters
MOST_REPETITIONS = 10_000  # of repetitions within each other; each becomes a part of the machine that reads
SECONDS, SECONDS_A_CELL = 5.0, 0.001  # of processor time
_COUNT = re.compile(r"\{([0-9]*)(?:,([0-9]*))?\}")
# In the package regex these braces allow for typing errors; to Python's own expressions they are mere letters.
_FUZZY = re.compile(r"\{(?:[0-9]+<=?)?[ides](?:<=?[0-9]+)?(?:[,:+][^}]*)?\}")


def check_expression(expression: str) -> None:
    """Refuse what is no regular expression of Python, and what no machine of any size could follow.

    Raises:
        ValueError: With the reason, as a sentence.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"a regular expression has at most {LONGEST:,} characters, this one {len(expression):,}")
    counts = [number for found in _COUNT.findall(expression) for number in found if number]
    if any(len(number) > 9 for number in counts) or prod(max(int(number), 1) for number in counts) > MOST_REPETITIONS:
        raise ValueError(
            f"its repetitions make more than {MOST_REPETITIONS:,} together; use + or * for any number of times"
        )
    if _FUZZY.search(expression):
        raise ValueError("write a backslash before a brace that stands for itself")
    try:
        re.compile(expression)
        regex.compile(expression)
    except re.error as error:
        raise ValueError(f"this is not a regular expression ({error})") from None
    except regex.error as error:
        raise ValueError(f"write a backslash before a brace that stands for itself ({error})") from None
    except (RecursionError, OverflowError):
        raise ValueError("this regular expression is nested too deeply or repeats too often") from None


def first_groups(expression: str, values: pd.Series[Any], file: Path) -> pd.Series[Any]:
    """Return what the only group of an expression holds where it first matches each value; missing where it does not.

    Args:
        expression: Regular expression with one group.
        values: Texts; missing ones stay missing.
        file: Where they come from.

    Raises:
        InputError: If this takes too long, as an expression can that may match one text in very many ways.
    """

    def first_group(read: regex.Pattern[str], value: str, seconds: float) -> str | None:
        match = read.search(value, timeout=seconds)
        return None if match is None else match.group(1)

    return _each(expression, values, file, first_group)


def without_matches(expression: str, values: pd.Series[Any], file: Path) -> pd.Series[Any]:
    """Return texts without what an expression matches; arguments and errors as of `first_groups`."""
    return _each(expression, values, file, lambda read, value, seconds: read.sub("", value, timeout=seconds))


def _each(
    expression: str, values: pd.Series[Any], file: Path, use: Callable[[regex.Pattern[str], str, float], str | None]
) -> pd.Series[Any]:
    read, limit = regex.compile(expression), SECONDS + SECONDS_A_CELL * len(values)
    end, results = time.process_time() + limit, []
    for value in values:
        try:
            # Out of time between two values is out of time in the next.
            results.append(use(read, value, max(end - time.process_time(), 1e-6)) if isinstance(value, str) else None)
        except (TimeoutError, MemoryError):
            raise InputError(
                f"the regular expression {expression!r} needs more than {limit:.1f} seconds for {len(values):,} values, one "
                f"of which starts with {value[:40]!r}; write it so that no text matches in many ways, as in (a+)+",
                file=file,
            ) from None
    return pd.Series(results, index=values.index, dtype=object)
