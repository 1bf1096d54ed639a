"""Training by gradient descent: AdamW, one model, chosen by early stopping on validation ratings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kg.ratings import Ratings
from models.network.hybrid import HybridModel
from models.posterior import PhasedPosterior, Posterior, expected_value
from training.config import AdamWConfig
from training.loop import EpochRecord
from training.objective import RatingObjective, TrainingBatch
from training.scale_priors import ScalePrior

__all__ = ["AdamWTraining"]


class AdamWTraining:
    """Caller of the training loop that stops when validation no longer improves and keeps the best epoch.

    Args:
        model: The network.
        objective: What is minimised.
        batch: All training ratings.
        validation: Held-out ratings in stars.
        levels: Values of the scale in stars, `[num_levels]`.
        config: Learning rate, batches, patience.
        priors: Every parameter of the network, and its prior.
        generator: Source of the random batches.
    """

    def __init__(
        self,
        model: HybridModel,
        objective: RatingObjective,
        batch: TrainingBatch,
        validation: Ratings,
        levels: NDArray[np.float32],
        config: AdamWConfig,
        priors: Mapping[nn.Parameter, ScalePrior],
        generator: torch.Generator,
    ) -> None:
        self.model = model
        self.objective = objective
        self.batch = batch
        self.validation = tuple(
            torch.from_numpy(part.copy()) for part in (validation.user, validation.item, validation.value)
        )
        self.levels = torch.from_numpy(levels.copy())
        self.config = config
        self.generator = generator
        self.priors = priors
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.best: dict[str, Tensor] = {}
        self.best_rmse = float("inf")
        self.stale = 0

    def loss(self, model: HybridModel, batch: TrainingBatch) -> Tensor:
        r"""Return the objective with its share of the prior, $\tfrac12 \sum V^2 / \tau^2$: the maximum is the posterior's mode."""
        penalty = torch.zeros(())
        for parameter, prior in self.priors.items():
            penalty = penalty + parameter.square().sum() / (2 * prior.initial**2)
        share = len(batch.warm) / len(self.batch.warm)
        total: Tensor = self.objective(model, batch) + self.config.prior_strength * share * penalty
        return total

    def batches(self, epoch: int) -> Iterator[tuple[TrainingBatch, int]]:
        """Yield the ratings in random parts."""
        yield from self.batch.batches(self.config.batches, self.generator)

    def after(self, record: EpochRecord) -> dict[str, float]:
        """Measure validation RMSE, in stars, and remember the best parameters."""
        snapshot = Posterior.stack([Posterior.snapshot(self.model)])
        pairs = self.batch.warm.pairs
        predictor = snapshot.predictor(self.model, self.objective.inputs, pairs.user_counts > 0, pairs.item_counts > 0)
        user, item, value = self.validation
        predicted = expected_value(predictor.probabilities(user, item), self.levels)
        rmse = float((predicted - value).square().mean().sqrt())
        if rmse < self.best_rmse:
            self.best, self.best_rmse, self.stale = dict(snapshot.parameters), rmse, 0
        else:
            self.stale += 1
        return {"validation_rmse": rmse}

    @property
    def finished(self) -> bool:
        """Whether validation has not improved for `patience` epochs."""
        return self.stale >= self.config.patience

    def posterior(self) -> PhasedPosterior:
        """Return the best epoch as a posterior of one sample, for known and new alike."""
        return PhasedPosterior.single(Posterior(self.best))

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what a checkpoint needs beside parameters and optimizer."""
        return {"best_rmse": self.best_rmse, "stale": self.stale}, self.best

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.best, self.best_rmse, self.stale = dict(tensors), state["best_rmse"], state["stale"]
