"""How fast predictions get better when someone new, or something new, collects ratings: the few-shot curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.lists.ranking import ranking
from models.network.bilinear import bilinear
from models.network.head import level_probabilities
from models.recommender import Recommender
from training.experiment import Experiment
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
    "ndcg_of_newcomer",
    "retrained_curve",
    "served",
    "user_curve",
]

GIVEN = (0, 1, 2, 5, 10, 20)
LEAST_TEST = 10  # ratings that must be left to test on, beside the most that are given
SEED = 0  # of ties in lists, and of what a new item's ratings leave open

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """Which held-out ratings a newcomer gives, and which are predicted: the same for every number given.

    Attributes:
        newcomers: Users (or items), rising, `[num_newcomers]`.
        given: Ratings of each newcomer in the order they are given, `[num_newcomers, most]`, rows of the part.
        test: Rows of the part that are predicted, grouped by newcomer.
        owner: Place of each test row's newcomer, rising, `[num_test]`.
    """

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
    """What was said of the test ratings after a number of given ones.

    Attributes:
        stars: Expected ratings, `[num_test]`, in the order of `Draw.test`; None of a model that only ranks.
        probabilities: Chance of each level, `[num_test, num_levels]`; None of a model without.
        ndcg: NDCG@20 of each newcomer who liked a test item, `[num_relevant]`; None where lists were not asked for.
    """

    stars: NDArray[np.float64] | None = None
    probabilities: NDArray[np.float32] | None = None
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
    given, test, place = [], [], []
    for number, newcomer in enumerate(newcomers):
        rows = np.random.default_rng([seed, int(newcomer)]).permutation(np.flatnonzero(owner == newcomer))
        given.append(rows[:most])
        test.append(rows[most:])
        place.append(np.full(len(rows) - most, number))
    return Draw(newcomers=newcomers, given=np.stack(given), test=np.concatenate(test), owner=np.concatenate(place))


def user_curve(
    recommender: Recommender,
    part: Ratings,
    draw: Draw,
    numbers: Sequence[int] = GIVEN,
    *,
    informed: bool = False,
    progress: Progress = silent,
) -> Curve:
    """Serve each new user by a history of their first ratings, as `Recommender.recommend(history=...)` does.

    Args:
        recommender: What answers; it has learned from no rating of theirs.
        part: Held-out ratings of new users.
        draw: What is given, and what is predicted.
        numbers: Numbers of given ratings.
        informed: Whether it is told their concepts as well, such as age and occupation, as far as the graph knows them.
        progress: Called with (stage, done, total, message).
    """
    concepts = [concepts_of(recommender, int(user)) if informed else None for user in draw.newcomers]
    found = {}
    for step, number in enumerate(numbers):
        probabilities, ndcg = [], []
        for place in range(len(draw.newcomers)):
            progress("few-shot", step * len(draw.newcomers) + place, len(numbers) * len(draw.newcomers), "new users")
            given, test = draw.given[place, :number], draw.of(place)
            chances, scores = served(recommender, history_of(recommender, part, given), concepts[place])
            probabilities.append(chances[part.item[test]])
            ndcg.append(ndcg_of_newcomer(scores, part, given, test, recommender.relevant_from))
        joined = np.concatenate(probabilities)
        found[number] = Served(
            stars=joined.astype(np.float64) @ recommender.levels,
            probabilities=joined,
            ndcg=np.array([value for value in ndcg if value is not None]),
        )
    return found


def retrained_curve(
    experiment: Experiment, part: Ratings, draw: Draw, numbers: Sequence[int], *, progress: Progress = silent
) -> Curve:
    """Train once more for every number, the first ratings of all new users among the others, and answer as for anyone known.

    It takes a training each and needs all newcomers at once; what it is better by is the price of an answer without training.

    Args:
        experiment: How the recommender was trained; its graph knows the users, and what their concepts are.
        part: Held-out ratings of new users.
        draw: What is given, and what is predicted.
        numbers: Numbers of given ratings.
        progress: Called with (stage, done, total, message).
    """
    found = {}
    user, item = torch.from_numpy(part.user[draw.test]), torch.from_numpy(part.item[draw.test])
    for number in numbers:
        given = part.select(draw.given[:, :number].ravel())
        split = replace(experiment.split, train=experiment.split.train.concat(given))
        again = Experiment(experiment.dataset, experiment.config, split=split, progress=progress)
        with TemporaryDirectory() as folder:
            recommender = again.recommender(again.run(Path(folder) / "checkpoint.safetensors"))
        chances = recommender.predictor.probabilities(user, item).numpy()
        found[number] = Served(stars=chances.astype(np.float64) @ recommender.levels, probabilities=chances)
    return found


def item_curve(
    recommender: Recommender,
    part: Ratings,
    draw: Draw,
    numbers: Sequence[int] = GIVEN,
    *,
    progress: Progress = silent,
) -> Curve:
    """Serve each new item by its text, its concepts and its first ratings, which known users gave."""
    found = {}
    for step, number in enumerate(numbers):
        probabilities = []
        for place, item in enumerate(draw.newcomers):
            progress("few-shot", step * len(draw.newcomers) + place, len(numbers) * len(draw.newcomers), "new items")
            given, test = draw.given[place, :number], draw.of(place)
            probabilities.append(_item_chances(recommender, int(item), part.select(given), part.user[test]))
        joined = np.concatenate(probabilities)
        found[number] = Served(stars=joined.astype(np.float64) @ recommender.levels, probabilities=joined)
    return found


def served(
    recommender: Recommender, history: Mapping[str, float], concepts: Mapping[str, Sequence[str]] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return level probabilities `[num_items, num_levels]` and ranking scores `[num_items]` for someone with a history.

    The very steps of `Recommender.recommend(history=..., concepts=...)`, for all items instead of the best.
    """
    person = recommender.user_query(history=history, concepts=concepts)
    chances = person.chances(recommender.predictor)
    relevance = chances[:, recommender.relevant_level :].sum(1).numpy()
    item_item = recommender.item_item(person.seen[None])[0]
    scores = ranking(relevance, recommender.relevance_power, item_item=item_item)
    scores[~recommender.graph.items.present] = -np.inf
    return chances.numpy(), scores


def _item_chances(recommender: Recommender, item: int, given: Ratings, users: Rows) -> NDArray[np.float32]:
    """Return the level probabilities of users for an item that some others have rated, `[num_given_users, num_levels]`."""
    samples, predictor = recommender.cold_samples, recommender.predictor.cold_samples
    rows = predictor.items[:, item]
    if len(given):
        level = nearest_level(given.value, recommender.levels)
        posterior = samples.posterior
        rows = samples.fold_in(
            ITEM,
            torch.from_numpy(given.user.copy()),
            torch.from_numpy(level),
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
    found: dict[str, list[str]] = {}
    for edge_type, concepts in graph.concepts_of(USER, user):
        ids = graph.nodes[edge_type.target].vocabulary
        found.setdefault(edge_type.relation, []).extend(ids.id_of(int(concept)) for concept in concepts)
    return found


def ndcg_of_newcomer(
    scores: NDArray[np.floating], part: Ratings, given: Rows, test: Rows, relevant_from: float
) -> float | None:
    """NDCG@20 of one newcomer among all items they have not given, or None if they like none of the test items."""
    liked = part.item[test[part.value[test] >= relevant_from]]
    if not len(liked):
        return None
    scores = np.array(scores, dtype=np.float64)
    scores[part.item[given]] = -np.inf
    listed = top_k(scores[None], min(LIST_LENGTH, len(scores)), rng=SEED)
    return float(ndcg_at(LIST_LENGTH, np.isin(listed, liked), np.array([len(liked)]))[0])
