"""The order of a list: the score that items are ranked by, and the best of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_of", "ranking"]

Floats = NDArray[np.float32]


def ranking(
    relevance: Floats, power: float, *, item_item: Floats | None = None, nearness: Floats | None = None
) -> Floats:
    r"""Return the scores that a list is ordered by, `[num_items]`.

    $P(\text{like})^{\text{power}}$ times the chance to come across the item, times $e^{\text{nearness}}$.

    Args:
        relevance: Chance that the person likes each item.
        power: How much relevance counts against the item-item score.
        item_item: How likely the person comes across each item; left out, it does not count.
        nearness: How much nearer each item is to the words of the person, on the scale of logarithms.
    """
    scores = relevance**power
    if item_item is not None:
        scores = scores * item_item
    if nearness is not None:
        scores = scores * np.exp(nearness)
    return np.asarray(scores, dtype=np.float32)


def best_of(scores: Floats, k: int) -> NDArray[np.int64]:
    """Return the `k` items of highest score, best first, equal ones by index; what scores `-inf` is never among them."""
    num_allowed = int(np.isfinite(scores).sum())
    return np.argsort(-scores, kind="stable")[: min(k, num_allowed)].astype(np.int64)
