"""What users chose, seen through what others chose: the smoothing through which content is asked of new items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.lists.item_regression import FEWEST_USERS, LIST_LENGTH, MOST_USERS, ndcg_of

__all__ = ["chosen_smoothing", "smoothed"]

PLAYED_COLD, MOST_PLAYED = 5, 1_000  # one in five items, and at most so many
_TOLERANCE, _MOST_STEPS = 1e-4, 100

Floats = NDArray[np.float32]


def smoothed(chosen: sparse.csr_array, columns: Floats, ridge: float) -> Floats:
    r"""Return columns of an item-item matrix that ask what a user's choices suggest instead of what they are.

    $$W' = (X^\top X + \lambda I)^{-1} X^\top X\, W$$

    Then $b_u W' = \hat b_u W$, where $\hat b_u$ is the user's row of choices as a ridge regression on the choices of all
    tells it: a single odd choice says little, one that fits the others says more. Solved by conjugate gradients, all columns
    at once, so that nothing but sparse products is needed.

    Args:
        chosen: $X$, ones `[num_users, num_items]`.
        columns: $W$, `[num_items, num_columns]`.
        ridge: $\lambda$; 0 leaves the columns as they are.
    """
    if not ridge:
        return columns
    table, transposed = chosen.astype(np.float32), chosen.T.tocsr().astype(np.float32)
    left = np.asarray(transposed @ (table @ columns), dtype=np.float32)
    solution, direction = np.zeros_like(left), left.copy()
    squares = np.square(left).sum(0)
    enough, least = _TOLERANCE**2 * squares, np.finfo(np.float32).tiny
    for _ in range(_MOST_STEPS):
        if (squares <= enough).all():
            break
        moved = transposed @ (table @ direction) + np.float32(ridge) * direction
        step = squares / np.maximum((direction * moved).sum(0), least)
        solution += step * direction
        left -= step * moved
        before, squares = squares, np.square(left).sum(0)
        direction = left + squares / np.maximum(before, least) * direction
    return solution


def chosen_smoothing(chosen: sparse.csr_array, inverse: Floats, *, rng: int = 0) -> float:
    r"""Return the ridge of `smoothed`, by lists of items that are played cold: $\sqrt{\text{number of choices}}$, or 0.

    Columns of items $H$ from the content of the rest $R$ follow from the inverse for all of them, $A = (K + \alpha I)^{-1}$, as
    $-A_{RH} A_{HH}^{-1}$. Smoothing is taken where it has the better NDCG@20 by more than a standard error: it helps where
    choices are noisy and content is poor, and hurts where content says very precisely what an item is like.

    Args:
        chosen: Who chose what, ones `[num_users, num_items]`.
        inverse: $A$, `[num_items, num_items]`.
        rng: Draws which items are played cold, and for whom lists are measured.
    """
    draw = np.random.default_rng(rng)
    order = draw.permutation(chosen.shape[1])
    cold = np.sort(order[: min(len(order) // PLAYED_COLD, MOST_PLAYED)])
    rest = np.setdiff1d(order, cold)
    if len(cold) <= LIST_LENGTH:
        return 0.0
    columns = -np.linalg.solve(inverse[np.ix_(cold, cold)], inverse[np.ix_(cold, rest)]).T.astype(np.float32)
    columns += (1.0 - columns.sum(axis=0)) / len(rest)
    kept, wanted = chosen[:, rest], chosen[:, cold]
    asked = np.flatnonzero((np.diff(wanted.tocsr().indptr) > 0) & (np.diff(kept.tocsr().indptr) > 0))
    if len(asked) < FEWEST_USERS:
        return 0.0
    asked = np.sort(draw.permutation(asked)[:MOST_USERS])
    ridge = float(np.sqrt(kept.nnz))
    plain, smooth = (
        ndcg_of(np.asarray(kept[asked] @ smoothed(kept, columns, value)), wanted[asked].toarray() > 0)
        for value in (0.0, ridge)
    )
    gain = smooth - plain
    return ridge if gain.mean() > gain.std() / np.sqrt(len(gain)) else 0.0
