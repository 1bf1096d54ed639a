"""How people rate: how much, how strictly, how mainstream, how broadly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings

__all__ = ["Habits", "habits_of", "habits_table"]

LEAST_FOR_CORRELATION = 10


@dataclass(frozen=True, kw_only=True)
class Habits:
    """Habits of one user; None where they cannot be told.

    Attributes:
        num_ratings: Training ratings.
        activity: Share of the users with ratings who rated less (half of those who rated as much), in [0, 1].
        mean_stars: Mean rating, in stars; None of implicit feedback.
        generosity: Stars this user gives above others on the same items, shrunk as in the bias model; below 0 is strict.
        generosity_rank: Share of the users with ratings who are stricter.
        popularity: Mean popularity of the rated items, as the share of the items that fewer people rated.
        popularity_rank: Share of the users whose items are less popular: near 1 is mainstream, near 0 a niche.
        popularity_correlation: Spearman correlation of stars with the number of ratings of an item; None below ten ratings.
        breadth: Effective number of kinds among the liked items, exp of the entropy of their shares, as of genres.
        breadth_rank: Share of the users whose liked items are of fewer kinds.
    """

    num_ratings: int
    activity: float | None = None
    mean_stars: float | None = None
    generosity: float | None = None
    generosity_rank: float | None = None
    popularity: float | None = None
    popularity_rank: float | None = None
    popularity_correlation: float | None = None
    breadth: float | None = None
    breadth_rank: float | None = None


def habits_table(
    train: Ratings, kinds: sparse.csr_array, relevant_from: float, of_user: NDArray[np.float64] | None
) -> pd.DataFrame:
    """Return the habits of all users, a row a user, columns as in `Habits`; NaN where they cannot be told.

    Args:
        train: Training ratings.
        kinds: Which items are of which kind, 0/1 `[num_items, num_kinds]`.
        relevant_from: Least rating, in stars, that counts as liking.
        of_user: Bias of each user in stars; None of implicit feedback.
    """
    counts = train.user_counts
    rated = counts > 0
    popularity = (_ranks(train.item_counts) - 0.5) / max(train.num_items, 1)
    liked = train.value >= relevant_from
    ones = np.ones(int(liked.sum()), dtype=np.float32)
    by_user = sparse.csr_array((ones, (train.user[liked], train.item[liked])), shape=(train.num_users, train.num_items))
    found = pd.DataFrame(
        {
            "num_ratings": counts,
            "activity": _rank(counts.astype(np.float64), rated),
            "mean_stars": _mean(train.user, train.value, counts),
            "generosity": np.where(rated, of_user if of_user is not None else np.nan, np.nan),
            "popularity": _mean(train.user, popularity[train.item], counts),
            "popularity_correlation": _correlation(train, popularity),
            "breadth": _effective_number((by_user @ kinds).toarray()),
        }
    )
    for name in ("generosity", "popularity", "breadth"):
        found[f"{name}_rank"] = _rank(found[name].to_numpy(), found[name].notna().to_numpy())
    if of_user is None:
        found["mean_stars"] = np.nan
    return found


def habits_of(table: pd.DataFrame, user: int) -> Habits:
    """Return one row of `habits_table`."""
    row = table.iloc[user].to_dict()
    return Habits(
        num_ratings=int(row.pop("num_ratings")),
        **{str(name): None if np.isnan(value) else float(value) for name, value in row.items()},
    )


def _mean(user: NDArray[np.int64], values: NDArray[np.floating], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.bincount(user, values, len(counts)).astype(np.float64)
    return np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0)


def _ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1; equal ones share the mean of theirs."""
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def _rank(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = np.full(len(values), np.nan)
    found[known] = (_ranks(values[known]) - 0.5) / max(known.sum(), 1)
    return found


def _effective_number(amounts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return exp of the entropy of each row's shares; NaN for a row of zeros."""
    total = amounts.sum(axis=1, keepdims=True, dtype=np.float64)
    shares = np.divide(amounts, total, out=np.zeros(amounts.shape), where=total > 0)
    logs = np.log(shares, out=np.zeros(shares.shape), where=shares > 0)
    return np.where(total[:, 0] > 0, np.exp(-(shares * logs).sum(axis=1)), np.nan)


def _correlation(train: Ratings, popularity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each user's Spearman correlation of stars with popularity; NaN where it says nothing."""
    order = np.argsort(train.user, kind="stable")
    ends = np.cumsum(train.user_counts)
    found = np.full(train.num_users, np.nan)
    for user in np.flatnonzero(train.user_counts >= LEAST_FOR_CORRELATION):
        mine = order[ends[user] - train.user_counts[user] : ends[user]]
        stars, known = train.value[mine], popularity[train.item[mine]]
        if np.ptp(stars) > 0 and np.ptp(known) > 0:
            found[user] = np.corrcoef(_ranks(stars), _ranks(known))[0, 1]
    return found
