"""The exact head of a list without scoring the whole catalogue."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from models.lists.item_item import ItemItemModel
from models.lists.user_query import UserQuery
from models.posterior import PhasedPredictor

__all__ = ["top_items"]

FIRST = 64  # items scored at first: a call costs as much as some dozens of them
_ROUNDING = 1e-5  # a mean of chances may come out a hair above 1


def top_items(
    predictor: PhasedPredictor,
    item_item: ItemItemModel,
    user_query: UserQuery,
    *,
    level: int,
    power: float,
    k: int,
    left_out: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    r"""Return the `k` items of highest ranking score and these scores, best first, equal ones by index.

    $$s_i = w_i\, P(\text{like}_i)^{\text{power}} \le w_i$$

    with $w_i$ the item-item score. So items are scored in falling order of $w$, twice as many each time, until none is left
    whose $w$ reaches the `k`-th best score: the answer is that of scoring all (the threshold algorithm of Fagin, Lotem and
    Naor, PODS 2001). Where $w$ falls as steeply as popularity does, that takes some hundreds of items of any catalogue.

    Args:
        predictor: Embeddings of all users and items.
        item_item: Who comes across what.
        user_query: Whose list it is.
        level: Index of the lowest level that counts as liking.
        power: How much liking counts against the item-item score.
        k: Number of items.
        left_out: Items that may not be recommended, bool `[num_items]`.
    """
    weight = item_item(user_query.seen[None])[0]
    may_enter = ~left_out
    best, scores = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    size = max(FIRST, 2 * k)
    while may_enter.any():
        block = np.flatnonzero(may_enter)
        if len(block) > size:
            block = block[np.argpartition(-weight[block], size - 1)[:size]]
        chances = user_query.chances(predictor, torch.from_numpy(block))[:, level:].sum(1).numpy()
        best = np.concatenate([best, block])
        scores = np.concatenate([scores, weight[block] * chances**power])
        order = np.lexsort((best, -scores))[:k]
        best, scores = best[order], scores[order]
        may_enter[block] = False
        if len(scores) == k:
            may_enter &= weight * (1 + _ROUNDING) >= scores[-1]
        size *= 2
    return best, scores
