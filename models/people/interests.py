"""Taste space: weights of concepts, linear in a user's embedding, in every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kg.ratings import Ratings
from models.network.bilinear import bilinear
from models.network.head import chances_of
from models.people.concept_regression import ConceptRegression
from models.people.concept_table import ConceptTable
from models.posterior import Predictor

__all__ = ["TasteSpace", "unit_of_score"]

MANY_ITEMS = 5_000  # from which on half the precision is worth half the memory
SLOPE_PAIRS = 2_000  # ratings at which the worth of a unit of score is taken


@dataclass(frozen=True, kw_only=True, eq=False)
class TasteSpace:
    r"""Directions in which a user's row means a taste for a concept, in the samples of one phase.

    The embeddings of the rated items are read as sums over their concepts, $A = \Lambda^{-1} X^\top K^{-1} (Z - \bar z)$, by
    ridge regression in every sample (`models.people.concept_regression`) on the weights $w_{ic}$ of the model's edges. So a concept answers for all that its items have in common (what
    its table says, and what text, neighbours and latent factors say of them) beyond their other concepts. With
    $\bar w_c$ the mean weight of its edges and $s$ the stars that a unit of score is worth at a typical rating, it adds

    $$s\, \bar w_c \left(\langle z_u, A_c \rangle + A_{c,\mathrm{bias}}\right)$$

    to the ratings of user $u$, and $s\, \bar w_c \langle z_u - \bar z_U, A_c \rangle$ more than to those of the average
    user. Tables alone recover simulated tastes less well.

    Attributes:
        concepts: The concepts.
        read: $X \Lambda^{-1}$, `[num_items, num_concepts]`.
        duals: $K^{-1} (Z - \bar z)$, zero for items nobody rated, `[num_samples, num_items, embedding_size + 1]`.
        residual: $\Psi$, what items are beyond their concepts, `[num_samples, embedding_size, embedding_size]`.
        doubt: Diagonal of $(X^\top X + \Lambda)^{-1}$: the covariance of $A_c$ is so much of $\Psi$, `[num_concepts]`.
        average: Mean row of the users with ratings, `[num_samples, embedding_size + 1]`.
        unit: Stars (of implicit feedback: score in [0, 1]) that a unit of score is worth.
    """

    concepts: ConceptTable
    read: sparse.csr_array
    duals: Tensor
    residual: Tensor
    doubt: NDArray[np.float64]
    average: Tensor
    unit: float

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        concepts: ConceptTable,
        predictor: Predictor,
        train: Ratings,
        unit: float,
        *,
        ridge: NDArray[np.float64] | float,
    ) -> TasteSpace:
        r"""Read the directions off the samples of one phase.

        Args:
            concepts: The concepts.
            predictor: Rows of all nodes.
            train: Training ratings.
            unit: Stars that a unit of score is worth.
            ridge: $\lambda_c$, of all concepts or of each, `[num_concepts]`.
        """
        known = torch.from_numpy(train.user_counts > 0)
        rated = np.flatnonzero(train.item_counts)
        precision = np.float64 if len(rated) <= MANY_ITEMS else np.float32
        pull = np.broadcast_to(np.asarray(ridge, dtype=np.float64), (len(concepts),))
        regression = ConceptRegression.of(concepts.membership[rated], pull, precision)
        chosen = torch.from_numpy(rated)
        fitted, residual = regression.fit(predictor.items[:, chosen].numpy())
        duals = torch.zeros_like(predictor.items)
        duals[:, chosen] = torch.from_numpy(fitted.astype(np.float32))
        return cls(
            concepts=concepts,
            read=sparse.csr_array(concepts.membership.multiply(1 / pull)),
            duals=duals,
            residual=torch.from_numpy(residual[:, :-1, :-1].astype(np.float32)),
            doubt=regression.doubt(),
            average=predictor.users[:, known].mean(dim=1),
            unit=unit,
        )

    def part(self, chosen: slice, unit: float) -> TasteSpace:
        """Return the directions in some of the samples, in the same memory, with what a unit of score is worth in these."""
        return replace(
            self, duals=self.duals[chosen], residual=self.residual[chosen], average=self.average[chosen], unit=unit
        )

    @property
    def scale(self) -> NDArray[np.float64]:
        """Stars (or score) at a typical item of each concept for a unit of its message, `[num_concepts]`."""
        return self.unit * self.concepts.typical

    @torch.no_grad()
    def weights(self, rows: Tensor) -> NDArray[np.float32]:
        """Return what concepts add beyond what they add for the average user, `[num_samples, num_concepts]`.

        Args:
            rows: A user's rows, `[num_samples, embedding_size + 1]`.
        """
        own = (rows - self.average)[:, :-1, None]
        spoken = (self.duals[..., :-1] @ own)[..., 0].numpy()
        return np.asarray((spoken @ self.read) * self.scale, dtype=np.float32)

    @torch.no_grad()
    def mean_weights(self, rows: Tensor, samples: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Return `weights` of many users, mean over samples, `[num_users, num_concepts]`.

        Args:
            rows: `[num_samples, num_users, embedding_size + 1]`.
            samples: Over which; by default over all.
        """
        chosen = range(len(rows)) if samples is None else samples
        total = torch.zeros(rows.shape[1], self.duals.shape[1])
        for sample in chosen:
            total += (rows[sample] - self.average[sample])[:, :-1] @ self.duals[sample, :, :-1].t()
        return np.asarray((total.numpy() / len(chosen)) @ self.read * self.scale, dtype=np.float32)

    @torch.no_grad()
    def open_variance(self, rows: Tensor) -> NDArray[np.float64]:
        r"""Return the variance of a user's weights that lies in the directions, $s^2 \bar w_c^2\, v_c \langle z, \Psi z\rangle$, `[num_concepts]`.

        With $v_c$ the `doubt` and $z$ the user's row beyond the average user's: few items tell little of what a concept is.
        Mean over samples.

        Args:
            rows: A user's rows, `[num_samples, embedding_size + 1]`.
        """
        own = (rows - self.average)[:, None, :-1]
        spread = (own @ self.residual @ own.mT).mean()
        return float(spread) * self.doubt * self.scale**2

    @cached_property
    def of_average(self) -> NDArray[np.float32]:
        """What each concept adds to the ratings of the average user, mean over the samples, `[num_concepts]`."""
        spoken = (self.duals[..., :-1] @ self.average[:, :-1, None])[..., 0] + self.duals[..., -1]
        return np.asarray((spoken.mean(dim=0).numpy() @ self.read) * self.scale, dtype=np.float32)

    @torch.no_grad()
    def directions(self, chosen: Sequence[int]) -> Tensor:
        """Return rows `a_c` with `weight = <z_u - average, a_c>`, `[num_samples, num_chosen, embedding_size + 1]`, bias 0."""
        directions = torch.zeros(len(self.duals), len(chosen), self.duals.shape[2])
        for number, concept in enumerate(chosen):
            column = self.read[:, [concept]].tocoo()
            items, weights = torch.from_numpy(column.coords[0].astype(np.int64)), torch.from_numpy(column.data)
            directions[:, number] = (weights[:, None] * self.duals[:, items]).sum(dim=1) * float(self.scale[concept])
        directions[..., -1] = 0.0
        return directions


@torch.no_grad()
def unit_of_score(predictor: Predictor, train: Ratings, levels: NDArray[np.float32], *, seed: int = 0) -> float:
    """Return the stars (or score in [0, 1]) that a unit of score is worth: the mean slope of expected ratings at training ratings.

    Args:
        predictor: Rows of all nodes.
        train: Training ratings.
        levels: Values of the levels, rising.
        seed: Seed of the choice of ratings.
    """
    some = np.random.default_rng(seed).permutation(len(train))[:SLOPE_PAIRS]
    user, item = torch.from_numpy(train.user[some]), torch.from_numpy(train.item[some])
    scores = bilinear(predictor.users[:, user], predictor.items[:, item])
    chances = chances_of(scores, predictor.thresholds[:, None], predictor.preferences[:, user])
    return float(chances.slope_of_mean(torch.from_numpy(np.array(levels, dtype=np.float32))[:, None, None]).mean())
