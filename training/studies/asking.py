"""Asking new users about items, as a product would on first contact: which questions bring the error down fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings
from models.lists.questions import best_questions
from models.lists.user_query import UserQuery
from models.recommender import Recommender
from training.progress import Progress, silent
from training.studies.few_shot import history_of

__all__ = ["ASKED", "INFORMATIVE", "POPULAR", "RANDOM", "Interview", "interviews"]

ASKED = (0, 1, 2, 5, 10, 20)
INFORMATIVE, POPULAR, RANDOM = "informative and known", "popular", "random"
LEAST_RATINGS = 30

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Interview:
    """What was predicted after some questions to everyone.

    Attributes:
        strategy: How the items were chosen.
        asked: Number of questions.
        answered: Number of questions each user could answer, `[num_users]`.
        stars: Expected ratings of the test ratings, `[num_test]`.
    """

    strategy: str
    asked: int
    answered: Rows
    stars: NDArray[np.float64]


def interviews(
    recommender: Recommender,
    part: Ratings,
    numbers: Sequence[int] = ASKED,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[Interview], Ratings]:
    """Try each way of asking on held-out users, who answer truthfully about half of what they rated.

    The other half is predicted, and never asked about. A question about any other item is answered with "I do not know
    it", and costs a question. `informative and known` asks anew after every answer; `popular` goes down the
    list of most rated items; `random` takes any item that someone rated.

    Args:
        recommender: What asks and predicts; it has learned from no rating of theirs.
        part: Held-out ratings of new users.
        numbers: Numbers of questions after which is predicted.
        limit: Most users, drawn at random; by default all with at least 30 ratings.
        seed: Seed of every choice.
        progress: Called with (stage, done, total, message).

    Returns:
        What was predicted after each number of questions, and the test ratings, in the order of `Interview.stars`.

    Raises:
        InputError: If no user has 30 ratings.
    """
    users, counts = np.unique(part.user, return_counts=True)
    users = users[counts >= LEAST_RATINGS]
    if not len(users):
        raise InputError(f"no held-out user has {LEAST_RATINGS} ratings, so questions cannot be tried; hold out more")
    if limit is not None and len(users) > limit:
        users = np.sort(np.random.default_rng(seed).choice(users, limit, replace=False))
    halves = []
    for user in users:
        rows = np.random.default_rng([seed, int(user)]).permutation(np.flatnonzero(part.user == user))
        halves.append((rows[: len(rows) // 2], rows[len(rows) // 2 :]))
    strategies = (INFORMATIVE, POPULAR, RANDOM)
    done = []
    for place, strategy in enumerate(strategies):
        of_users = []
        for number, (user, (answers, test)) in enumerate(zip(users, halves, strict=True)):
            progress("asking", place * len(users) + number, len(strategies) * len(users), strategy)
            rng = np.random.default_rng([seed, int(user)])
            of_users.append(_interview(recommender, part, strategy, answers, test, numbers, rng))
        for asked in numbers:
            answered, stars = zip(*(of_user[asked] for of_user in of_users), strict=True)
            done.append(
                Interview(strategy=strategy, asked=asked, answered=np.array(answered), stars=np.concatenate(stars))
            )
    return done, part.select(np.concatenate([test for _, test in halves]))


def _interview(
    recommender: Recommender,
    part: Ratings,
    strategy: str,
    answers: Rows,
    test: Rows,
    numbers: Sequence[int],
    rng: np.random.Generator,
) -> dict[int, tuple[int, NDArray[np.float64]]]:
    """Ask one user; return after each number of questions how many were answered and what is predicted."""
    row_of = {int(part.item[row]): int(row) for row in answers}
    counts, never = recommender.train.item_counts, part.item[test]
    order = rng.permutation(np.flatnonzero(counts)) if strategy == RANDOM else np.argsort(-counts, kind="stable")
    waiting = iter(order[~np.isin(order, never)].tolist())
    person = _person(recommender, part, ())
    asked: list[int] = []
    given: list[int] = []
    predictions = {}
    for number in range(max(numbers) + 1):
        if number in numbers:
            if strategy != INFORMATIVE:
                person = _person(recommender, part, given)
            chances = person.chances(recommender.predictor)[part.item[test]].numpy()
            predictions[number] = (len(given), chances.astype(np.float64) @ recommender.levels)
        if strategy == INFORMATIVE:
            asked_before = np.array(asked, dtype=np.int64)
            best = best_questions(recommender, person, 1, never=np.concatenate([never, asked_before]))
            item = best[0].item if best else None
        else:
            item = next(waiting, None)
        if item is None:
            continue
        asked.append(item)
        if item in row_of:
            given.append(row_of[item])
            if strategy == INFORMATIVE:
                person = _person(recommender, part, given)
    return predictions


def _person(recommender: Recommender, part: Ratings, given: Sequence[int]) -> UserQuery:
    return recommender.user_query(history=history_of(recommender, part, np.array(given, dtype=np.int64)))
