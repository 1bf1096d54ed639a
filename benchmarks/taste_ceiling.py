"""The best that anyone could say of simulated tastes: an estimator that knows what no recommender can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.covariance import LedoitWolf

from benchmarks.film_world import NOISE, FilmWorld, film_concepts

__all__ = ["best_estimates", "chances_of"]

VARIANCE = NOISE**2 + 1 / 12  # variance of a rating in the simulation: its noise, and rounding to whole stars
GENEROSITY = 0.4**2  # variance of how generous users are
CHOOSINESS = 1.1  # by how much the logarithm of the chance that a user sees a film grows with a star of affinity
FOLDS = 5

Floats = NDArray[np.float64]


def best_estimates(world: FilmWorld, users: Sequence[str], concepts: Sequence[str]) -> Floats:
    r"""Return posterior means of tastes given a user's ratings, choices, and everything else of the simulation.

    With $x_f$ the concepts of film $f$ over the root of their number, around the mean film, and the tastes of *other*
    users (those of four fifths at a time) giving mean $\mu$ and covariance $\Sigma$ (Ledoit-Wolf, doi:10.1016/S0047-259X(03)00096-4),
    ratings are

    $$r_u - q - X \mu - m = X (w_u - \mu) + b_u + e, \qquad \sigma_b^2 1 1^\top + \sigma^2 I$$

    and choices, with chances $\pi$ of who likes what the average user likes and the simulation's $g$,

    $$X^\top (y_u - \pi) \approx g\, n_u X^\top \mathrm{diag}(p) X (w_u - \mu)$$

    The quality $q$ of the films and the mean $m$ come from all ratings less the true affinities. But for the estimate of
    $\Sigma$, and choices linear in tastes, it is the best linear estimator: a yardstick of what so much noisy behaviour can tell.

    Args:
        world: The audience with its tastes.
        users: Ids of the users wanted.
        concepts: IRIs of the concepts wanted.

    Returns:
        `[num_users, num_concepts]`, in stars.
    """
    concepts_of_films = film_concepts()
    has = pd.crosstab(concepts_of_films["film"], concepts_of_films["concept"]).astype(np.float64)
    shares = has.to_numpy() / np.sqrt(has.to_numpy().sum(axis=1, keepdims=True))
    shares -= shares.mean(axis=0)
    truth = world.weights_of(world.users["id"], has.columns)
    film = pd.Index(has.index).get_indexer(world.ratings["item"])
    user = pd.Index(world.users["id"]).get_indexer(world.ratings["user"])
    rest = world.ratings["rating"].to_numpy(dtype=np.float64) - (truth @ shares.T)[user, film]
    middle = rest.mean()
    counts = np.bincount(film, minlength=len(has))
    quality = np.bincount(film, rest - middle, minlength=len(has)) / (counts + VARIANCE / GENEROSITY)
    left = world.ratings["rating"].to_numpy(dtype=np.float64) - middle - quality[film]
    estimates = np.zeros_like(truth)
    fold = np.arange(len(truth)) % FOLDS
    for number in range(FOLDS):
        others = LedoitWolf().fit(truth[fold != number])
        basis = _Coordinates.of(shares, others.covariance_, counts)
        for person in np.flatnonzero(fold == number):
            rated = film[user == person]
            gap = left[user == person] - shares[rated] @ others.location_
            estimates[person] = others.location_ + basis.posterior(rated, gap)
    rows = pd.Index(world.users["id"]).get_indexer(list(users))
    return np.asarray(estimates[rows][:, has.columns.get_indexer(pd.Index(concepts))], dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Coordinates:
    """Tastes $w = L v$ with $v \\sim N(0, I)$, transposed so that choices speak of each coordinate on its own.

    Attributes:
        ratings: Coordinates of the films around the mean film, `[num_films, size]`.
        strength: What a choice says of each coordinate, `[size]`.
        to_tastes: `[num_concepts, size]`.
        share: Shares of the films in all ratings, `[num_films]`.
    """

    ratings: Floats
    strength: Floats
    to_tastes: Floats
    share: Floats

    @classmethod
    def of(cls, shares: Floats, covariance: Floats, counts: NDArray[np.int64]) -> _Coordinates:
        root = np.linalg.cholesky(covariance)
        share = np.maximum(counts, 0.1) / np.maximum(counts, 0.1).sum()
        centred = shares @ root - share @ (shares @ root)
        values, transposed = np.linalg.eigh(centred.T @ (share[:, None] * centred))
        return cls(
            ratings=shares @ root @ transposed,
            strength=np.maximum(values, 0.0),
            to_tastes=root @ transposed,
            share=share,
        )

    def posterior(self, film: NDArray[np.int64], gap: Floats) -> Floats:
        """Return the mean of the tastes of who rated these films so much above what is expected of everyone."""
        chance = chances_of(self.share, len(film))
        free = float((chance * (1 - chance)).sum())
        from_choices = CHOOSINESS * (self.ratings[film].sum(axis=0) - chance @ self.ratings)
        variance = 1 / (1 + CHOOSINESS**2 * free * self.strength)  # of each coordinate, given the choices
        mean = variance * from_choices
        rows = self.ratings[film]
        spread = rows * variance
        gram = spread @ rows.T + GENEROSITY + VARIANCE * np.eye(len(rows))
        return np.asarray(self.to_tastes @ (mean + spread.T @ np.linalg.solve(gram, gap - rows @ mean)))


def chances_of(share: Floats, count: int) -> Floats:
    r"""Return $\pi = 1 - e^{-c p}$ with $\sum \pi$ = count: the chance that someone who rates so many items rates each.

    Nobody rates an item twice, so who rated nearly all of them chose nearly nothing.

    Args:
        share: $p$, positive, `[num_items]`.
        count: How many items the person rates.
    """
    if count >= len(share):
        return np.ones(len(share))

    def surplus(rate: float) -> float:
        return float(-np.expm1(-rate * share).sum() - count)

    high = 1.0
    while surplus(high) < 0:
        high *= 2
    rate: float = brentq(surplus, 0.0, high)
    return np.asarray(-np.expm1(-rate * share))
