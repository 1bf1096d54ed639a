"""What a sampler does between two steps: scales, curvature, balance, and which samples are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from models.hybrid import HybridModel
from models.posterior import Posterior
from models.tower import named_priors
from training.config import LangevinConfig
from training.langevin import LangevinSampler
from training.loop import EpochRecord
from training.objective import Evidence, RatingObjective

__all__ = ["LangevinTraining"]

SCALES_EVERY = 5
CURVATURE_EVERY = 20
BALANCE_EVERY = 50
FIRST_ITERATIONS = 10


class LangevinTraining:
    """Caller of the training loop that turns its steps into a chain of samples.

    Args:
        model: The network.
        objective: What is minimised; gives the curvature.
        evidence: Training ratings.
        config: Burn-in, hold and thinning.
        generator: Source of all noise.
    """

    def __init__(
        self,
        model: HybridModel,
        objective: RatingObjective,
        evidence: Evidence,
        config: LangevinConfig,
        generator: torch.Generator,
    ) -> None:
        self.model = model
        self.objective = objective
        self.evidence = evidence
        self.config = config
        self.optimizer = LangevinSampler(
            model.named_parameters(),
            named_priors(model),
            step_size=config.step_size,
            friction=config.friction,
            generator=generator,
        )
        self.kept: list[dict[str, Tensor]] = []
        self.optimizer.set_curvature(objective.curvature(model, evidence))
        self.optimizer.tame(self._gradients, iterations=FIRST_ITERATIONS)

    def loss(self, model: HybridModel, evidence: Evidence) -> Tensor:
        """Return the objective; the sampler adds the prior itself."""
        return self.objective(model, evidence)

    def batches(self, epoch: int) -> Iterator[tuple[Evidence, int]]:
        """Yield all ratings at once: the sampler needs the exact gradient."""
        yield self.evidence, len(self.evidence.warm)

    def after(self, record: EpochRecord) -> dict[str, float]:
        """Do what is due after an epoch, which here is one step."""
        config, step = self.config, record.epoch
        if step >= config.hold and step % SCALES_EVERY == 0:
            self.optimizer.draw_scales()
        if (step + 1) % BALANCE_EVERY == 0 and step < config.burn_in:
            self._balance()
        if (step + 1) % CURVATURE_EVERY == 0:
            self.optimizer.set_curvature(self.objective.curvature(self.model, self.evidence))
            if step < config.burn_in:
                self.optimizer.tame(self._gradients)
        if step >= config.burn_in and (step - config.burn_in) % config.keep_every == 0:
            self.kept.append(Posterior.snapshot(self.model))
        return {}

    @property
    def finished(self) -> bool:
        """A chain always runs to its last epoch."""
        return False

    def posterior(self) -> Posterior:
        """Return the kept samples."""
        return Posterior.stack(self.kept)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what a checkpoint needs beside parameters and optimizer."""
        return {}, self.posterior().samples if self.kept else {}

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        number = len(next(iter(tensors.values()))) if tensors else 0
        self.kept = [{name: stacked[sample] for name, stacked in tensors.items()} for sample in range(number)]

    def _gradients(self, parameters: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the gradients of the objective in some parameters, where they now stand."""
        with torch.enable_grad():
            return torch.autograd.grad(
                self.objective(self.model, self.evidence), parameters, allow_unused=True, materialize_grads=True
            )

    @torch.no_grad()
    def _balance(self) -> None:
        """Give both sides of the inner product the same mean square in every dimension.

        Multiplying users and dividing items by the same number changes no score, only how well the
        sampler moves: without it the prior scales of one side starve.
        """
        rows = self.model(self.objective.inputs)
        pairs = self.evidence.warm.pairs
        counts = (
            torch.bincount(pairs.user, minlength=len(rows.users)),
            torch.bincount(pairs.item, minlength=len(rows.items)),
        )
        of_users, of_items = (
            counts.float() @ side[:, :-1].square()
            for counts, side in zip(counts, (rows.users, rows.items), strict=True)
        )
        factor = (of_items / of_users.clamp_min(1e-8)).pow(0.25).clamp(0.2, 5.0)
        factor = torch.cat([factor, factor.new_ones(1)])
        for name, _ in self.model.named_parameters():
            if name.startswith(("users.", "cold_users.")):
                self.optimizer.rescale(name, factor)
            elif name.startswith(("items.", "cold_items.")):
                self.optimizer.rescale(name, 1 / factor)
