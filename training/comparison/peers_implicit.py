"""implicit: alternating least squares on who liked what (Hu, Koren & Volinsky 2008)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from models.baselines import Baseline
from models.lists.content import Content
from training.chosen_baselines import Choice
from training.comparison.peers import BenchmarkData, Peer
from training.predictions import Scorers

__all__ = ["ALS", "ALS_1M", "ALS_100K", "als", "liked_matrix"]


class LeastSquares(Baseline):
    """ALS as a baseline that ranks: every liked item counts with confidence `alpha`; one thread.

    Args:
        settings: Keyword arguments of implicit's model.
    """

    name = "implicit ALS"

    def __init__(self, **settings: Any) -> None:
        super().__init__((-np.inf, np.inf))
        self.settings = settings

    def _fit(self, train: Ratings, content: Content | None) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        self._model = AlternatingLeastSquares(**self.settings, num_threads=1)
        self._model.fit(liked_matrix(train), show_progress=False)

    def _stars(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float64]:
        raise NotImplementedError  # who liked what says nothing of stars

    def rank(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return products of factors `[num_given_users, num_items]`."""
        return np.asarray(self._model.user_factors[users] @ self._model.item_factors.T)


def fit_als(data: BenchmarkData, *, seed: int, grid: Sequence[Mapping[str, Any]], **settings: Any) -> Scorers:
    """Fit on the liked training items with the best settings of a grid, by NDCG@20 of liked validation items."""

    def liked(ratings: Ratings) -> Ratings:
        return ratings.select(ratings.value >= data.relevant_from)

    choice = Choice(
        make=lambda scale, **chosen: LeastSquares(**settings, **chosen, random_state=seed),
        grid=grid,
        purposes=("lists",),
    )
    validation = None if data.validation is None else liked(data.validation)
    return choice.fitted(
        data.liked, validation, content=None, scale=data.dataset.scale, relevant_from=data.relevant_from
    )


def liked_matrix(liked: Ratings) -> sparse.csr_matrix:
    """Return ones where a user liked an item, float32 `[num_users, num_items]`."""
    ones = np.ones(len(liked), dtype=np.float32)
    table = sparse.csr_matrix((ones, (liked.user, liked.item)), shape=(liked.num_users, liked.num_items))
    table.data[:] = 1.0
    return table


def als(grid: Sequence[tuple[float, float]], *, note: str) -> Peer:
    """Return ALS with 128 factors and the best (regularization, alpha) of a grid; the right ridge grows with the data."""
    settings = [{"regularization": ridge, "alpha": alpha} for ridge, alpha in grid]
    return Peer(
        name="implicit ALS",
        package="implicit",
        fit=fit_als,
        settings={"factors": 128, "iterations": 15, "seed": 0, "grid": settings},
        note=f"128 factors; {note}",
    )


ALS = als(tuple(product((1.0, 5.0, 20.0, 100.0), (1.0, 3.0, 10.0))), note="regularization and alpha from a grid of 12")
ALS_100K = als(
    [(20.0, 3.0)],
    note="regularization 20, alpha 3: chosen among 43 by NDCG@20 on a tenth of the training ratings of u1",
)
ALS_1M = als(
    [(100.0, 10.0)],
    note="regularization 100, alpha 10: chosen among 16 by NDCG@20 on a tenth of the training ratings of ml-1m-top20",
)
