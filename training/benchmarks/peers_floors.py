"""Our own baselines as rows of a benchmark, with settings chosen on validation ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kg.ratings import Ratings
from training.answers import Fitted, unrated_only
from training.benchmarks.peers import Material, Peer
from training.chosen_baselines import BASELINES

__all__ = ["EASE", "EASE_ON_LIKED", "EASE_UNRATED", "FLOORS", "LIST_FLOORS"]


def fit_baseline(
    material: Material,
    *,
    baseline: str,
    grid: Sequence[Mapping[str, Any]],
    liked: bool = False,
    unrated: bool = False,
) -> Fitted:
    """Fit a baseline with the best settings of a grid.

    Args:
        material: What it may read.
        baseline: Its name in `BASELINES`.
        grid: The settings to choose among.
        liked: Fit on the liked training items alone.
        unrated: List nothing that a user rated in training.
    """
    choice = replace(BASELINES[baseline], grid=grid)
    if baseline == "popularity":  # its stars are those of the biases
        choice = replace(choice, purposes=("lists",))

    def evidence(ratings: Ratings) -> Ratings:
        return ratings.select(ratings.value >= material.relevant_from) if liked else ratings

    fitted = choice.fitted(
        evidence(material.train),
        None if material.validation is None else evidence(material.validation),
        content=material.content if baseline == "content_knn" else None,
        scale=material.dataset.scale,
        relevant_from=material.relevant_from,
    )
    if unrated:
        assert fitted.rank is not None
        fitted = replace(fitted, rank=unrated_only(fitted.rank, material.train))
    return fitted


def _floor(name: str, baseline: str, *, note: str = "", **settings: bool) -> Peer:
    grid = [dict(one) for one in BASELINES[baseline].grid]
    return Peer(name=name, fit=fit_baseline, settings={"baseline": baseline, "grid": grid, **settings}, note=note)


_KNN, _POPULARITY = _floor("content kNN", "content_knn"), _floor("popularity", "popularity")
EASE = _floor("EASE", "ease")
FLOORS = (_floor("mean", "mean"), _floor("biases", "biases"), _KNN, _POPULARITY, EASE)
LIST_FLOORS = (_KNN, _POPULARITY)

EASE_ON_LIKED = _floor("EASE on liked items", "ease", liked=True)
EASE_UNRATED = _floor(
    "EASE, rated items left out",
    "ease",
    unrated=True,
    note="fitted on all ratings; lists nothing that a user rated in training",
)
