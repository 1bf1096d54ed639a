"""Measures of lists by hand and by textbook."""

from __future__ import annotations

import numpy as np
import pytest

from training.studies.list_measures import (
    coverage,
    gini,
    lift_estimate,
    list_diversity,
    miscalibration,
    of_counts,
    resampled,
    serendipity,
    shares,
)

LISTS = np.array([[0, 1], [0, 2], [0, 1]])


def test_coverage_by_hand() -> None:
    assert of_counts(coverage, LISTS, np.arange(5), rng=0).value == pytest.approx(3 / 5)
    assert of_counts(gini, LISTS, np.arange(5), rng=0).value == pytest.approx(gini(np.array([[3, 2, 1, 0, 0]]))[0])


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([1, 1, 1, 1], 0.0), ([0, 0, 0, 1], 0.75), ([1, 2, 3, 4], 0.25), ([4, 2, 3, 1], 0.25), ([1, 3], 0.25)],
)
def test_gini_of_the_textbook(counts: list[int], expected: float) -> None:
    assert gini(np.array([counts]))[0] == pytest.approx(expected)
    # half the mean absolute difference of two items over their mean
    pairs = np.abs(np.subtract.outer(counts, counts)).mean() / (2 * np.mean(counts))
    assert gini(np.array([counts]))[0] == pytest.approx(pairs)


def test_diversity_is_the_mean_over_pairs() -> None:
    distances = np.array([[[0, 0.2, 0.4], [0.2, 0, 0.9], [0.4, 0.9, 0]]])
    assert list_diversity(distances) == pytest.approx([0.5])


def test_serendipity_counts_hits_that_popularity_lacks() -> None:
    hits = np.array([[True, True, False, False]])
    expected = np.array([[True, False, False, True]])
    assert serendipity(hits, expected) == pytest.approx([0.25])


def test_shares_and_miscalibration() -> None:
    of_items = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(shares(np.array([[1, 1, 1]]), of_items), [[0.75, 0.25]])
    same = np.array([[0.3, 0.7]])
    assert miscalibration(same, same) == pytest.approx([0.0])
    # all of the profile missing from the list: log(1 / alpha)
    assert miscalibration(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx([np.log(100)])


def test_lift_by_hand() -> None:
    found = lift_estimate(np.array([30.0, 10.0]), np.array([10.0, 10.0]), rng=0)
    assert found.value == pytest.approx(1.0)
    assert found.low <= found.value <= found.high


def test_estimates_are_the_measures_with_an_interval_around() -> None:
    rng = np.random.default_rng(0)
    lists = np.stack([rng.choice(40, 5, replace=False) for _ in range(60)])
    candidates = np.arange(50)
    counts = np.bincount(lists.ravel(), minlength=50)[None]
    for measure in (coverage, gini):
        estimate = of_counts(measure, lists, candidates, rng=0)
        assert estimate.value == pytest.approx(measure(counts)[0])
        assert estimate.low < estimate.value < estimate.high


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    found = resampled(lambda weights: weights @ values / weights.sum(axis=1), 400, num_draws=2000, rng=0)
    assert found.value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 20
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
