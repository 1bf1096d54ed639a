"""How much better one model is than another on the same ratings, and how sure that is when many are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.metrics import Estimate

__all__ = ["holm", "rmse_gain"]

NUM_DRAWS = 1000


def holm(p: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Adjust p-values of a family of tests so that the chance of any false alarm stays below the level.

    Step-down: the i-th smallest of m is multiplied by m - i + 1, and never falls below the one before it (Holm 1979,
    Scandinavian Journal of Statistics 6(2)). Tests that were not made (nan) stay nan and do not count.

    Args:
        p: p-values `[num_tests]`.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    made = np.flatnonzero(~np.isnan(values))
    if not len(made):
        return adjusted
    if values[made].min() < 0 or values[made].max() > 1:
        raise ValueError(f"p-values lie in 0 .. 1; these span {values[made].min():g} .. {values[made].max():g}")
    order = made[np.argsort(values[made], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def rmse_gain(
    ours: NDArray[np.floating],
    other: NDArray[np.floating],
    groups: NDArray[np.integer],
    *,
    rng: int | np.random.Generator,
) -> Estimate:
    """Return by which share our RMSE is below another's, with its 95 % bootstrap interval over groups.

    `1 - RMSE(ours) / RMSE(other)` on the same ratings; each draw resamples users (or items) with all their ratings.

    Args:
        ours: Our errors in stars `[n]`.
        other: The other model's errors `[n]`.
        groups: User or item of each rating `[n]`.
        rng: Seed or generator.
    """
    if not (len(ours) == len(other) == len(groups)) or not len(ours):
        raise ValueError(
            f"paired errors must be equally many and not none; got {len(ours)}, {len(other)} of {len(groups)}"
        )
    _, group = np.unique(groups, return_inverse=True)
    squares = np.stack([np.bincount(group, np.square(np.asarray(e, dtype=np.float64))) for e in (ours, other)])
    if not squares[1].sum() > 0:
        raise ValueError("the other model makes no error at all, so no share of it can be taken")
    drawn = np.random.default_rng(rng).integers(0, squares.shape[1], size=(NUM_DRAWS, squares.shape[1]))
    sums = squares[:, drawn].sum(axis=2)
    draws = 1.0 - np.sqrt(sums[0] / np.where(sums[1] > 0, sums[1], np.nan))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return Estimate(float(1.0 - np.sqrt(squares[0].sum() / squares[1].sum())), float(low), float(high))
