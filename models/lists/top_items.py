"""The exact head of a list without scoring the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.lists.item_item import ItemItemModel
from models.lists.relevance import WHOLE, Part, Relevance
from models.lists.user_query import UserQuery
from models.posterior import PhasedPredictor

__all__ = ["best_by_bound", "top_items"]

FIRST, STEP = 64, 256  # items scored at first and then at a time: a call costs as much as some dozens of them
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
PARTS: tuple[Part, ...] = tuple(pairwise(QUARTERS))  # of the samples, asked one after the other
_FEW = 32  # samples that are not worth breaking up
_ROUNDING = 1e-5  # a mean of chances may come out a hair above 1

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def best_by_bound(
    weight: Floats,
    relevance: Callable[[Indices, Part], Floats],
    k: int,
    *,
    parts: Sequence[Part] = (WHOLE,),
    slack: float = 0.0,
    power: float = 1.0,
) -> tuple[Indices, Floats]:
    r"""Return the `k` items of largest weight times relevance and their scores, best first, equal ones by index.

    $$s_i = w_i\, \ell_i^{\text{power}}, \qquad \ell_i = \sum_p \ell_{ip}, \quad 0 \le \ell_{ip} \le f_p, \quad \sum_p f_p = 1$$

    Relevance is a mean of chances over samples, and $\ell_{ip}$ what part $p$ of them, a fraction $f_p$, adds to it. So no item
    scores above its weight: items are scored in falling order of weight until the weight of the next is below the `k`-th
    best score found. And once some parts are known, an item is left as soon as it stays below that score even if
    all other samples were sure of it. The answer is that of scoring all, as in the threshold algorithm (Fagin,
    Lotem and Naor, "Optimal aggregation algorithms for middleware", PODS 2001). Where weights fall as steeply as
    popularity does, few items are looked at; were all equal, all would be.

    Args:
        weight: What an item would score if it were sure to be liked, `[num_items]`; `-inf` leaves it out.
        relevance: Item indices, a part of the samples -> what these add to the relevance of each item, `[num_given_items]`.
        k: Number of items.
        parts: The parts, in the order in which they are asked; together all samples.
        slack: By how much the rest may add more than its fraction, since samples are whole.
        power: How much relevance counts beside the weight.
    """
    there = int(np.isfinite(weight).sum())
    wanted = min(k, there)
    if not wanted:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    size = min(there, max(FIRST, 2 * k))
    items = np.argpartition(-weight, size - 1)[:size] if size < len(weight) else np.arange(len(weight))
    items = items[np.isfinite(weight[items])]
    scores = weight[items] * relevance(items, WHOLE) ** power
    threshold = np.partition(scores, -wanted)[-wanted]
    # Whoever is not among these can not reach the threshold, which only rises.
    reaching = weight * (1 + _ROUNDING) >= threshold
    reaching[items] = False
    rest = np.flatnonzero(reaching)
    rest = rest[np.argsort(-weight[rest], kind="stable")]
    start = 0
    while start < len(rest) and weight[rest[start]] * (1 + _ROUNDING) >= threshold:
        fresh = rest[start : start + STEP]
        liked = np.zeros(len(fresh), dtype=np.float32)
        for part in parts:
            liked += relevance(fresh, part)
            left = 1 - part[1] + slack if part[1] < 1 else 0.0
            reaching = weight[fresh] * (liked + left) ** power * (1 + _ROUNDING) >= threshold
            fresh, liked = fresh[reaching], liked[reaching]
            if not len(fresh):
                break
        items = np.concatenate([items, fresh])
        scores = np.concatenate([scores, weight[fresh] * liked**power])
        threshold = np.partition(scores, -wanted)[-wanted]
        start += STEP
    order = np.lexsort((items, -scores))[:wanted]
    return items[order], scores[order]


def top_items(
    predictor: PhasedPredictor,
    item_item: ItemItemModel,
    person: UserQuery,
    *,
    level: int,
    power: float,
    k: int,
    left_out: NDArray[np.bool_],
) -> tuple[Indices, Floats]:
    """Return the best items of a person and their ranking scores, as `Recommender.recommend` ranks them.

    Items that everyone comes across alike stand in one order for all, of which a list reads what can still enter it: their
    number hardly matters.

    Args:
        predictor: Rows of all nodes.
        item_item: Who comes across what.
        person: Whose list it is.
        level: Index of the lowest level that counts as relevance.
        power: How much relevance counts beside item_item.
        k: Number of items.
        left_out: Items that may not be listed, bool `[num_items]`.
    """
    relevance = Relevance(predictor, person, level)

    def best(items: Indices, weight: Floats) -> tuple[Indices, Floats]:
        parts = PARTS if relevance.num_samples >= _FEW else (WHOLE,)
        slack = 0.5 / relevance.num_samples
        places, scores = best_by_bound(
            weight, lambda some, part: relevance(items[some], part), k, parts=parts, slack=slack, power=power
        )
        return items[places], scores

    personal, (shared, share) = item_item.personal, item_item.shared
    weight = item_item.of_personal(person.seen[None])[0]
    weight[left_out[personal]] = -np.inf
    items, scores = best(personal, weight)
    least = scores[-1] / np.float32(1 + _ROUNDING) if len(scores) == k else np.float32(-np.inf)
    start = int(np.searchsorted(share, least))
    there = start + np.flatnonzero(~left_out[shared[start:]])
    if len(there):
        there = there[np.argsort(shared[there])]  # equal ones by index
        more = best(shared[there], share[there])
        items, scores = np.concatenate([items, more[0]]), np.concatenate([scores, more[1]])
        order = np.lexsort((items, -scores))[:k]
        items, scores = items[order], scores[order]
    return items, scores
