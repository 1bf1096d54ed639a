"""A trained recommender on the held-out parts of its split, beside the baselines, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kg.ratings import Ratings
from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from models.posterior import expected_value, interval
from models.recommender import Recommender
from training.metrics import Estimate, bootstrap, interval_coverage, ndcg_at, randomised_pit, recall_at, top_k

__all__ = ["evaluate"]

LIST_LENGTH = 20
COVERAGE = 0.8
_BLOCK = 512  # users ranked at once
_SEED = 0

RankScores = Callable[[NDArray[np.int64]], NDArray[np.floating]]


def evaluate(
    recommender: Recommender, parts: Mapping[str, Ratings], scale: tuple[float, float], *, baselines: bool = True
) -> dict[str, Any]:
    """Measure a recommender and the baselines on held-out ratings.

    Ratings: RMSE and MAE in stars of the expected rating; `coverage_80` is the share of ratings inside
    the central 80 % of their predictive distribution (randomised PIT, since stars are discrete): it says
    whether the model is calibrated. `interval_80` is the share inside the ranges of whole stars that people
    are shown, which hold at least 80 %.
    Lists: NDCG and recall at 20, mean over users with at least one liked item in the part. A user's
    candidates are all items they have not rated in training; for cold items, the cold items of the part.
    Ties are broken at random. Intervals are 95 % bootstrap intervals over users.

    Returns:
        `{"parts": {part: {metric: {value, low, high}}}, "baselines": {name: {part: {...}}}}`.
    """
    train = recommender.train
    found: dict[str, Any] = {"parts": {}, "baselines": {}}
    for name, ratings in parts.items():
        user, item = torch.from_numpy(ratings.user.copy()), torch.from_numpy(ratings.item.copy())
        probabilities = recommender.predictor.probabilities(user, item)
        predicted = expected_value(probabilities, torch.from_numpy(recommender.levels.copy())).numpy()
        level = np.abs(ratings.value[:, None] - recommender.levels[None]).argmin(axis=1)
        pit = randomised_pit(probabilities.double().numpy(), level, rng=_SEED)
        # A rating of a level that training never saw lies outside of everything.
        known = np.isin(ratings.value, recommender.levels)
        coverage = (interval_coverage(pit, COVERAGE) & known).astype(np.float64)
        low, high = (
            end.numpy() for end in interval(probabilities, torch.from_numpy(recommender.levels.copy()), COVERAGE)
        )
        inside = ((low <= ratings.value) & (ratings.value <= high)).astype(np.float64)
        found["parts"][name] = {
            "num_ratings": len(ratings),
            **_errors(ratings, predicted),
            **_lists(recommender.rank_scores, train, name, ratings, recommender.relevant_from),
            "coverage_80": bootstrap(coverage, groups=ratings.user, rng=_SEED).as_json(),
            "interval_80": bootstrap(inside, groups=ratings.user, rng=_SEED).as_json(),
        }
    for baseline in _baselines(scale, train.num_items) if baselines else ():
        baseline.fit(train, recommender.item_vectors)
        found["baselines"][baseline.name] = {
            name: {
                **(
                    {} if isinstance(baseline, Ease) else _errors(ratings, baseline.predict(ratings.user, ratings.item))
                ),
                **_lists(baseline.rank, train, name, ratings, recommender.relevant_from),
            }
            for name, ratings in parts.items()
        }
    return found


def _baselines(scale: tuple[float, float], num_items: int) -> list[Baseline]:
    floors: list[Baseline] = [Mean(scale), Biases(scale), ContentKNN(scale), Popularity(scale)]
    return [*floors, Ease()] if num_items <= 20_000 else floors


def _errors(ratings: Ratings, predicted: NDArray[np.floating]) -> dict[str, dict[str, float]]:
    error = np.asarray(predicted, dtype=np.float64) - ratings.value
    return {
        "rmse": bootstrap(error**2, statistic="root_mean", groups=ratings.user, rng=_SEED).as_json(),
        "mae": bootstrap(np.abs(error), groups=ratings.user, rng=_SEED).as_json(),
    }


def _lists(
    rank: RankScores, train: Ratings, part: str, ratings: Ratings, relevant_from: float
) -> dict[str, dict[str, float] | int]:
    liked = ratings.select(ratings.value >= relevant_from)
    users = np.unique(liked.user)
    if not len(users):
        return {"num_users_ranked": 0}
    cold = part in ("cold_items", "cold_both")
    candidates = np.unique(ratings.item) if cold else np.arange(train.num_items)
    length = min(LIST_LENGTH, len(candidates))
    ndcg, recall = [], []
    rng = np.random.default_rng(_SEED)
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK]
        scores = np.array(rank(block), dtype=np.float64)
        mine = np.isin(train.user, block)
        scores[np.searchsorted(block, train.user[mine]), train.item[mine]] = -np.inf
        scores = scores[:, candidates]
        relevant = np.zeros((len(block), train.num_items), dtype=bool)
        mine = np.isin(liked.user, block)
        relevant[np.searchsorted(block, liked.user[mine]), liked.item[mine]] = True
        relevant = relevant[:, candidates]
        hits = np.take_along_axis(relevant, top_k(scores, length, rng=rng), axis=1)
        ndcg.append(ndcg_at(LIST_LENGTH, hits, relevant.sum(axis=1)))
        recall.append(recall_at(LIST_LENGTH, hits, relevant.sum(axis=1)))
    return {
        "num_users_ranked": len(users),
        f"ndcg@{LIST_LENGTH}": _mean(np.concatenate(ndcg)).as_json(),
        f"recall@{LIST_LENGTH}": _mean(np.concatenate(recall)).as_json(),
    }


def _mean(values: NDArray[np.float64]) -> Estimate:
    return bootstrap(values, rng=_SEED)
