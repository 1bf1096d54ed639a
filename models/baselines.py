"""The baselines that every table shows beside a model: mean, biases, content neighbours, popularity, EASE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from models.lists.content import Content
from models.lists.inverse import inverse_of

__all__ = ["Baseline", "Biases", "ContentKNN", "Ease", "Mean", "Popularity"]

Indices = NDArray[np.int64]
Floats = NDArray[np.float32]

BLOCK_ROWS = 1024  # rows of a dense block: 80 MB over 20,000 items


class Baseline(ABC):
    """What all baselines do.

    Args:
        scale: Lowest and highest possible rating in stars.
    """

    name: str

    def __init__(self, scale: tuple[float, float]) -> None:
        self.scale = scale

    def fit(self, train: Ratings, content: Content | None = None) -> Self:
        """Learn from ratings and the content of the items; return the baseline itself.

        Args:
            train: Training ratings, at least one.
            content: Texts and concepts of the items; only `ContentKNN` reads and needs them.

        Raises:
            ValueError: If there are no ratings, more items than EASE takes, or no content where it is needed.
        """
        if not len(train):
            raise ValueError("a baseline needs at least one training rating; got none")
        self._fit(train, content)
        return self

    def predict(self, user: Indices, item: Indices) -> Floats:
        """Predict the ratings of pairs in stars, within the scale `[num_pairs]`; unseen users and items included."""
        return np.clip(self._stars(user, item), *self.scale).astype(np.float32)

    @abstractmethod
    def rank(self, users: Indices) -> Floats:
        """Score all items for some users `[num_given_users, num_items]`; higher is better, any unit."""

    @abstractmethod
    def _fit(self, train: Ratings, content: Content | None) -> None: ...

    @abstractmethod
    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        """Return predictions that may lie beyond the scale."""


class Mean(Baseline):
    """Everything is rated the mean of all training ratings; all items rank equal."""

    name = "mean"

    def _fit(self, train: Ratings, content: Content | None) -> None:
        self._mean = float(np.mean(train.value, dtype=np.float64))
        self._num_items = train.num_items

    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        return np.full(np.broadcast(user, item).shape, self._mean)

    def rank(self, users: Indices) -> Floats:
        """Score all items for some users, `[num_given_users, num_items]`."""
        return np.zeros((len(users), self._num_items), dtype=np.float32)


class Biases(Baseline):
    """Mean, plus how much a user differs from it, plus how much an item does (Koren 2009, "Matrix factorization").

    Minimises `sum (r_ui - mu - b_u - b_i)^2 + lambda_user sum b_u^2 + lambda_item sum b_i^2` with mu fixed to the mean,
    by solving for all b_i and all b_u in turn until nothing moves. Unseen users and items have bias 0. Ranks by the
    prediction before it is held to the scale.

    Args:
        scale: Lowest and highest possible rating in stars.
        lambda_user: Ridge of user biases, in ratings.
        lambda_item: Ridge of item biases, in ratings.
    """

    name = "biases"

    def __init__(self, scale: tuple[float, float], *, lambda_user: float = 10.0, lambda_item: float = 5.0) -> None:
        super().__init__(scale)
        self.lambda_user = lambda_user
        self.lambda_item = lambda_item

    def _fit(self, train: Ratings, content: Content | None) -> None:
        self.mean = float(np.mean(train.value, dtype=np.float64))
        self.of_user = np.zeros(train.num_users)
        self.of_item = np.zeros(train.num_items)
        deviation = train.value - self.mean
        for _ in range(200):
            rest = np.bincount(train.item, deviation - self.of_user[train.user], train.num_items)
            self.of_item = rest / (train.item_counts + self.lambda_item)
            before = self.of_user
            rest = np.bincount(train.user, deviation - self.of_item[train.item], train.num_users)
            self.of_user = rest / (train.user_counts + self.lambda_user)
            if np.abs(self.of_user - before).max() < 1e-6:
                break

    def unclipped(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        """Return `mu + b_u + b_i` in stars, not held to the scale."""
        return self.mean + self.of_user[user] + self.of_item[item]

    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        return self.unclipped(user, item)

    def rank(self, users: Indices) -> Floats:
        """Score all items for some users, `[num_given_users, num_items]`."""
        return self.unclipped(users[:, None], np.arange(len(self.of_item))[None, :]).astype(np.float32)


class ContentKNN(Baseline):
    """What users thought of the items with the most similar texts and concepts (`Content.kernel`, negatives as 0).

    `predict`: the bias prediction plus the mean deviation from it, weighted by similarity, over the
    `num_neighbours` most similar items that the user rated (equally similar ones at the last place all count; the
    item itself does not). An item without ratings has the weighted mean bias of its nearest rated items.
    `rank`: the sum of the similarities of the item's `num_neighbours` nearest rated items that the user rated, however.

    Args:
        scale: Lowest and highest possible rating in stars.
        num_neighbours: Number of similar items.
    """

    name = "content_knn"

    def __init__(self, scale: tuple[float, float], *, num_neighbours: int = 20) -> None:
        super().__init__(scale)
        self.num_neighbours = num_neighbours

    def _fit(self, train: Ratings, content: Content | None) -> None:
        if content is None or len(content.text) != train.num_items:
            given = "none" if content is None else f"that of {len(content.text)}"
            raise ValueError(f"neighbours by content need the content of {train.num_items} items; got {given}")
        self._content = content
        self._interactions = _binary(train)
        self._neighbours = self._nearest(np.flatnonzero(train.item_counts))
        self._biases = Biases(self.scale).fit(train)
        total = self._neighbours.sum(axis=1)
        known = (train.item_counts == 0) & (total > 0)
        self._biases.of_item[known] = (self._neighbours @ self._biases.of_item)[known] / total[known]
        by_user = np.argsort(train.user, kind="stable")
        self._rated = train.item[by_user]
        self._deviation = (train.value - self._biases.unclipped(train.user, train.item))[by_user].astype(np.float32)
        self._start = np.concatenate([[0], np.cumsum(train.user_counts)])

    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        prediction = self._biases.unclipped(user, item)
        order = np.argsort(user, kind="stable")
        for pairs in np.split(order, np.flatnonzero(np.diff(user[order])) + 1):
            if len(pairs):
                rated = slice(*self._start[user[pairs[0]] : user[pairs[0]] + 2])
                for block in _blocks(len(pairs)):
                    prediction[pairs[block]] += self._mean_deviation(item[pairs[block]], rated)
        return prediction

    def rank(self, users: Indices) -> Floats:
        """Score all items for some users, `[num_given_users, num_items]`."""
        scores = np.empty((len(users), len(self._content.text)), dtype=np.float32)
        towards = self._neighbours.T.tocsr()
        for block in _blocks(len(users)):
            scores[block] = (self._interactions[users[block]] @ towards).toarray()
        return scores

    def _mean_deviation(self, items: Indices, rated: slice) -> Floats:
        """Mean deviation `[num_items_given]` of one user's ratings, weighted by similarity to each item."""
        neighbours = self._rated[rated]
        weight = self._similarity(items, neighbours)
        if len(neighbours) > self.num_neighbours:
            last = len(neighbours) - self.num_neighbours
            weight[weight < np.partition(weight, last, axis=1)[:, last, None]] = 0.0
        total = weight.sum(axis=1)
        return np.divide(weight @ self._deviation[rated], total, out=np.zeros_like(total), where=total > 0)

    def _similarity(self, items: Indices, others: Indices) -> Floats:
        """Similarities `[num_items_given, num_others]`, at least 0; an item is not its own neighbour."""
        similarity = self._content.kernel(items, others)
        return np.where(items[:, None] == others[None, :], 0.0, np.maximum(similarity, 0.0)).astype(np.float32)

    def _nearest(self, rated: Indices) -> sparse.csr_array:
        """Similarities of each item to its nearest rated items `[num_items, num_items]`."""
        size = len(self._content.text)
        kept = min(self.num_neighbours, len(rated))
        blocks = []
        for block in _blocks(size):
            similarity = self._similarity(np.arange(size)[block], rated)
            nearest = np.argpartition(similarity, len(rated) - kept, axis=1)[:, len(rated) - kept :]
            row = np.repeat(np.arange(len(similarity)), kept)
            values = np.take_along_axis(similarity, nearest, axis=1).ravel()
            blocks.append(sparse.csr_array((values, (row, rated[nearest.ravel()])), shape=(len(similarity), size)))
        neighbours = sparse.vstack(blocks, format="csr")
        neighbours.eliminate_zeros()
        return neighbours


class Popularity(Baseline):
    """Items rank by their number of training ratings; stars are those of `Biases`."""

    name = "popularity"

    def _fit(self, train: Ratings, content: Content | None) -> None:
        self._biases = Biases(self.scale).fit(train)
        self._counts = train.item_counts.astype(np.float32)

    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        return self._biases.unclipped(user, item)

    def rank(self, users: Indices) -> Floats:
        """Score all items for some users, `[num_given_users, num_items]`."""
        return np.tile(self._counts, (len(users), 1))


class Ease(Baseline):
    """Embarrassingly shallow autoencoder (Steck 2019, arXiv:1905.03375) on who rated what; ranks only.

    `B = argmin ||X - X B||^2 + ridge ||B||^2` with a zero diagonal has the closed form
    `B_ij = -P_ij / P_jj` for `P = (X^T X + ridge I)^-1`; scores are `X B`. Items that nobody rated score 0.
    Where users are fewer than items, the same scores come from a table of users by users:
    `X P = A X` and `P_jj = (1 - (X^T A X)_jj) / ridge` for `A = (X X^T + ridge I)^-1`.

    Args:
        ridge: The lambda of the paper, in ratings.
    """

    name = "ease"
    max_items = 20_000

    def __init__(self, *, ridge: float = 400.0) -> None:
        super().__init__((-np.inf, np.inf))
        self.ridge = ridge

    def _fit(self, train: Ratings, content: Content | None) -> None:
        size = train.num_items
        if size > self.max_items:
            raise ValueError(
                f"EASE holds a dense table of items by items: {size:,} items need about {4e-9 * size**2:.0f} GB of "
                f"memory; it takes at most {self.max_items:,} items, leave it out"
            )
        self._interactions = _binary(train)
        if train.num_users < size:
            inverse = inverse_of(_gram(self._interactions.T.tocsr(), self.ridge))
            smoothed = np.asarray(inverse @ self._interactions)
            explained = np.asarray(self._interactions.multiply(smoothed).sum(axis=0)).ravel()
            # X B = X (I - P / diag P), the quotient column by column
            smoothed *= -self.ridge / (1.0 - explained)
            user, item = self._interactions.nonzero()
            smoothed[user, item] += 1.0
            self._scores: Floats | None = smoothed
            return
        weights = inverse_of(_gram(self._interactions, self.ridge))
        weights /= -weights.diagonal()[None, :]
        np.fill_diagonal(weights, 0.0)
        self._scores, self._weights = None, weights

    def _stars(self, user: Indices, item: Indices) -> NDArray[np.float64]:
        raise ValueError(f"EASE only ranks; it cannot predict the stars of {len(user)} users and {len(item)} items")

    def rank(self, users: Indices) -> Floats:
        """Score all items for some users, `[num_given_users, num_items]`."""
        if self._scores is not None:
            return self._scores[users]
        return np.asarray(self._interactions[users] @ self._weights)


def _gram(table: sparse.csr_array, ridge: float) -> Floats:
    """Return `table^T table + ridge I`, dense `[num_columns, num_columns]`."""
    by_column, size = table.T.tocsr(), table.shape[1]
    gram = np.empty((size, size), dtype=np.float32)
    for block in _blocks(size):
        gram[block] = (by_column[block] @ table).toarray()
    gram[np.diag_indices(size)] += ridge
    return gram


def _binary(train: Ratings) -> sparse.csr_array:
    """Who rated what, as ones `[num_users, num_items]`; a repeated rating counts once."""
    ones = np.ones(len(train), dtype=np.float32)
    table = sparse.csr_array((ones, (train.user, train.item)), shape=(train.num_users, train.num_items))
    table.data[:] = 1.0
    return table


def _blocks(num_rows: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK_ROWS, num_rows)) for start in range(0, num_rows, BLOCK_ROWS))
