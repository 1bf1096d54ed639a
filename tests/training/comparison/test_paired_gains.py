"""Adjusted p-values and gains in RMSE against textbook values and slow oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.comparison.paired_gains import holm, rmse_gain


def test_holm_as_in_the_textbook() -> None:
    # 0.01 * 4, 0.02 * 3, then 0.03 * 2 = 0.06 and 0.05 * 1 = 0.05, which may not fall below 0.06.
    np.testing.assert_allclose(holm([0.03, 0.01, 0.05, 0.02]), [0.06, 0.04, 0.06, 0.06])


def test_tests_that_were_not_made_do_not_count() -> None:
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert np.isnan(holm([np.nan])).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(p: list[float]) -> None:
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.3):
        rejected = np.zeros(len(p), dtype=bool)
        for step, place in enumerate(np.argsort(p, kind="stable")):
            if p[place] * (len(p) - step) > level:
                break
            rejected[place] = True
        np.testing.assert_array_equal(adjusted <= level, rejected)


def test_p_values_lie_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="lie in 0"):
        holm([0.2, 1.5])


def test_half_the_error_everywhere_is_a_gain_of_half_without_doubt() -> None:
    errors = np.random.default_rng(0).normal(size=200)
    found = rmse_gain(errors / 2, errors, np.arange(200) // 10, rng=0)
    np.testing.assert_allclose([found.value, found.low, found.high], 0.5, atol=1e-12)


def test_intervals_are_over_groups_not_over_ratings() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(20), 50)
    other = np.repeat(rng.normal(1.0, 0.3, 20), 50)  # all ratings of a group are alike: 20 numbers, not 1000
    ours = np.repeat(rng.normal(1.0, 0.3, 20), 50)
    wide, narrow = (rmse_gain(ours, other, groups, rng=0) for groups in (group, np.arange(1000)))
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


def test_a_gain_needs_pairs_and_errors() -> None:
    with pytest.raises(ValueError, match="equally many"):
        rmse_gain(np.ones(3), np.ones(2), np.arange(3), rng=0)
    with pytest.raises(ValueError, match="no error at all"):
        rmse_gain(np.ones(3), np.zeros(3), np.arange(3), rng=0)
