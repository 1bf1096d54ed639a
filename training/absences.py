"""What was not chosen: what implicit feedback leaves out and a likelihood needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg.ratings import Ratings

__all__ = ["ABSENT", "CHOSEN", "LEVELS", "with_absences"]

ABSENT, CHOSEN = 0.0, 1.0
LEVELS: NDArray[np.float32] = np.array([ABSENT, CHOSEN], dtype=np.float32)


def with_absences(choices: Ratings, per_choice: int, *, rng: int | np.random.Generator) -> Ratings:
    """Return choices with value 1 and, for each, random items that its user did not choose, with value 0.

    Items that nobody chose are never drawn: nothing is known of them yet, and they must not look disliked.
    (Negative sampling as in BPR, arXiv:1205.2618, but drawn once, so that the likelihood is a fixed function.)

    A choice keeps its weight; what was not chosen has weight 1.

    Args:
        choices: Who chose what.
        per_choice: Number of draws for each choice; the few that hit a choice or each other are left out.
        rng: Source of the draws.
    """
    rng = np.random.default_rng(rng)
    known = np.flatnonzero(choices.item_counts)
    user = np.repeat(choices.user, per_choice)
    pair = np.unique(user * choices.num_items + known[rng.integers(len(known), size=len(user))])
    pair = np.setdiff1d(pair, choices.user * choices.num_items + choices.item, assume_unique=False)
    values = np.concatenate([np.full(len(choices), CHOSEN), np.full(len(pair), ABSENT)]).astype(np.float32)
    weight = None if choices.weight is None else np.concatenate([choices.weight, np.ones(len(pair))])
    return Ratings(
        user=np.concatenate([choices.user, pair // choices.num_items]),
        item=np.concatenate([choices.item, pair % choices.num_items]),
        value=values,
        weight=weight,
        num_users=choices.num_users,
        num_items=choices.num_items,
    )
