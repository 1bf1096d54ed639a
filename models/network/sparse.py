"""Sparse products whose gradients cost one sparse product as well."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import coo_array, csc_array
from torch import Tensor

from models.network.bilinear import with_one

__all__ = ["Pairs", "SparseOperator", "pair_scores"]

with warnings.catch_warnings():  # torch says once a process that the layout is in beta
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    torch.sparse_csr_tensor(
        torch.zeros(1).long(), torch.zeros(0).long(), torch.zeros(0), (0, 0), check_invariants=False
    )

LANES = 8  # products of a multiple of so many columns take half the time of those with one column more


class Compressed:
    """A sparse matrix by rows, multiplied from the left or, transposed, from the right; stored once.

    `gather` reads a row of the dense matrix for each entry, `scatter` adds to one; what is read or added to out of
    order should be the smaller of both sides, so that it stays in the cache: compress the longer side.

    Args:
        pointers: Where each row begins, int32 `[num_rows + 1]`.
        columns: Column of each entry, int32 `[num_entries]`; 32 bits are what the products take without a copy.
        values: Value of each entry `[num_entries]`.
        num_columns: Number of columns.
    """

    def __init__(self, pointers: Tensor, columns: Tensor, values: Tensor, num_columns: int) -> None:
        self.pointers = pointers
        self.columns = columns
        self.values = values
        self.shape = (len(pointers) - 1, num_columns)

    @cached_property
    def matrix(self) -> Tensor:
        """The matrix as a CSR tensor; it shares the memory of its parts."""
        return torch.sparse_csr_tensor(self.pointers, self.columns, self.values, self.shape, check_invariants=False)

    @cached_property
    def transpose(self) -> csc_array:
        """The transpose as SciPy's matrix by columns, which is the same three arrays."""
        arrays = (self.values.numpy(), self.columns.numpy(), self.pointers.numpy())
        return csc_array(arrays, shape=self.shape[::-1])

    def with_values(self, values: Tensor) -> Compressed:
        """Return a matrix of the same pattern."""
        return Compressed(self.pointers, self.columns, values, self.shape[1])

    def gather(self, dense: Tensor) -> Tensor:
        """Return `A @ dense`, `[num_rows, size]`."""
        return torch.cat([self.matrix @ part for part in _lanes(dense)], dim=1)

    def scatter(self, dense: Tensor) -> Tensor:
        """Return `A^T @ dense`, `[num_columns, size]`; the rows of `dense` are read in order."""
        return torch.cat([torch.from_numpy(self.transpose @ part.numpy()) for part in _lanes(dense)], dim=1)


def _lanes(dense: Tensor) -> tuple[Tensor, ...]:
    """Set the columns beyond a multiple of the lanes, as the bias is, apart."""
    whole = dense.shape[1] // LANES * LANES
    if whole in (0, dense.shape[1]):
        return (dense.contiguous(),)
    return dense[:, :whole].contiguous(), dense[:, whole:].contiguous()


class SparseOperator:
    """A constant sparse matrix, compressed along its longer side; both directions are one product.

    Args:
        rows: Row of each entry, int64 `[num_entries]`.
        columns: Column of each entry, int64 `[num_entries]`.
        values: Value of each entry `[num_entries]`; entries of one place are summed.
        shape: `(num_rows, num_columns)`.
    """

    def __init__(self, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.tall = shape[0] >= shape[1]
        places = (rows.numpy(), columns.numpy())
        # Entries of one place are summed first: the curvature needs the square of the sum.
        summed = coo_array(
            (values.numpy(), places if self.tall else places[::-1]), shape=shape if self.tall else shape[::-1]
        ).tocsr()
        pointers, inner = (
            torch.from_numpy(part.astype(np.int32, copy=False)) for part in (summed.indptr, summed.indices)
        )
        self.compressed = Compressed(pointers, inner, torch.from_numpy(summed.data), summed.shape[1])

    @property
    def matrix(self) -> Tensor:
        """The matrix as a CSR tensor `[num_rows, num_columns]`, for looking at it."""
        stored = self.compressed.matrix
        return stored if self.tall else stored.t().to_sparse_csr()

    def __matmul__(self, dense: Tensor) -> Tensor:
        """Return `A @ dense`, `[..., num_rows, size]`, differentiable in `dense`; one product also for several samples."""
        if dense.dim() > 2:
            side_by_side = dense.transpose(0, 1).flatten(1)
            return (self @ side_by_side).unflatten(1, (-1, dense.shape[2])).transpose(0, 1)
        product: Tensor = _Product.apply(dense, self)
        return product

    def forward(self, dense: Tensor) -> Tensor:
        """Return `A @ dense` without a gradient."""
        return self.compressed.gather(dense) if self.tall else self.compressed.scatter(dense)

    def backward(self, dense: Tensor) -> Tensor:
        """Return `A^T @ dense` without a gradient."""
        return self.compressed.scatter(dense) if self.tall else self.compressed.gather(dense)

    def transposed_square(self, dense: Tensor) -> Tensor:
        """Return `(A * A)^T @ dense`, `[num_columns, size]`: how curvature flows back to the tables."""
        squared = self.compressed.with_values(self.compressed.values.square())
        return squared.scatter(dense) if self.tall else squared.gather(dense)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dense: Tensor, operator: SparseOperator) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.operator = operator
        return operator.forward(dense)

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        return ctx.operator.backward(gradient), None


@dataclass(frozen=True, eq=False)
class Pairs:
    """A fixed set of (user, item) pairs, sorted by user, with what the products over it need.

    Attributes:
        user: User rows, int64 `[num_pairs]`, in rising order.
        item: Item rows, int64 `[num_pairs]`.
        num_users: Number of user rows.
        num_items: Number of item rows.
    """

    user: Tensor
    item: Tensor
    num_users: int
    num_items: int

    @staticmethod
    def order(user: Tensor, item: Tensor, num_items: int) -> Tensor:
        """Return the permutation that sorts pairs by user, then item, `[num_pairs]`."""
        return torch.argsort(user * num_items + item)

    def __post_init__(self) -> None:
        if len(self.user) > 1 and bool((self.user[1:] < self.user[:-1]).any()):
            raise ValueError("pairs must be sorted by user; sort them with Pairs.order")

    def __len__(self) -> int:
        return len(self.user)

    def select(self, mask: Tensor) -> Pairs:
        """Return the pairs that a mask `[num_pairs]` picks."""
        return Pairs(self.user[mask], self.item[mask], self.num_users, self.num_items)

    @cached_property
    def user_counts(self) -> Tensor:
        """Number of pairs of each user, int64 `[num_users]`."""
        return torch.bincount(self.user, minlength=self.num_users)

    @cached_property
    def item_counts(self) -> Tensor:
        """Number of pairs of each item, int64 `[num_items]`."""
        return torch.bincount(self.item, minlength=self.num_items)

    @cached_property
    def pointers(self) -> Tensor:
        """Where the pairs of each user begin, int32 `[num_users + 1]`."""
        return torch.cat([torch.zeros(1).long(), self.user_counts.cumsum(0)]).int()

    @cached_property
    def index(self) -> tuple[Tensor, Tensor]:
        """User and item rows once more, in 32 bits, each `[num_pairs]`: half the memory to read in every step."""
        return self.user.int(), self.item.int()

    def compressed(self, values: Tensor) -> Compressed:
        """Return the users x items matrix with a value for each pair."""
        return Compressed(self.pointers, self.index[1], values, self.num_items)

    def to_users(self, values: Tensor, item_rows: Tensor) -> Tensor:
        """Return the sum over each user's pairs of `value * item_rows[item]`, `[num_users, size]`."""
        return self.compressed(values).gather(item_rows)

    def to_items(self, values: Tensor, user_rows: Tensor) -> Tensor:
        """Return the sum over each item's pairs of `value * user_rows[user]`, `[num_items, size]`."""
        return self.compressed(values).scatter(user_rows)


class _PairScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, users: Tensor, items: Tensor, pairs: Pairs) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(users, items)
        ctx.pairs = pairs
        user, item = pairs.index
        biases = users[:, -1].contiguous().index_select(0, user).add_(items[:, -1].contiguous().index_select(0, item))
        scores = pairs.compressed(biases).matrix
        left, right = users[:, :-1].contiguous(), items[:, :-1].contiguous()
        # Written over the biases: no copy of the pattern is made.
        torch.sparse.sampled_addmm(scores, left, right.t(), out=scores)
        return scores.values()

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        users, items = ctx.saved_tensors
        gradient = gradient.contiguous()
        to_users = ctx.pairs.to_users(gradient, with_one(items)) if ctx.needs_input_grad[0] else None
        to_items = ctx.pairs.to_items(gradient, with_one(users)) if ctx.needs_input_grad[1] else None
        return to_users, to_items, None


def pair_scores(users: Tensor, items: Tensor, pairs: Pairs) -> Tensor:
    r"""Score every pair: $f_{ui} = \langle z_u, z_i \rangle + b_u + b_i$.

    Args:
        users: `[num_users, embedding_size + 1]`; the last column is the bias.
        items: `[num_items, embedding_size + 1]`; the last column is the bias.
        pairs: Which pairs to score.

    Returns:
        Scores on the latent scale (not stars), `[num_pairs]`. Forward and backward are one sampled
        product and two sparse products; no `[num_pairs, embedding_size]` matrix is ever made.
    """
    scores: Tensor = _PairScores.apply(users, items, pairs)
    return scores
