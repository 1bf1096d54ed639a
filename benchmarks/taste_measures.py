"""How well tastes are recovered: by how much users rated, and whether intervals hold what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from benchmarks.film_world import NOISE, FilmWorld, film_concepts
from models.recommender import Recommender
from training.metrics import bootstrap

__all__ = ["by_activity", "correlations", "coverage_of_weights", "estimate_of", "stars_of_a_star"]

LEAST_CONCEPTS = 4  # of a user, for a rank correlation to mean anything
BINS = (20, 30, 45, 65, 100, 150, 250)  # training ratings from which a bin begins

Floats = NDArray[np.float64]


def correlations(given: Floats, true: Floats, wanted: NDArray[np.bool_]) -> Floats:
    """Return a rank correlation a user over the wanted entries; NaN where there are too few or all are equal."""
    values = np.full(len(given), np.nan)
    for user, chosen in enumerate(wanted):
        estimates, truth = given[user, chosen], true[user, chosen]
        if len(truth) >= LEAST_CONCEPTS and np.ptp(estimates) > 0 and np.ptp(truth) > 0:
            values[user] = spearmanr(estimates, truth).statistic
    return values


def by_activity(counts: NDArray[np.int64], values: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Return mean correlations by how many ratings users gave.

    Args:
        counts: Training ratings of each user, `[num_users]`.
        values: Correlations of each user by family of concepts, NaN where there is none, `[num_users]`.

    Returns:
        A row a bin that has users and a family: `least`, `most` (None of the last bin), `num_users`, `family`, `value`, `low`, `high`.
    """
    rows = []
    for number, least in enumerate(BINS):
        most = BINS[number + 1] - 1 if number + 1 < len(BINS) else None
        members = (counts >= least) & (counts <= (most or np.inf))
        if not members.any():
            continue
        for family, of_users in values.items():
            estimate = estimate_of(of_users[members])
            rows.append({"least": least, "most": most, "num_users": int(members.sum()), "family": family, **estimate})
    return rows


def estimate_of(values: Floats) -> dict[str, float | None]:
    """Return the mean of the values that are not NaN, and its 95 % bootstrap interval; None where there are none."""
    known = values[~np.isnan(values)]
    return {**bootstrap(known, rng=0).as_json()} if len(known) else dict.fromkeys(("value", "low", "high"))


def coverage_of_weights(
    recommender: Recommender, world: FilmWorld, columns: pd.DataFrame, users: NDArray[np.int64]
) -> dict[str, float]:
    r"""Return the share of true weights that lie within the 80 % intervals of profiles, by family of concepts.

    The true weight of concept $c$ for user $u$ is what it adds to ratings of its typical film beyond the average user:
    $(w_{uc} - \bar w_c)$ times the mean of $1 / \sqrt{|C(f)|}$ over its films, times what a star of affinity adds to an
    expected rating, of which the ends of the scale take their part. All concepts count, those of no matter as well.

    Args:
        recommender: Trained on the ratings of the audience.
        world: The audience.
        columns: `column` of the profile's table, `concept` (IRI) and `family`.
        users: Whose profiles are held against the truth.
    """
    concepts = film_concepts()
    concepts["share"] = concepts["film"].map(concepts["film"].value_counts()) ** -0.5
    typical = concepts.groupby("concept")["share"].mean().loc[columns["concept"]].to_numpy()
    truth = world.weights_of(recommender.graph.users.vocabulary.ids, columns["concept"])
    truth = (truth - truth.mean(axis=0)) * typical * stars_of_a_star(world.expected)
    held, of_profile = np.zeros(len(columns)), columns["column"].to_numpy()
    for user in users:
        weights = recommender.behaviour.weights(int(user))
        held += (weights.low[of_profile] <= truth[user]) & (truth[user] <= weights.high[of_profile])
    shares = pd.Series(held / len(users)).groupby(columns["family"].to_numpy()).mean()
    return {"all": float(held.mean() / len(users)), **{str(name): float(share) for name, share in shares.items()}}


def stars_of_a_star(expected: Floats) -> float:
    r"""Return what a star of affinity adds to expected ratings, mean over these:

    $\frac{d}{dx} E[\mathrm{clip}(\mathrm{round}(x + e), 1, 5)] = \sum_k \varphi(k + \tfrac12 - x)$ with $\varphi$ the density of the noise.

    Args:
        expected: Ratings before noise, rounding and the ends of the scale, in stars.
    """
    return float(sum(norm.pdf(cut, expected, NOISE).mean() for cut in (1.5, 2.5, 3.5, 4.5)))
