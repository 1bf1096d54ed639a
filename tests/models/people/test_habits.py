"""Habits of users whose ratings are few enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from kg.ratings import Ratings
from models.people.habits import habits_of, habits_table

# Item 0 is rated by three, item 1 by two, item 2 by one; user 3 rates nothing.
TRAIN = Ratings(
    user=np.array([0, 0, 0, 1, 1, 2]),
    item=np.array([0, 1, 2, 0, 1, 0]),
    value=np.array([5, 4, 1, 2, 3, 4], dtype=np.float32),
    num_users=4,
    num_items=3,
)
KINDS = sparse.csr_array(np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32))


def test_they_are_what_one_counts_by_hand() -> None:
    table = habits_table(TRAIN, KINDS, 4.0, np.array([0.2, -0.5, 0.1, 0.0]))
    first, second, third, nobody = (habits_of(table, user) for user in range(4))
    assert (first.num_ratings, first.mean_stars) == (3, pytest.approx(10 / 3))
    assert [one.activity for one in (first, second, third)] == pytest.approx([5 / 6, 3 / 6, 1 / 6])
    assert [one.generosity_rank for one in (first, second, third)] == pytest.approx([5 / 6, 1 / 6, 3 / 6])
    assert first.breadth == pytest.approx(2.0)  # liked one item of either kind
    assert second.breadth is None  # liked nothing
    assert third.breadth == pytest.approx(1.0)
    assert third.popularity == pytest.approx(5 / 6)
    assert first.popularity == pytest.approx(0.5)
    assert third.popularity_rank == pytest.approx(5 / 6)
    assert first.popularity_correlation is None  # three ratings say nothing
    assert nobody.num_ratings == 0
    assert nobody.activity is nobody.mean_stars is nobody.generosity is nobody.popularity is None


def test_popularity_and_stars_that_rise_together_correlate_fully() -> None:
    counts = np.arange(1, 13)
    item = np.repeat(np.arange(12), counts)
    user = np.concatenate([np.arange(count) for count in counts])  # user 0 rates all, user 11 the last item only
    value = np.where(user == 0, 1 + item / 4, 3).astype(np.float32)
    train = Ratings(user=user, item=item, value=value, num_users=12, num_items=12)
    table = habits_table(train, sparse.csr_array(np.ones((12, 1), dtype=np.float32)), 4.0, np.zeros(12))
    assert table["popularity_correlation"][0] == pytest.approx(1.0)
    assert np.isnan(table["popularity_correlation"][1])  # always the same stars


def test_implicit_feedback_has_no_stars() -> None:
    habits = habits_of(habits_table(TRAIN, KINDS, 1.0, None), 0)
    assert habits.mean_stars is None
    assert habits.generosity is habits.generosity_rank is None
    assert habits.popularity is not None
