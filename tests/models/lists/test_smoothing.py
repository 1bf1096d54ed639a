"""Smoothing of choices against the formula written down."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from models.lists.smoothing import chosen_smoothing, smoothed


def test_it_is_the_ridge_regression_of_choices_on_choices() -> None:
    rng = np.random.default_rng(0)
    chosen = sparse.csr_array((rng.random((40, 12)) < 0.3).astype(np.float32))
    columns = rng.normal(size=(12, 5)).astype(np.float32)
    gram = (chosen.T @ chosen).toarray()
    for ridge in (0.5, 10.0, 300.0):
        exact = np.linalg.solve(gram + ridge * np.eye(12), gram @ columns)
        np.testing.assert_allclose(smoothed(chosen, columns, ridge), exact, atol=2e-3 * np.abs(exact).max())


def test_without_choices_nothing_is_suggested() -> None:
    columns = np.ones((3, 2), dtype=np.float32)
    nothing = sparse.csr_array((4, 3), dtype=np.float32)
    assert not smoothed(nothing, columns, 1.0).any()
    assert smoothed(nothing, columns[:, :0], 1.0).shape == (3, 0)
    assert smoothed(nothing, columns, 0.0) is columns


@pytest.mark.parametrize("precise", [True, False])
def test_it_is_chosen_where_content_is_poor(precise: bool) -> None:
    """Two crowds choose their own half of the items now and then; content knows the half, or little but noise."""
    rng = np.random.default_rng(0)
    half = np.arange(150) % 2
    crowd = np.arange(300) % 2
    likes = np.where(crowd[:, None] == half, 0.3, 0.05)
    if precise:  # each user chooses three items that are alike in everything, and content knows which these are
        theme = np.arange(150) // 3
        likes = np.where(rng.integers(50, size=300)[:, None] == theme, 0.9, 0.02)
    chosen = sparse.csr_array((rng.random((300, 150)) < likes).astype(np.float32))
    features = np.eye(50)[theme] if precise else np.column_stack([half - 0.5, 0.8 * rng.normal(size=(150, 8))])
    kernel = features @ features.T + np.eye(150)
    ridge = chosen_smoothing(chosen, np.linalg.inv(kernel).astype(np.float32))
    assert (ridge == 0.0) == precise


def test_few_items_or_users_are_left_as_they_are() -> None:
    rng = np.random.default_rng(0)
    for shape in ((300, 60), (50, 200)):
        chosen = sparse.csr_array((rng.random(shape) < 0.2).astype(np.float32))
        assert chosen_smoothing(chosen, np.eye(shape[1], dtype=np.float32)) == 0.0
