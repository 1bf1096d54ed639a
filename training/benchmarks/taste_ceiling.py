"""The best that anyone could say of simulated tastes: an estimator that knows what no recommender can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from kg.films import FilmWorld, film_concepts

__all__ = ["best_estimates"]

NOISE = 0.65**2 + 1 / 12  # variance of a rating in the simulation: its noise, and rounding to whole stars
GENEROSITY = 0.4**2  # variance of how generous users are
FOLDS = 5

Floats = NDArray[np.float64]


def best_estimates(world: FilmWorld, users: Sequence[str], concepts: Sequence[str]) -> Floats:
    r"""Return posterior means of tastes given a user's ratings and everything else of the simulation.

    With $x_f$ the concepts of film $f$ over the root of their number, around the mean film, and the tastes of *other*
    users (those of four fifths at a time) giving mean $\mu$ and covariance $\Sigma$ (Ledoit-Wolf, doi:10.1016/S0047-259X(03)00096-4),

    $$E[w_u] = \mu + \Sigma X^\top (X \Sigma X^\top + \sigma_b^2 1 1^\top + \sigma^2 I)^{-1} (r_u - q - X \mu - m)$$

    The quality $q$ of the films and the mean $m$ come from all ratings less the true affinities. It is the best linear
    estimator but for the estimate of $\Sigma$: a yardstick of what so many noisy ratings can tell.

    Args:
        world: The audience with its tastes.
        users: Ids of the users wanted.
        concepts: IRIs of the concepts wanted.

    Returns:
        `[num_users, num_concepts]`, in stars.
    """
    found = film_concepts()
    has = pd.crosstab(found["film"], found["concept"]).astype(np.float64)
    shares = has.to_numpy() / np.sqrt(has.to_numpy().sum(axis=1, keepdims=True))
    shares -= shares.mean(axis=0)
    tastes = world.tastes.pivot_table(index="user", columns="concept", values="weight", fill_value=0.0)
    truth = tastes.reindex(index=world.users["id"], columns=has.columns, fill_value=0.0).to_numpy()
    film = pd.Index(has.index).get_indexer(world.ratings["item"])
    user = pd.Index(world.users["id"]).get_indexer(world.ratings["user"])
    rest = world.ratings["rating"].to_numpy(dtype=np.float64) - (truth @ shares.T)[user, film]
    middle = rest.mean()
    counts = np.bincount(film, minlength=len(has))
    quality = np.bincount(film, rest - middle, minlength=len(has)) / (counts + NOISE / GENEROSITY)
    left = world.ratings["rating"].to_numpy(dtype=np.float64) - middle - quality[film]
    estimates = np.zeros_like(truth)
    fold = np.arange(len(truth)) % FOLDS
    for number in range(FOLDS):
        others = LedoitWolf().fit(truth[fold != number])
        for one in np.flatnonzero(fold == number):
            mine = user == one
            x = shares[film[mine]]
            spread = x @ others.covariance_
            gram = spread @ x.T + GENEROSITY + NOISE * np.eye(len(x))
            gap = left[mine] - x @ others.location_
            estimates[one] = others.location_ + spread.T @ np.linalg.solve(gram, gap)
    rows = pd.Index(world.users["id"]).get_indexer(list(users))
    return np.asarray(estimates[rows][:, has.columns.get_indexer(pd.Index(concepts))], dtype=np.float64)
