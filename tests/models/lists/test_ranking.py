"""Boosts: the nearest distribution with a mean moved by the boost, found here by another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.lists.boosts_and_filters import BoostsAndFilters
from models.lists.ranking import best_of, ranking

LEVELS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
CHANCES = torch.tensor([[0.1, 0.2, 0.4, 0.2, 0.1], [0.02, 0.08, 0.2, 0.4, 0.3], [0.6, 0.2, 0.1, 0.05, 0.05]])


def boost(*stars: float) -> BoostsAndFilters:
    return BoostsAndFilters(hidden=np.zeros(len(stars), dtype=bool), boost=np.array(stars))


@given(st.lists(st.floats(-6, 6), min_size=3, max_size=3))
def test_a_boost_moves_the_mean_by_its_stars_as_far_as_the_scale_goes(stars: list[float]) -> None:
    found = boost(*stars).boosted(CHANCES, LEVELS)
    torch.testing.assert_close(found.sum(1), torch.ones(3), atol=1e-5, rtol=0)
    wanted = (CHANCES @ LEVELS + torch.tensor(stars)).clamp(1, 5)
    torch.testing.assert_close(found @ LEVELS, wanted, atol=2e-3, rtol=0)


def test_the_boosted_distribution_is_the_nearest_one_of_its_mean() -> None:
    """Minimise the Kullback-Leibler divergence under the constraint, without the exponential form."""
    found = boost(0.5, 0.0, 0.7).boosted(CHANCES, LEVELS).numpy()
    for row, stars in ((0, 0.5), (2, 0.7)):
        before = CHANCES[row].numpy().astype(float)
        mean = before @ LEVELS.numpy() + stars
        best = minimize(
            lambda q, before=before: float(q @ np.log(q / before)),
            np.full(5, 0.2),
            bounds=[(1e-6, 1)] * 5,
            constraints=[
                {"type": "eq", "fun": lambda q: q.sum() - 1},
                {"type": "eq", "fun": lambda q, mean=mean: q @ LEVELS.numpy() - mean},
            ],
        )
        np.testing.assert_allclose(found[row], best.x, atol=2e-3)
    assert np.array_equal(found[1], CHANCES[1].numpy())


@pytest.mark.parametrize(("hidden", "stars"), [([True], [0.0, 1.0]), ([True, False], [0.0, np.nan])])
def test_boosts_and_filters_that_do_not_fit(hidden: list[bool], stars: list[float]) -> None:
    with pytest.raises(ValueError, match="one flag and one finite boost an item"):
        BoostsAndFilters(hidden=np.array(hidden), boost=np.array(stars))


def test_the_best_come_first_and_what_is_out_never() -> None:
    scores = np.array([0.2, -np.inf, 0.9, 0.2, 0.5], dtype=np.float32)
    assert best_of(scores, 3).tolist() == [2, 4, 0]
    assert best_of(scores, 9).tolist() == [2, 4, 0, 3]


def test_a_score_is_a_product_of_what_is_given() -> None:
    relevance, item_item, near = (
        np.array(values, dtype=np.float32) for values in ([0.5, 0.4], [0.1, 0.2], [0.9, -1.0])
    )
    power = relevance**0.5
    np.testing.assert_allclose(ranking(relevance, 0.5, item_item=item_item), power * item_item)
    np.testing.assert_allclose(ranking(relevance, 0.5, nearness=near), power * np.exp(near), rtol=1e-6)
    both = ranking(relevance, 0.5, item_item=item_item, nearness=near)
    np.testing.assert_allclose(both, power * item_item * np.exp(near), rtol=1e-6)
