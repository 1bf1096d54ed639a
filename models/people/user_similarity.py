"""Similarity of two users' tastes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from models.posterior import Predictor

__all__ = ["UserSimilarity"]


@dataclass(frozen=True, eq=False)
class UserSimilarity:
    r"""The correlation over items of what two people think of them beyond the average user, mean over samples.

    $$\rho_{uv} = \frac1S \sum_s \cos\big((z_u^s - \bar z^s) R_s,\; (z_v^s - \bar z^s) R_s\big),
        \qquad R_s R_s^\top = \mathrm{cov}_i(z_i^s)$$

    Attributes:
        users: Rows of all users, `[num_samples, num_users, embedding_size + 1]`.
        average: Row of the average user, `[num_samples, embedding_size + 1]`.
        roots: $R_s$, `[num_samples, embedding_size, embedding_size]`.
    """

    users: Tensor
    average: Tensor
    roots: Tensor

    @classmethod
    @torch.no_grad()
    def of(cls, predictor: Predictor, average: Tensor, rated: Tensor) -> UserSimilarity:
        """Read it from the rows of the items that somebody rated, a mask `[num_items]`."""
        rows = predictor.items[:, rated, :-1]
        centred = rows - rows.mean(dim=1, keepdim=True)
        values, vectors = torch.linalg.eigh(centred.mT @ centred / rows.shape[1])
        return cls(predictor.users, average, vectors * values.clamp_min(0).sqrt()[:, None])

    @torch.no_grad()
    def to_all(self, rows: Tensor) -> NDArray[np.float32]:
        """Return the similarity of each user to a taste, in [-1, 1], `[num_users]`.

        Args:
            rows: The taste, `[num_samples, embedding_size + 1]`.
        """
        own = self._directions(rows[:, None], slice(None)).flatten()
        return np.asarray((self._of_users @ own / len(rows)).numpy())

    @cached_property
    def _of_users(self) -> Tensor:
        """Directions of all users, those of one user side by side, `[num_users, num_samples * embedding_size]`."""
        num_samples, num_users, size = self.users[..., :-1].shape
        directions = torch.empty(num_users, num_samples, size)
        for number in range(num_samples):  # one after the other: all at once would lie in memory twice
            chosen = slice(number, number + 1)
            directions[:, number] = self._directions(self.users[chosen], chosen)[0]
        return directions.flatten(1)

    def _directions(self, rows: Tensor, chosen: slice) -> Tensor:
        """Return unit vectors whose products are the correlations, of rows of some samples `[num_chosen, num_users, embedding_size + 1]`."""
        beyond = rows - self.average[chosen, None]
        return normalize(beyond[..., :-1] @ self.roots[chosen], dim=2)
