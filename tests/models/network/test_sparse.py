"""Sparse products against dense ones, forward, backward and squared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.network.sparse import Pairs, SparseOperator, pair_scores

SHAPE = (4, 3)
ENTRIES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-9, 9)), max_size=12)


@pytest.fixture
def _double() -> Iterator[None]:
    """Finite differences need double precision, also in the tensors that the code makes itself."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def operator(entries: list[tuple[int, int, float]], shape: tuple[int, int] = SHAPE) -> SparseOperator:
    rows, columns, values = (list(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
    return SparseOperator(
        torch.tensor(rows, dtype=torch.int64),
        torch.tensor(columns, dtype=torch.int64),
        torch.tensor(values, dtype=torch.get_default_dtype()),
        shape,
    )


def dense(entries: list[tuple[int, int, float]], shape: tuple[int, int] = SHAPE) -> Tensor:
    """Entries of one place add up."""
    matrix = torch.zeros(shape)
    for row, column, value in entries:
        matrix[row, column] += value
    return matrix


def all_pairs(users: list[int], items: list[int], num_users: int = 4, num_items: int = 3) -> Pairs:
    return Pairs(torch.tensor(users, dtype=torch.int64), torch.tensor(items, dtype=torch.int64), num_users, num_items)


def integers(rows: int, columns: int, seed: int) -> Tensor:
    """Whole numbers are exact in floating point, so that equality is equality."""
    return torch.randint(-5, 6, (rows, columns), generator=torch.Generator().manual_seed(seed)).float()


@given(ENTRIES)
def test_product_gradient_and_curvature_are_those_of_the_dense_matrix(entries: list[tuple[int, int, float]]) -> None:
    matrix = dense(entries)
    table = integers(3, 2, seed=0).requires_grad_()
    weight = integers(4, 2, seed=1)
    product = operator(entries) @ table
    (product * weight).sum().backward()
    assert torch.equal(product.detach(), matrix @ table.detach())
    assert table.grad is not None
    assert torch.equal(table.grad, matrix.T @ weight)
    assert torch.equal(operator(entries).transposed_square(weight), (matrix * matrix).T @ weight)


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (7, 7)])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 17, 20])
def test_shape_and_width_change_nothing(shape: tuple[int, int], width: int) -> None:
    """Tall, wide and square matrices are stored differently, and columns beyond a multiple of eight set apart."""
    generator = torch.Generator().manual_seed(4)
    entries = [
        (int(row), int(column), float(value))
        for row, column, value in zip(
            torch.randint(shape[0], (60,), generator=generator),
            torch.randint(shape[1], (60,), generator=generator),
            torch.randint(-5, 6, (60,), generator=generator),
            strict=True,
        )
    ]
    made, matrix = operator(entries, shape), dense(entries, shape)
    table, weight = integers(shape[1], width, seed=5).requires_grad_(), integers(shape[0], width, seed=6)
    product = made @ table
    (product * weight).sum().backward()
    assert torch.equal(product.detach(), matrix @ table.detach())
    assert table.grad is not None
    assert torch.equal(table.grad, matrix.T @ weight)
    assert torch.equal(made.transposed_square(weight), (matrix * matrix).T @ weight)
    assert torch.equal(made.matrix.to_dense(), matrix)


def test_duplicates_are_summed_before_they_are_squared() -> None:
    both = operator([(1, 2, 2.0), (1, 2, 3.0)])
    assert torch.equal(both @ torch.eye(3), dense([(1, 2, 5.0)]))
    assert both.transposed_square(torch.ones(4, 1)).tolist() == [[0.0], [0.0], [25.0]]


def test_rows_and_columns_without_entries_give_zero() -> None:
    single = operator([(2, 1, 4.0)])
    assert (single @ torch.ones(3, 2)).tolist() == [[0, 0], [0, 0], [4, 4], [0, 0]]
    assert single.transposed_square(torch.ones(4, 1)).tolist() == [[0.0], [16.0], [0.0]]


@pytest.mark.usefixtures("_double")
def test_gradient_of_the_product_agrees_with_finite_differences() -> None:
    table = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    matrix = operator([(0, 0, 0.3), (0, 2, -1.2), (3, 1, 2.0), (3, 1, 0.5)])
    assert torch.autograd.gradcheck(lambda dense: matrix @ dense, table)


def test_a_gradient_that_is_not_contiguous_is_taken() -> None:
    """The gradient of a sum is one number shown everywhere, which sparse products do not read."""
    table = torch.ones(3, 2, requires_grad=True)
    (operator([(0, 1, 2.0), (3, 1, 3.0)]) @ table).sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[0, 0], [5, 5], [0, 0]]


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1))
def test_pair_scores_are_inner_products_with_biases(chosen: set[tuple[int, int]]) -> None:
    users, items = integers(4, 3, seed=2), integers(3, 3, seed=3)
    pairs = sorted(chosen)
    scores = pair_scores(users, items, all_pairs([u for u, _ in pairs], [i for _, i in pairs]))
    slow = [float(users[u, :2] @ items[i, :2] + users[u, 2] + items[i, 2]) for u, i in pairs]
    assert scores.tolist() == slow


@pytest.mark.usefixtures("_double")
def test_gradient_of_pair_scores_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    users, items = (torch.randn(rows, 4, generator=generator).requires_grad_() for rows in (4, 3))
    pairs = all_pairs([0, 0, 1, 3, 3], [2, 0, 1, 0, 1])
    assert torch.autograd.gradcheck(lambda left, right: pair_scores(left, right, pairs), (users, items))
    assert torch.autograd.gradcheck(lambda left: pair_scores(left, items.detach(), pairs), (users,))
    assert torch.autograd.gradcheck(lambda right: pair_scores(users.detach(), right, pairs), (items,))


def test_no_pairs_have_no_scores_and_no_gradient() -> None:
    users, items = torch.ones(4, 3, requires_grad=True), torch.ones(3, 3, requires_grad=True)
    scores = pair_scores(users, items, all_pairs([], []))
    assert scores.shape == (0,)
    scores.sum().backward()
    assert users.grad is not None
    assert not users.grad.any()


def test_sums_over_pairs_equal_loops() -> None:
    users, items, values = [0, 0, 1, 3, 3], [2, 0, 1, 1, 0], [1.0, 2.0, 3.0, 4.0, 5.0]
    pairs = all_pairs(users, items)
    user_rows, item_rows = integers(4, 3, seed=4), integers(3, 3, seed=5)
    to_users, to_items = torch.zeros(4, 3), torch.zeros(3, 3)
    for user, item, value in zip(users, items, values, strict=True):
        to_users[user] += value * item_rows[item]
        to_items[item] += value * user_rows[user]
    assert torch.equal(pairs.to_users(torch.tensor(values), item_rows), to_users)
    assert torch.equal(pairs.to_items(torch.tensor(values), user_rows), to_items)


def test_order_sorts_by_user_then_item_and_unsorted_pairs_are_refused() -> None:
    user, item = torch.tensor([2, 0, 2, 0]), torch.tensor([1, 2, 0, 1])
    order = Pairs.order(user, item, 3)
    assert list(zip(user[order].tolist(), item[order].tolist(), strict=True)) == [(0, 1), (0, 2), (2, 0), (2, 1)]
    with pytest.raises(ValueError, match="sorted by user"):
        Pairs(user, item, 3, 3)
