"""Item-item model: who comes across what, the part of a ranking that stars do not tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from models.lists.content import Content
from models.lists.inverse import inverse_of
from models.lists.item_regression import ItemRegression, RegressionSettings, chosen_settings, damped
from models.lists.smoothing import chosen_smoothing, smoothed

__all__ = ["ContentRegression", "ItemItemModel", "chosen_by"]

LARGEST_CATALOGUE = 20_000  # items up to which the matrix of items by items is whole ...
HEAD = 10_000  # ... and of how many it is beyond: 400 MB, four times that while it is made
CONTENT_RIDGE = 20.0
_FLOOR = 1e-3
_ROWS = 1024  # of a dense block

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ItemItemModel:
    r"""Probability-like score that a user comes across an item, linear in what the user has chosen.

    $$e_u = a + b_u W$$

    with $b_u$ the 0/1 row of the user's items.

    $W$ is a ridge regression of every item on the others (`models.lists.item_regression`) that shrinks not to nothing, as
    EASE does (arXiv:1905.03375), but to what content says: $M_{ij} = -(n_j / n_i)^{1/4} A_{ij} / A_{jj}$ with
    $A = (K + \alpha I)^{-1}$, the kernel ridge regression of an item on the content of the others, and $n_i$ the number of
    users of an item. An item that nobody chose follows from content by $M = A K_{\cdot c}$, around the user's share of
    items, which is asked what the user's choices suggest (`models.lists.smoothing`), and has no other term. So content speaks alone for new items and gives way as choices come in; and a new user
    needs no training: any set of items is a row $b$. What many chose is damped by $(n_j / \bar n)^{-\delta}$, which is
    part of $a$ and $W$; the ridge and $\delta$ are chosen on a tenth of the choices, where nothing but choices is known.

    $W$ is dense. In a catalogue of more than 20,000 items it is that of the 10,000 items chosen most, the head, alone. What
    is lost: beyond the head everyone comes across an item alike, by its share of users, or, if nobody chose it, by
    the share that content says; and choices beyond the head tell nothing of other items. Relevance stays personal everywhere.

    Attributes:
        weights: $W$, float32 `[num_items, num_items]`, or of the head alone.
        base: $a$, float32 `[num_items]`: the item_item of someone who chose nothing.
        added: Columns of $W$ for items added since, float32 `[num_items or head, num_added_items]`; by default none.
        head: The items that $W$ is of, rising, if it is not of all.
        smoothing: $\lambda$ of `models.lists.smoothing` for the columns of items that nobody chose; 0 without.
    """

    weights: Floats
    base: Floats
    added: Floats | None = None
    head: Indices | None = None
    smoothing: float = 0.0

    @classmethod
    def fit(
        cls,
        train: Ratings,
        content: Content,
        *,
        settings: RegressionSettings | None = None,
        content_ridge: float = CONTENT_RIDGE,
    ) -> ItemItemModel:
        r"""Fit on who chose what; the values of ratings are not looked at.

        Args:
            train: Training ratings.
            content: Content of the items.
            settings: Ridge and damping; by default chosen on a tenth of the choices.
            content_ridge: $\alpha$.
        """
        of_part = cls._of_head if train.num_items > LARGEST_CATALOGUE else cls._whole
        return of_part(train, content, settings, content_ridge)

    @classmethod
    def _whole(
        cls, train: Ratings, content: Content, settings: RegressionSettings | None, content_ridge: float
    ) -> ItemItemModel:
        size = train.num_items
        warm, cold = np.flatnonzero(train.item_counts), np.flatnonzero(train.item_counts == 0)
        weights, base = np.zeros((size, size), dtype=np.float32), np.zeros(size, dtype=np.float32)
        if not len(warm):
            return cls(weights, base)
        content_regression = ContentRegression.of(warm, content, content_ridge)
        chosen = chosen_by(train)[:, warm]
        smoothing = chosen_smoothing(chosen, content_regression.inverse)
        if len(cold):
            columns = content_regression.columns(content, cold)
            weights[np.ix_(warm, cold)] = smoothed(chosen, columns, smoothing)
        from_content = content_regression.inverse
        from_content /= -from_content.diagonal()[None, :]
        np.fill_diagonal(from_content, 0.0)
        counts = np.asarray(chosen.sum(axis=0), dtype=np.float32)
        # Content regresses choices weighed by n^(-1/4): else those of popular items would decide nearly alone.
        spread = counts**0.25
        from_content *= spread
        from_content /= spread[:, None]
        if settings is None:
            settings = chosen_settings(chosen, from_content)
        regression = ItemRegression.fit(chosen, from_content, settings)
        among_warm = regression.weights()
        damping = damped(counts, settings.damping)
        base[warm] = (regression.share - regression.share @ among_warm) * damping
        among_warm *= damping
        weights[np.ix_(warm, warm)] = among_warm
        return cls(weights, base, smoothing=smoothing)

    @classmethod
    def _of_head(
        cls, train: Ratings, content: Content, settings: RegressionSettings | None, content_ridge: float
    ) -> ItemItemModel:
        """Fit on the items chosen most; the others have what all people have in common."""
        counts = train.item_counts
        head = np.sort(np.argsort(-counts, kind="stable")[: min(HEAD, int((counts > 0).sum()))])
        place = np.full(train.num_items, -1)
        place[head] = np.arange(len(head))
        inside = train.select(place[train.item] >= 0)
        of_head = replace(inside, item=place[inside.item], num_items=len(head))
        fitted = cls._whole(of_head, content.of_items(head), settings, content_ridge)
        num_users = max(int((train.user_counts > 0).sum()), 1)
        base = (counts / num_users).astype(np.float32)
        share = base[head].copy()
        regression = ContentRegression.of(head, content, content_ridge)
        cold = np.flatnonzero(counts == 0)
        for start in range(0, len(cold) if len(head) else 0, _ROWS):
            block = cold[start : start + _ROWS]
            base[block] = share @ regression.columns(content, block)
        base[head] = fitted.base
        return cls(fitted.weights, base, head=head, smoothing=fitted.smoothing)

    def of_item(self, train: Ratings, item: int) -> Floats:
        """Return the scores of all users for one item by what they rated in training, `[num_users]`."""
        size, head = len(self.base), np.arange(len(self.base)) if self.head is None else self.head
        if item >= size:
            assert self.added is not None
            base, column = 0.0, self.added[:, item - size]
        else:
            base = float(self.base[item])
            column = self.weights[:, head == item].sum(axis=1)  # of an item beyond the head, zeros
        rated = sparse.csr_array((np.ones(len(train)), (train.user, train.item)), (train.num_users, train.num_items))
        return np.maximum(base + (rated[:, head] > 0) @ column, _FLOOR).astype(np.float32)

    def __call__(self, seen: Floats) -> Floats:
        """Return the scores for rows of rated items, both `[num_users, num_items]`; at least 0.001 everywhere."""
        # A sparse product reads only the rows of what was chosen.
        chosen = sparse.csr_array(seen[:, : len(self.base)] if self.head is None else seen[:, self.head])
        scores = np.tile(self.base, (len(seen), 1))
        scores[:, slice(None) if self.head is None else self.head] += chosen @ self.weights
        if self.added is not None:
            scores = np.concatenate([scores, chosen @ self.added], axis=1)
        return np.maximum(scores, _FLOOR, out=scores)

    def extended(self, columns: Floats) -> ItemItemModel:
        """Return the model of more items, whose columns of $W$ are given, `[num_items, num_new_items]`."""
        return replace(self, added=columns if self.added is None else np.concatenate([self.added, columns], axis=1))


@dataclass(frozen=True, eq=False)
class ContentRegression:
    r"""What content says of who comes across an item that nobody chose: kernel ridge regression on the items chosen.

    Attributes:
        warm: The items that somebody chose, `[num_warm_items]`.
        inverse: $A = (K + \alpha I)^{-1}$ among them.
    """

    warm: Indices
    inverse: Floats

    @classmethod
    def of(cls, warm: Indices, content: Content, ridge: float = CONTENT_RIDGE) -> ContentRegression:
        """Fit on the content of the chosen items."""
        kernel = content.kernel(warm, warm)
        kernel[np.diag_indices_from(kernel)] += ridge
        return cls(warm, inverse_of(kernel))

    def columns(self, content: Content, items: Indices) -> Floats:
        """Return what each chosen item adds to the item_item of others, `[num_warm_items, num_given_items]`."""
        regression: Floats = self.inverse @ content.kernel(self.warm, items)
        return regression + (1.0 - regression.sum(axis=0)) / max(len(self.warm), 1)


def chosen_by(train: Ratings) -> sparse.csr_array:
    """Return who chose what among users with a choice, as ones `[num_active_users, num_items]`; pairs count once."""
    ones = np.ones(len(train), dtype=np.float32)
    table = sparse.csr_array((ones, (train.user, train.item)), shape=(train.num_users, train.num_items))
    table.data[:] = 1.0
    return table[np.flatnonzero(train.user_counts)]
