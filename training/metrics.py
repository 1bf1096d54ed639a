"""Measures of predictions and of ranked lists, with bootstrap intervals; pure numpy, nothing is ever skipped.

Every function raises `ValueError` on empty or non-finite input: a measure of nothing is a mistake upstream.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Estimate",
    "bootstrap",
    "hit_rate_at",
    "interval_coverage",
    "mae",
    "mrr_at",
    "ndcg_at",
    "paired_bootstrap_p",
    "randomised_pit",
    "recall_at",
    "rmse",
    "top_k",
]

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Doubles = NDArray[np.float64]

BLOCK_SIZE = 2**21  # numbers held at once where a whole table would not fit


@dataclass(frozen=True)
class Estimate:
    """A measure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """Return `{"value", "low", "high"}`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def rmse(errors: Floats) -> float:
    """Root mean squared error `sqrt(mean(e^2))` of errors in stars `[n]`."""
    return float(np.sqrt(np.mean(np.square(_numbers("errors", errors)))))


def mae(errors: Floats) -> float:
    """Mean absolute error `mean(|e|)` of errors in stars `[n]`."""
    return float(np.mean(np.abs(_numbers("errors", errors))))


def bootstrap(
    values: Floats,
    *,
    statistic: Literal["mean", "root_mean"] = "mean",
    groups: Integers | None = None,
    num_draws: int = 1000,
    rng: int | np.random.Generator,
) -> Estimate:
    """Estimate a mean with its 95 % percentile bootstrap interval (Efron 1979, Annals of Statistics 7(1)).

    Each draw resamples the groups (users) with replacement and takes all values of each: with the sum `s_g` and the
    number `c_g` of the values of group g, its statistic is `sum_g s_g / sum_g c_g` over the drawn groups. Without
    groups each value is one of its own. Ratings of one user are alike, so an interval that ignores users is too
    narrow for new users. One group alone gives an interval without width: it says nothing of other groups.

    Args:
        values: Finite numbers `[n]`; squared errors for the RMSE.
        statistic: `mean`, or `root_mean`: the square root of the mean of non-negative values.
        groups: Group of each value, any integers `[n]`.
        num_draws: Number of bootstrap draws.
        rng: Seed or generator.
    """
    values = _numbers("values", values)
    if statistic == "root_mean" and values.min() < 0:
        raise ValueError(f"the root of a mean needs values of at least 0; the least is {values.min():g}")
    draws = _drawn_means(*_group_sums(values, groups), num_draws, rng)
    ends = np.array([values.mean(), *np.quantile(draws, (0.025, 0.975))])
    if statistic == "root_mean":
        ends = np.sqrt(np.maximum(ends, 0.0))
    return Estimate(*ends.tolist())


def paired_bootstrap_p(
    a: Floats,
    b: Floats,
    groups: Integers | None = None,
    *,
    num_draws: int = 2000,
    rng: int | np.random.Generator,
) -> float:
    """Two-sided p of `mean(a - b) = 0` for two models measured on the same ratings or users.

    The bootstrap distribution of the mean difference d, moved to have no difference, gives
    `p = (1 + #{|d* - d| >= |d|}) / (1 + num_draws)` (Efron & Tibshirani 1993, chapter 16).

    Args:
        a: Values of the one model `[n]`, such as squared errors or NDCG of users.
        b: Values of the other in the same order `[n]`.
        groups: Group (user) of each value `[n]`, resampled as a whole; None where each value is its own.
        num_draws: Number of bootstrap draws; p is never below `1 / (1 + num_draws)`.
        rng: Seed or generator.
    """
    a, b = _numbers("a", a), _numbers("b", b)
    if a.shape != b.shape:
        raise ValueError(f"paired values must be equally many; got {a.shape} and {b.shape}")
    sums, counts = _group_sums(a - b, groups)
    if len(sums) < 2:
        raise ValueError("a test of a difference needs at least 2 groups; got 1")
    difference = sums.sum() / counts.sum()
    draws = _drawn_means(sums, counts, num_draws, rng)
    as_far = np.abs(draws - difference) >= abs(difference)
    return float((1 + np.count_nonzero(as_far)) / (1 + num_draws))


def ndcg_at(k: int, ranked_relevance: NDArray[np.bool_], num_relevant: Integers) -> Doubles:
    """Normalised discounted cumulative gain of each user's list (Järvelin & Kekäläinen 2002, ACM TOIS 20(4)).

    `NDCG@k = sum_{j=1..k} rel_j / log2(j + 1)  /  sum_{j=1..min(k, R)} 1 / log2(j + 1)` with `rel_j` 1 where the
    item at place j is relevant and R the number of relevant items among the candidates, listed or not.

    Args:
        k: Length of the list that counts.
        ranked_relevance: Whether the item at each place is relevant `[num_users, list_length]`, best place first.
            Places after k do not count; a list shorter than k is one that had no more candidates.
        num_relevant: R of each user `[num_users]`, at least 1: leave out users without any, and say so.

    Returns:
        NDCG in [0, 1] of each user `[num_users]`.
    """
    hits = _hits(k, ranked_relevance, num_relevant)
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(num_relevant, k) - 1]
    return np.asarray(hits @ discount[: hits.shape[1]] / ideal)


def recall_at(k: int, ranked_relevance: NDArray[np.bool_], num_relevant: Integers) -> Doubles:
    """Share of each user's relevant items that are among the first k: `hits / R` `[num_users]`; arguments as in `ndcg_at`.

    The divisor is R, not `min(k, R)`: a user with more than k relevant items cannot reach 1.
    """
    return np.asarray(_hits(k, ranked_relevance, num_relevant).sum(axis=1) / num_relevant)


def hit_rate_at(k: int, ranked_relevance: NDArray[np.bool_], num_relevant: Integers) -> Doubles:
    """1 for each user with a relevant item among the first k, else 0 `[num_users]`; arguments as in `ndcg_at`."""
    return np.asarray(_hits(k, ranked_relevance, num_relevant).any(axis=1).astype(np.float64))


def mrr_at(k: int, ranked_relevance: NDArray[np.bool_], num_relevant: Integers) -> Doubles:
    """Reciprocal rank of each user's first relevant item, 0 where none is among the first k `[num_users]`.

    Its mean over users is the mean reciprocal rank (Voorhees 1999, TREC-8). Arguments as in `ndcg_at`.
    """
    hits = _hits(k, ranked_relevance, num_relevant)
    return np.asarray((hits / np.arange(1, hits.shape[1] + 1)).max(axis=1))


def top_k(scores: Floats, k: int, *, rng: int | np.random.Generator) -> NDArray[np.int64]:
    """Return the candidates with the k highest scores of each user, highest first.

    Equal scores are put in random order, for each user anew, so that a constant scorer lists random items. A shorter
    list is the beginning of a longer one of the same seed.

    Args:
        scores: Scores `[num_users, num_candidates]`; `-inf` marks an excluded candidate, which is listed only after
            all others, where fewer than k are left.
        k: Length of the lists, at most `num_candidates`.
        rng: Seed or generator of the order of ties.

    Returns:
        Candidate indices `[num_users, k]`.
    """
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"scores must be a non-empty [num_users, num_candidates]; their shape is {scores.shape}")
    num_users, num_candidates = scores.shape
    if not 1 <= k <= num_candidates:
        raise ValueError(f"a list of {k} needs 1 to {num_candidates} places, the number of candidates")
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise ValueError("scores must be finite, or -inf for excluded candidates; found nan or +inf")
    rng = np.random.default_rng(rng)
    lists = np.empty((num_users, k), dtype=np.int64)
    for rows in _blocks(num_users, num_candidates):
        block = scores[rows]
        lot = rng.random(block.shape)
        least = np.partition(block, num_candidates - k, axis=1)[:, num_candidates - k, None]
        # All above the k-th highest score are listed; the lot decides among those equal to it.
        urgency = np.where(block > least, 2.0, np.where(block == least, lot, -1.0))
        listed = np.argpartition(urgency, num_candidates - k, axis=1)[:, num_candidates - k :]
        keys = (np.take_along_axis(-lot, listed, axis=1), np.take_along_axis(-block, listed, axis=1))
        lists[rows] = np.take_along_axis(listed, np.lexsort(keys, axis=1), axis=1)
    return lists


def randomised_pit(probabilities: Floats, level: Integers, rng: int | np.random.Generator) -> Doubles:
    """Randomised probability integral transform of discrete outcomes (Czado, Gneiting & Held 2009, Biometrics 65(4)).

    `u = F(y - 1) + v * (F(y) - F(y - 1))` with the predictive distribution function F over the levels, the observed
    level y and v uniform on [0, 1). If predictions are calibrated, u is uniform.

    Args:
        probabilities: Predictive probability of each level `[n, num_levels]`; rows sum to 1.
        level: Index of the observed level `[n]`.
        rng: Seed or generator of v.

    Returns:
        u in [0, 1] `[n]`.
    """
    probabilities = _numbers("probabilities", probabilities, dimensions=2)
    if probabilities.min() < 0 or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("the probabilities of the levels must be at least 0 and sum to 1 in each row")
    level = np.asarray(level)
    if level.shape != probabilities.shape[:1] or level.min() < 0 or level.max() >= probabilities.shape[1]:
        raise ValueError(
            f"observed levels must be {len(probabilities)} indices in 0 .. {probabilities.shape[1] - 1}; "
            f"got shape {level.shape} spanning {level.min()} .. {level.max()}"
        )
    at_level = np.take_along_axis(probabilities, level[:, None], axis=1)[:, 0]
    below = np.where(np.arange(probabilities.shape[1]) < level[:, None], probabilities, 0.0).sum(axis=1)
    return np.asarray(np.clip(below + np.random.default_rng(rng).random(len(level)) * at_level, 0.0, 1.0))


def interval_coverage(pit: Floats, level: float = 0.8) -> NDArray[np.bool_]:
    """Whether each outcome lies in its central prediction interval: `|u - 1/2| <= level / 2`.

    Args:
        pit: Values u of `randomised_pit` `[n]`.
        level: Fraction in (0, 1) that a calibrated model covers.
    """
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval must lie between 0 and 1; it is {level:g}")
    pit = _numbers("pit", pit)
    if pit.min() < 0 or pit.max() > 1:
        raise ValueError(f"PIT values must lie in 0 .. 1; they span {pit.min():g} .. {pit.max():g}")
    return np.asarray(np.abs(pit - 0.5) <= level / 2)


def _numbers(name: str, values: Floats, *, dimensions: int = 1) -> Doubles:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != dimensions or not numbers.size:
        raise ValueError(f"{name} must be a non-empty array of {dimensions} dimensions; its shape is {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite; number {int(np.argmin(np.isfinite(numbers)))} is not")
    return numbers


def _hits(k: int, ranked_relevance: NDArray[np.bool_], num_relevant: Integers) -> NDArray[np.bool_]:
    if k < 1 or ranked_relevance.ndim != 2 or not ranked_relevance.size:
        raise ValueError(
            f"lists of relevance must be [num_users, list_length] and k >= 1; got {ranked_relevance.shape} and {k}"
        )
    if np.shape(num_relevant) != ranked_relevance.shape[:1] or np.min(num_relevant) < 1:
        raise ValueError("every user needs at least 1 relevant item; leave out users without any, and say so")
    if (ranked_relevance.sum(axis=1) > num_relevant).any():
        raise ValueError("a list holds more relevant items than the user has; is an item listed twice?")
    return ranked_relevance[:, :k].astype(bool)


def _group_sums(values: Doubles, groups: Integers | None) -> tuple[Doubles, Doubles]:
    """Return sum and number of the values of each group, `[num_groups]` each."""
    if groups is None:
        return values, np.ones(len(values))
    if np.shape(groups) != values.shape:
        raise ValueError(f"each value needs its group; got shapes {values.shape} and {np.shape(groups)}")
    _, group = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(group, weights=values), np.bincount(group)
    return np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)


def _drawn_means(sums: Doubles, counts: Doubles, num_draws: int, rng: int | np.random.Generator) -> Doubles:
    if num_draws < 1:
        raise ValueError(f"a bootstrap needs at least 1 draw; got {num_draws}")
    rng, means = np.random.default_rng(rng), np.empty(num_draws)
    for rows in _blocks(num_draws, len(sums)):
        drawn = rng.integers(0, len(sums), size=(rows.stop - rows.start, len(sums)))
        means[rows] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def _blocks(num_rows: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK_SIZE // max(1, width))
    return (slice(start, min(start + step, num_rows)) for start in range(0, num_rows, step))
