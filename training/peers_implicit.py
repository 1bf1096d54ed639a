"""implicit: alternating least squares on who liked what (Hu, Koren & Volinsky 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from training.answers import Fitted
from training.peers import Material, Peer

__all__ = ["ALS", "liked_matrix"]


def fit_als(
    material: Material, *, factors: int, regularization: float, alpha: float, iterations: int, seed: int
) -> Fitted:
    """Fit on the liked training items, each with confidence `alpha`; one thread."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=factors,
        regularization=regularization,
        alpha=alpha,
        iterations=iterations,
        random_state=seed,
        num_threads=1,
    )
    model.fit(liked_matrix(material.liked), show_progress=False)

    def rank(users: NDArray[np.int64]) -> NDArray[np.floating]:
        return np.asarray(model.user_factors[users] @ model.item_factors.T)

    return Fitted(rank=rank)


def liked_matrix(liked: Ratings) -> sparse.csr_matrix:
    """Return ones where a user liked an item, float32 `[num_users, num_items]`."""
    ones = np.ones(len(liked), dtype=np.float32)
    table = sparse.csr_matrix((ones, (liked.user, liked.item)), shape=(liked.num_users, liked.num_items))
    table.data[:] = 1.0
    return table


ALS = Peer(
    name="implicit ALS",
    package="implicit",
    fit=fit_als,
    settings={"factors": 64, "regularization": 0.01, "alpha": 1.0, "iterations": 15, "seed": 0},
    note="64 factors, the package's other settings",
)
