"""The exact head of a list without scoring the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from models.lists.exposure import Exposure
from models.lists.person import Person
from models.network.phases import PhasedPredictor

__all__ = ["best_by_bound", "top_items"]

FIRST, STEP = 64, 128  # items scored at first and then at a time: a call costs as much as some dozens of them
_ROUNDING = 1e-5  # a mean of chances may come out a hair above 1

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def best_by_bound(weight: Floats, liking: Callable[[Indices], Floats], k: int) -> tuple[Indices, Floats]:
    r"""Return the `k` items of largest weight times liking and their scores, best first, equal ones by index.

    Liking is at most 1, so no item scores above its weight: items are scored in falling order of weight until the weight of
    the next is below the `k`-th best score found. The answer is that of scoring all, as in the threshold algorithm (Fagin,
    Lotem and Naor, "Optimal aggregation algorithms for middleware", PODS 2001). Where weights fall as steeply as
    popularity does, few items are looked at; were all equal, all would be.

    Args:
        weight: What an item would score if it were sure to be liked, `[num_items]`; `-inf` leaves it out.
        liking: Item indices -> their liking, to the power that the ranking has, in [0, 1].
        k: Number of items.
    """
    there = int(np.isfinite(weight).sum())
    wanted = min(k, there)
    if not wanted:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    size = min(there, max(FIRST, 2 * k))
    items = np.argpartition(-weight, size - 1)[:size] if size < len(weight) else np.arange(len(weight))
    items = items[np.isfinite(weight[items])]
    scores = weight[items] * liking(items)
    threshold = np.partition(scores, -wanted)[-wanted]
    # Whoever is not among these can not reach the threshold, which only rises.
    rest = np.setdiff1d(np.flatnonzero(weight * (1 + _ROUNDING) >= threshold), items, assume_unique=True)
    rest = rest[np.argsort(-weight[rest], kind="stable")]
    start = 0
    while start < len(rest) and weight[rest[start]] * (1 + _ROUNDING) >= threshold:
        fresh = rest[start : start + STEP]
        items = np.concatenate([items, fresh])
        scores = np.concatenate([scores, weight[fresh] * liking(fresh)])
        threshold = np.partition(scores, -wanted)[-wanted]
        start += STEP
    order = np.lexsort((items, -scores))[:wanted]
    return items[order], scores[order]


def top_items(
    predictor: PhasedPredictor,
    exposure: Exposure,
    person: Person,
    *,
    level: int,
    power: float,
    k: int,
    left_out: NDArray[np.bool_] | None = None,
) -> tuple[Indices, Floats]:
    """Return the best items of a person and their ranking scores, as `Recommender.recommend` ranks them.

    Args:
        predictor: Rows of all nodes.
        exposure: Who comes across what.
        person: Whose list it is; what they rated is left out.
        level: Index of the lowest level that counts as liking.
        power: How much liking counts beside exposure.
        k: Number of items.
        left_out: Items that may not be listed, bool `[num_items]`.
    """
    weight = exposure(person.seen[None])[0]
    weight[person.seen > 0] = -np.inf
    if left_out is not None:
        weight[left_out] = -np.inf

    def liking(items: Indices) -> Floats:
        found = person.liking(predictor, level, torch.from_numpy(items)).numpy()
        return found if power == 1.0 else np.asarray(found**power, dtype=np.float32)

    return best_by_bound(weight, liking, k)
