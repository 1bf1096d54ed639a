"""Groups of users: quarters by activity, gaps between groups, and a test that holds its level."""

from __future__ import annotations

import numpy as np
import pytest

from kg.dataset import Dataset
from kg.ratings import Ratings
from training.studies.groups import Grouping, by_activity, gap_p, group_report, groupings


def test_quarters_by_activity_hold_as_many_users_each() -> None:
    user = np.repeat(np.arange(8), np.arange(1, 9))
    train = Ratings(user=user, item=np.arange(len(user)), value=np.ones(len(user)), num_users=9, num_items=len(user))
    found = by_activity(train)
    assert found.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1]  # the last rated nothing
    assert found.labels[0] == "1 to 2 ratings"


def test_a_planted_gap_is_found_and_measured() -> None:
    group = np.repeat([0, 1], 50)
    values = np.where(group == 0, 0.2, 0.5) + np.random.default_rng(0).normal(0, 0.1, 100)
    found = group_report(Grouping(name="age", labels=("young", "old"), group=group), np.arange(100), values)
    assert found["gap"] == pytest.approx(values[50:].mean() - values[:50].mean())
    assert (found["least"], found["most"]) == ("young", "old")
    assert found["p"] == pytest.approx(1 / 1001)
    assert found["groups"]["young"]["low"] < 0.2 + 0.05 < found["groups"]["old"]["low"]


def test_small_groups_are_shown_but_not_tested() -> None:
    group = np.array([0] * 30 + [1] * 9)
    found = group_report(Grouping(name="age", labels=("many", "few"), group=group), np.arange(39), np.arange(39.0))
    assert set(found["groups"]) == {"many", "few"}
    assert "p" not in found


def test_the_test_holds_its_level_where_groups_mean_nothing() -> None:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(60), 5)
    group = np.repeat(rng.permutation(np.repeat([0, 1, 2], 20)), 5)
    ps = []
    for _ in range(200):
        values = rng.normal(size=60)[user] + rng.normal(size=300)  # values of one user go together
        ps.append(gap_p(values, user, group, num_draws=99, rng=rng)[1])
    # 5 % of 200 is 10, with a standard deviation of 3.1
    assert np.mean(np.array(ps) <= 0.05) == pytest.approx(0.05, abs=0.047)
    assert np.mean(ps) == pytest.approx(0.5, abs=0.08)


def test_root_mean_gaps_are_those_of_errors() -> None:
    values, group = np.array([1.0, 1.0, 4.0, 4.0]), np.array([0, 0, 1, 1])
    assert gap_p(values, np.arange(4), group, statistic="root_mean", num_draws=9, rng=0)[0] == pytest.approx(1.0)


def test_groupings_come_from_the_graph(small_dataset: Dataset) -> None:
    names = [found.name for found in groupings(small_dataset.graph, small_dataset.ratings)]
    assert names == ["age", "activity"]  # of the occupations of this world there is one only
