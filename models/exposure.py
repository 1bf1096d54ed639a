"""Who comes across what: the part of a ranking that stars do not tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError
from kg.ratings import Ratings
from models.content import Content
from models.inverse import inverse_of

__all__ = ["ContentRegression", "Exposure", "check_size"]

LARGEST_CATALOGUE = 20_000
RIDGE = 35.0  # chosen on validation choices of 10 to 240 users an item
CONTENT_RIDGE = 20.0
_FLOOR = 1e-3
_ROWS = 1024  # of a dense block

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Exposure:
    r"""Probability-like score that a user comes across an item, linear in what the user has chosen.

    $$e_u = a + b_u W$$

    with $b_u$ the 0/1 row of the user's items. $W$ is a ridge regression of every item on the others that shrinks
    not to nothing, as EASE does (arXiv:1905.03375), but to what content says:

    $$W = \arg\min \|X - XW\|^2 + \lambda \|W - M\|^2, \quad W_{jj} = 0
        \quad\Rightarrow\quad W = I - P\,(\lambda (I - M) + \mathrm{diag}\,\gamma), \quad P = (X^\top X + \lambda I)^{-1}$$

    where $X$ is who chose what, around each item's share of users, and $\gamma$ makes the diagonal zero. $M$ is the
    kernel ridge regression on content, $A = (K + \alpha I)^{-1}$: an item that was chosen is told from the others by
    $M_{ij} = -A_{ij} / A_{jj}$, one that nobody chose by $M = A K_{\cdot c}$, around the user's share of items, and
    has no other term. So content speaks alone for new items and gives way as choices come in; and a new user needs
    no training: any set of items is a row $b$.

    Attributes:
        weights: $W$, float32 `[num_items, num_items]`.
        base: $a$, float32 `[num_items]`: the exposure of someone who chose nothing.
        added: Columns of $W$ for items added since, float32 `[num_items, num_added_items]`; by default none.
    """

    weights: Floats
    base: Floats
    added: Floats | None = None

    @classmethod
    def fit(
        cls, train: Ratings, content: Content, *, ridge: float | None = None, content_ridge: float = CONTENT_RIDGE
    ) -> Exposure:
        r"""Fit on who chose what; the values of ratings are not looked at.

        Args:
            train: Training ratings.
            content: Content of the items.
            ridge: $\lambda$, in users; by default 35 times the square root of the mean number of users of an item.
            content_ridge: $\alpha$.

        Raises:
            InputError: If the catalogue is too large for a dense matrix of items by items.
        """
        size = train.num_items
        check_size(size)
        warm, cold = np.flatnonzero(train.item_counts), np.flatnonzero(train.item_counts == 0)
        weights, base = np.zeros((size, size), dtype=np.float32), np.zeros(size, dtype=np.float32)
        if not len(warm):
            return cls(weights, base)
        regression = ContentRegression.of(warm, content, content_ridge)
        if len(cold):
            weights[np.ix_(warm, cold)] = regression.columns(content, cold)
        from_content = regression.inverse
        from_content /= -from_content.diagonal()[None, :]
        np.fill_diagonal(from_content, 0.0)
        chosen = _chosen(train)[:, warm]
        share = np.asarray(chosen.mean(axis=0), dtype=np.float32)
        if ridge is None:
            ridge = RIDGE * float(np.sqrt(train.item_counts[warm].mean()))
        among_warm = _shrunk_to(from_content, chosen, share, ridge)
        weights[np.ix_(warm, warm)] = among_warm
        base[warm] = share - share @ among_warm
        return cls(weights, base)

    def of_item(self, train: Ratings, item: int) -> Floats:
        """Return the exposure of all users to one item by what they rated in training, `[num_users]`."""
        size = len(self.base)
        column = self.weights[:, item] if item < size or self.added is None else self.added[:, item - size]
        pairs = np.unique(np.stack([train.user, train.item]), axis=1)
        pairs = pairs[:, pairs[1] < size]
        added = np.bincount(pairs[0], weights=column[pairs[1]], minlength=train.num_users)
        return np.maximum((self.base[item] if item < size else 0.0) + added, _FLOOR).astype(np.float32)

    def __call__(self, seen: Floats) -> Floats:
        """Return exposure for rows of rated items, both `[num_users, num_items]`; at least 0.001 everywhere."""
        size = len(self.base)
        found = self.base + _added_up(seen[:, :size], self.weights)
        if self.added is not None:
            found = np.concatenate([found, _added_up(seen[:, :size], self.added)], axis=1)
        return np.maximum(found, _FLOOR).astype(np.float32)

    def grown(self, columns: Floats) -> Exposure:
        """Return the exposure to more items, whose columns of $W$ are given, `[num_items, num_new_items]`."""
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
        """Return what each chosen item adds to the exposure of others, `[num_warm_items, num_given_items]`."""
        regression: Floats = self.inverse @ content.kernel(self.warm, items)
        return regression + (1.0 - regression.sum(axis=0)) / max(len(self.warm), 1)


def check_size(num_items: int) -> None:
    """Raise `InputError` if a catalogue is too large for a dense matrix of items by items."""
    if num_items > LARGEST_CATALOGUE:
        raise InputError(
            f"lists need an items x items matrix; {num_items:,} items would take {4e-9 * num_items**2:.0f} GB, "
            f"the limit is {LARGEST_CATALOGUE:,} items for now"
        )


def _added_up(seen: Floats, weights: Floats) -> Floats:
    """Return `seen @ weights`; of someone who chose little only the rows of that are read."""
    if len(seen) == 1:
        chosen = np.flatnonzero(seen[0])
        if 4 * len(chosen) < len(weights):
            return np.asarray(seen[:, chosen] @ weights[chosen])
    return np.asarray(seen @ weights)


def _chosen(train: Ratings) -> sparse.csr_array:
    """Return who chose what among users with a choice, as ones `[num_active_users, num_items]`; pairs count once."""
    ones = np.ones(len(train), dtype=np.float32)
    table = sparse.csr_array((ones, (train.user, train.item)), shape=(train.num_users, train.num_items))
    table.data[:] = 1.0
    return table[np.flatnonzero(train.user_counts)]


def _shrunk_to(prior: Floats, chosen: sparse.csr_array, share: Floats, ridge: float) -> Floats:
    r"""Return $W = I - P(\lambda(I - M) + \mathrm{diag}\,\gamma)$ `[num_items, num_items]`; `prior` $M$ is overwritten."""
    size = len(prior)
    by_item, gram = chosen.T.tocsr(), np.empty((size, size), dtype=np.float32)
    for start in range(0, size, _ROWS):
        block = slice(start, start + _ROWS)
        gram[block] = (by_item[block] @ chosen).toarray() - chosen.shape[0] * np.outer(share[block], share)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = inverse_of(gram)
    prior *= -ridge
    prior[np.diag_indices_from(prior)] += ridge
    weights: Floats = -(inverse @ prior)
    lacking = (1.0 + weights.diagonal()) / inverse.diagonal()
    for start in range(0, size, _ROWS):
        weights[start : start + _ROWS] -= inverse[start : start + _ROWS] * lacking
    np.fill_diagonal(weights, 0.0)
    return weights
