"""Asking new users about items, as a product would on first contact: which questions bring the error down fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings
from models.lists.questions import best_questions
from models.recommender import Recommender
from training.progress import Progress, silent
from training.studies.few_shot import history_of

__all__ = ["ASKED", "INFORMATIVE", "POPULAR", "RANDOM", "STRATEGIES", "Interview", "interviews", "predicted_ratings"]

ASKED = (0, 1, 2, 5, 10, 20)
INFORMATIVE, POPULAR, RANDOM = "informative and known", "popular", "random"
STRATEGIES = (INFORMATIVE, POPULAR, RANDOM)
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


def halves(part: Ratings, *, limit: int | None, seed: int) -> tuple[Rows, list[Rows], list[Rows]]:
    """Return users with at least 30 held-out ratings, and of each the rows they may answer with and those to predict.

    Raises:
        InputError: If there are none.
    """
    users, counts = np.unique(part.user, return_counts=True)
    users = users[counts >= LEAST_RATINGS]
    if not len(users):
        raise InputError(f"no held-out user has {LEAST_RATINGS} ratings, so questions cannot be tried; hold out more")
    if limit is not None and len(users) > limit:
        users = np.sort(np.random.default_rng(seed).choice(users, limit, replace=False))
    answers, tests = [], []
    for user in users:
        rows = np.random.default_rng([seed, int(user)]).permutation(np.flatnonzero(part.user == user))
        answers.append(rows[: len(rows) // 2])
        tests.append(rows[len(rows) // 2 :])
    return users, answers, tests


def interviews(
    recommender: Recommender,
    part: Ratings,
    numbers: Sequence[int] = ASKED,
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[Interview], Rows]:
    """Try each way of asking on held-out users, who answer truthfully about half of what they rated.

    The other half is predicted, and never asked about. A question about any other item is answered with "I do not know
    it", and costs a question. `informative and known` asks anew after every answer; `popular` goes down the
    list of most rated items; `random` takes any item that someone rated.

    Returns:
        What was predicted after each number of questions, and the user of each test rating, `[num_test]`.
    """
    users, answers, tests = halves(part, limit=limit, seed=seed)
    stars: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
    answered: dict[tuple[str, int], list[int]] = {}
    done = 0
    for strategy in STRATEGIES:
        for place, user in enumerate(users):
            progress("asking", done, len(STRATEGIES) * len(users), strategy)
            done += 1
            found = _interview(
                recommender,
                part,
                strategy,
                answers[place],
                tests[place],
                numbers,
                np.random.default_rng([seed, int(user)]),
            )
            for number, (count, predicted) in found.items():
                stars.setdefault((strategy, number), []).append(predicted)
                answered.setdefault((strategy, number), []).append(count)
    owner = np.concatenate([np.full(len(rows), user) for user, rows in zip(users, tests, strict=True)])
    return [
        Interview(strategy=name, asked=number, answered=np.array(answered[name, number]), stars=np.concatenate(values))
        for (name, number), values in stars.items()
    ], owner


def predicted_ratings(part: Ratings, *, limit: int | None = None, seed: int = 0) -> Ratings:
    """Return the ratings that `interviews` predicts, in its order."""
    _, _, tests = halves(part, limit=limit, seed=seed)
    return part.select(np.concatenate(tests))


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
    row_of = {int(part.item[row]): row for row in answers}
    counts = recommender.train.item_counts
    never = part.item[test]
    order = rng.permutation(np.flatnonzero(counts)) if strategy == RANDOM else np.argsort(-counts, kind="stable")
    waiting = iter(order[~np.isin(order, never)].tolist())
    given: list[int] = []
    person = recommender.user_query(history={})
    asked: list[int] = []
    found = {}
    for number in range(max(numbers) + 1):
        if number in numbers:
            if strategy != INFORMATIVE and number:
                person = recommender.user_query(history=history_of(recommender, part, np.array(given, dtype=np.int64)))
            chances = person.chances(recommender.predictor)[part.item[test]].numpy()
            found[number] = (len(given), chances.astype(np.float64) @ recommender.levels)
        if strategy == INFORMATIVE:
            best = best_questions(
                recommender, person, 1, never=np.concatenate([never, np.array(asked, dtype=np.int64)])
            )
            item = best[0].item if best else None
        else:
            item = next(waiting, None)
        if item is None:
            continue
        asked.append(item)
        if item in row_of:
            given.append(int(row_of[item]))
            if strategy == INFORMATIVE:
                person = recommender.user_query(history=history_of(recommender, part, np.array(given, dtype=np.int64)))
    return found
