"""What a model, whoever wrote it, predicts of held-out ratings: plain arrays that every measure is taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

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
        rank: Users -> scores of all items `[num_given_users, num_items]`; higher is better, any unit.
        chosen: Settings that were chosen on validation ratings, by what they were chosen for: `{"lists": {"ridge": 50.0}}`.
    """

    stars: Callable[[Indices, Indices], Floats] | None = None
    probabilities: Callable[[Indices, Indices], Floats] | None = None
    rank: Callable[[Indices], Floats] | None = None
    chosen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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
        scorers: Scorers,
        part: str,
        ratings: Ratings,
        *,
        known: Ratings,
        levels: NDArray[np.float32],
        relevant_from: float,
        removed: NDArray[np.bool_] | None = None,
        length: int = LIST_LENGTH,
    ) -> Self:
        """Ask a model about a test part.

        Args:
            scorers: The model.
            part: Name of the part; in `cold_items` and `cold_both` only the items of the part are candidates.
            ratings: The part.
            known: A user's candidates are all items but those of their ratings here: usually the training ratings.
            levels: Levels of the training ratings, in stars, rising.
            relevant_from: A rating of at least so many stars says that the item was liked.
            removed: Items that have left the graph, which are no candidates, `[num_items]`; by default none.
            length: Length of the lists, where there are so many candidates.
        """
        stars = probabilities = lists = None
        if scorers.probabilities is not None:
            probabilities = np.asarray(scorers.probabilities(ratings.user, ratings.item), dtype=np.float32)
            # Not by a BLAS product: on some processors its padding raises a warning about numbers that are none.
            stars = np.einsum("rl,l->r", probabilities, levels.astype(np.float32))
        elif scorers.stars is not None:
            stars = np.asarray(scorers.stars(ratings.user, ratings.item), dtype=np.float32)
        if scorers.rank is not None:
            candidates = np.arange(ratings.num_items) if removed is None else np.flatnonzero(~removed)
            if part in ("cold_items", "cold_both"):
                candidates = np.unique(ratings.item)
            users = liked_users(ratings, relevant_from)
            lists = _lists(scorers.rank, users, candidates, known, min(length, len(candidates)))
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
        values = np.array(rank(users), dtype=np.float64)
        row_of = np.full(train.num_users, -1)
        row_of[users] = np.arange(len(users))
        row = row_of[train.user]
        values[row[row >= 0], train.item[row >= 0]] = -np.inf
        return values

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
    rank: Callable[[Indices], Floats], users: Indices, candidates: Indices, known: Ratings, length: int
) -> NDArray[np.int32]:
    """Return the best candidates of each user without those they rated in `known`, `[num_users, length]`."""
    lists = np.empty((len(users), length), dtype=np.int32)
    rng = np.random.default_rng(SEED)
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK]
        scores = np.array(rank(block), dtype=np.float64)
        of_block = np.isin(known.user, block)
        scores[np.searchsorted(block, known.user[of_block]), known.item[of_block]] = -np.inf
        lists[start : start + _BLOCK] = candidates[top_k(scores[:, candidates], length, rng=rng)]
    return lists
