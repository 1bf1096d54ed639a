"""The loss by which an encoder learns what users did with the items it reads about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from training.tuning.targets import ItemTargets
from training.tuning.tune_config import TuneConfig

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TextObjective"]

_HEAD_RIDGE = 10.0
_ITEM_RIDGE = 8.0
_TEMPERATURE, _GOAL_TEMPERATURE = 0.05, 0.1


class TextObjective(nn.Module):
    r"""An encoder with two linear heads, and the sum of losses that they are trained by.

    With $v$ the vector of an item's text, $\hat f = F v$ its co-choice factors and $\hat y = Y v$ its row for ratings:

    $$\lambda_c \frac{\lVert \hat f - f_i \rVert^2}{\operatorname{var} f}
      + \lambda_r \frac{\hat y^\top A_i \hat y - 2 c_i^\top \hat y}{\overline{y^\top A y}}
      - \lambda_k \sum_j p_{ij} \log \operatorname{softmax}_j \frac{\cos(v_i, v_j)}{\tau}$$

    with $p_{ij}$ the softmax of the cosines of the co-choice factors in the batch, over $\tau_p$. The heads are solved in
    closed form on the vectors before any step, so that the first steps do not tear the encoder apart
    (arXiv:2202.10054); they are thrown away in the end.

    Args:
        encoder: Adapted encoder.
        targets: What is to be predicted, of the items that are trained on.
        vectors: Their vectors before, `[num_rated, dimension]`.
        config: Weights of the losses.
    """

    def __init__(
        self, encoder: SentenceTransformer, targets: ItemTargets, vectors: NDArray[np.float32], config: TuneConfig
    ) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        factors = targets.factors
        self.factor_head = _solved(vectors, factors)
        self.factor_scale = float(np.square(factors - factors.mean(0)).sum(1).mean()) or 1.0
        self.mean_factors = torch.from_numpy(factors.mean(0))
        self.rating_head: nn.Linear | None = None
        if targets.precision is not None and targets.pull is not None:
            ridge = _ITEM_RIDGE * np.eye(targets.pull.shape[1])
            rows = np.linalg.solve(targets.precision + ridge, targets.pull[..., None])[..., 0]
            self.rating_head = _solved(vectors, rows)
            self.rating_scale = float(np.einsum("na,nab,nb->n", rows, targets.precision, rows).mean()) or 1.0

    def encode(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return the vectors of texts with gradient, `[num_texts, dimension]`."""
        vectors: Tensor = self.encoder(dict(tokens))["sentence_embedding"]
        return vectors.float()

    def forward(
        self, tokens: dict[str, Tensor], factors: Tensor, precision: Tensor | None, pull: Tensor | None
    ) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            tokens: What the encoder reads.
            factors: Co-choice factors, `[num_texts, num_factors]`.
            precision: $A_i$, `[num_texts, size, size]`, or None without stars.
            pull: $c_i$, `[num_texts, size]`.
        """
        return self.loss(self.encode(tokens), factors, precision, pull)

    def loss(self, vectors: Tensor, factors: Tensor, precision: Tensor | None, pull: Tensor | None) -> Tensor:
        """Return the mean loss of vectors, `[num_texts, dimension]`."""
        error = (self.factor_head(vectors) - factors).square().sum(1).mean()
        total: Tensor = self.config.choices * error / self.factor_scale
        if self.rating_head is not None and precision is not None and pull is not None:
            rows = self.rating_head(vectors)
            quadratic = torch.einsum("na,nab,nb->n", rows, precision, rows) - 2 * (rows * pull).sum(1)
            total = total + self.config.ratings * quadratic.mean() / self.rating_scale
        if self.config.contrast and len(vectors) > 1:
            total = total + self.config.contrast * self._contrast(vectors, factors)
        return total

    def _contrast(self, vectors: Tensor, factors: Tensor) -> Tensor:
        own = torch.eye(len(vectors), dtype=torch.bool)
        alike = normalize(factors - self.mean_factors, dim=1)
        goal = (alike @ alike.T / _GOAL_TEMPERATURE).masked_fill(own, -torch.inf).softmax(1)
        logits = (vectors @ vectors.T / _TEMPERATURE).masked_fill(own, -1e9)
        contrast: Tensor = -(goal * logits.log_softmax(1)).sum(1).mean()
        return contrast


def _solved(vectors: NDArray[np.float32], wanted: NDArray[np.floating]) -> nn.Linear:
    """Return the ridge regression of what is wanted on vectors as a linear layer."""
    mean, wanted_mean = vectors.mean(0), wanted.mean(0)
    centred = (vectors - mean).astype(np.float64)
    gram = centred.T @ centred + _HEAD_RIDGE * np.eye(centred.shape[1])
    weight = np.linalg.solve(gram, centred.T @ (wanted - wanted_mean)).T
    head = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(wanted_mean - weight @ mean))
    return head
