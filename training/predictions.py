"""What a model, whoever wrote it, predicts of held-out ratings: plain arrays that every measure is taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.ratings import Ratings
from training.metrics import hit_rate_at, mrr_at, ndcg_at, recall_at, top_k

__all__ = ["LIST_LENGTH", "LIST_MEASURES", "Predictions", "Scorers"]

LIST_LENGTH = 20
SEED = 0
LIST_MEASURES = {"ndcg": ndcg_at, "recall": recall_at, "hit_rate": hit_rate_at, "mrr": mrr_at}
_BLOCK = 512  # users ranked at once

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scorers:
    """A fitted model as the functions it can answer with; what it cannot do is None.

    Attributes:
        stars: (users, items) of pairs -> expected ratings in stars `[num_pairs]`.
        probabilities: (users, items) of pairs -> chance of each level of the training ratings, in rising order,
            `[num_pairs, num_levels]`; the expected rating then comes from these.
        dated: (users, items, Unix times) of ratings -> the same as `probabilities`, for a model that can use the date of
            the rating to be predicted; asked only where that is wanted.
        rank: Users -> scores of all items `[num_given_users, num_items]`; higher is better, any unit.
        chosen: Settings that were chosen on validation ratings, by what they were chosen for: `{"lists": {"ridge": 50.0}}`.
    """

    stars: Callable[[Indices, Indices], Floats] | None = None
    probabilities: Callable[[Indices, Indices], Floats] | None = None
    dated: Callable[[Indices, Indices, Indices], Floats] | None = None
    rank: Callable[[Indices], Floats] | None = None
    chosen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def at(self, time: Indices | None) -> Self:
        """Return the model as it answers for ratings made at given times.

        Args:
            time: Unix times in seconds `[num_ratings]`, in the order of the pairs it will be asked about.

        Raises:
            InputError: If the ratings have no times, or the model has no use for them.
        """
        if self.dated is None:
            raise InputError("this model does not know what a date means; train it with --set model.rating_dates=true")
        if time is None:
            raise InputError("the ratings to be predicted have no times, so their dates cannot be used")
        dated, when = self.dated, time
        return replace(self, probabilities=lambda user, item: dated(user, item, when))


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The predictions of one model for one test part; None where it has none.

    Attributes:
        stars: Expected ratings `[num_ratings]`, in the order of the part.
        probabilities: Chance of each level `[num_ratings, num_levels]`.
        lists: The items listed for each user who liked something in the part, users rising,
            `[num_users, list_length or fewer]`, best first.
    """

    stars: NDArray[np.float32] | None = None
    probabilities: NDArray[np.float32] | None = None
    lists: NDArray[np.int32] | None = None

    @classmethod
    def ask(
        cls,
        fitted: Scorers,
        part: str,
        ratings: Ratings,
        *,
        known: Ratings,
        levels: NDArray[np.float32],
        relevant_from: float,
        dates: bool = False,
        removed: NDArray[np.bool_] | None = None,
        length: int = LIST_LENGTH,
    ) -> Self:
        """Ask a model about a test part.

        Args:
            fitted: The model.
            part: Name of the part; in `cold_items` and `cold_both` only the items of the part are candidates.
            ratings: The part.
            known: A user's candidates are all items but those of their ratings here: usually the training ratings.
            levels: Levels of the training ratings, in stars, rising.
            relevant_from: A rating of at least so many stars says that the item was liked.
            dates: Tell the model when the ratings of the part were made. Lists never know a date.
            removed: Items that have left the graph, which are no candidates, `[num_items]`; by default none.
            length: Length of the lists, where there are so many candidates.

        Raises:
            InputError: If dates are wanted and the model cannot use them, or the part has none.
        """
        if dates:
            fitted = fitted.at(ratings.time)
        stars = probabilities = lists = None
        if fitted.probabilities is not None:
            probabilities = np.asarray(fitted.probabilities(ratings.user, ratings.item), dtype=np.float32)
            # Not by a BLAS product: on some processors its padding raises a warning about numbers that are none.
            stars = np.einsum("rl,l->r", probabilities, levels.astype(np.float32))
        elif fitted.stars is not None:
            stars = np.asarray(fitted.stars(ratings.user, ratings.item), dtype=np.float32)
        if fitted.rank is not None:
            lists = _lists(fitted.rank, part, ratings, known, relevant_from, removed, length)
        return cls(stars=stars, probabilities=probabilities, lists=lists)

    def errors(self, ratings: Ratings) -> NDArray[np.float64]:
        """Return prediction minus rating, in stars `[num_ratings]`."""
        assert self.stars is not None
        return self.stars.astype(np.float64) - ratings.value

    def list_measures(
        self, ratings: Ratings, relevant_from: float, at: Sequence[int] = (LIST_LENGTH,)
    ) -> dict[str, NDArray[np.float64]]:
        """Return NDCG, recall, hit rate and reciprocal rank of each user who liked something, users rising, `[num_users]`.

        Args:
            ratings: The part.
            relevant_from: A rating of at least so many stars says that the item was liked.
            at: Lengths at which the lists are measured: 10 gives `ndcg@10` and so on.
        """
        assert self.lists is not None
        relevant = liked_table(ratings, relevant_from)
        if not len(relevant):
            return {}
        hits = np.take_along_axis(relevant, self.lists.astype(np.int64), axis=1)
        num_relevant = relevant.sum(axis=1)
        return {f"{name}@{k}": measure(k, hits, num_relevant) for k in at for name, measure in LIST_MEASURES.items()}


def unrated_only(rank: Callable[[Indices], Floats], train: Ratings) -> Callable[[Indices], Floats]:
    """Return `rank` with every item that a user rated in training behind all others, as a product lists them."""

    def scores(users: Indices) -> Floats:
        found = np.array(rank(users), dtype=np.float64)
        row_of = np.full(train.num_users, -1)
        row_of[users] = np.arange(len(users))
        row = row_of[train.user]
        found[row[row >= 0], train.item[row >= 0]] = -np.inf
        return found

    return scores


def liked_users(ratings: Ratings, relevant_from: float) -> Indices:
    """Return the users with at least one liked item, rising."""
    return np.unique(ratings.user[ratings.value >= relevant_from])


def liked_table(ratings: Ratings, relevant_from: float) -> NDArray[np.bool_]:
    """Mark what each of the `liked_users` liked, `[num_users, num_items]`."""
    liked = ratings.select(ratings.value >= relevant_from)
    users = np.unique(liked.user)
    table = np.zeros((len(users), ratings.num_items), dtype=bool)
    table[np.searchsorted(users, liked.user), liked.item] = True
    return table


def _lists(
    rank: Callable[[Indices], Floats],
    part: str,
    ratings: Ratings,
    known: Ratings,
    relevant_from: float,
    removed: NDArray[np.bool_] | None,
    length: int,
) -> NDArray[np.int32]:
    users = liked_users(ratings, relevant_from)
    cold = part in ("cold_items", "cold_both")
    there = np.arange(ratings.num_items) if removed is None else np.flatnonzero(~removed)
    candidates = np.unique(ratings.item) if cold else there
    length = min(length, len(candidates))
    lists = np.empty((len(users), length), dtype=np.int32)
    rng = np.random.default_rng(SEED)
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK]
        scores = np.array(rank(block), dtype=np.float64)
        mine = np.isin(known.user, block)
        scores[np.searchsorted(block, known.user[mine]), known.item[mine]] = -np.inf
        lists[start : start + _BLOCK] = candidates[top_k(scores[:, candidates], length, rng=rng)]
    return lists
