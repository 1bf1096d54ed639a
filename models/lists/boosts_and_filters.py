"""What someone decided about items: which no list may show, and which rank higher or lower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.errors import InputError
from models.lists.rules import AppliedRules

__all__ = ["BoostsAndFilters", "boosts_and_filters_of"]

_BISECTIONS = 40
_STEEPEST = (
    60.0  # tilt a level of rating at most by exp(60) against the lowest: a boost beyond ends at the end of the scale
)


@dataclass(frozen=True, kw_only=True, eq=False)
class BoostsAndFilters:
    r"""Hidden items and boosts, whatever the model says of the items.

    A hidden item stands in no list. A boost of $b$ stars ranks an item as if its expected rating were $b$ stars higher: of
    all distributions with that mean, the one nearest to the prediction $p$, $q_k \propto p_k e^{t x_k}$ with $x_k$ the stars
    of level $k$; its chance of being liked then follows. The mean cannot leave the scale. Scores that people
    read stay what the model predicts.

    Attributes:
        hidden: Items that no list may show, bool `[num_items]`.
        boost: What ranks an item higher, or lower below zero, in stars, float32 `[num_items]`.

    Raises:
        ValueError: If the two differ in length, or a boost is not finite.
    """

    hidden: NDArray[np.bool_]
    boost: NDArray[np.float32]

    def __post_init__(self) -> None:
        hidden, boost = np.array(self.hidden, dtype=bool), np.array(self.boost, dtype=np.float32)
        if hidden.ndim != 1 or hidden.shape != boost.shape or not np.isfinite(boost).all():
            raise ValueError(
                f"expected one flag and one finite boost an item; got {hidden.shape} flags and {boost.shape} boosts"
            )
        for name, column in (("hidden", hidden), ("boost", boost)):
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    def of_items(self, items: NDArray[np.int64]) -> BoostsAndFilters:
        """Return the boosts and filters of some items, in their order."""
        return BoostsAndFilters(hidden=self.hidden[items], boost=self.boost[items])

    def boosted(self, probabilities: Tensor, levels: Tensor) -> Tensor:
        """Return level probabilities as the boosts would have them, `[num_items, num_levels]`.

        Args:
            probabilities: What the model predicts of one person, `[num_items, num_levels]`.
            levels: Values of the levels, rising, in stars, `[num_levels]`.
        """
        moved = torch.from_numpy(np.flatnonzero(self.boost))
        if not len(moved):
            return probabilities
        stars, before = levels.double(), probabilities[moved].double().clamp_min(1e-12)
        distance = stars - stars[0]

        def tilted(tilt: Tensor) -> Tensor:
            return torch.softmax(before.log() + tilt[:, None] * distance, dim=1)

        wanted = before @ stars / before.sum(1) + torch.from_numpy(self.boost.copy())[moved].double()
        high = torch.full_like(wanted, _STEEPEST / float(distance[-1]))
        low = -high
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = tilted(middle) @ stars < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        boosted = probabilities.clone()
        boosted[moved] = tilted((low + high) / 2).to(probabilities.dtype)
        return boosted


def boosts_and_filters_of(rules: BoostsAndFilters | AppliedRules | None, *, implicit: bool) -> BoostsAndFilters | None:
    """Return what rules do to a ranking.

    Args:
        rules: Rules applied to the graph of the recommender, or boosts and filters already.
        implicit: Whether the recommender knows choices alone, and no stars that a boost could move.

    Raises:
        InputError: If rules boost where there are no stars.
    """
    if rules is None or isinstance(rules, BoostsAndFilters):
        return rules
    if implicit and rules.boost.any():
        raise InputError("a boost moves stars, and implicit feedback has none; use hide and only")
    return BoostsAndFilters(hidden=rules.hidden, boost=rules.boost)
