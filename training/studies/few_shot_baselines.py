"""The few-shot curve of simpler models, each fitted anew with the ratings that newcomers give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kg.ratings import Ratings
from models.baselines import Ease
from models.lists.content import Content
from training.chosen_baselines import BASELINES
from training.progress import Progress, silent
from training.studies.few_shot import GIVEN, Curve, Draw, Served, ndcg_of_newcomers

__all__ = ["baseline_curves"]

_NAMES = {
    "mean": "mean",
    "biases": "biases",
    "content kNN": "content_knn",
    "popularity": "popularity",
    "EASE": "ease",
}
_RATE, _RANK = ("mean", "biases", "content kNN"), ("content kNN", "popularity", "EASE")


def baseline_curves(
    train: Ratings,
    draw: Draw,
    content: Content,
    scale: tuple[float, float],
    relevant_from: float,
    numbers: Sequence[int] = GIVEN,
    *,
    lists: bool,
    progress: Progress = silent,
) -> dict[str, Curve]:
    """Fit every baseline on training and given ratings together, and ask it about the same test ratings.

    Settings are chosen once, on a tenth of the training ratings.

    `biases` is the bias baseline of the curve: mean, item biases, and a user bias (or the new item's bias) that its
    n given ratings move, as a regularised mean does.

    Args:
        train: Training ratings.
        draw: What is given, and what is predicted.
        content: Content of the items.
        scale: Lowest and highest possible rating in stars.
        relevant_from: A rating of at least so many stars says that an item was liked.
        numbers: Numbers of given ratings.
        lists: Whether the newcomers are users, for whom items are ranked.
        progress: Called with (stage, done, total, message).
    """
    names = [name for name in _NAMES if lists or name in _RATE]
    if train.num_items > Ease.max_items:
        names = [name for name in names if name != "EASE"]
    chosen = {
        name: BASELINES[_NAMES[name]].chosen(train, None, content=content, scale=scale, relevant_from=relevant_from)
        for name in names
    }
    asked = draw.part.select(draw.test)
    curves: dict[str, dict[int, Served]] = {name: {} for name in names}
    for step, number in enumerate(numbers):
        known = train.concat(draw.part.select(draw.given[:, :number].ravel()))
        for place, name in enumerate(names):
            progress("few-shot", step * len(names) + place, len(numbers) * len(names), f"{name}, {number} given")
            make, settings = BASELINES[_NAMES[name]].make, chosen[name]
            stars = ndcg = None
            if name in _RATE:
                fitted = make(scale, **settings.get("stars", {})).fit(known, content)
                stars = fitted.predict(asked.user, asked.item).astype(np.float64)
            if lists and name in _RANK:
                scores = make(scale, **settings.get("lists", {})).fit(known, content).rank(draw.newcomers)
                ndcg = ndcg_of_newcomers(list(scores), draw, number, relevant_from)
            curves[name][number] = Served(stars=stars, ndcg=ndcg)
    return dict(curves)
