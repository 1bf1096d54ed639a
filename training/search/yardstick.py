"""One figure that says how good a trained model is on its validation ratings: what a search goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError, did_you_mean
from kg.ratings import Ratings
from models.posterior import PhasedPosterior, expected_value
from training.experiment import Experiment
from training.metrics import ndcg_at, rmse, top_k
from training.splits import Split

__all__ = ["YARDSTICKS", "Yardstick", "newness", "validation_of", "yardstick_named"]

LIST_LENGTH = 20
_BLOCK = 512  # users ranked at once
_SEED = 0  # of the order of ties


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """A figure and which way is better.

    Attributes:
        name: As the command line takes it.
        direction: Whether less or more is better.
        measure: Maps an experiment and its samples to the figure, on the validation ratings alone.
    """

    name: str
    direction: Literal["minimize", "maximize"]
    measure: Callable[[Experiment, PhasedPosterior], float]

    def gain(self, value: float, over: float) -> float:
        """Return by how much a figure is better than another; negative where it is worse."""
        return over - value if self.direction == "minimize" else value - over


def validation_of(split: Split) -> Ratings:
    """Return the validation ratings; raises `InputError` where the split has none."""
    if split.validation is None:
        raise InputError("there are no validation ratings to judge by; set split.validation_share, for example to 0.1")
    return split.validation


def newness(split: Split) -> float:
    """Return the share of the validation ratings whose item or user has no training rating."""
    held_out = validation_of(split)
    new = (split.train.item_counts[held_out.item] == 0) | (split.train.user_counts[held_out.user] == 0)
    return float(new.mean())


def validation_rmse(experiment: Experiment, posterior: PhasedPosterior) -> float:
    """Root mean squared error of the expected ratings, in stars, as the run would answer."""
    held_out, predictor = validation_of(experiment.split), experiment.recommender(posterior).predictor
    user, item = torch.from_numpy(held_out.user.copy()), torch.from_numpy(held_out.item.copy())
    levels = torch.from_numpy(experiment.levels.copy())
    return rmse(expected_value(predictor.probabilities(user, item), levels).numpy() - held_out.value)


def validation_ndcg(experiment: Experiment, posterior: PhasedPosterior) -> float:
    """Mean NDCG@20 over the users who like at least one validation item.

    Candidates are all items the user has not rated in training. Where no validation item has a training
    rating, they are the validation items: new ones are compared with each other, as `kgrec evaluate` does.
    """
    train, held_out = experiment.split.train, validation_of(experiment.split)
    recommender = experiment.recommender(posterior)
    liked = held_out.select(held_out.value >= recommender.relevant_from)
    users = np.unique(liked.user)
    if not len(users):
        raise InputError("nobody likes a validation item, so lists cannot be judged; choose another metric, or a split")
    all_new = not train.item_counts[held_out.item].any()
    candidates = np.unique(held_out.item) if all_new else np.flatnonzero(recommender.graph.items.present)
    rng, found = np.random.default_rng(_SEED), []
    for block in np.split(users, range(_BLOCK, len(users), _BLOCK)):
        scores = np.array(recommender.rank_scores(block), dtype=np.float64)
        scores[_pairs(train, block)] = -np.inf
        relevant = np.zeros(scores.shape, dtype=bool)
        relevant[_pairs(liked, block)] = True
        relevant = relevant[:, candidates]
        listed = top_k(scores[:, candidates], min(LIST_LENGTH, len(candidates)), rng=rng)
        hits = np.take_along_axis(relevant, listed, axis=1)
        found.append(ndcg_at(LIST_LENGTH, hits, relevant.sum(axis=1)))
    return float(np.concatenate(found).mean())


def _pairs(ratings: Ratings, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the ratings of some users, rising, in a table of them by all items."""
    mine = np.isin(ratings.user, users)
    return np.searchsorted(users, ratings.user[mine]), ratings.item[mine]


YARDSTICKS: dict[str, Yardstick] = {
    "rmse": Yardstick(name="rmse", direction="minimize", measure=validation_rmse),
    "ndcg@20": Yardstick(name="ndcg@20", direction="maximize", measure=validation_ndcg),
}


def yardstick_named(name: str) -> Yardstick:
    """Return a yardstick, or raise `InputError` with the names there are."""
    if name not in YARDSTICKS:
        known = ", ".join(YARDSTICKS)
        raise InputError(
            f"there is no metric {name!r} to search by; there are {known}.{did_you_mean(name, YARDSTICKS)}"
        )
    return YARDSTICKS[name]
