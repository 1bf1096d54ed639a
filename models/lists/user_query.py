"""User query: whom a list is for, someone the model knows, or someone new with a few ratings or words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.schema import USER
from models.cold.joining import content_of_user
from models.cold.user_embedding import user_embeddings_of
from models.lists.trained import Trained
from models.posterior import PhasedPredictor, UserEmbedding

__all__ = ["UserQuery", "known_user_query", "levels_of", "user_query_of_history"]


@dataclass(frozen=True, kw_only=True, eq=False)
class UserQuery:
    """Someone's side of every score.

    Attributes:
        warm: Rows in the samples that answer for known items; None of someone whom the first phase alone can place.
        cold: Rows in the samples that answer for new items, and for someone of whom there is no rating.
        seen: What the person rated, or is taken to like, 0/1 `[num_items]`; for a sentence, how likely.
        num_ratings: Number of ratings that are known of the person.
        nearness: How near each item's text is to the person's words, on the scale of logarithms `[num_items]`, if they
            gave some.
        comes_across: Whether `seen` tells what the person comes across; if not, nearness takes its place.
        described: Whether concepts of the person, such as age and occupation, are known.
        named: Items that the words name, which the person knows, `[num_named]`.
        understood: What was read in the words beside their meaning, as phrases: titles, concepts, years.
    """

    warm: UserEmbedding | None = None
    cold: UserEmbedding
    seen: NDArray[np.float32]
    num_ratings: int = 0
    nearness: NDArray[np.float32] | None = None
    comes_across: bool = True
    described: bool = False
    named: tuple[int, ...] = ()
    understood: tuple[str, ...] = ()

    @property
    def known(self) -> NDArray[np.bool_]:
        """Items that the person has told of and need not be shown, bool `[num_items]`."""
        if self.nearness is None:
            return self.seen > 0
        known = np.zeros(len(self.seen), dtype=bool)
        known[list(self.named)] = True
        return known

    def chances(self, predictor: PhasedPredictor, items: Tensor | None = None) -> Tensor:
        """Return the level probabilities of items, by default all, `[num_items, num_levels]`."""
        known = predictor.known_items if items is None else predictor.known_items[items]
        if self.warm is None or not known.any():
            return predictor.cold_samples.for_rows(self.cold.rows, self.cold.preferences, items)
        warm = predictor.samples.for_rows(self.warm.rows, self.warm.preferences, items)
        if not known.all():
            new = torch.nonzero(~known)[:, 0]
            warm[new] = predictor.cold_samples.for_rows(
                self.cold.rows, self.cold.preferences, new if items is None else items[new]
            )
        return warm


def known_user_query(recommender: Trained, user: str) -> UserQuery:
    """Return a user of the graph; raises `UnknownNameError` for any other."""
    index = recommender.graph.users.vocabulary.index_of(user)
    predictor = recommender.predictor
    return UserQuery(
        warm=UserEmbedding.learned(predictor.samples, index) if predictor.known_users[index] else None,
        cold=UserEmbedding.learned(predictor.cold_samples, index),
        seen=recommender.seen_by(np.array([index]))[0],
        num_ratings=int(recommender.train.user_counts[index]),
        described=bool(recommender.with_concepts[USER][index]),
    )


def user_query_of_history(
    recommender: Trained, history: Mapping[str, float], concepts: Mapping[str, Any] | None = None
) -> UserQuery:
    """Return someone new who gave some ratings; without ratings and concepts, someone of whom nothing is known.

    Args:
        recommender: What answers.
        history: Ratings, item id -> stars.
        concepts: What else is known, relation -> value or values, such as age and occupation; what is too rare for the
            model to have learned counts as unknown.

    Raises:
        InputError: If an item, relation or concept is unknown, or a rating is off the scale.
    """
    content = content_of_user(recommender, concepts) if concepts else None
    if content is not None and not content.any():
        content = None
    item = recommender.graph.items.vocabulary.indices(list(history))
    level = levels_of(recommender, history)
    warm, cold = user_embeddings_of(recommender, item, level, content)
    seen = np.zeros(recommender.train.num_items, dtype=np.float32)
    seen[item] = 1.0
    return UserQuery(warm=warm, cold=cold, seen=seen, num_ratings=len(history), described=content is not None)


def levels_of(recommender: Trained, history: Mapping[str, float]) -> NDArray[np.int64]:
    """Return the index of the level of each rating; stars between two levels that training knows count as the nearer one.

    Raises:
        InputError: If a rating is off the scale.
    """
    low, high = recommender.scale
    wrong = next(((raw_id, stars) for raw_id, stars in history.items() if not low <= stars <= high), None)
    if wrong is not None and recommender.implicit:
        raise InputError(f"item {wrong[0]!r} has the value {wrong[1]:g}; a choice has the value 1")
    if wrong is not None:
        raise InputError(f"item {wrong[0]!r} has {wrong[1]:g} stars; the scale is {low:g} to {high:g}")
    return nearest_level(np.array(list(history.values()), dtype=np.float32), recommender.levels)
