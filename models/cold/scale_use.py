"""What is to be expected of how someone new uses the scale: offsets of the thresholds, learned from those of the known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ScaleUse"]

SPREAD = 1e-4  # least variance of an offset


@dataclass(frozen=True, eq=False)
class ScaleUse:
    r"""Normal prior of a newcomer's offsets in every sample, $a \sim N(\mu, L L^\top)$: some give fives freely, others hardly ever.

    Attributes:
        mean: $\mu$, `[num_samples, num_levels - 1]`.
        factor: $L$, lower triangular, `[num_samples, num_levels - 1, num_levels - 1]`.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, offsets: Tensor) -> ScaleUse:
        """Learn it from the offsets of known ones, `[num_samples, num_known, num_levels - 1]`."""
        mean = offsets.mean(1)
        beyond = offsets - mean[:, None]
        covariance = beyond.mT @ beyond / offsets.shape[1] + SPREAD * torch.eye(offsets.shape[2])
        return cls(mean, torch.linalg.cholesky(covariance))
