"""What lists are like beside being right: how much of the catalogue they show, how known and how alike their items are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.metrics import Estimate

__all__ = [
    "coverage",
    "gini",
    "lift_estimate",
    "list_diversity",
    "miscalibration",
    "of_counts",
    "resampled",
    "serendipity",
    "shares",
]

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]

_DRAWS_AT_ONCE = 50
_ALPHA = 0.01  # of the profile in the list, so that an absent concept does not make the divergence endless


def coverage(counts: Floats) -> Floats:
    """Return the share of the catalogue that at least one list shows, `[num_draws]`, from the lists of each item `[num_draws, num_items]`."""
    return np.asarray((counts > 0).mean(axis=1))


def gini(counts: Floats) -> Floats:
    r"""Return how unequally lists spread over the catalogue: 0 where all items are listed alike, near 1 where one has all.

    $G = \frac{\sum_i (2 i - n - 1)\, x_i}{n \sum_i x_i}$ with the counts $x$ rising, $i = 1 \ldots n$ (Gini 1912; of
    recommendations: Fleder & Hosanagar 2009, Management Science 55(5)).

    Args:
        counts: How many lists show each item, `[num_draws, num_items]`.
    """
    rising = np.sort(counts, axis=1)
    size = rising.shape[1]
    return np.asarray(rising @ (2.0 * np.arange(1, size + 1) - size - 1) / (size * rising.sum(axis=1)))


def list_diversity(distances: Floats) -> NDArray[np.float64]:
    """Return the mean distance of two items of each list (Ziegler et al. 2005), from `[num_users, k, k]`, k at least 2."""
    first, second = np.triu_indices(distances.shape[-1], 1)
    return np.asarray(distances[:, first, second].mean(axis=1, dtype=np.float64))


def serendipity(hits: NDArray[np.bool_], expected: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each list that is liked and that popularity would not have listed (Ge et al. 2010).

    Args:
        hits: Whether the user liked the item at each place, `[num_users, k]`.
        expected: Whether the list by popularity, as long, holds it too, `[num_users, k]`.
    """
    return np.asarray((hits & ~expected).mean(axis=1))


def shares(items: NDArray[np.bool_] | Floats, of_items: Floats) -> NDArray[np.float64]:
    """Return which share of a set of items each concept has, `[num_sets, num_concepts]`; zeros where no item has any.

    Args:
        items: How often each set holds each item, `[num_sets, num_items]`.
        of_items: Shares of the concepts in each item, rows that sum to 1, or to 0 without any, `[num_items, num_concepts]`.
    """
    sums = items.astype(np.float64) @ of_items
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))


def miscalibration(profile: Floats, listed: Floats) -> NDArray[np.float64]:
    r"""Return how far the concepts of lists are from those of profiles (Steck 2018, "Calibrated recommendations"), in nats.

    $\mathrm{KL}(p \,\|\, (1 - \alpha) q + \alpha p)$ with $\alpha = 0.01$; 0 where the shares are the same.

    Args:
        profile: Shares $p$ of each user, `[num_users, num_concepts]`.
        listed: Shares $q$ of each list.
    """
    mixed = (1 - _ALPHA) * listed + _ALPHA * profile
    ratio = np.divide(profile, mixed, out=np.ones_like(mixed), where=profile > 0)
    return np.asarray((profile * np.log(ratio)).sum(axis=1))


def of_counts(measure: Callable[[Floats], Floats], lists: Indices, candidates: Indices, *, rng: int) -> Estimate:
    """Return a measure of how many lists show each candidate, with its interval; see `resampled` for how it is centred.

    Args:
        measure: `coverage` or `gini`.
        lists: Items, `[num_users, length]`, all of them candidates.
        candidates: Items that may be listed, rising.
        rng: Seed.
    """
    num_users, length = lists.shape
    places = np.searchsorted(candidates, lists)
    row = np.repeat(np.arange(num_users), length)
    table = sparse.csr_array((np.ones(lists.size), (row, places.ravel())), shape=(num_users, len(candidates)))
    return resampled(lambda weights: measure(np.asarray(weights @ table)), num_users, rng=rng)


def lift_estimate(listed: Floats, profile: Floats, *, rng: int) -> Estimate:
    """Return by which share listed items are more popular than those of profiles (Abdollahpouri et al. 2019), with its interval.

    `mean(listed) / mean(profile) - 1` over users: 0 where lists are as popular as what people chose themselves.

    Args:
        listed: Mean popularity of each user's list, in training ratings, `[num_users]`.
        profile: Mean popularity of what each user rated in training, `[num_users]`.
        rng: Seed.
    """
    both = np.stack([listed, profile], axis=1).astype(np.float64)

    def lift(weights: Floats) -> Floats:
        sums = weights @ both
        return np.asarray(sums[:, 0] / sums[:, 1] - 1)

    return resampled(lift, len(listed), rng=rng)


def resampled(statistic: Callable[[Floats], Floats], num_users: int, *, num_draws: int = 1000, rng: int) -> Estimate:
    """Return a statistic of all users together with its 95 % bootstrap interval over users.

    A draw holds some users twice and a third of them not at all, so that it shows fewer different items than all users do:
    the draws are moved so that their mean is the estimate, and only their spread counts.

    Args:
        statistic: Weights of the users `[num_draws, num_users]` -> the statistic `[num_draws]`.
        num_users: Number of users.
        num_draws: Number of bootstrap draws.
        rng: Seed.
    """
    value = float(statistic(np.ones((1, num_users)))[0])
    generator, even = np.random.default_rng(rng), np.full(num_users, 1 / num_users)
    sizes = [min(_DRAWS_AT_ONCE, num_draws - start) for start in range(0, num_draws, _DRAWS_AT_ONCE)]
    weights = (generator.multinomial(num_users, even, size=size).astype(np.float64) for size in sizes)
    draws = np.concatenate([statistic(some) for some in weights])
    low, high = np.quantile(draws - draws.mean() + value, (0.025, 0.975))
    return Estimate(value, float(low), float(high))
