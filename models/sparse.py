"""Sparse products whose gradients cost one sparse product as well."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["Pairs", "SparseOperator", "pair_scores"]


def csr_matrix(compressed: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a CSR tensor; torch's notice that the layout is in beta is silenced here, once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(compressed, columns, values, shape, check_invariants=False)


def _compressed(rows: Tensor, num_rows: int) -> Tensor:
    counts = torch.bincount(rows, minlength=num_rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


class SparseOperator:
    """A constant sparse matrix, kept with its transpose so that both directions are one product.

    Args:
        rows: Row of each entry, int64 `[num_entries]`.
        columns: Column of each entry, int64 `[num_entries]`.
        values: Value of each entry `[num_entries]`.
        shape: `(num_rows, num_columns)`.
    """

    def __init__(self, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> None:
        self.shape = shape
        # Entries of one place are summed first: the curvature needs the square of the sum.
        entries = torch.sparse_coo_tensor(
            torch.stack([rows, columns]), values, shape, check_invariants=False
        ).coalesce()
        rows, columns = entries.indices()
        self.matrix = csr_matrix(_compressed(rows, shape[0]), columns, entries.values(), shape)
        order = torch.argsort(columns, stable=True)
        self.transpose = csr_matrix(
            _compressed(columns[order], shape[1]), rows[order], entries.values()[order], shape[::-1]
        )

    def __matmul__(self, dense: Tensor) -> Tensor:
        """Return `A @ dense`, `[num_rows, size]`, differentiable in `dense`."""
        product: Tensor = _Product.apply(dense, self)
        return product

    def transposed_square(self, dense: Tensor) -> Tensor:
        """Return `(A * A)^T @ dense`, `[num_columns, size]`: how curvature flows back to the tables."""
        matrix = self.transpose
        squared = csr_matrix(matrix.crow_indices(), matrix.col_indices(), matrix.values().square(), self.shape[::-1])
        return squared @ dense


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dense: Tensor, operator: SparseOperator) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.operator = operator
        return operator.matrix @ dense

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        return ctx.operator.transpose @ gradient.contiguous(), None


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

    @cached_property
    def user_counts(self) -> Tensor:
        """Number of pairs of each user, int64 `[num_users]`."""
        return torch.bincount(self.user, minlength=self.num_users)

    @cached_property
    def item_counts(self) -> Tensor:
        """Number of pairs of each item, int64 `[num_items]`."""
        return torch.bincount(self.item, minlength=self.num_items)

    @cached_property
    def by_user(self) -> tuple[Tensor, Tensor]:
        """Row pointers and columns of the users x items matrix."""
        return _compressed(self.user, self.num_users), self.item

    @cached_property
    def by_item(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row pointers, columns and permutation of the items x users matrix."""
        order = torch.argsort(self.item * self.num_users + self.user)
        return _compressed(self.item, self.num_items), self.user[order], order

    @cached_property
    def pattern(self) -> Tensor:
        """The users x items matrix of zeros that says where inner products are wanted."""
        compressed, columns = self.by_user
        # 32-bit indices take MKL's fast path of sampled_addmm.
        return csr_matrix(compressed.int(), columns.int(), torch.zeros(len(self)), (self.num_users, self.num_items))

    def to_users(self, values: Tensor, item_rows: Tensor) -> Tensor:
        """Return the sum over each user's pairs of `value * item_rows[item]`, `[num_users, size]`."""
        compressed, columns = self.by_user
        return csr_matrix(compressed, columns, values, (self.num_users, self.num_items)) @ item_rows

    def to_items(self, values: Tensor, user_rows: Tensor) -> Tensor:
        """Return the sum over each item's pairs of `value * user_rows[user]`, `[num_items, size]`."""
        compressed, columns, order = self.by_item
        return csr_matrix(compressed, columns, values[order], (self.num_items, self.num_users)) @ user_rows


class _PairScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx, users: Tensor, items: Tensor, pairs: Pairs) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(users, items)
        ctx.pairs = pairs
        # Each bias meets a one of the other side, so the sampled product adds both.
        one = users.new_ones(1)
        left = torch.cat([users, one.expand(len(users), 1)], dim=1)
        right = torch.cat([with_one(items), items[:, -1:]], dim=1).t().contiguous()
        product: Tensor = torch.sparse.sampled_addmm(pairs.pattern, left, right, beta=0.0)
        return product.values()

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        users, items = ctx.saved_tensors
        to_users = ctx.pairs.to_users(gradient, with_one(items)) if ctx.needs_input_grad[0] else None
        to_items = ctx.pairs.to_items(gradient, with_one(users)) if ctx.needs_input_grad[1] else None
        return to_users, to_items, None


def with_one(rows: Tensor) -> Tensor:
    """Return `rows` with the bias column replaced by ones: what the other side's gradient multiplies."""
    return torch.cat([rows[:, :-1], rows.new_ones(len(rows), 1)], dim=1)


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
