from __future__ import annotations

import numpy as np
import pytest

from kg.ratings import Ratings


def some(**changes: object) -> Ratings:
    values: dict[str, object] = {
        "user": [0, 1, 1],
        "item": [2, 0, 2],
        "value": [1, 5, 3.5],
        "time": [9, 8, 7],
        "num_users": 2,
        "num_items": 3,
    }
    return Ratings(**(values | changes))  # type: ignore[arg-type]


def test_select_by_mask_and_by_index() -> None:
    assert some().select(np.array([False, True, True])).value.tolist() == [5, 3.5]
    chosen = some().select(np.array([2, 0]))
    assert (chosen.user.tolist(), chosen.item.tolist(), chosen.value.tolist()) == ([1, 0], [2, 2], [3.5, 1])
    assert chosen.time is not None
    assert chosen.time.tolist() == [7, 9]
    assert (chosen.num_users, chosen.num_items) == (2, 3)


def test_concat_joins_and_keeps_times_only_if_both_have_them() -> None:
    both = some().concat(some())
    assert len(both) == 6
    assert both.time is not None
    assert some().concat(some(time=None)).time is None
    with pytest.raises(ValueError, match="different ledgers"):
        some().concat(some(num_users=3))


def test_weights_follow_their_ratings_and_count_one_where_there_are_none() -> None:
    weighted = some(weight=[0.5, 1, 2])
    assert weighted.weight is not None
    assert weighted.select(np.array([2, 0])).weight.tolist() == [2, 0.5]  # type: ignore[union-attr]
    assert weighted.transposed().weight.tolist() == [0.5, 1, 2]  # type: ignore[union-attr]
    assert weighted.concat(some()).weight.tolist() == [0.5, 1, 2, 1, 1, 1]  # type: ignore[union-attr]
    assert some().concat(weighted).weight.tolist() == [1, 1, 1, 0.5, 1, 2]  # type: ignore[union-attr]
    assert some().concat(some()).weight is None


def test_counts_and_levels() -> None:
    assert some().user_counts.tolist() == [1, 2]
    assert some().item_counts.tolist() == [1, 0, 2]
    assert some().levels.tolist() == [1, 3.5, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": [0, 1]}, "must be equal and flat"),
        ({"item": [0, 1, 3]}, r"item indices span 0 \.\. 3; expected 0 \.\. 2"),
        ({"user": [-1, 0, 0]}, "user indices span -1"),
        ({"value": [1, float("nan"), 2]}, "rating number 1 is not a finite"),
        ({"weight": [1, 2]}, "must be equal and flat"),
        ({"weight": [1, 0, 2]}, "rating number 1 has the weight 0"),
        ({"weight": [1, 2, float("inf")]}, "rating number 2 has the weight inf"),
    ],
)
def test_wrong_ratings_are_refused_at_birth(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        some(**changes)


def test_ratings_cannot_be_changed_from_outside() -> None:
    values = np.array([1, 5, 3], dtype=np.float32)
    ratings = some(value=values)
    values[0] = 4
    assert ratings.value[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        ratings.value[0] = 4
