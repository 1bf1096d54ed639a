"""How someone new is expected to use the scale: preferences for levels, learned from those of the known users."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["UserThresholds"]

SPREAD = 1e-4  # least variance of a preference


@dataclass(frozen=True, eq=False)
class UserThresholds:
    r"""Normal prior of a newcomer's preferences for levels in every sample, $w \sim N(\mu, L L^\top)$.

    Some give fives freely, others hardly ever, and on half-star scales many give whole stars only.

    Attributes:
        mean: $\mu$, `[num_samples, num_levels]`.
        factor: $L$, lower triangular, `[num_samples, num_levels, num_levels]`.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, preferences: Tensor) -> UserThresholds:
        """Learn it from the preferences of known users, `[num_samples, num_known, num_levels]`."""
        mean = preferences.mean(1)
        beyond = preferences - mean[:, None]
        covariance = beyond.mT @ beyond / preferences.shape[1] + SPREAD * torch.eye(preferences.shape[2])
        return cls(mean, torch.linalg.cholesky(covariance))
