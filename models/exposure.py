"""Who comes across what: the part of a ranking that stars do not tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings

__all__ = ["Exposure", "check_size"]

LARGEST_CATALOGUE = 20_000
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class Exposure:
    r"""Probability-like score that a user comes across an item, linear in what the user has rated.

    $$e_u = a + b_u W$$

    with $b_u$ the 0/1 row of the user's rated items. For items with ratings this is EASE
    (arXiv:1905.03375), ridge regression of every item on all others, around each item's share of users
    $\pi$: $a = \pi - \pi W$. For items without, it is kernel ridge regression on content around the user's
    share of items: $W = M + (1 - \mathbf{1}^\top M) / n$ with $M = (K + \alpha I)^{-1} K_{\cdot c}$ and $a = 0$. So a
    film nobody rated is met by those who met films of its text and concepts, and a new user needs no
    training: any set of items is a row $b$.

    Attributes:
        weights: $W$, float32 `[num_items, num_items]`.
        base: $a$, float32 `[num_items]`: the exposure of someone who rated nothing.
    """

    weights: NDArray[np.float32]
    base: NDArray[np.float32]

    @classmethod
    def fit(
        cls, train: Ratings, content: NDArray[np.float32], *, ease_ridge: float = 5.0, content_ridge: float = 30.0
    ) -> Exposure:
        """Fit on who rated what; the values of ratings are not looked at.

        Args:
            train: Training ratings.
            content: Content features, `[num_items, num_features]`.
            ease_ridge: Ridge of EASE, in square roots of the number of users.
            content_ridge: Ridge of the kernel regression.

        Raises:
            InputError: If the catalogue is too large for a dense matrix of items by items.
        """
        size = train.num_items
        check_size(size)
        active = np.flatnonzero(train.user_counts)
        warm, cold = np.flatnonzero(train.item_counts), np.flatnonzero(train.item_counts == 0)
        weights, base = np.zeros((size, size), dtype=np.float32), np.zeros(size, dtype=np.float32)
        if len(warm):
            seen = np.zeros((train.num_users, size), dtype=np.float32)
            seen[train.user, train.item] = 1.0
            seen = seen[np.ix_(active, warm)]
            popularity = seen.mean(axis=0)
            gram = ((seen - popularity).T @ (seen - popularity)).astype(np.float64)
            gram[np.diag_indices_from(gram)] += ease_ridge * np.sqrt(len(active))
            inverse = np.linalg.inv(gram)
            ease = -inverse / np.diag(inverse)
            np.fill_diagonal(ease, 0.0)
            weights[np.ix_(warm, warm)] = ease
            base[warm] = popularity - popularity @ ease
        if len(warm) and len(cold) and content.shape[1]:
            kernel = (content[warm] @ content[warm].T).astype(np.float64)
            kernel[np.diag_indices_from(kernel)] += content_ridge
            regression = np.linalg.solve(kernel, content[warm] @ content[cold].T)
            weights[np.ix_(warm, cold)] = regression + (1.0 - regression.sum(axis=0)) / len(warm)
        return cls(weights, base)

    def of_item(self, train: Ratings, item: int) -> NDArray[np.float32]:
        """Return the exposure of all users to one item by what they rated in training, `[num_users]`."""
        pairs = np.unique(np.stack([train.user, train.item]), axis=1)
        added = np.bincount(pairs[0], weights=self.weights[pairs[1], item], minlength=train.num_users)
        return np.maximum(self.base[item] + added, _FLOOR).astype(np.float32)

    def __call__(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return exposure for rows of rated items, both `[num_users, num_items]`; at least 0.001 everywhere."""
        return np.maximum(self.base + seen @ self.weights, _FLOOR).astype(np.float32)


def check_size(num_items: int) -> None:
    """Raise `InputError` if a catalogue is too large for a dense matrix of items by items."""
    if num_items > LARGEST_CATALOGUE:
        raise InputError(
            f"lists need an items x items matrix; {num_items:,} items would take {4e-9 * num_items**2:.0f} GB, "
            f"the limit is {LARGEST_CATALOGUE:,} items for now"
        )
