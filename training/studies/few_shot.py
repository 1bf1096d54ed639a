"""How fast predictions get better when someone new, or something new, collects ratings: the few-shot curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.network.bilinear import bilinear
from models.network.head import level_probabilities
from models.recommender import Recommender
from training.metrics import ndcg_at, top_k
from training.predictions import LIST_LENGTH
from training.progress import Progress, silent

__all__ = [
    "GIVEN",
    "Curve",
    "Draw",
    "Served",
    "concepts_of",
    "draw_given",
    "history_of",
    "item_curve",
    "ndcg_of_newcomers",
    "served",
    "user_curve",
]

GIVEN = (0, 1, 2, 5, 10, 20)
LEAST_TEST = 10  # ratings that must be left to test on, beside the most that are given
SEED = 0  # of ties in lists, and of what a new item's ratings leave open

Rows = NDArray[np.int64]
Chances = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """Which held-out ratings a newcomer gives, and which are predicted: the same for every number given.

    Attributes:
        part: Held-out ratings of newcomers.
        newcomers: Users (or items), rising, `[num_newcomers]`.
        given: Ratings of each newcomer in the order they are given, `[num_newcomers, most]`, rows of the part.
        test: Rows of the part that are predicted, grouped by newcomer.
        owner: Place of each test row's newcomer, rising, `[num_test]`.
    """

    part: Ratings
    newcomers: Rows
    given: Rows
    test: Rows
    owner: Rows

    def of(self, place: int) -> Rows:
        """Return the test rows of one newcomer."""
        first, last = np.searchsorted(self.owner, [place, place + 1])
        return self.test[first:last]


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """Predictions of the test ratings after a number of given ones.

    Attributes:
        stars: Expected ratings, `[num_test]`, in the order of `Draw.test`; None of a model that only ranks.
        probabilities: Chance of each level, `[num_test, num_levels]`; None of a model without.
        ndcg: NDCG@20 of each newcomer who liked a test item, `[num_relevant]`; None where lists were not asked for.
    """

    stars: NDArray[np.float64] | None = None
    probabilities: Chances | None = None
    ndcg: NDArray[np.float64] | None = None


Curve = Mapping[int, Served]
"""Predictions by the number of given ratings."""


def draw_given(
    part: Ratings, *, by: str, most: int = GIVEN[-1], least_test: int = LEAST_TEST, limit: int | None = None, seed: int
) -> Draw:
    """Choose at random what each newcomer gives; who has too few ratings for all numbers is left out.

    The ratings that are given are nested (the first 2 are among the first 5), and the ratings that are predicted are
    the same whatever is given, so that points of a curve differ by what is known alone.

    Args:
        part: Held-out ratings of newcomers.
        by: `user` or `item`: whose ratings are given.
        most: Largest number that is given.
        least_test: Least number that must be left.
        limit: Most newcomers, drawn at random; by default all.
        seed: Seed of every choice.

    Raises:
        InputError: If nobody has enough ratings.
    """
    owner = part.user if by == "user" else part.item
    newcomers, counts = np.unique(owner, return_counts=True)
    newcomers = newcomers[counts >= most + least_test]
    if not len(newcomers):
        raise InputError(
            f"no held-out {by} has {most + least_test} ratings: {most} to give and {least_test} to test on; "
            "hold out more (--set split.test_share=0.3), or take data with more ratings"
        )
    if limit is not None and len(newcomers) > limit:
        newcomers = np.sort(np.random.default_rng(seed).choice(newcomers, limit, replace=False))
    rows = [
        np.random.default_rng([seed, int(newcomer)]).permutation(np.flatnonzero(owner == newcomer))
        for newcomer in newcomers
    ]
    return Draw(
        part=part,
        newcomers=newcomers,
        given=np.stack([of_one[:most] for of_one in rows]),
        test=np.concatenate([of_one[most:] for of_one in rows]),
        owner=np.repeat(np.arange(len(rows)), [len(of_one) - most for of_one in rows]),
    )


def user_curve(
    recommender: Recommender,
    draw: Draw,
    numbers: Sequence[int] = GIVEN,
    *,
    informed: bool = False,
    progress: Progress = silent,
) -> Curve:
    """Serve each new user by a history of their first ratings, as `Recommender.recommend(history=...)` does.

    Args:
        recommender: What answers; it has learned from no rating of theirs.
        draw: What is given, and what is predicted.
        numbers: Numbers of given ratings.
        informed: Whether it is told their concepts as well, such as age and occupation, as far as the graph knows them.
        progress: Called with (stage, done, total, message).
    """
    concepts = [concepts_of(recommender, int(user)) if informed else None for user in draw.newcomers]

    def serve(place: int, given: Rows, test: Rows) -> tuple[Chances, NDArray[np.float32] | None]:
        chances, scores = served(recommender, history_of(recommender, draw.part, given), concepts[place])
        return chances[draw.part.item[test]], scores

    return _curve(recommender, draw, numbers, serve, progress)


def item_curve(
    recommender: Recommender, draw: Draw, numbers: Sequence[int] = GIVEN, *, progress: Progress = silent
) -> Curve:
    """Serve each new item by its text, its concepts and its first ratings, which known users gave; arguments as `user_curve`."""

    def serve(place: int, given: Rows, test: Rows) -> tuple[Chances, None]:
        item, raters = int(draw.newcomers[place]), draw.part.user[test]
        return _item_chances(recommender, item, draw.part.select(given), raters), None

    return _curve(recommender, draw, numbers, serve, progress)


def _curve(
    recommender: Recommender,
    draw: Draw,
    numbers: Sequence[int],
    serve: Callable[[int, Rows, Rows], tuple[Chances, NDArray[np.float32] | None]],
    progress: Progress,
) -> Curve:
    """Let `serve(place, given rows, test rows)` give chances of the test ratings, and scores of all items or None."""
    curve, num_newcomers = {}, len(draw.newcomers)
    for step, number in enumerate(numbers):
        chances, scores = [], []
        for place in range(num_newcomers):
            progress("few-shot", step * num_newcomers + place, len(numbers) * num_newcomers, "newcomers")
            of_test, of_items = serve(place, draw.given[place, :number], draw.of(place))
            chances.append(of_test)
            scores.append(of_items)
        probabilities = np.concatenate(chances)
        ranked = [of_items for of_items in scores if of_items is not None]
        curve[number] = Served(
            stars=probabilities.astype(np.float64) @ recommender.levels,
            probabilities=probabilities,
            ndcg=ndcg_of_newcomers(ranked, draw, number, recommender.relevant_from) if ranked else None,
        )
    return curve


def served(
    recommender: Recommender, history: Mapping[str, float], concepts: Mapping[str, Sequence[str]] | None = None
) -> tuple[Chances, NDArray[np.float32]]:
    """Return level probabilities `[num_items, num_levels]` and ranking scores `[num_items]` for someone with a history.

    The very steps of `Recommender.recommend(history=..., concepts=...)`, for all items instead of the best.
    """
    person = recommender.user_query(history=history, concepts=concepts)
    return person.chances(recommender.predictor).numpy(), recommender.scores_of(person)


def _item_chances(recommender: Recommender, item: int, given: Ratings, users: Rows) -> Chances:
    """Return the level probabilities of users for an item that some others have rated, `[num_given_users, num_levels]`."""
    samples, predictor = recommender.cold_samples, recommender.predictor.cold_samples
    rows = predictor.items[:, item]
    if len(given):
        posterior = samples.posterior
        rows = samples.fold_in(
            ITEM,
            torch.from_numpy(given.user.copy()),
            torch.from_numpy(nearest_level(given.value, recommender.levels)),
            content=rows - posterior.residual(ITEM, item) - posterior.shared(ITEM),
            prior=recommender.cold_start_prior(ITEM, len(given)),
            generator=torch.Generator().manual_seed(SEED),
        ).rows
    chosen = torch.from_numpy(users)
    scores = bilinear(predictor.users[:, chosen], rows[:, None])
    preferences = predictor.preferences[:, chosen]
    return level_probabilities(scores, predictor.thresholds[:, None], preferences).mean(0).numpy()


def history_of(recommender: Recommender, part: Ratings, rows: Rows) -> dict[str, float]:
    """Return some ratings as a history: item id -> stars."""
    ids = recommender.graph.items.vocabulary
    return {ids.id_of(int(part.item[row])): float(part.value[row]) for row in rows}


def concepts_of(recommender: Recommender, user: int) -> dict[str, list[str]]:
    """Return what the graph knows of a user: relation -> ids of concepts, as `Recommender.recommend(concepts=...)` takes them."""
    graph = recommender.graph
    by_relation: dict[str, list[str]] = {}
    for edge_type, concepts in graph.concepts_of(USER, user):
        ids = graph.nodes[edge_type.target].vocabulary
        by_relation.setdefault(edge_type.relation, []).extend(ids.id_of(int(concept)) for concept in concepts)
    return by_relation


def ndcg_of_newcomers(
    scores: Sequence[NDArray[np.floating]], draw: Draw, number: int, relevant_from: float
) -> NDArray[np.float64]:
    """Return the NDCG@20 of each new user who liked a test item, among all items they have not given, `[num_relevant]`.

    Args:
        scores: Scores of all items for each new user.
        draw: What is given, and what is predicted.
        number: Number of given ratings.
        relevant_from: A rating of at least so many stars says that an item was liked.
    """
    part, values = draw.part, []
    for place, of_items in enumerate(scores):
        test = draw.of(place)
        liked = part.item[test[part.value[test] >= relevant_from]]
        if len(liked):
            candidates = np.array(of_items, dtype=np.float64)
            candidates[part.item[draw.given[place, :number]]] = -np.inf
            listed = top_k(candidates[None], min(LIST_LENGTH, len(candidates)), rng=SEED)
            values.append(float(ndcg_at(LIST_LENGTH, np.isin(listed, liked), np.array([len(liked)]))[0]))
    return np.array(values)
