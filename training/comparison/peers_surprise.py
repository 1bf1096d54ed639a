"""Surprise: SVD and SVD++ (Koren 2008) by stochastic gradient descent, with the package's own settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.comparison.peers import BenchmarkData, Peer
from training.predictions import Scorers

__all__ = ["SURPRISE"]

PACKAGE = "scikit-surprise"


def fit_svd(data: BenchmarkData, *, seed: int) -> Scorers:
    """Fit biased matrix factorisation."""
    from surprise import SVD

    return _fitted(SVD(random_state=seed), data)


def fit_svd_plus_plus(data: BenchmarkData, *, seed: int) -> Scorers:
    """Fit SVD++: factors of a user and of the items they rated."""
    from surprise import SVDpp

    return _fitted(SVDpp(random_state=seed, cache_ratings=True), data)


def _fitted(model: Any, data: BenchmarkData) -> Scorers:
    from surprise import Dataset, Reader

    train = data.train
    table = pd.DataFrame({"user": train.user, "item": train.item, "rating": train.value})
    model.fit(Dataset.load_from_df(table, Reader(rating_scale=data.dataset.scale)).build_full_trainset())

    def stars(user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.floating]:
        pairs = zip(user.tolist(), item.tolist(), strict=True)
        return np.array([model.predict(of_user, of_item).est for of_user, of_item in pairs])

    return Scorers(stars=stars)


SURPRISE = (
    Peer(
        name="Surprise SVD++",
        package=PACKAGE,
        fit=fit_svd_plus_plus,
        settings={"seed": 0},
        note="the package's own settings",
    ),
    Peer(name="Surprise SVD", package=PACKAGE, fit=fit_svd, settings={"seed": 0}, note="the package's own settings"),
)
