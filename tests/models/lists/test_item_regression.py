"""What is chosen on held-out choices, and scores without the matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.lists.item_regression import ItemRegression, RegressionSettings, chosen_settings


def choices(rng: np.random.Generator, popular: NDArray[np.float64], num_users: int) -> sparse.csr_array:
    """Two kinds of people, who choose among the items of their kind alone."""
    kind, size = rng.integers(2, size=num_users), len(popular)
    chance = np.where(np.arange(size)[None, :] % 2 == kind[:, None], popular, 0.0)
    return sparse.csr_array((rng.random((num_users, size)) < chance).astype(np.float32))


def test_scores_are_those_of_the_weights() -> None:
    """Around the shares, for items that a user did not choose; `weights` makes the matrix and `scores` does not."""
    rng = np.random.default_rng(0)
    chosen = choices(rng, np.linspace(0.2, 0.8, 30), 200)
    prior = rng.normal(scale=0.05, size=(30, 30)).astype(np.float32)
    np.fill_diagonal(prior, 0)
    regression = ItemRegression.fit(chosen, prior, RegressionSettings(3.0))
    seen = chosen.toarray()
    expected = regression.share + (seen - regression.share) @ regression.weights()
    others = seen == 0
    np.testing.assert_allclose(regression.scores(seen)[others], expected[others], rtol=1e-3, atol=1e-5)


def test_few_users_choose_nothing() -> None:
    chosen = choices(np.random.default_rng(0), np.full(20, 0.5), 90)
    assert chosen_settings(chosen, np.zeros((20, 20), dtype=np.float32)) == RegressionSettings()


def test_equally_popular_items_are_not_damped() -> None:
    """Damping gains nothing where all items have as many users but for chance; the usual 0.1 would stay for few users."""
    chosen = choices(np.random.default_rng(1), np.full(60, 0.25), 300)
    assert chosen_settings(chosen, np.zeros((60, 60), dtype=np.float32)).damping == 0.0


def test_few_users_and_many_items_have_the_same_weights_as_column_by_column() -> None:
    """20 users, 60 items: a matrix that only the ridge makes invertible."""
    rng = np.random.default_rng(3)
    chosen = choices(rng, np.full(60, 0.6), 20)
    seen = chosen.toarray().astype(float)
    centred, ridges = seen - seen.mean(axis=0), 2.0 * np.sqrt(np.maximum(seen.sum(axis=0), 1))
    weights = ItemRegression.fit(chosen, np.zeros((60, 60), dtype=np.float32), RegressionSettings(2.0)).weights()
    for target in (0, 17, 59):
        others = np.arange(60) != target
        gram = centred[:, others].T @ centred[:, others] + np.diag(ridges[others])
        expected = np.linalg.solve(gram, centred[:, others].T @ centred[:, target])
        np.testing.assert_allclose(weights[others, target], expected, rtol=1e-3, atol=1e-5)


def test_without_growth_the_ridge_of_all_items_is_that_of_an_item_of_the_mean_number() -> None:
    chosen = sparse.csr_array(np.array([[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 0]], dtype=np.float32))
    nothing = np.zeros((3, 3), dtype=np.float32)
    np.testing.assert_allclose(
        ItemRegression.fit(chosen, nothing, RegressionSettings(3.0, 0.0, 0.0)).ridge, 3 * (7 / 3) ** 0.5
    )
    extended = ItemRegression.fit(chosen, nothing, RegressionSettings(3.0, 0.0, 0.5)).ridge
    np.testing.assert_allclose(extended, 3 * np.sqrt([4, 2, 1]), rtol=1e-6)
