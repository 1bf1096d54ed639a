"""Tastes for concepts beyond what embeddings can say: how large they are, and what ratings settle of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from models.network.bilinear import bilinear
from models.network.head import slopes
from models.people.concept_table import ConceptTable
from models.posterior import Predictor

__all__ = ["OwnTastes"]

MOST_USERS, MOST_SAMPLES = 1_000, 16


@dataclass(frozen=True, eq=False)
class OwnTastes:
    r"""Tastes that rows of a few dozen numbers leave out: $f_{ui} = \langle z_u, z_i\rangle + \dots + \sum_c w_{ic} e_{uc}$.

    The model has no $e_{uc} \sim N(0, \sigma_r^2)$, so the ratings of one user that share a concept go together more than it
    expects. With the slope $g_j = \partial \log P(r_j) / \partial f_j$ and the information $h_j = E[g_j^2]$ of each rating in a
    posterior sample, $E[g_i g_j] = h_i h_j w_i w_j \sigma_r^2$ for two ratings of a user with a concept of relation $r$, to first
    order, and 0 if the model holds. So over users and concepts

    $$\hat\sigma_r^2 = \frac{\sum (\sum_j w_j g_j)^2 - \sum_j w_j^2 g_j^2}{\sum (\sum_j w_j^2 h_j)^2 - \sum_j w_j^4 h_j^2}$$

    What the rows have taken up of such tastes is missing from it. Each relation is asked on its own: where two go along, as
    the actors of sequels do with their directors, each answers for both, so that intervals are too wide rather than too narrow.

    Attributes:
        variance: $\sigma_r^2$ of every concept's relation, in squared units of the score, `[num_concepts]`.
    """

    variance: NDArray[np.float64]

    @classmethod
    def of(
        cls, concepts: ConceptTable, predictor: Predictor, train: Ratings, levels: NDArray[np.float32], *, seed: int = 0
    ) -> OwnTastes:
        """Estimate it from training ratings.

        Args:
            concepts: The concepts.
            predictor: Rows of all nodes; some samples are looked at.
            train: Training ratings in stars; those of some users are looked at.
            levels: Values of the levels, rising.
            seed: Seed of the choice of users.
        """
        known = np.flatnonzero(train.user_counts)
        if len(known) > MOST_USERS:
            known = np.random.default_rng(seed).choice(known, MOST_USERS, replace=False)
        part = train.select(np.flatnonzero(np.isin(train.user, known)))
        user, item = torch.from_numpy(part.user.copy()), torch.from_numpy(part.item.copy())
        level = torch.from_numpy(nearest_level(part.value, levels))
        held = concepts.membership[part.item].astype(np.float64)
        squared = sparse.csr_array(held.multiply(held))
        of_user = sparse.csr_array((np.ones(len(part)), (part.user, np.arange(len(part)))))
        together, expected = np.zeros(len(concepts)), np.zeros(len(concepts))
        for sample in np.unique(np.linspace(0, len(predictor) - 1, MOST_SAMPLES).astype(np.int64)):
            score = bilinear(predictor.users[sample, user], predictor.items[sample, item])
            slope, information = slopes(
                score, predictor.thresholds[sample, None], predictor.preferences[sample, user], level
            )
            together += _pairs(of_user, held, slope.double().numpy())
            expected += _pairs(of_user, squared, information.double().numpy())
        relation, count = concepts.relation, len(concepts.relations)
        variance = np.bincount(relation, together, count) / np.maximum(np.bincount(relation, expected, count), 1e-12)
        return cls(np.maximum(variance, 0.0)[relation])

    def left_open(self, held: sparse.csr_array, information: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return what someone's ratings leave of the variance, $(1 / \sigma_r^2 + \sum_j w_j^2 h_j)^{-1}$, `[num_concepts]`.

        Args:
            held: Weights of the concepts of what they rated, `[num_ratings, num_concepts]`.
            information: $h$ of each of these ratings, `[num_ratings]`.
        """
        settled = information @ held.multiply(held)
        return np.asarray(self.variance / (1 + self.variance * settled), dtype=np.float64)


def _pairs(of_user: sparse.csr_array, held: sparse.csr_array, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of `x_i x_j` over pairs of different ratings of one user, `x = held * value`, `[num_concepts]`."""
    each = sparse.csr_array(held.multiply(value[:, None]))
    total = of_user @ each
    return np.asarray((total.multiply(total)).sum(axis=0) - each.multiply(each).sum(axis=0), dtype=np.float64)
