"""A trained recommender on the held-out parts of its split, beside the baselines, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rating_levels import MOST_LEVELS, nearest_level
from kg.ratings import Ratings
from models.posterior import interval
from models.recommender import Recommender
from training.chosen_baselines import fitted_baselines
from training.metrics import bootstrap, interval_coverage, randomised_pit
from training.predictions import LIST_LENGTH, SEED, Predictions, Scorers, unrated_only

__all__ = ["WARM_KNOWN", "evaluate", "fitted_recommender", "measure", "refined_parts"]

COVERAGE = 0.8
WARM_KNOWN = "warm_known"


def evaluate(
    recommender: Recommender,
    parts: Mapping[str, Ratings],
    scale: tuple[float, float],
    *,
    baselines: bool = True,
    removed: NDArray[np.bool_] | None = None,
    validation: Ratings | None = None,
    mask_validation: bool = False,
    at: Sequence[int] = (),
) -> dict[str, Any]:
    """Measure a recommender and the baselines on held-out ratings.

    A user's candidates are all items they have not rated in training; for cold items, the cold items of the part.
    The settings of the baselines are chosen on `validation`, or on a tenth of the training ratings.

    Args:
        recommender: The recommender.
        parts: Held-out ratings by part; a part `warm` that holds new users or items is also divided (`refined_parts`).
        scale: Lowest and highest possible rating in stars; equal for implicit feedback.
        baselines: Whether the baselines are measured.
        removed: Items that are nobody's candidates, `[num_items]`.
        validation: Validation ratings of the split, if it has any.
        mask_validation: Whether items that a user rated in `validation` are no candidates either.
        at: Further lengths at which lists are measured, beside 20.

    Returns:
        `{"parts": {part: {metric: {value, low, high}}}, "baselines": {name: {part: {...}}}, "baseline_settings":
        {name: {"stars" or "lists": {setting: value}}}}`, see `measure`.

    Raises:
        InputError: If validation ratings are to be masked and there are none.
    """
    train = recommender.train
    known = train
    if mask_validation:
        if validation is None:
            raise InputError(
                "the split has no validation ratings to take out of the lists; leave out --mask-validation, or train "
                "with a split that names them or with --set split.validation_share=0.1"
            )
        known = train.concat(validation)
    parts = refined_parts(parts, train)
    levels, relevant_from = recommender.levels, recommender.relevant_from
    lengths = tuple(sorted({LIST_LENGTH, *at}))

    def measured(scorers: Scorers) -> dict[str, dict[str, Any]]:
        asked = {"known": known, "levels": levels, "relevant_from": relevant_from, "removed": removed}
        figures = {}
        for name, ratings in parts.items():
            predictions = Predictions.ask(scorers, name, ratings, **asked, length=lengths[-1])  # type: ignore[arg-type]
            figures[name] = measure(predictions, ratings, levels, relevant_from, lengths)
        return figures

    ours = measured(fitted_recommender(recommender, implicit=scale[0] == scale[1]))
    of_baselines, settings = {}, {}
    if baselines:
        for name, scorers in fitted_baselines(
            train, validation, content=recommender.content, scale=scale, relevant_from=relevant_from
        ):
            of_baselines[name] = measured(scorers)
            if scorers.chosen:
                settings[name] = {purpose: dict(chosen) for purpose, chosen in scorers.chosen.items()}
    counted = {name: {"num_ratings": len(ratings), **ours[name]} for name, ratings in parts.items()}
    return {"parts": counted, "baselines": of_baselines, "baseline_settings": settings}


def refined_parts(parts: Mapping[str, Ratings], train: Ratings) -> dict[str, Ratings]:
    """Return the parts with what a part `warm` of all held-out ratings is made of, where that is more than warm ones.

    `warm_known` are those of users and items with training ratings; `cold_items` and `cold_users` are those without,
    unless the split has such parts itself. Where all are known, or warm is not among the parts, nothing is added.
    """
    every = dict(parts)
    warm = parts.get("warm")
    if warm is None:
        return every
    new_item, new_user = train.item_counts[warm.item] == 0, train.user_counts[warm.user] == 0
    known = ~(new_item | new_user)
    if known.all():
        return every
    for name, rows in ((WARM_KNOWN, known), ("cold_items", new_item), ("cold_users", new_user)):
        if rows.any():
            every.setdefault(name, warm.select(rows))
    return every


def measure(
    predictions: Predictions,
    ratings: Ratings,
    levels: NDArray[np.float32],
    relevant_from: float,
    at: Sequence[int] = (LIST_LENGTH,),
) -> dict[str, Any]:
    """Take every measure that the predictions allow.

    Ratings: RMSE and MAE in stars of the expected rating; `coverage_80` is the share of ratings inside
    the central 80 % of their predictive distribution (randomised PIT, since stars are discrete): it says
    whether the model is calibrated. `interval_80` is the share inside the ranges of whole stars that people
    are shown, which hold at least 80 %.
    Lists: NDCG, recall, hit rate and MRR, mean over users with at least one liked item in the part. Ties are broken at
    random. Intervals are 95 % bootstrap intervals over users.

    Args:
        predictions: What the model said of the part.
        ratings: The part.
        levels: Levels of the training ratings, in stars, rising.
        relevant_from: A rating of at least so many stars says that the item was liked.
        at: Lengths at which lists are measured.

    Returns:
        `{metric: {value, low, high}}`, and `num_users_ranked` where there are lists.
    """
    figures: dict[str, Any] = {}
    if predictions.stars is not None:
        error = predictions.errors(ratings)
        figures["rmse"] = bootstrap(error**2, statistic="root_mean", groups=ratings.user, rng=SEED).as_json()
        figures["mae"] = bootstrap(np.abs(error), groups=ratings.user, rng=SEED).as_json()
    if predictions.lists is not None:
        figures["num_users_ranked"] = len(predictions.lists)
        for metric, values in predictions.list_measures(ratings, relevant_from, at).items():
            figures[metric] = bootstrap(values, rng=SEED).as_json()
    if predictions.probabilities is not None:
        for metric, inside in _inside(predictions.probabilities, ratings, levels).items():
            figures[metric] = bootstrap(inside.astype(np.float64), groups=ratings.user, rng=SEED).as_json()
    return figures


def fitted_recommender(recommender: Recommender, *, implicit: bool = False) -> Scorers:
    """Return what a recommender answers; of implicit feedback, lists only."""
    rank = unrated_only(recommender.rank_scores, recommender.train)
    if implicit:
        return Scorers(rank=rank)

    def probabilities(user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        pairs = torch.from_numpy(user.copy()), torch.from_numpy(item.copy())
        return np.asarray(recommender.predictor.probabilities(*pairs).numpy())

    return Scorers(probabilities=probabilities, rank=rank)


def _inside(
    probabilities: NDArray[np.float32], ratings: Ratings, levels: NDArray[np.float32]
) -> dict[str, NDArray[np.bool_]]:
    level = nearest_level(ratings.value, levels)
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
