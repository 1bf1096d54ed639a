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
        group_of: For each file a number: 0 if no split holds it out, else one for each part that does.

    Raises:
        InputError: If a pair stands twice and may not, with file and line of its second row.
    """
    frame = raw.frame
    pair = frame.groupby(["user", "item"], sort=False).ngroup()
    first = pair.drop_duplicates().index.to_numpy()[pair]  # the first row of the same pair
    later = first != np.arange(len(raw))
    if not later.any():
        return raw
    group = np.array(group_of)[frame["file"]]
    held_out = "keep one of the two, as a split holds out one of them"
    _refuse(raw, description, later & (group != group[first]), first, held_out)
    mode = description.repeats or ("once" if description.implicit else "error")
    strict = mode == "error" or (description.repeats is None and group != 0)
    keys = "last" if description.implicit else "last (or first, mean, sum, count)"
    _refuse(raw, description, later & strict, first, f"keep one of the two, or give repeats: {keys} under ratings")
    by_time = frame.sort_values("time", kind="stable") if "time" in frame else frame  # ties stay in the order of rows
    kept = ~by_time[["user", "item"]].duplicated(keep="first" if mode in ("first", "once") else "last").sort_index()
    single = raw.without(~kept.to_numpy(), _REASONS[mode])
    joined = _joined(frame, pair, mode, implicit=description.implicit)
    values = {column: cells.to_numpy()[pair[kept]] for column, cells in joined.items()}
    return replace(single, frame=single.frame.assign(**values))


def _joined(frame: pd.DataFrame, pair: pd.Series[int], mode: str, *, implicit: bool) -> dict[str, pd.Series[float]]:
    """Return what the rows of each pair make together of value and weight, `[num_pairs]`, where that is no row's own."""
    if mode in ("last", "first"):
        return {}
    values, weights = frame["value"].groupby(pair), frame["weight"].groupby(pair) if "weight" in frame else None
    if not implicit:
        value = values.mean() if mode == "mean" else values.sum()
        return {"value": value} | ({} if weights is None else {"weight": weights.mean()})
    if mode in ("sum", "count"):
        return {"weight": values.size().astype(np.float64) if weights is None else weights.sum()}
    if weights is None:
        return {}
    return {"weight": weights.mean() if mode == "mean" else weights.max()}


def choices_and_others(raw: RawRatings, group_of: Sequence[int]) -> tuple[RawRatings, RawRatings]:
    """Return the choices, and apart from them what was shown and not taken, each pair of it once.

    Args:
        raw: Implicit feedback.
        group_of: As in `without_repeats`. What was shown in a part that is held out is left aside.
    """
    chosen = raw.values("value") > 0
    choices, others = raw.select(chosen), raw.select(~chosen)
    held_out = np.array(group_of)[others.frame["file"]] != 0
    others = others.without(held_out, "shown and not taken, in a part that is held out")
    others = others.without(others.pairs().isin(choices.pairs()), "shown, and taken another time")
    return choices, others.without(others.pairs().duplicated(), "shown several times, counted once")


def _refuse(
    raw: RawRatings, description: RatingTable, twice: NDArray[np.bool_], first: NDArray[np.int64], remedy: str
) -> None:
    number = len(np.unique(first[twice]))

    def sentence(rating: int) -> str:
        before, line = raw.place(int(first[rating]))
        where = f"line {line}" if before == raw.place(rating)[0] else f"{before}, line {line}"
        verb = "chooses" if description.implicit else "rates"
        others = f" ({number:,} such pairs in all)" if number > 1 else ""
        user, item = raw.frame.loc[rating, ["user", "item"]]
        return f"user {user!r} {verb} item {item!r} for the second time, first in {where}{others}; {remedy}"

    raw.refuse(twice, sentence)
