"""The few-shot curve of simpler models, each fitted anew with the ratings that newcomers give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kg.ratings import Ratings
from models.baselines import Ease
from models.lists.content import Content
from training.chosen_baselines import BASELINES
from training.progress import Progress, silent
from training.studies.few_shot import GIVEN, Curve, Draw, Served, ndcg_of_newcomer

__all__ = ["ALL_BASELINES", "floor_curves"]

ALL_BASELINES = {
    "mean": "mean",
    "biases": "biases",
    "content kNN": "content_knn",
    "popularity": "popularity",
    "EASE": "ease",
}
"""What is fitted anew, for every number of given ratings, on the training ratings and the given ones together."""


def floor_curves(
    train: Ratings,
    part: Ratings,
    draw: Draw,
    content: Content,
    scale: tuple[float, float],
    relevant_from: float,
    numbers: Sequence[int] = GIVEN,
    *,
    lists: bool,
    progress: Progress = silent,
) -> dict[str, Curve]:
    """Fit every floor on training and given ratings together, and ask it about the same test ratings.

    Settings are chosen once, on a tenth of the training ratings.

    `biases` is the bias baseline of the curve: mean, item biases, and a user bias (or the new item's bias) that its
    n given ratings move, as a regularised mean does.

    Args:
        train: Training ratings.
        part: Held-out ratings of newcomers.
        draw: What is given, and what is predicted.
        content: Content of the items.
        scale: Lowest and highest possible rating in stars.
        relevant_from: A rating of at least so many stars says that an item was liked.
        numbers: Numbers of given ratings.
        lists: Whether the newcomers are users, for whom items are ranked.
        progress: Called with (stage, done, total, message).
    """
    found: dict[str, dict[int, Served]] = {name: {} for name in ALL_BASELINES}
    chosen = {
        name: BASELINES[key].chosen(train, None, content=content, scale=scale, relevant_from=relevant_from)
        for name, key in ALL_BASELINES.items()
        if key != "ease" or (lists and train.num_items <= Ease.max_items)
    }
    for step, number in enumerate(numbers):
        known = train.concat(part.select(draw.given[:, :number].ravel()))
        for place, (name, key) in enumerate(ALL_BASELINES.items()):
            progress(
                "few-shot",
                step * len(ALL_BASELINES) + place,
                len(numbers) * len(ALL_BASELINES),
                f"{name}, {number} given",
            )
            rates, ranks = name in ("mean", "biases", "content kNN"), name in ("content kNN", "popularity", "EASE")
            if not rates and not lists:
                continue
            if name == "EASE" and train.num_items > Ease.max_items:
                continue
            make, settings = BASELINES[key].make, chosen[name]
            stars = ndcg = None
            if rates:
                floor = make(scale, **settings.get("stars", {})).fit(known, content)
                stars = floor.predict(part.user[draw.test], part.item[draw.test]).astype(np.float64)
            if ranks and lists:
                floor = make(scale, **settings.get("lists", {})).fit(known, content)
                scores = floor.rank(draw.newcomers)
                values = (
                    ndcg_of_newcomer(scores[place], part, draw.given[place, :number], draw.of(place), relevant_from)
                    for place in range(len(draw.newcomers))
                )
                ndcg = np.array([value for value in values if value is not None])
            found[name][number] = Served(stars=stars, ndcg=ndcg)
    return {name: curve for name, curve in found.items() if curve}
