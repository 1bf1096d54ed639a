"""Habits of users: how much, how strictly, how mainstream and how broadly they rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import entr

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
    counts, rated = train.user_counts, train.user_counts > 0
    popularity = (pd.Series(train.item_counts).rank().to_numpy() - 0.5) / max(train.num_items, 1)
    ratings = pd.DataFrame(
        {"user": train.user, "stars": train.value.astype(np.float64), "popularity": popularity[train.item]}
    )
    means = ratings.groupby("user").mean().reindex(np.arange(train.num_users)).astype(np.float64)
    liked = train.value >= relevant_from
    liked_by = sparse.csr_array(
        (np.ones(int(liked.sum()), dtype=np.float32), (train.user[liked], train.item[liked])),
        shape=(train.num_users, train.num_items),
    )
    table = pd.DataFrame(
        {
            "num_ratings": counts,
            "activity": _place(pd.Series(counts).where(rated)),
            "mean_stars": np.nan if of_user is None else means["stars"],
            "generosity": np.nan if of_user is None else np.where(rated, of_user, np.nan),
            "popularity": means["popularity"],
            "popularity_correlation": _correlation(ratings).reindex(np.arange(train.num_users)),
            "breadth": _effective_number((liked_by @ kinds).toarray()),
        }
    )
    for name in ("generosity", "popularity", "breadth"):
        table[f"{name}_rank"] = _place(table[name])
    return table


def habits_of(table: pd.DataFrame, user: int) -> Habits:
    """Return one row of `habits_table`."""
    row = table.iloc[user].to_dict()
    return Habits(
        num_ratings=int(row.pop("num_ratings")),
        **{str(name): None if np.isnan(value) else float(value) for name, value in row.items()},
    )


def _place(values: pd.Series) -> pd.Series:
    """Return the share of the known values that are lower, counting half of those that are equal."""
    return (values.rank() - 0.5) / max(values.notna().sum(), 1)


def _effective_number(amounts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return exp of the entropy of each row's shares; NaN for a row of zeros."""
    total = amounts.sum(axis=1, keepdims=True, dtype=np.float64)
    shares = np.divide(amounts, total, out=np.full(amounts.shape, np.nan), where=total > 0)
    return np.exp(entr(shares).sum(axis=1)) if shares.shape[1] else np.full(len(amounts), np.nan)


def _correlation(ratings: pd.DataFrame) -> pd.Series:
    """Return the Spearman correlation of stars with popularity, by user; none where it says nothing."""
    by_user = ratings.groupby("user")
    enough = by_user["stars"].transform("size") >= LEAST_FOR_CORRELATION
    for name in ("stars", "popularity"):
        enough &= by_user[name].transform("max") > by_user[name].transform("min")
    ranks = ratings[enough].groupby("user")[["stars", "popularity"]].rank()
    ranks = ranks - ranks.groupby(ratings["user"]).transform("mean")
    products = pd.DataFrame(
        {"both": ranks.prod(axis=1), "stars": ranks["stars"] ** 2, "popularity": ranks["popularity"] ** 2}
    )
    sums = products.groupby(ratings["user"]).sum()
    return sums["both"] / np.sqrt(sums["stars"] * sums["popularity"])
