"""What a fold-in starts from: priors of a newcomer's embedding and of their use of the rating scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.laplace import even_draws

__all__ = ["EmbeddingPrior", "UserThresholds"]

SPREAD = 1e-4  # least variance of a preference


@dataclass(frozen=True, eq=False)
class EmbeddingPrior:
    r"""Normal prior of a newcomer's embedding in every sample, $N(\mu + A m + C c, \Sigma)$.

    Attributes:
        mean: $\mu$, `[num_samples, size]`.
        covariance: $\Sigma$, positive definite, `[num_samples, size, size]`.
        of_messages: $A$, how far the messages $m$ of what they rated are believed, `[num_samples, size, size]`; None:
            as they are.
        of_content: $C$, the same for what their concepts say, $c$.
    """

    mean: Tensor
    covariance: Tensor
    of_messages: Tensor | None = None
    of_content: Tensor | None = None

    @cached_property
    def factor(self) -> Tensor:
        """Lower Cholesky factor of the covariance; kept once taken, as the precision is, since each newcomer needs both."""
        return torch.linalg.cholesky(self.covariance)

    @cached_property
    def precision(self) -> Tensor:
        """The inverse of the covariance."""
        return torch.cholesky_inverse(self.factor)

    def part(self, chosen: slice) -> EmbeddingPrior:
        """Return the prior in some of the samples, in the same memory."""
        return EmbeddingPrior(**{name: part[chosen] for name, part in self.parts.items() if part is not None})

    @classmethod
    def joined(cls, parts: Sequence[EmbeddingPrior]) -> EmbeddingPrior:
        """Return the prior in all samples from that in some, in order."""
        there = [name for name, part in parts[0].parts.items() if part is not None]
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in there})

    @property
    def parts(self) -> dict[str, Tensor | None]:
        """The attributes by name."""
        return {name: getattr(self, name) for name in ("mean", "covariance", "of_messages", "of_content")}

    def believed(self, messages: Tensor) -> Tensor:
        r"""Return $A m$ of messages `[num_samples, num_messages, size]`."""
        return messages if self.of_messages is None else messages @ self.of_messages.mT

    def believed_content(self, content: Tensor) -> Tensor:
        r"""Return $C c$ of content `[num_samples, num_people, size]`."""
        return content if self.of_content is None else content @ self.of_content.mT

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw rows of several people, `[num_samples, count, size]`; a single sample has no spread to draw: there it is the mean."""
        middle = self.mean[:, None].expand(-1, count, -1)
        return middle if len(middle) == 1 else middle + even_draws(middle, generator) @ self.factor.mT


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
