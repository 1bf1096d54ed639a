"""What a sampler does between two steps: scales, curvature, balance, phases, and which samples are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kg.errors import InputError
from kg.schema import ITEM, USER
from models.cold.residuals import drawn_residuals
from models.network.hybrid import HybridModel
from models.posterior import PhasedPosterior, Posterior
from training.config import LangevinConfig
from training.guard import Guard
from training.langevin import LangevinSampler
from training.loop import EpochRecord
from training.objective import RatingObjective, TrainingBatch
from training.scale_priors import ScalePrior

__all__ = ["LangevinTraining", "phases_of"]

SCALES_EVERY = 5
CURVATURE_EVERY = 20
BALANCE_EVERY = 50
FIRST_ITERATIONS = 10


class LangevinTraining:
    """Caller of the training loop that turns its steps into a chain of samples.

    Args:
        model: The network.
        objective: What is minimised; gives the curvature.
        batch: Training ratings, all of them at every step.
        config: Burn-in, hold, phases and thinning.
        priors: Every parameter of the network, and its prior.
        generator: Source of all noise.
    """

    def __init__(
        self,
        model: HybridModel,
        objective: RatingObjective,
        batch: TrainingBatch,
        config: LangevinConfig,
        priors: Mapping[nn.Parameter, ScalePrior],
        generator: torch.Generator,
    ) -> None:
        self.model = model
        self.objective = objective
        self.batch = batch
        self.config = config
        self.generator = generator
        self.optimizer = LangevinSampler(
            priors, step_size=config.step_size, friction=config.friction, generator=generator
        )
        self.warm: list[dict[str, Tensor]] = []
        self.cold: list[dict[str, Tensor]] = []
        self.last_cold, self.first_warm = phases_of(config, objective.weight)
        self.optimizer.set_curvature(objective.curvature(model, batch))
        self.optimizer.adapt_damping(self._gradients, iterations=FIRST_ITERATIONS)
        self.step = 0
        self.guard = Guard(model, self.optimizer, len(batch.warm), config.burn_in)

    def loss(self, model: HybridModel, batch: TrainingBatch) -> Tensor:
        """Return the objective; the sampler adds the prior itself. Where it has left its level, the chain goes back first."""
        loss = self.objective(model, batch)
        while not self.guard.sound(self.step, loss.item()):
            kept = self.guard.go_back(self.step, loss.item())
            if kept is None:
                break
            for samples, number in zip((self.cold, self.warm), kept, strict=True):
                del samples[number:]
            loss = self.objective(model, batch)
        else:
            self.guard.keep(self.step, (len(self.cold), len(self.warm)))
        return loss

    def batches(self, epoch: int) -> Iterator[tuple[TrainingBatch, int]]:
        """Yield all ratings at once: the sampler needs the exact gradient."""
        yield self.batch, len(self.batch.warm)

    def after(self, record: EpochRecord) -> dict[str, float]:
        """Do what is due after an epoch, which here is one step."""
        config, step = self.config, record.epoch
        self.step = step + 1
        if step >= config.hold and step % SCALES_EVERY == 0:
            self.optimizer.draw_scales()
        if (step + 1) % BALANCE_EVERY == 0 and step < config.burn_in:
            self._balance()
        if (step + 1) % CURVATURE_EVERY == 0:
            self.optimizer.set_curvature(self.objective.curvature(self.model, self.batch))
            self.optimizer.adapt_damping(self._gradients)
        if config.burn_in <= step <= self.last_cold and (step - config.burn_in) % config.keep_every == 0:
            self.cold.append(self._cold_snapshot())
        if step >= self.first_warm and (step - self.first_warm) % config.keep_every == 0:
            self.warm.append(Posterior.snapshot(self.model))
        if step == self.last_cold:  # from now on content serves items and users with ratings alone
            self.objective = RatingObjective(self.objective.inputs, weight=0.0)
            self.guard.new_level()
        return {}

    finished = False  # a chain always runs to its last epoch

    def posterior(self) -> PhasedPosterior:
        """Return the kept samples.

        Raises:
            InputError: If none is left, since the chain went back again and again.
        """
        self._judge()
        if not self.warm and not self.cold:
            raise InputError("the chain did not come to rest, and no sample is left; lower training.step_size")
        return PhasedPosterior(Posterior.stack([*self.cold, *self.warm]), len(self.cold) or len(self.warm))

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what a checkpoint needs beside parameters and optimizer."""
        self._judge()  # what is saved is sound: a chain that goes on from here can go back to here alone
        self.guard.keep(0, (len(self.cold), len(self.warm)))
        tensors = {
            f"{phase}/{name}": stacked
            for phase, samples in (("warm", self.warm), ("cold", self.cold))
            if samples
            for name, stacked in Posterior.stack(samples).parameters.items()
        }
        state = {
            "weight": self.objective.weight,
            "step": self.step,
            "step_size": self.optimizer.param_groups[0]["step_size"],
            "guard": self.guard.state(),
        }
        return state, tensors

    def restore(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.objective = RatingObjective(self.objective.inputs, weight=state["weight"])
        for group in self.optimizer.param_groups:
            group["step_size"] = state["step_size"]
        self.step = state["step"]
        self.guard.restore(state["guard"])
        for phase, kept in (("warm/", self.warm), ("cold/", self.cold)):
            stacked = {name.removeprefix(phase): value for name, value in tensors.items() if name.startswith(phase)}
            kept += [dict(zip(stacked, sample, strict=True)) for sample in zip(*stacked.values(), strict=True)]
        self.guard.keep(0, (len(self.cold), len(self.warm)))

    @torch.no_grad()
    def _judge(self) -> None:
        """Go back now where the state after the last step is not sound."""
        self.loss(self.model, self.batch)

    @torch.no_grad()
    def _cold_snapshot(self) -> dict[str, Tensor]:
        """Return a copy of the parameters in which nodes without ratings differ from their content as rated ones do.

        What content cannot say of such a node has no data. It is taken from a rated node, drawn by its number of
        ratings, around the mean of all: so its dimensions vary together as they really do. Every second sample
        holds the mirror image of the one before, so that the draws cancel in a mean over samples.
        """
        snapshot = Posterior.snapshot(self.model)
        rows, pairs = self.model(self.objective.inputs), self.batch.warm.pairs
        for kind, tower, warm, cold, counts in (
            (USER, self.model.cold_users, rows.users, rows.cold_users, pairs.user_counts),
            (ITEM, self.model.cold_items, rows.items, rows.cold_items, pairs.item_counts),
        ):
            residual = Posterior.residual_of(snapshot, kind)
            unrated = torch.nonzero(counts == 0)[:, 0]
            if len(unrated) and len(self.cold) % 2:
                residual[unrated] = -Posterior.residual_of(self.cold[-1], kind)[unrated]
            elif len(unrated):
                beyond = warm - (cold - tower.residual())
                residual[unrated] = drawn_residuals(beyond, counts, len(unrated), self.generator).half()
        return snapshot

    def _gradients(self, parameters: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the gradients of the objective in some parameters, where they now stand."""
        with torch.enable_grad():
            return torch.autograd.grad(
                self.objective(self.model, self.batch), parameters, allow_unused=True, materialize_grads=True
            )

    @torch.no_grad()
    def _balance(self) -> None:
        """Give both sides of the inner product the same mean square in every dimension.

        Multiplying users and dividing items by the same number changes no score, only how well the
        sampler moves: without it the prior scales of one side starve.
        """
        model, rows, pairs = self.model, self.model(self.objective.inputs), self.batch.warm.pairs
        of_users = pairs.user_counts.float() @ rows.users[:, :-1].square()  # [embedding_size]
        of_items = pairs.item_counts.float() @ rows.items[:, :-1].square()
        factor = (of_items / of_users.clamp_min(1e-8)).pow(0.25).clamp(0.2, 5.0)
        factor = torch.cat([factor, factor.new_ones(1)])  # the last column is the bias, which nothing multiplies
        for towers, scale in (
            ((model.users, model.cold_users), factor),
            ((model.items, model.cold_items), 1 / factor),
        ):
            for parameter in nn.ModuleList(towers).parameters():
                self.optimizer.rescale(parameter, scale)


def phases_of(config: LangevinConfig, cold_weight: float) -> tuple[int, int]:
    """Return the last step of the cold phase (-1: there is none) and the first step whose sample may be kept warm."""
    after_burn_in = config.epochs - config.burn_in
    cold, settle = round(config.cold_phase * after_burn_in), round(config.settle * after_burn_in)
    if not cold_weight or not cold or cold + settle >= after_burn_in:
        return -1, config.burn_in
    return config.burn_in + cold - 1, config.burn_in + cold + settle
