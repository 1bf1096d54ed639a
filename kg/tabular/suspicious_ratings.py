"""Ratings that are, by all appearance, none: codes for "not rated", and stars that are always the same."""

from __future__ import annotations

import numpy as np

from kg.errors import InputError
from kg.tabular.rating_description import RatingTable
from kg.tabular.raw_ratings import RawRatings

__all__ = ["refuse_all_equal", "refuse_codes"]

_SHARE = 0.05  # of the ratings: fewer do little harm
_RARE = 10  # a level this many times as rare as the one below it leaves a gap
_STEP = 1.5  # of the smallest distance between two levels: more is a gap
_FEWEST_LEVELS = 3  # above the codes: fewer may be thumbs up and down
_FEWEST = 20  # ratings: fewer may be alike by chance


def refuse_codes(raw: RawRatings, description: RatingTable) -> None:
    """Ask what 0 and -1 (or one other number below 0) mean, where they are many and far from the other levels.

    Raises:
        InputError: If the description does not say: `missing` lists codes, and `missing: []` says that there are none.
    """
    if description.missing is not None:
        return
    levels, counts = np.unique(raw.values("value"), return_counts=True)
    number = int((levels <= 0).sum())
    codes, rest = levels[:number], levels[number:]
    if not number or len(rest) < _FEWEST_LEVELS or (number > 1 and set(codes.tolist()) != {-1.0, 0.0}):
        return
    far = rest[0] - codes[-1] > _STEP * np.diff(rest).min()
    rare = counts[number - 1] > _RARE * counts[number]
    many = int(counts[:number].sum())
    if many > _SHARE * len(raw) and (far or rare):
        shown = ", ".join(f"{code:g}" for code in codes)
        why = (
            f"no rating lies between {codes[-1]:g} and {rest[0]:g}"
            if far
            else f"only {counts[number]:,} are {rest[0]:g}"
        )
        raise InputError(
            f"{many:,} of {len(raw):,} ratings are {shown.replace(', ', ' or ')} and {why}; does that say that nothing was rated? "
            f"Then give missing: [{shown}] under ratings; if it is a rating, give missing: []",
            file=raw.paths[0],
        )


def refuse_all_equal(raw: RawRatings) -> None:
    """Refuse stars that say no more than that something was chosen; raises `InputError`."""
    values = raw.values("value")
    if len(raw) >= _FEWEST and (values == values[0]).all():
        raise InputError(
            f"every rating is {values[0]:g}, so they say no more than that something was chosen; give feedback: implicit "
            "under ratings and leave out scale",
            file=raw.paths[0],
        )
