"""What a text is to tell of its item: who chooses the item, and how users who know it rate it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from kg.ratings import Ratings

__all__ = ["ItemTargets", "UserFactors"]

FACTORS = 64  # directions of who chooses what
ROUNDS = 12  # of alternating least squares
_RIDGE, _BIAS_RIDGE = 8.0, 4.0
_STAR_FACTORS = 16

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UserFactors:
    r"""Users by alternating ridge regression of $r_{ui} = \mu + b_u + c_i + \langle z_u, q_i \rangle$.

    Attributes:
        mean: $\mu$, in stars.
        bias: $b_u$, `[num_users]`.
        rows: $(z_u, 1)$, `[num_users, num_factors + 1]`.
    """

    mean: float
    bias: NDArray[np.float64]
    rows: NDArray[np.float64]

    @classmethod
    def fit(cls, train: Ratings, *, rng: int) -> UserFactors:
        """Fit 16 factors on the training ratings; users without ratings stay at zero."""
        draw = np.random.default_rng(rng)
        mean = float(train.value.mean())
        users, items = (draw.normal(0, 0.1, (size, _STAR_FACTORS + 1)) for size in (train.num_users, train.num_items))
        users[:, -1] = items[:, -1] = 0.0  # the biases
        for _ in range(ROUNDS):
            users = _half(train.user, train.item, train.value - mean, items, train.num_users)
            items = _half(train.item, train.user, train.value - mean, users, train.num_items)
        return cls(mean, users[:, -1], np.column_stack([users[:, :-1], np.ones(train.num_users)]))


@dataclass(frozen=True, eq=False)
class ItemTargets:
    r"""What a text encoder is to predict of each rated item, from training ratings alone.

    The co-choice factors of an item are its column of the 0/1 matrix $X = U S V^\top$ of choices in the strongest directions
    of users, $S V_i^\top$. Its ratings enter as the quadratic form of all their squared errors at once,
    $\sum_u (r_{ui} - \mu - b_u - \langle (z_u, 1), y \rangle)^2 = y^\top A_i y - 2 c_i^\top y + \text{const}$:
    the Gaussian likelihood of an item row $y$ told by text, as precise as the item has ratings.

    Attributes:
        items: Rated items, rising, `[num_rated]`; the rows of the other arrays.
        factors: Co-choice factors, float32 `[num_rated, num_factors]`.
        precision: $A_i$, float32 `[num_rated, size, size]`; None where ratings are mere choices.
        pull: $c_i$, float32 `[num_rated, size]`; None likewise.
    """

    items: Indices
    factors: Floats
    precision: Floats | None
    pull: Floats | None

    @classmethod
    def of(cls, train: Ratings, *, implicit: bool, rng: int = 0) -> ItemTargets:
        """Compute both targets of the items that have training ratings.

        Args:
            train: Training ratings; nothing else is looked at.
            implicit: Whether a rating only says that a user chose an item.
            rng: Seed of the factors' start.
        """
        items = np.flatnonzero(train.item_counts)
        chosen = sparse.csr_array(
            (np.ones(len(train)), (train.user, train.item)), shape=(train.num_users, train.num_items)
        )
        chosen.data[:] = 1.0
        chosen = chosen[:, items]
        rank = min(FACTORS, min(chosen.shape) - 1)
        _, strength, directions = svds(chosen, k=rank, rng=np.random.default_rng(rng))
        order = np.argsort(-strength)
        factors = (directions[order].T * strength[order]).astype(np.float32)
        if implicit:
            return cls(items, factors, None, None)
        users = UserFactors.fit(train, rng=rng)
        error = train.value - users.mean - users.bias[train.user]
        size = users.rows.shape[1]
        precision, pull = np.zeros((len(items), size, size), np.float32), np.zeros((len(items), size), np.float32)
        for place, rows in enumerate(_grouped(train.item, train.num_items, items)):
            by = users.rows[train.user[rows]]
            precision[place], pull[place] = by.T @ by, by.T @ error[rows]
        return cls(items, factors, precision, pull)

    def select(self, places: Indices) -> ItemTargets:
        """Return the targets of some of the items, by their places."""
        precision = None if self.precision is None else self.precision[places]
        return ItemTargets(
            self.items[places], self.factors[places], precision, None if self.pull is None else self.pull[places]
        )


def _grouped(owner: Indices, size: int, wanted: Indices) -> list[Indices]:
    """Return the rows of each wanted owner."""
    order = np.argsort(owner, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=size))])
    return [order[ends[number] : ends[number + 1]] for number in wanted]


def _half(
    owner: Indices, other: Indices, value: NDArray[np.floating], others: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Solve one side given the other: factors and bias of each owner, `[size, num_factors + 1]`, the bias last."""
    ridge = np.diag(np.append(np.full(others.shape[1] - 1, _RIDGE), _BIAS_RIDGE))
    solved = np.zeros((size, others.shape[1]))
    owners = np.flatnonzero(np.bincount(owner, minlength=size))
    for number, rows in zip(owners, _grouped(owner, size, owners), strict=True):
        by = np.column_stack([others[other[rows], :-1], np.ones(len(rows))])
        left = value[rows] - others[other[rows], -1]
        solved[number] = np.linalg.solve(by.T @ by + ridge, by.T @ left)
    return solved
