"""The embedding of someone in the samples that can answer for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.predictor import Predictor

__all__ = ["UserEmbedding"]


@dataclass(frozen=True, eq=False)
class UserEmbedding:
    """Someone's side of the bilinear score.

    Attributes:
        rows: `[num_samples, embedding_size + 1]`.
        preferences: For levels, `[num_samples, num_levels]`.
        precision: How well each sample knows the row, `[num_samples, embedding_size + 1, embedding_size + 1]`; None of
            someone the model has learned.
    """

    rows: Tensor
    preferences: Tensor
    precision: Tensor | None = None

    @classmethod
    def learned(cls, predictor: Predictor, user: int) -> UserEmbedding:
        """Return the embedding of a user whom the model knows, in the same memory."""
        return cls(predictor.users[:, user], predictor.preferences[:, user])

    @property
    def covariance(self) -> Tensor | None:
        """What is still open in each sample, `[num_samples, embedding_size + 1, embedding_size + 1]`."""
        return None if self.precision is None else torch.cholesky_inverse(torch.linalg.cholesky(self.precision))

    def part(self, chosen: slice) -> UserEmbedding:
        """Return the embedding in some of the samples, in the same memory."""
        precision = None if self.precision is None else self.precision[chosen]
        return UserEmbedding(self.rows[chosen], self.preferences[chosen], precision)
