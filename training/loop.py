"""The one training loop: samplers and gradient optimizers alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from kg.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["EpochRecord", "NonFiniteLossError", "train"]

Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch")


class NonFiniteLossError(InputError):
    """The loss became infinite or not a number."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What one pass over the training ratings did.

    Attributes:
        epoch: Number of the epoch, from 0.
        loss: Objective per training rating, in nats.
        seconds: Wall time of the epoch.
    """

    epoch: int
    loss: float
    seconds: float


def train(
    model: Model,
    optimizer: Optimizer,
    objective: Callable[[Model, Batch], Tensor],
    batches: Callable[[int], Iterable[tuple[Batch, int]]],
    *,
    fabric: Fabric,
    epochs: range,
    clip_norm: float | None = None,
) -> Iterator[EpochRecord]:
    """Train and yield a record after each epoch; what else shall happen is up to the caller, between two records.

    Early stopping, progress bars, checkpoints, histories and the Gibbs draws of a sampler all live
    in the callers of this generator.

    Args:
        model: Network set up by `fabric`.
        optimizer: Optimizer set up by `fabric`.
        objective: Maps (model, batch) to the summed loss of the batch.
        batches: Maps an epoch to its batches, each with its number of ratings.
        fabric: Owner of device, precision and processes.
        epochs: Epochs to run; starts above 0 after a resume.
        clip_norm: Largest norm of the gradient.

    Raises:
        NonFiniteLossError: With epoch and batch, as soon as a loss is not finite.
    """
    for epoch in epochs:
        started, total, count = time.perf_counter(), 0.0, 0
        for number, (batch, size) in enumerate(batches(epoch)):
            optimizer.zero_grad(set_to_none=True)
            loss = objective(model, batch)
            value = loss.item()
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"the loss is {value} at epoch {epoch}, batch {number}; lower training.step_size or training.learning_rate"
                )
            fabric.backward(loss)
            if clip_norm is not None:
                fabric.clip_gradients(model, optimizer, max_norm=clip_norm)
            optimizer.step()
            total, count = total + value, count + size
        yield EpochRecord(epoch=epoch, loss=total / max(count, 1), seconds=time.perf_counter() - started)
