"""Simulated ratings: exact in number, different in every pair, the same for a seed, skewed as real ones are."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.synthetic import SyntheticWorld, simulate_ratings, users_and_items
from kg.errors import InputError
from kg.schema import ITEM, EdgeType


@pytest.fixture(scope="module")
def world() -> SyntheticWorld:
    return simulate_ratings(30_000, seed=3)


def test_the_number_is_exact_and_every_pair_stands_once(world: SyntheticWorld) -> None:
    ratings = world.dataset.ratings
    assert len(ratings) == 30_000
    assert len(set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))) == 30_000
    assert ratings.levels.tolist() == [1, 2, 3, 4, 5]


def test_a_log_is_in_the_order_of_time(world: SyntheticWorld) -> None:
    time = world.dataset.ratings.time
    assert time is not None
    assert (np.diff(time) >= 0).all()


def test_the_seed_decides_everything(world: SyntheticWorld) -> None:
    again, other = simulate_ratings(30_000, seed=3), simulate_ratings(30_000, seed=4)
    assert again.dataset.fingerprint == world.dataset.fingerprint
    assert np.array_equal(again.item_vectors, world.item_vectors)
    assert other.dataset.fingerprint != world.dataset.fingerprint


def test_few_users_and_items_have_most_ratings(world: SyntheticWorld) -> None:
    """With one over the rank, the upper tenth holds far more than a tenth; with equal chances it would hold 0.13."""
    for counts in (world.dataset.ratings.user_counts, world.dataset.ratings.item_counts):
        upper = np.sort(counts)[-len(counts) // 10 :].sum() / counts.sum()
        assert upper > 0.3


def test_stars_follow_hidden_factors_of_genres(world: SyntheticWorld) -> None:
    """Users, items and affinity explain the stars: within a user and an item less is left than over all."""
    ratings = world.dataset.ratings
    centred = ratings.value - ratings.value.mean()
    for index, counts in ((ratings.user, ratings.user_counts), (ratings.item, ratings.item_counts)):
        means = np.bincount(index, weights=centred, minlength=len(counts)) / np.maximum(counts, 1)
        # Chance alone would explain one part in `counts` of the variance.
        explained = np.var(means[index]) / np.var(centred)
        assert explained > 0.08 + len(counts) / len(ratings)
    genres = world.dataset.graph.edges[EdgeType(ITEM, "genre", "genre")].index
    assert set(genres[0].tolist()) == set(range(ratings.num_items))


@pytest.mark.parametrize(
    ("number", "expected"),
    [(100_000, (1_000, 1_700)), (1_000_000, (6_000, 3_500)), (10_000_000, (70_000, 10_000))],
)
def test_sizes_are_those_of_movielens(number: int, expected: tuple[int, int]) -> None:
    assert users_and_items(number) == expected


def test_too_few_ratings_are_refused() -> None:
    with pytest.raises(InputError, match="begin at 1,000 ratings; 999 were asked for"):
        simulate_ratings(999)
