"""Weights of all concepts for one person, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["ConceptWeights"]

WITHIN = (0.1, 0.9)  # the 80 % interval
_EVEN = 100  # evenly spaced quantiles that stand for a normal distribution


@dataclass(frozen=True, eq=False)
class ConceptWeights:
    """Weights of all concepts for one person, each `[num_concepts]`, in the profile's unit.

    Attributes:
        mean: Mean over the samples.
        low: Lower end of the 80 % interval.
        high: Upper end.
        chance: That the weight is positive.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    chance: NDArray[np.float64]

    @classmethod
    def of(cls, drawn: NDArray[np.floating], beyond: NDArray[np.float64]) -> ConceptWeights:
        """Put together what samples say and what they leave out.

        The samples keep their shape and are spread until they have both variances; a single one, of a point model, has no shape,
        and what it leaves out is normal.

        Args:
            drawn: Weights in every sample, `[num_samples, num_concepts]`.
            beyond: Variance that no sample has, `[num_concepts]`.
        """
        mean = drawn.mean(axis=0, dtype=np.float64)
        off = drawn - mean
        inside = off.var(axis=0)
        if len(drawn) == 1:
            off = ndtri((np.arange(_EVEN) + 0.5) / _EVEN)[:, None] * np.sqrt(beyond)
        else:
            off = off * np.sqrt(1 + beyond / np.maximum(inside, 1e-12))
        low, high = _quantiles(off, WITHIN) if drawn.size else (mean, mean)
        return cls(mean=mean, low=mean + low, high=mean + high, chance=(mean + off > 0).mean(axis=0))


def _quantiles(drawn: NDArray[np.float64], shares: tuple[float, ...]) -> NDArray[np.float64]:
    """Return `np.quantile(drawn, shares, axis=0)` in a quarter of the time, which is much of that of a profile."""
    rising = np.sort(drawn.T, axis=1)
    place = np.array(shares) * (len(drawn) - 1)
    below = rising[:, np.floor(place).astype(np.int64)]
    return (below + (rising[:, np.ceil(place).astype(np.int64)] - below) * (place % 1)).T
