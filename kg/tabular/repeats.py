"""Several rows of one user and one item become one rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.tabular.rating_description import RatingTable
from kg.tabular.raw_ratings import RawRatings

__all__ = ["choices_and_others", "without_repeats"]

_REASONS = {
    "last": "repeats, of which the last is kept",
    "first": "repeats, of which the first is kept",
    "mean": "repeats, joined to their mean",
    "sum": "repeats, added up",
    "count": "repeats, counted",
    "once": "repeats, counted once",
}


def without_repeats(raw: RawRatings, description: RatingTable, group_of: Sequence[int]) -> RawRatings:
    """Return ratings in which no pair of user and item stands twice.

    Args:
        raw: Ratings.
        description: Says in `repeats` what becomes of pairs that stand several times.
        group_of: For each table a number: 0 if no split holds it out, else one for each part that does.

    Raises:
        InputError: If a pair stands twice and may not, with file and line of its second row.
    """
    items, names = pd.factorize(raw.item)
    pair = pd.factorize(raw.user)[0] * len(names) + items
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    if len(starts) == len(raw):
        return raw
    first = np.empty(len(raw), dtype=np.int64)  # of the rows of the same pair
    first[order] = np.repeat(order[starts], np.diff(starts, append=len(raw)))
    later = first != np.arange(len(raw))
    group = np.array(group_of, dtype=np.int64)[raw.rows.table_of[raw.row]]
    _refuse(
        raw,
        description,
        later & (group != group[first]),
        first,
        "keep one of the two, as a split holds out one of them",
    )
    mode = description.repeats or ("once" if description.implicit else "error")
    strict = mode == "error" or (description.repeats is None and group != 0)
    keys = "last" if description.implicit else "last (or first, mean, sum, count)"
    _refuse(raw, description, later & strict, first, f"keep one of the two, or give repeats: {keys} under ratings")
    if raw.time is not None:
        order = np.lexsort((raw.time, pair))  # stable: ties stay in the order of rows
    ends = np.append(starts[1:], len(raw)) - 1
    kept = order[starts if mode in ("first", "once") else ends]
    value, weight = _joined(raw, order, starts, kept, mode, implicit=description.implicit)
    gone = np.ones(len(raw), dtype=bool)
    gone[kept] = False
    raw.drop(gone, _REASONS[mode])
    rising = np.argsort(kept)
    return replace(raw.select(np.sort(kept)), value=value[rising], weight=None if weight is None else weight[rising])


def choices_and_others(raw: RawRatings, group_of: Sequence[int]) -> tuple[RawRatings, RawRatings]:
    """Return the choices, and apart from them what was shown and not taken, each pair of it once.

    Args:
        raw: Implicit feedback.
        group_of: As in `without_repeats`. What was shown in a part that is held out is left aside.
    """
    chosen = raw.value > 0
    choices, others = raw.select(chosen), raw.select(~chosen)
    group = np.array(group_of, dtype=np.int64)[raw.rows.table_of[others.row]]
    others = _without(others, group != 0, "shown and not taken, in a part that is held out")
    others = _without(others, others.pairs().isin(choices.pairs()), "shown, and taken another time")
    others = _without(others, others.pairs().duplicated(), "shown several times, counted once")
    return choices, others


def _without(raw: RawRatings, which: NDArray[np.bool_], reason: str) -> RawRatings:
    raw.drop(which, reason)
    return raw.select(~which)


def _joined(
    raw: RawRatings,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    kept: NDArray[np.int64],
    mode: str,
    *,
    implicit: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return value and weight of each pair; `order` sorts ratings by pair, of which each begins at one of `starts`."""
    if mode in ("last", "first"):
        return raw.value[kept], None if raw.weight is None else raw.weight[kept]
    number = np.diff(starts, append=len(order))
    sums = {
        name: np.add.reduceat(column[order], starts)
        for name, column in (("value", raw.value), ("weight", raw.weight))
        if column is not None
    }
    mean_weight = sums["weight"] / number if "weight" in sums else None
    if not implicit:
        return sums["value"] / (number if mode == "mean" else 1), mean_weight
    ones = np.ones(len(starts))
    if mode in ("sum", "count"):
        return ones, sums.get("weight", number.astype(np.float64))
    if mode == "mean" or raw.weight is None:
        return ones, mean_weight
    return ones, np.maximum.reduceat(raw.weight[order], starts)


def _refuse(
    raw: RawRatings, description: RatingTable, twice: NDArray[np.bool_], first: NDArray[np.int64], remedy: str
) -> None:
    number = len(np.unique(first[twice]))

    def sentence(rating: int) -> str:
        before, line = raw.place(int(first[rating]))
        where = f"line {line}" if before == raw.place(rating)[0] else f"{before}, line {line}"
        verb = "chooses" if description.implicit else "rates"
        others = f" ({number:,} such pairs in all)" if number > 1 else ""
        user, item = raw.user.iloc[rating], raw.item.iloc[rating]
        return f"user {user!r} {verb} item {item!r} for the second time, first in {where}{others}; {remedy}"

    raw.refuse(twice, sentence)
