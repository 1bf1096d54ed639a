"""Smoothing of choices against the formula written down."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.lists.smoothing import smoothed


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
    assert not smoothed(sparse.csr_array((4, 3), dtype=np.float32), columns).any()
    assert smoothed(sparse.csr_array((4, 3), dtype=np.float32), columns[:, :0]).shape == (3, 0)
