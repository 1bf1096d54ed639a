"""implicit: alternating least squares on who liked what (Hu, Koren & Volinsky 2008)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from training.answers import Fitted
from training.benchmarks.peers import Material, Peer

__all__ = ["ALS_1M", "ALS_100K", "als", "liked_matrix"]


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


def als(*, factors: int, regularization: float, alpha: float, note: str) -> Peer:
    """Return ALS with these settings; the right ridge grows with the data, so each data set has its own."""
    settings = {"factors": factors, "regularization": regularization, "alpha": alpha, "iterations": 15, "seed": 0}
    how = f"{factors} factors, regularization {regularization:g}, alpha {alpha:g}"
    return Peer(name="implicit ALS", package="implicit", fit=fit_als, settings=settings, note=f"{how}; {note}")


ALS_100K = als(
    factors=128,
    regularization=20.0,
    alpha=3.0,
    note="chosen among 43 by NDCG@20 on a tenth of the training ratings of u1",
)
ALS_1M = als(
    factors=128,
    regularization=100.0,
    alpha=10.0,
    note="chosen among 16 by NDCG@20 on a tenth of the training ratings of ml-1m-top20",
)
