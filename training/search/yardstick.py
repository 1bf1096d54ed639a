"""One figure that says how good a trained model is on its validation ratings: what a search goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from kg.errors import InputError
from kg.ratings import Ratings
from models.posterior import PhasedPosterior, expected_value
from training.experiment import Experiment
from training.metrics import rmse
from training.predictions import LIST_LENGTH, Predictions, Scorers
from training.splits import Split

__all__ = ["YARDSTICKS", "Yardstick", "newness", "validation_of"]


@dataclass(frozen=True)
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
    predictions = Predictions.ask(
        Scorers(rank=recommender.rank_scores),
        "warm" if train.item_counts[held_out.item].any() else "cold_items",
        held_out,
        known=train,
        levels=recommender.levels,
        relevant_from=recommender.relevant_from,
        removed=~recommender.graph.items.present,
    )
    measures = predictions.list_measures(held_out, recommender.relevant_from)
    if not measures:
        raise InputError("nobody likes a validation item, so lists cannot be judged; choose another metric, or a split")
    return float(measures[f"ndcg@{LIST_LENGTH}"].mean())


YARDSTICKS: dict[str, Yardstick] = {
    "rmse": Yardstick("rmse", "minimize", validation_rmse),
    "ndcg@20": Yardstick("ndcg@20", "maximize", validation_ndcg),
}
