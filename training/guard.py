"""Guard of a chain: takes it back to its last good state, with a smaller step, when the loss leaves its level."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.langevin import LangevinSampler

__all__ = ["Guard"]

logger = logging.getLogger(__name__)

SLACK = 0.15  # nats a rating that the loss may stand above its level; it stays within a hundredth when at rest
SPREADS = 6.0  # and what few ratings may add: a chain's loss moves by about the root of their number
MEMORY = 0.95  # of the level, from step to step
EVERY = 50  # steps between two states that are kept
SHORTER = 0.5  # the next step size, in terms of the last
MOST = 6  # times that a chain is taken back


@dataclass(frozen=True, eq=False)
class _State:
    parameters: dict[str, Tensor]
    optimizer: list[dict[str, Tensor]]
    samples: tuple[int, int]


class Guard:
    """Watches one chain.

    Args:
        model: What is sampled.
        optimizer: What samples.
        num_ratings: Ratings that a loss is the sum over.
        burn_in: Steps in which the level is still being found: only a loss that doubles counts there.
    """

    def __init__(self, model: nn.Module, optimizer: LangevinSampler, num_ratings: int, burn_in: int) -> None:
        self.model = model
        self.optimizer = optimizer
        self.num_ratings = num_ratings
        self.burn_in = burn_in
        self.events: list[dict[str, Any]] = []
        self.level = self.lowest = math.inf
        self.good = self._state((0, 0))

    def sound(self, step: int, total: float) -> bool:
        """Take note of a loss, the sum over ratings, and return whether the chain may go on from here."""
        loss = total / self.num_ratings
        if not math.isfinite(loss):
            return False
        if not math.isfinite(self.level):
            self.level = self.lowest = loss
        slack = SLACK + SPREADS / math.sqrt(self.num_ratings)
        if loss > self.lowest + (slack if step >= self.burn_in else self.lowest + 1):
            return False
        self.level = MEMORY * self.level + (1 - MEMORY) * loss
        self.lowest = min(self.lowest, self.level)
        return True

    def new_level(self) -> None:
        """Forget the level: from here on the loss is another sum."""
        self.level = self.lowest = math.inf

    def keep(self, step: int, samples: tuple[int, int]) -> None:
        """Remember a sound state now and then, at step 0 at once; `samples` says how many are kept of each phase."""
        if step % EVERY == 0:
            self.good = self._state(samples)

    @torch.no_grad()
    def go_back(self, step: int, total: float) -> tuple[int, int] | None:
        """Return to the last good state with a smaller step; how many samples were kept then, or None after too many times."""
        if len(self.events) == MOST:
            return None
        for name, parameter in self.model.named_parameters():
            parameter.copy_(self.good.parameters[name])
        for group, kept in zip(self.optimizer.param_groups, self.good.optimizer, strict=True):
            group["step_size"] *= SHORTER
            state = self.optimizer.state[group["params"][0]]
            damping = state["damping"]  # what is learned of stiffness stays
            state.clear()
            state.update({name: value.clone() for name, value in kept.items()}, damping=damping)
        step_size = float(self.optimizer.param_groups[0]["step_size"])
        loss = total / self.num_ratings
        self.events.append({"step": step, "loss": loss if math.isfinite(loss) else None, "step_size": step_size})
        logger.warning(
            "step %d: the loss a rating is %.3f, far above its level of %.3f; goes back and on with step size %.3g",
            *(step, loss, self.lowest, step_size),
        )
        self.new_level()
        return self.good.samples

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs of the guard, beside the state it would go back to."""
        return {"events": self.events, "level": self.level, "lowest": self.lowest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""
        self.events, self.level, self.lowest = list(state["events"]), state["level"], state["lowest"]

    def _state(self, samples: tuple[int, int]) -> _State:
        return _State(
            parameters={name: parameter.detach().clone() for name, parameter in self.model.named_parameters()},
            optimizer=[
                {name: value.clone() for name, value in self.optimizer.state[group["params"][0]].items()}
                for group in self.optimizer.param_groups
            ],
            samples=samples,
        )
