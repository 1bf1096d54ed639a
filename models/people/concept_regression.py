"""Ridge regression of rows of items on their concepts, in its dual form: items are fewer than concepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import inv

__all__ = ["ConceptRegression"]

BLOCK = 1_000  # concepts at once

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class ConceptRegression:
    r"""Ridge regression of embeddings $Z$ of items on their concepts $X$, the part that all samples share.

    $z_i = \bar z + \sum_c w_{ic} A_c + \eta_i$ with $\eta_i \sim N(0, \Psi)$ and $A_c \sim N(0, \Psi / \lambda_c)$ has the mean

    $$A = \Lambda^{-1} X^\top K^{-1} (Z - \bar z), \qquad K = X \Lambda^{-1} X^\top + I, \qquad
        \bar z = \frac{\mathbf{1}^\top K^{-1} Z}{\mathbf{1}^\top K^{-1} \mathbf{1}}$$

    Attributes:
        held: $X \Lambda^{-1/2}$, `[num_items, num_concepts]`.
        ridge: Diagonal of $\Lambda$, `[num_concepts]`.
        inverse: $K^{-1}$, `[num_items, num_items]`.
    """

    held: sparse.csr_array
    ridge: NDArray[np.float64]
    inverse: Floats

    @classmethod
    def of(
        cls, weights: sparse.csr_array, ridge: NDArray[np.float64], precision: type[np.floating] = np.float64
    ) -> ConceptRegression:
        """Prepare it for the weights $X$ of items and concepts, `[num_items, num_concepts]`."""
        held = sparse.csr_array(weights.multiply(ridge**-0.5)).astype(precision)
        gram = (held @ held.T).toarray()
        gram[np.diag_indices_from(gram)] += 1.0
        return cls(held, ridge, inv(gram, overwrite_a=True, assume_a="pos"))

    def fit(self, rows: Floats) -> tuple[Floats, Floats]:
        r"""Fit the rows of these items in every sample, `[num_samples, num_items, size]`.

        Returns:
            $K^{-1} (Z - \bar z)$, `[num_samples, num_items, size]`, and what items are beyond their concepts,
            $\Psi = (Z - \bar z)^\top K^{-1} (Z - \bar z) / \mathrm{num\_items}$, `[num_samples, size, size]`.
        """
        num_items, row_sums = len(self.inverse), self.inverse.sum(axis=1)
        by_item = rows.transpose(1, 0, 2).astype(self.inverse.dtype)
        flat = by_item.reshape(num_items, -1)
        flat = flat - row_sums @ flat / row_sums.sum()
        duals, centred = (self.inverse @ flat).reshape(by_item.shape), flat.reshape(by_item.shape)
        residual = np.einsum("isd,ise->sde", duals, centred, optimize=True) / max(num_items, 1)
        return duals.transpose(1, 0, 2), residual

    def doubt(self) -> NDArray[np.float64]:
        r"""Return the diagonal of $(X^\top X + \Lambda)^{-1}$: the covariance of $A_c$ is so much of $\Psi$, `[num_concepts]`."""
        columns = self.held.tocsc()
        known = np.zeros(self.held.shape[1])
        for start in range(0, len(known), BLOCK):
            part = columns[:, start : start + BLOCK]
            known[start : start + BLOCK] = part.multiply(self.inverse @ part).sum(axis=0)
        return (1 - known) / self.ridge
