"""What was not chosen: what implicit feedback leaves out and a likelihood needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kg.ratings import Ratings

__all__ = ["ABSENT", "CHOSEN", "LEVELS", "with_negative_samples"]

ABSENT, CHOSEN = 0.0, 1.0
LEVELS: NDArray[np.float32] = np.array([ABSENT, CHOSEN], dtype=np.float32)


def with_negative_samples(
    choices: Ratings, per_choice: int, *, rng: int | np.random.Generator, shown: Ratings | None = None
) -> Ratings:
    """Return choices with value 1, and with value 0 items that users did not choose: shown to them, or drawn at random.

    A user of whom it is known what was shown and not taken gets just this; the others get random items for each choice.

    Items that nobody chose are never drawn: nothing is known of them yet, and they must not look disliked.
    (Negative sampling as in BPR, arXiv:1205.2618, but drawn once, so that the likelihood is a fixed function.)

    A choice, and what was shown, keep their weight; what is drawn has weight 1.

    Args:
        choices: Who chose what.
        per_choice: Number of draws for each choice; the few that hit a choice or each other are left out.
        rng: Source of the draws.
        shown: What was shown and not taken; none of it is among the choices.
    """
    rng = np.random.default_rng(rng)
    known = np.flatnonzero(choices.item_counts)
    blind = choices.user if shown is None else choices.user[shown.user_counts[choices.user] == 0]
    user = np.repeat(blind, per_choice)
    pair = np.unique(user * choices.num_items + known[rng.integers(len(known), size=len(user))])
    pair = np.setdiff1d(pair, choices.user * choices.num_items + choices.item, assume_unique=False)
    drawn = Ratings(
        user=pair // choices.num_items,
        item=pair % choices.num_items,
        value=np.full(len(pair), ABSENT, dtype=np.float32),
        num_users=choices.num_users,
        num_items=choices.num_items,
    )
    chosen = replace(choices, value=np.full(len(choices), CHOSEN, dtype=np.float32))
    return replace((chosen if shown is None else chosen.concat(shown)).concat(drawn), time=None)
