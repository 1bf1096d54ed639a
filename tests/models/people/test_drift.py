"""Changes that were put in are found, and where nothing changes little is said."""

from __future__ import annotations

import numpy as np
import pytest

from models.people.drift import LEAST_SESSIONS, change_points, drift_of, sessions_of

DAY = 86_400


def history(shares: list[float], per_session: int = 8, gap_days: float = 7.0) -> tuple[np.ndarray, np.ndarray]:
    """A session a week; `shares` is the share of ratings of the first of two kinds in each."""
    times, first = [], []
    for number, share in enumerate(shares):
        times += [int(number * gap_days * DAY) + 60 * place for place in range(per_session)]
        first += [place < round(share * per_session) for place in range(per_session)]
    kinds = np.array(first)[:, None]
    return np.array(times, dtype=np.int64), np.concatenate([kinds, ~kinds], axis=1)


def test_a_change_of_choice_is_found_where_it_is() -> None:
    time, kinds = history([1.0] * 8 + [0.0] * 8)
    found = drift_of(time, kinds, ["Drama", "War"], np.zeros(len(time)))
    assert found.status == "changed"
    assert [(change.what, change.time) for change in found.change_points] == [("choice", 8 * 7 * DAY)]
    assert found.change_points[0].before == {"Drama": 1.0, "War": 0.0}
    assert found.change_points[0].after == {"Drama": 0.0, "War": 1.0}


def test_two_changes_are_found_and_compared_with_their_neighbours() -> None:
    time, _ = history([1.0] * 27)
    kinds = np.eye(3, dtype=bool)[np.repeat([0, 1, 2], len(time) // 3)]
    found = drift_of(time, kinds, ["Drama", "War", "Crime"], None)
    assert [change.time for change in found.change_points] == [9 * 7 * DAY, 18 * 7 * DAY]
    first, second = found.change_points
    assert first.after == {"Drama": 0.0, "War": 1.0, "Crime": 0.0}  # up to the next change, not to the end
    assert second.before == {"Drama": 0.0, "War": 1.0, "Crime": 0.0}


def test_stricter_ratings_are_told_from_other_choices() -> None:
    time, kinds = history([0.5] * 12)
    above = np.where(time < 6 * 7 * DAY, 0.5, -0.5)
    found = drift_of(time, kinds, ["Drama", "War"], above)
    assert [change.what for change in found.change_points] == ["stars"]
    assert found.change_points[0].before == {"stars above expectation": 0.5}


def test_the_order_of_the_rows_changes_nothing() -> None:
    time, kinds = history([1.0] * 8 + [0.0] * 8)
    order = np.random.default_rng(0).permutation(len(time))
    assert drift_of(time[order], kinds[order], ["a", "b"], None) == drift_of(time, kinds, ["a", "b"], None)


def test_false_alarms_stay_below_the_level_even_where_sessions_differ() -> None:
    """Each session has its own mood, in no order: likeness within a session must not pass for change."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(200):
        session = np.repeat(np.arange(12), 6)
        features = rng.normal(size=(12, 3))[session] + 0.5 * rng.normal(size=(72, 3))
        alarms += bool(change_points(features, session, level=0.05, rng=rng, permutations=199))
    assert alarms <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5  # three deviations of a binomial


@pytest.mark.parametrize(
    ("time", "status"),
    [
        (None, "no times"),
        (np.zeros(0, dtype=np.int64), "too short a time to tell"),
        (np.array([5]), "too short a time to tell"),
        (np.arange(100) * 60, "too short a time to tell"),  # one long evening
        (np.repeat(np.arange(LEAST_SESSIONS - 1), 25) * 30 * DAY, "too short a time to tell"),
        (np.repeat(np.arange(10), 10) * 30 * DAY, "steady"),
    ],
)
def test_nothing_is_claimed_without_time(time: np.ndarray | None, status: str) -> None:
    size = 100 if time is None else len(time)
    kinds = np.tile([[True, False], [False, True]], (size, 1))[:size]
    found = drift_of(time, kinds, ["a", "b"], np.zeros(size))
    assert found.status == status
    assert found.change_points == ()
    assert sum(window.num_ratings for window in found.windows) == (0 if time is None else size)


def test_sessions_end_with_six_hours_of_silence() -> None:
    hour = 3600
    assert sessions_of(np.array([0, hour, 7 * hour + 1, 8 * hour, 99 * hour])).tolist() == [0, 0, 1, 1, 2]


def test_windows_hold_the_shares_of_their_ratings() -> None:
    time, kinds = history([1.0] * 5 + [0.0] * 5, per_session=6)
    windows = drift_of(time, kinds, ["Drama", "War"], np.ones(len(time))).windows
    assert [window.num_ratings for window in windows] == [10] * 6
    assert [window.shares["Drama"] for window in windows] == [1.0] * 3 + [0.0] * 3
    assert {window.above_expected for window in windows} == {1.0}
