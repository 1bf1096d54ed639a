"""The order of a list: what speaks for an item beside its stars, what is left out, what is moved up or down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["BoostsAndFilters", "best_of", "ranking"]

_BISECTIONS = 40
_STEEPEST = 60.0  # tilt a level of rating at most by exp(60) against the lowest

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class BoostsAndFilters:
    r"""What someone decided about items, whatever the model says of them.

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
    boost: Floats

    def __post_init__(self) -> None:
        hidden, boost = np.array(self.hidden, dtype=bool), np.array(self.boost, dtype=np.float32)
        if hidden.ndim != 1 or hidden.shape != boost.shape or not np.isfinite(boost).all():
            raise ValueError(
                f"an adjustment needs one flag and one finite boost an item; got {hidden.shape}, {boost.shape}"
            )
        for name, column in (("hidden", hidden), ("boost", boost)):
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    @classmethod
    def none(cls, num_items: int) -> BoostsAndFilters:
        """Return the boosts_and_filters that changes nothing."""
        return cls(hidden=np.zeros(num_items, dtype=bool), boost=np.zeros(num_items, dtype=np.float32))

    def __add__(self, other: BoostsAndFilters) -> BoostsAndFilters:
        """Return both at once: what either hides is hidden, and boosts add up."""
        return BoostsAndFilters(hidden=self.hidden | other.hidden, boost=self.boost + other.boost)

    def of_items(self, items: NDArray[np.int64]) -> BoostsAndFilters:
        """Return the boosts_and_filters of some items, in their order."""
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
        # A tilt of 60 leaves nothing but the end of the scale: a boost beyond it ends there.
        wanted = before @ stars / before.sum(1) + torch.from_numpy(self.boost.copy())[moved].double()
        distance = stars - stars[0]
        low = torch.full_like(wanted, -_STEEPEST / float(distance[-1]))
        high = -low
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            tilted = _tilted(before, middle, distance)
            below = tilted @ stars < wanted
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        found = probabilities.clone()
        found[moved] = _tilted(before, (low + high) / 2, distance).to(probabilities.dtype)
        return found


def _tilted(probabilities: Tensor, tilt: Tensor, distance: Tensor) -> Tensor:
    return torch.softmax(probabilities.log() + tilt[:, None] * distance, dim=1)


def ranking(
    relevance: Floats, power: float, *, item_item: Floats | None = None, nearness: Floats | None = None
) -> Floats:
    r"""Return the scores that a list is ordered by, `[num_items]`.

    $P(\text{like})^{\text{power}}$ times the chance to come across the item, times $e^{\text{nearness}}$.

    Args:
        relevance: Chance that the person likes each item.
        power: How much relevance counts beside item_item.
        item_item: How likely the person comes across each item; left out, it does not count.
        nearness: How much nearer each item is to what the person said, on the scale of logarithms.
    """
    scores = relevance**power
    if item_item is not None:
        scores = scores * item_item
    if nearness is not None:
        scores = scores * np.exp(nearness)
    return np.asarray(scores, dtype=np.float32)


def best_of(scores: Floats, k: int) -> NDArray[np.int64]:
    """Return the `k` items of highest score, best first, equal ones by index; what scores `-inf` is never among them."""
    there = int(np.isfinite(scores).sum())
    return np.argsort(-scores, kind="stable")[: min(k, there)].astype(np.int64)
