"""The baselines at their best: settings are chosen on validation ratings, once for stars and once for lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from kg.ratings import Ratings
from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from models.lists.content import Content
from training.predictions import LIST_LENGTH, Predictions, Scorers

__all__ = ["BASELINES", "Choice", "cut_for_choice", "fitted_baselines", "settings_sentence"]

SEED = 5  # of the validation cut
SHARE = 0.1  # of the training ratings, where a split has no validation ratings of its own
RIDGES = (25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)  # of EASE, in ratings
BIAS_RIDGES = (1.0, 3.0, 10.0, 30.0)  # in ratings
NEIGHBOURS = (5, 10, 20, 40, 80, 160)

Purpose = Literal["stars", "lists"]
Settings = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A baseline and the settings it may have.

    Attributes:
        make: Makes the baseline from the scale of the ratings and keyword settings.
        grid: The settings to choose among; one alone is taken as it is.
        purposes: What the baseline is asked for.
    """

    make: Callable[..., Baseline]
    grid: Sequence[Settings] = ({},)
    purposes: tuple[Purpose, ...] = ("stars", "lists")

    def chosen(
        self,
        train: Ratings,
        validation: Ratings | None,
        *,
        content: Content | None,
        scale: tuple[float, float],
        relevant_from: float,
    ) -> dict[str, Settings]:
        """Return the best settings for each purpose: stars are judged by RMSE, lists by NDCG@20 among unrated items.

        Args:
            train: Training ratings.
            validation: Validation ratings that the split has; None for a seeded tenth of the training ratings.
            content: Content of the items.
            scale: Lowest and highest possible rating in stars; equal for implicit feedback, which has no stars.
            relevant_from: A rating of at least so many stars says that the item was liked.

        Returns:
            Settings by purpose; without a purpose that there is nothing to choose for, or too little to choose by.
        """
        parts = cut_for_choice(train, validation) if len(self.grid) > 1 else None
        if parts is None:
            return {}
        known, held_out = parts
        costs: dict[str, list[float]] = {}
        for settings in self.grid:
            baseline, asked = self.make(scale, **settings).fit(known, content), self._asked(scale)
            scorers = Scorers(
                stars=baseline.predict if "stars" in asked else None, rank=baseline.rank if "lists" in asked else None
            )
            predictions = Predictions.ask(
                scorers, "warm", held_out, known=known, levels=known.levels, relevant_from=relevant_from
            )
            if predictions.stars is not None:
                costs.setdefault("stars", []).append(float(np.mean(predictions.errors(held_out) ** 2)))
            if predictions.lists is not None and len(predictions.lists):
                ndcg = predictions.list_measures(held_out, relevant_from)[f"ndcg@{LIST_LENGTH}"]
                costs.setdefault("lists", []).append(-float(ndcg.mean()))
        return {purpose: self.grid[int(np.argmin(of_settings))] for purpose, of_settings in costs.items()}

    def fitted(
        self,
        train: Ratings,
        validation: Ratings | None,
        *,
        content: Content | None,
        scale: tuple[float, float],
        relevant_from: float,
    ) -> Scorers:
        """Choose the settings and fit on all training ratings; see `chosen`, which the scorers hold as well."""
        chosen = self.chosen(train, validation, content=content, scale=scale, relevant_from=relevant_from)
        usual = self.grid[0] if len(self.grid) == 1 else {}
        baselines: list[tuple[Settings, Baseline]] = []  # one for both purposes where these choose alike
        best: dict[Purpose, Baseline] = {}
        for purpose in self._asked(scale):
            settings = chosen.get(purpose, usual)
            same = next((baseline for others, baseline in baselines if others == settings), None)
            best[purpose] = same or self.make(scale, **settings).fit(train, content)
            baselines.append((settings, best[purpose]))
        return Scorers(
            stars=best["stars"].predict if "stars" in best else None,
            rank=best["lists"].rank if "lists" in best else None,
            chosen=chosen,
        )

    def _asked(self, scale: tuple[float, float]) -> list[Purpose]:
        return [purpose for purpose in self.purposes if purpose == "lists" or scale[0] < scale[1]]


def cut_for_choice(train: Ratings, validation: Ratings | None = None) -> tuple[Ratings, Ratings] | None:
    """Return ratings to fit on and ratings to choose by, or None where there are too few.

    Validation ratings count where training knows their user and item. Where there are none, a random tenth of the
    training ratings is cut off, the same in every call.
    """
    if validation is not None:
        known = (train.user_counts[validation.user] > 0) & (train.item_counts[validation.item] > 0)
        if known.any():
            return train, validation.select(known)
    order = np.random.default_rng(SEED).permutation(len(train))
    held_out = order[: round(SHARE * len(train))]
    if not len(held_out):
        return None
    return train.select(np.sort(order[len(held_out) :])), train.select(np.sort(held_out))


def settings_sentence(chosen: Mapping[str, Settings], held_out: str = "rating") -> str:
    """Return what was chosen as a sentence without its stop: `ridge 50 for lists, chosen on validation ratings`."""
    sentences = (
        f"{', '.join(f'{name} {value:g}' for name, value in settings.items())} for {purpose}"
        for purpose, settings in chosen.items()
    )
    return f"{'; '.join(sentences)}, chosen on validation {held_out}s"


BASELINES: Mapping[str, Choice] = {
    "mean": Choice(make=Mean),
    "biases": Choice(
        make=Biases,
        grid=tuple(
            {"lambda_user": of_user, "lambda_item": of_item} for of_user, of_item in product(BIAS_RIDGES, BIAS_RIDGES)
        ),
    ),
    "content_knn": Choice(make=ContentKNN, grid=tuple({"num_neighbours": number} for number in NEIGHBOURS)),
    "popularity": Choice(make=Popularity),
    "ease": Choice(
        make=lambda scale, **settings: Ease(**settings),
        grid=tuple({"ridge": ridge} for ridge in RIDGES),
        purposes=("lists",),
    ),
}


def fitted_baselines(
    train: Ratings,
    validation: Ratings | None,
    *,
    content: Content | None,
    scale: tuple[float, float],
    relevant_from: float,
    names: Sequence[str] = tuple(BASELINES),
) -> Iterator[tuple[str, Scorers]]:
    """Yield each baseline, fitted with the best of its settings; without EASE where its table would be too large."""
    for name in names:
        if name != "ease" or train.num_items <= Ease.max_items:
            known = {"content": content, "scale": scale, "relevant_from": relevant_from}
            yield name, BASELINES[name].fitted(train, validation, **known)  # type: ignore[arg-type]
