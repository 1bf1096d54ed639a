"""Our own baselines as rows of a benchmark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from training.answers import Fitted, unrated_only
from training.benchmarks.peers import Material, Peer
from training.evaluate import fitted_baseline

__all__ = ["EASE_50", "EASE_ON_LIKED", "EASE_UNRATED", "FLOORS", "LIST_FLOORS"]


def _floor(make: Callable[[tuple[float, float]], Baseline], material: Material) -> Fitted:
    return _fitted(material, make(material.dataset.scale).fit(material.train, _no_texts(material)))


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
    return _fitted(material, found)


def fit_ease(material: Material, *, ridge: float) -> Fitted:
    """Fit `Ease` on who rated what."""
    return _fitted(material, Ease(ridge=ridge).fit(material.train, _no_texts(material)))


def fit_ease_on_liked(material: Material, *, ridge: float) -> Fitted:
    """Fit `Ease` on who liked what."""
    return _fitted(material, Ease(ridge=ridge).fit(material.liked, _no_texts(material)))


def fit_ease_unrated(material: Material, *, ridge: float) -> Fitted:
    """Fit `Ease` on who rated what; it lists nothing that a user rated."""
    rank = fit_ease(material, ridge=ridge).rank
    assert rank is not None
    return Fitted(rank=unrated_only(rank, material.train))


def _fitted(material: Material, baseline: Baseline) -> Fitted:
    return fitted_baseline(baseline, implicit=material.dataset.implicit)


def _no_texts(material: Material) -> NDArray[np.float32]:
    return np.zeros((material.train.num_items, 1), dtype=np.float32)


_EASE = Peer(name="EASE", fit=fit_ease, settings={"ridge": 400.0})
_KNN, _POPULARITY = Peer(name="content kNN", fit=fit_content_knn), Peer(name="popularity", fit=fit_popularity)
FLOORS = (Peer(name="mean", fit=fit_mean), Peer(name="biases", fit=fit_biases), _KNN, _POPULARITY, _EASE)
LIST_FLOORS = (_KNN, _POPULARITY)

EASE_ON_LIKED = Peer(
    name="EASE on liked items", fit=fit_ease_on_liked, settings={"ridge": 400.0}, note="ridge 400, as for EASE"
)
EASE_UNRATED = Peer(
    name="EASE, rated items left out",
    fit=fit_ease_unrated,
    settings={"ridge": 400.0},
    note="fitted on all ratings; lists nothing that a user rated in training",
)
EASE_50 = Peer(
    name="EASE",
    fit=fit_ease,
    settings={"ridge": 50.0},
    note="ridge 50, the best of 50, 170 and 400 by recall on the validation choices",
)
