"""From a sentence to a taste: a map learned from what training users would say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.posterior import UserEmbedding

__all__ = ["SentenceMap"]

RIDGE = 3.0  # in texts; chosen on the lists of validation users
_LEAST_LEFT = 0.05  # of a text that speaks for itself alone, its residual would be divided by zero

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class SentenceMap:
    r"""Ridge regression of a user's side of the model on the vector $s$ of a sentence about them.

    $$\hat y(s) = \bar y + (s - \bar s)\,(S^\top S + \lambda I)^{-1} S^\top (Y - \bar y)$$

    with one row of $S$ (around its mean) a self-portrait of a training user, and $Y$ at once

    - the user's row of choices, 0/1: the newcomer's *soft history*, from which `ItemItemModel` takes who comes across what;
    - the user's rows in every sample of the posterior. Samples need not be aligned: each has its own regression,
      all share $S$. What the regression leaves over, corrected for each portrait having had a say in its own
      prediction ($e_i / (1 - h_{ii})$), has the standard deviation `spread`; a draw of it in each sample
      keeps the uncertainty that a sentence leaves.

    Attributes:
        mean: $\bar s$, `[dimension]`.
        seen_base: Mean row of choices, `[num_items]`.
        seen_weights: `[dimension, num_items]`.
        row_base: Mean rows, `[num_samples, size]`.
        row_weights: `[dimension, num_samples, size]`.
        spread: In latent units, `[num_samples, size]`.
    """

    mean: Floats
    seen_base: Floats
    seen_weights: Floats
    row_base: Floats
    row_weights: Floats
    spread: Floats

    @classmethod
    def fit(cls, vectors: Floats, chosen: Floats, rows: Tensor, *, ridge: float = RIDGE) -> Self:
        """Fit on texts about users.

        Args:
            vectors: Unit vectors of the texts, `[num_texts, dimension]`.
            chosen: Who chose what, 0/1, of the user of each text, `[num_texts, num_items]`.
            rows: Rows of the user of each text in every sample, `[num_samples, num_texts, size]`.
            ridge: $\\lambda$, in texts.
        """
        mean = vectors.mean(axis=0)
        design = (vectors - mean).astype(np.float64)
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += ridge
        pull = np.linalg.solve(gram, design.T)  # [dimension, num_texts]
        num_samples, num_texts, size = rows.shape
        flat = rows.permute(1, 0, 2).reshape(num_texts, -1).numpy()
        seen_base, row_base = chosen.mean(axis=0), flat.mean(axis=0)
        row_weights = pull @ (flat - row_base)
        own = (design * pull.T).sum(axis=1) + 1 / num_texts
        left = (flat - row_base - design @ row_weights) / np.maximum(1 - own, _LEAST_LEFT)[:, None]
        return cls(
            mean=mean.astype(np.float32),
            seen_base=seen_base.astype(np.float32),
            seen_weights=(pull @ (chosen - seen_base)).astype(np.float32),
            row_base=row_base.reshape(num_samples, size).astype(np.float32),
            row_weights=row_weights.reshape(-1, num_samples, size).astype(np.float32),
            spread=np.sqrt(np.square(left).mean(axis=0)).reshape(num_samples, size).astype(np.float32),
        )

    def seen(self, vector: Floats) -> Floats:
        """Return the soft history of someone who says a sentence, `[num_items]`: about how likely they rated each item."""
        return np.asarray(self.seen_base + (vector - self.mean) @ self.seen_weights, dtype=np.float32)

    def rows(self, vector: Floats) -> Floats:
        """Return the expected rows of someone who says a sentence, `[num_samples, size]`."""
        return np.asarray(self.row_base + np.tensordot(vector - self.mean, self.row_weights, axes=1), dtype=np.float32)

    def user_embedding(self, vector: Floats, num_levels: int, *, generator: torch.Generator) -> UserEmbedding:
        """Return the taste of someone who says a sentence, a draw in each sample."""
        rows = torch.from_numpy(self.rows(vector))
        drawn = torch.randn(rows.shape, generator=generator) * torch.from_numpy(self.spread)
        return UserEmbedding(rows + drawn, torch.zeros(len(rows), num_levels))
