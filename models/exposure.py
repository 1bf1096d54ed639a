"""Who comes across what: the part of a ranking that stars do not tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings

__all__ = ["Exposure"]

LARGEST_CATALOGUE = 20_000
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class Exposure:
    r"""Probability-like score that a user comes across an item, linear in what the user has rated.

    $$e_u = \pi + (b_u - \pi) W$$

    with $b_u$ the 0/1 row of the user's rated items and $\pi$ each item's share of users. For items with
    ratings $W$ is EASE (arXiv:1905.03375): ridge regression of every item on all others. For items without,
    it is kernel ridge regression on content, $W = (K + \alpha I)^{-1} K_{\cdot c}$, so that a film nobody
    rated is met by those who met films of its text and concepts. A new user needs no training: any set
    of items is a row $b$.

    Attributes:
        weights: $W$, float32 `[num_items, num_items]`.
        popularity: $\pi$, float32 `[num_items]`; zero for items without ratings.
    """

    weights: NDArray[np.float32]
    popularity: NDArray[np.float32]

    @classmethod
    def fit(
        cls, train: Ratings, content: NDArray[np.float32], *, ease_ridge: float = 0.06, content_ridge: float = 10.0
    ) -> Exposure:
        """Fit on who rated what; the values of ratings are not looked at.

        Args:
            train: Training ratings.
            content: Content features, `[num_items, num_features]`.
            ease_ridge: Ridge of EASE as a share of the number of users.
            content_ridge: Ridge of the kernel regression.

        Raises:
            InputError: If the catalogue is too large for a dense matrix of items by items.
        """
        size = train.num_items
        if size > LARGEST_CATALOGUE:
            raise InputError(
                f"the exposure model holds an items x items matrix; {size:,} items would need {4e-9 * size**2:.0f} GB, "
                f"the limit is {LARGEST_CATALOGUE:,} items"
            )
        active = np.flatnonzero(train.user_counts)
        warm, cold = np.flatnonzero(train.item_counts), np.flatnonzero(train.item_counts == 0)
        popularity = (train.item_counts / max(len(active), 1)).astype(np.float32)
        weights = np.zeros((size, size), dtype=np.float32)
        if len(warm):
            seen = np.zeros((train.num_users, size), dtype=np.float32)
            seen[train.user, train.item] = 1.0
            seen = seen[np.ix_(active, warm)] - popularity[warm]
            gram = (seen.T @ seen).astype(np.float64)
            gram[np.diag_indices_from(gram)] += ease_ridge * len(active)
            inverse = np.linalg.inv(gram)
            ease = -inverse / np.diag(inverse)
            np.fill_diagonal(ease, 0.0)
            weights[np.ix_(warm, warm)] = ease
        if len(warm) and len(cold) and content.shape[1]:
            kernel = (content[warm] @ content[warm].T).astype(np.float64)
            kernel[np.diag_indices_from(kernel)] += content_ridge
            weights[np.ix_(warm, cold)] = np.linalg.solve(kernel, content[warm] @ content[cold].T)
            popularity[cold] = popularity[warm] @ weights[np.ix_(warm, cold)]
        return cls(weights, popularity)

    def __call__(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return exposure for rows of rated items, both `[num_users, num_items]`; at least 0.001 everywhere."""
        scores = self.popularity + (seen - self.popularity) @ self.weights
        return np.maximum(scores, _FLOOR).astype(np.float32)
