"""What stands beside the choices of implicit feedback."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kg.ratings import Ratings
from training.negative_samples import with_negative_samples


@pytest.fixture(scope="module")
def choices() -> Ratings:
    rng = np.random.default_rng(0)
    pair = np.unique(rng.integers(20, size=200) * 50 + rng.integers(40, size=200))  # nobody chose items 40 to 49
    ones = np.ones(len(pair))
    return Ratings(user=pair // 50, item=pair % 50, value=ones, num_users=20, num_items=50)


def test_choices_come_first_and_absences_are_none_of_them(choices: Ratings) -> None:
    found = with_negative_samples(choices, 3, rng=1)
    np.testing.assert_array_equal(found.user[: len(choices)], choices.user)
    np.testing.assert_array_equal(found.item[: len(choices)], choices.item)
    np.testing.assert_array_equal(found.value, np.arange(len(found)) < len(choices))
    pairs = list(zip(found.user.tolist(), found.item.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


def test_who_chose_more_has_more_absences_and_new_items_have_none(choices: Ratings) -> None:
    found = with_negative_samples(choices, 1, rng=1)
    absent = found.select(found.value == 0)
    assert (absent.user_counts <= choices.user_counts).all()
    assert len(absent) > 0.5 * len(choices)
    assert not absent.item_counts[choices.item_counts == 0].any()


def test_the_draw_is_repeatable(choices: Ratings) -> None:
    one, again, other = (with_negative_samples(choices, 2, rng=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.item, again.item)
    assert not np.array_equal(one.item, other.item)


def test_choices_keep_their_weights_and_absences_count_one(choices: Ratings) -> None:
    weight = np.linspace(0.5, 2, len(choices), dtype=np.float32)
    found = with_negative_samples(replace(choices, weight=weight), 1, rng=1)
    assert found.weight is not None
    np.testing.assert_array_equal(found.weight[: len(choices)], weight)
    assert set(found.weight[len(choices) :].tolist()) == {1.0}
    assert with_negative_samples(choices, 1, rng=1).weight is None


def test_what_was_shown_stands_instead_of_what_is_drawn(choices: Ratings) -> None:
    free = np.setdiff1d(np.arange(20 * 50), choices.user * 50 + choices.item)
    seen = free[free // 50 < 10][::7]  # of the first ten users, also items that nobody chose
    shown = Ratings(user=seen // 50, item=seen % 50, value=np.zeros(len(seen)), num_users=20, num_items=50)
    found = with_negative_samples(choices, 2, rng=1, shown=shown)
    told = shown.user_counts > 0
    absent = found.select(found.value == 0)
    mine = absent.select(told[absent.user])
    assert sorted(zip(mine.user.tolist(), mine.item.tolist(), strict=True)) == sorted(
        zip(shown.user.tolist(), shown.item.tolist(), strict=True)
    )
    others = absent.select(~told[absent.user])
    assert (others.user_counts[~told] > 0).all()
    np.testing.assert_array_equal(found.user[: len(choices)], choices.user)
    assert found.value.sum() == len(choices)
