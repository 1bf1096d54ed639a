"""A trained recommender on the held-out parts of its split, beside the baselines, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kg.ratings import Ratings
from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from models.posterior import interval
from models.recommender import Recommender
from training.answers import SEED, Answers, Fitted, unrated_only
from training.metrics import bootstrap, interval_coverage, randomised_pit
from training.rating_levels import MOST_LEVELS

__all__ = ["evaluate", "fitted_baseline", "fitted_recommender", "measure"]

COVERAGE = 0.8


def evaluate(
    recommender: Recommender,
    parts: Mapping[str, Ratings],
    scale: tuple[float, float],
    *,
    baselines: bool = True,
    dates: bool = False,
    removed: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Measure a recommender and the baselines on held-out ratings.

    A user's candidates are all items they have not rated in training; for cold items, the cold items of the part.
    With `dates` the recommender, not the baselines, is told when the held-out ratings were made. Items that are `removed`,
    `[num_items]`, are nobody's candidates.

    Returns:
        `{"parts": {part: {metric: {value, low, high}}}, "baselines": {name: {part: {...}}}}`, see `measure`.
    """
    train = recommender.train
    levels, relevant_from = recommender.levels, recommender.relevant_from

    def measured(fitted: Fitted, dates: bool = False) -> dict[str, dict[str, Any]]:
        return {
            name: measure(
                Answers.ask(
                    fitted,
                    name,
                    ratings,
                    known=train,
                    levels=levels,
                    relevant_from=relevant_from,
                    dates=dates,
                    removed=removed,
                ),
                ratings,
                levels,
                relevant_from,
            )
            for name, ratings in parts.items()
        }

    implicit = scale[0] == scale[1]
    found = measured(fitted_recommender(recommender, implicit=implicit), dates)
    beside = {}
    for baseline in _baselines(scale, train.num_items) if baselines else ():
        baseline.fit(train, recommender.item_vectors)
        beside[baseline.name] = measured(fitted_baseline(baseline, implicit=implicit))
    counted = {name: {"num_ratings": len(ratings), **found[name]} for name, ratings in parts.items()}
    return {"parts": counted, "baselines": beside}


def measure(answers: Answers, ratings: Ratings, levels: NDArray[np.float32], relevant_from: float) -> dict[str, Any]:
    """Take every measure that the answers allow.

    Ratings: RMSE and MAE in stars of the expected rating; `coverage_80` is the share of ratings inside
    the central 80 % of their predictive distribution (randomised PIT, since stars are discrete): it says
    whether the model is calibrated. `interval_80` is the share inside the ranges of whole stars that people
    are shown, which hold at least 80 %.
    Lists: NDCG and recall at 20, mean over users with at least one liked item in the part. Ties are broken at
    random. Intervals are 95 % bootstrap intervals over users.

    Args:
        answers: What the model said of the part.
        ratings: The part.
        levels: Levels of the training ratings, in stars, rising.
        relevant_from: A rating of at least so many stars says that the item was liked.

    Returns:
        `{metric: {value, low, high}}`, and `num_users_ranked` where there are lists.
    """
    found: dict[str, Any] = {}
    if answers.stars is not None:
        error = answers.errors(ratings)
        found["rmse"] = bootstrap(error**2, statistic="root_mean", groups=ratings.user, rng=SEED).as_json()
        found["mae"] = bootstrap(np.abs(error), groups=ratings.user, rng=SEED).as_json()
    if answers.lists is not None:
        found["num_users_ranked"] = len(answers.lists)
        for metric, values in answers.list_measures(ratings, relevant_from).items():
            found[metric] = bootstrap(values, rng=SEED).as_json()
    if answers.probabilities is not None:
        for metric, inside in _inside(answers.probabilities, ratings, levels).items():
            found[metric] = bootstrap(inside.astype(np.float64), groups=ratings.user, rng=SEED).as_json()
    return found


def fitted_recommender(recommender: Recommender, *, implicit: bool = False) -> Fitted:
    """Return what a recommender answers; of implicit feedback, lists only."""
    rank = unrated_only(recommender.rank_scores, recommender.train)
    if implicit:
        return Fitted(rank=rank)

    def probabilities(user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        pairs = torch.from_numpy(user.copy()), torch.from_numpy(item.copy())
        return np.asarray(recommender.predictor.probabilities(*pairs).numpy())

    def dated(user: NDArray[np.int64], item: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.float32]:
        given = (torch.from_numpy(part.copy()) for part in (user, item, time))
        return np.asarray(recommender.predictor.probabilities(*given).numpy())

    knows_days = recommender.sessions is not None
    return Fitted(probabilities=probabilities, dated=dated if knows_days else None, rank=rank)


def fitted_baseline(baseline: Baseline, *, implicit: bool = False) -> Fitted:
    """Return what a fitted baseline answers; EASE knows no stars, and implicit feedback has none."""
    return Fitted(stars=None if implicit or isinstance(baseline, Ease) else baseline.predict, rank=baseline.rank)


def _baselines(scale: tuple[float, float], num_items: int) -> list[Baseline]:
    floors: list[Baseline] = [Mean(scale), Biases(scale), ContentKNN(scale), Popularity(scale)]
    return [*floors, Ease()] if num_items <= Ease.max_items else floors


def _inside(
    probabilities: NDArray[np.float32], ratings: Ratings, levels: NDArray[np.float32]
) -> dict[str, NDArray[np.bool_]]:
    level = np.abs(ratings.value[:, None] - levels[None]).argmin(axis=1)
    pit = randomised_pit(probabilities.astype(np.float64), level, rng=SEED)
    # A rating of a level that training never saw lies outside of everything; a continuous scale has bins.
    known = np.isin(ratings.value, levels) | (len(levels) == MOST_LEVELS)
    low, high = (
        end.numpy() for end in interval(torch.from_numpy(probabilities), torch.from_numpy(levels.copy()), COVERAGE)
    )
    return {
        "coverage_80": interval_coverage(pit, COVERAGE) & known,
        "interval_80": (low <= ratings.value) & (ratings.value <= high),
    }
