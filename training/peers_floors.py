"""Our own baselines as rows of a benchmark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from training.answers import Fitted
from training.evaluate import fitted_baseline
from training.peers import Material, Peer

__all__ = ["EASE_ON_LIKED", "FLOORS"]


def _floor(make: Callable[[tuple[float, float]], Baseline], material: Material) -> Fitted:
    return fitted_baseline(make(material.dataset.scale).fit(material.train, _no_texts(material)))


def fit_mean(material: Material) -> Fitted:
    """Fit `Mean`."""
    return _floor(Mean, material)


def fit_biases(material: Material) -> Fitted:
    """Fit `Biases`."""
    return _floor(Biases, material)


def fit_popularity(material: Material) -> Fitted:
    """Fit `Popularity`; its stars are those of `Biases`, so it only ranks here."""
    return Fitted(rank=_floor(Popularity, material).rank)


def fit_content_knn(material: Material) -> Fitted:
    """Fit `ContentKNN` on the text vectors of our model."""
    found = ContentKNN(material.dataset.scale).fit(material.train, material.experiment.item_vectors)
    return fitted_baseline(found)


def fit_ease(material: Material, *, ridge: float) -> Fitted:
    """Fit `Ease` on who rated what."""
    return fitted_baseline(Ease(ridge=ridge).fit(material.train, _no_texts(material)))


def fit_ease_on_liked(material: Material, *, ridge: float) -> Fitted:
    """Fit `Ease` on who liked what."""
    return fitted_baseline(Ease(ridge=ridge).fit(material.liked, _no_texts(material)))


def _no_texts(material: Material) -> NDArray[np.float32]:
    return np.zeros((material.train.num_items, 1), dtype=np.float32)


FLOORS = (
    Peer(name="mean", fit=fit_mean),
    Peer(name="biases", fit=fit_biases),
    Peer(name="content kNN", fit=fit_content_knn),
    Peer(name="popularity", fit=fit_popularity),
    Peer(name="EASE", fit=fit_ease, settings={"ridge": 400.0}),
)

EASE_ON_LIKED = Peer(
    name="EASE on liked items", fit=fit_ease_on_liked, settings={"ridge": 400.0}, note="ridge 400, as for EASE"
)
