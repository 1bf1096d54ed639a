"""Our own baselines as rows of a benchmark, with settings chosen on validation ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kg.ratings import Ratings
from training.chosen_baselines import BASELINES
from training.comparison.peers import BenchmarkData, Peer
from training.predictions import Scorers, unrated_only

__all__ = ["ALL_BASELINES", "EASE", "EASE_ON_LIKED", "EASE_UNRATED", "LIST_BASELINES"]


def fit_baseline(
    data: BenchmarkData,
    *,
    baseline: str,
    grid: Sequence[Mapping[str, Any]],
    liked: bool = False,
    unrated: bool = False,
) -> Scorers:
    """Fit a baseline with the best settings of a grid.

    Args:
        data: What it may read.
        baseline: Its name in `BASELINES`.
        grid: The settings to choose among.
        liked: Fit on the liked training items alone.
        unrated: List nothing that a user rated in training.
    """
    choice = replace(BASELINES[baseline], grid=grid)
    if baseline == "popularity":  # its stars are those of the biases
        choice = replace(choice, purposes=("lists",))

    def learned_from(ratings: Ratings) -> Ratings:
        return ratings.select(ratings.value >= data.relevant_from) if liked else ratings

    fitted = choice.fitted(
        learned_from(data.train),
        None if data.validation is None else learned_from(data.validation),
        content=data.content if baseline == "content_knn" else None,
        scale=data.dataset.scale,
        relevant_from=data.relevant_from,
    )
    if unrated:
        assert fitted.rank is not None
        fitted = replace(fitted, rank=unrated_only(fitted.rank, data.train))
    return fitted


def _baseline(name: str, baseline: str, *, note: str = "", **settings: bool) -> Peer:
    grid = [dict(choice) for choice in BASELINES[baseline].grid]
    return Peer(name=name, fit=fit_baseline, settings={"baseline": baseline, "grid": grid, **settings}, note=note)


_KNN, _POPULARITY = _baseline("content kNN", "content_knn"), _baseline("popularity", "popularity")
EASE = _baseline("EASE", "ease")
ALL_BASELINES = (_baseline("mean", "mean"), _baseline("biases", "biases"), _KNN, _POPULARITY, EASE)
LIST_BASELINES = (_KNN, _POPULARITY)

EASE_ON_LIKED = _baseline("EASE on liked items", "ease", liked=True)
EASE_UNRATED = _baseline(
    "EASE, rated items left out",
    "ease",
    unrated=True,
    note="fitted on all ratings; lists nothing that a user rated in training",
)
