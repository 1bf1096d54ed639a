"""Metrics: by hand, against slow oracles, by law; the bootstrap by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from training import metrics
from training.metrics import (
    Estimate,
    bootstrap,
    hit_rate_at,
    interval_coverage,
    mae,
    mrr_at,
    ndcg_at,
    paired_bootstrap_p,
    randomised_pit,
    recall_at,
    rmse,
    top_k,
)


def test_errors_by_hand() -> None:
    errors = np.array([3.0, -4.0, 0.0, 0.0])
    assert rmse(errors) == pytest.approx(2.5)  # sqrt(25 / 4)
    assert mae(errors) == pytest.approx(1.75)
    with pytest.raises(ValueError, match="non-empty"):
        rmse(np.array([]))
    with pytest.raises(ValueError, match="number 1 is not"):
        mae(np.array([1.0, np.nan]))


def test_ranking_by_hand() -> None:
    relevance = np.array([[True, False, True], [False, False, False], [False, True, False]])
    num_relevant = np.array([2, 1, 5])
    first = (1 + 1 / 2) / (1 + 1 / math.log2(3))
    third = (1 / math.log2(3)) / (1 + 1 / math.log2(3) + 1 / 2)
    np.testing.assert_allclose(ndcg_at(3, relevance, num_relevant), [first, 0, third])
    np.testing.assert_allclose(recall_at(3, relevance, num_relevant), [1, 0, 0.2])
    np.testing.assert_allclose(recall_at(2, relevance, num_relevant), [0.5, 0, 0.2])
    np.testing.assert_allclose(ndcg_at(1, relevance, num_relevant), [1, 0, 0])
    np.testing.assert_allclose(ndcg_at(20, relevance[:1], num_relevant[:1]), [first])  # fewer candidates than k


@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_ndcg_and_recall_agree_with_slow_oracles(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    relevant = rng.random((7, 12)) < 0.4
    relevant[:, 0] = True
    scores = rng.permuted(np.tile(np.arange(12.0), (7, 1)), axis=1)
    lists = top_k(scores, k, rng=rng)
    ranked = np.take_along_axis(relevant, lists, axis=1)
    num_relevant = relevant.sum(axis=1)
    ndcg = ndcg_at(k, ranked, num_relevant)
    recall = recall_at(k, ranked, num_relevant)
    for user in range(7):
        assert ndcg[user] == pytest.approx(ndcg_score(relevant[user][None].astype(float), scores[user][None], k=k))
        best = sorted(range(12), key=lambda item: -scores[user, item])[:k]
        assert lists[user].tolist() == best
        assert recall[user] == pytest.approx(len(set(best) & set(np.flatnonzero(relevant[user]))) / num_relevant[user])
    order = rng.permutation(7)
    np.testing.assert_allclose(ndcg_at(k, ranked[order], num_relevant[order]), ndcg[order])


def test_hit_rate_and_reciprocal_rank_by_hand() -> None:
    """Voorhees: the first relevant item at places 3, 2 and 1 gives 1/3, 1/2 and 1, together 11/18."""
    hits = np.array([[False, False, True], [False, True, True], [True, False, False], [False, False, False]])
    num_relevant = np.array([1, 2, 3, 1])
    np.testing.assert_allclose(mrr_at(3, hits, num_relevant), [1 / 3, 1 / 2, 1, 0])
    assert mrr_at(3, hits[:3], num_relevant[:3]).mean() == pytest.approx(11 / 18)
    np.testing.assert_array_equal(hit_rate_at(3, hits, num_relevant), [1, 1, 1, 0])
    np.testing.assert_allclose(mrr_at(2, hits, num_relevant), [0, 1 / 2, 1, 0])
    np.testing.assert_array_equal(hit_rate_at(2, hits, num_relevant), [0, 1, 1, 0])


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    scores = np.random.default_rng(0).integers(0, 3, (50, 30)).astype(float)
    longer = top_k(scores, 25, rng=4)
    for k in (1, 7, 20):
        np.testing.assert_array_equal(top_k(scores, k, rng=4), longer[:, :k])


def test_ranking_refuses_what_it_would_have_to_skip() -> None:
    hit = np.array([[True, True]])
    with pytest.raises(ValueError, match="at least 1 relevant"):
        ndcg_at(2, np.array([[False, False]]), np.array([0]))
    with pytest.raises(ValueError, match="more relevant items than the user has"):
        recall_at(2, hit, np.array([1]))
    with pytest.raises(ValueError, match="num_users, list_length"):
        recall_at(2, np.zeros((0, 2), dtype=bool), np.array([], dtype=int))


@given(seed=st.integers(0, 10_000), k=st.integers(1, 9))
def test_top_k_with_ties_and_exclusions(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (5, 9)).astype(np.float32)
    scores[rng.random((5, 9)) < 0.3] = -np.inf
    lists = top_k(scores, k, rng=rng)
    for row, listed in zip(scores, lists, strict=True):
        assert len(set(listed.tolist())) == k
        assert row[listed].tolist() == sorted(row.tolist(), reverse=True)[:k]


def test_constant_scores_give_uniform_lists_in_every_place() -> None:
    lists = top_k(np.zeros((6000, 5)), 3, rng=0)
    for place in range(3):
        share = np.bincount(lists[:, place], minlength=5) / 6000
        np.testing.assert_allclose(share, 0.2, atol=0.025)  # standard error 0.005
    pairs = np.unique(lists[:, :2], axis=0)
    assert len(pairs) == 20
    ties_above_the_last = top_k(np.tile([1.0, 1.0, 0.0], (2000, 1)), 3, rng=0)
    assert np.mean(ties_above_the_last[:, 0] == 0) == pytest.approx(0.5, abs=0.05)


def test_top_k_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.random.default_rng(0).integers(0, 3, (50, 20)).astype(float)
    whole = top_k(scores, 7, rng=3)
    monkeypatch.setattr(metrics, "BLOCK_SIZE", 60)
    np.testing.assert_array_equal(top_k(scores, 7, rng=3), whole)


def test_top_k_refuses_wrong_scores() -> None:
    with pytest.raises(ValueError, match="found nan"):
        top_k(np.array([[1.0, np.nan]]), 1, rng=0)
    with pytest.raises(ValueError, match="number of candidates"):
        top_k(np.zeros((1, 2)), 3, rng=0)


def test_bootstrap_value_and_limits() -> None:
    squares = np.array([1.0, 4.0, 9.0, 2.0])
    found = bootstrap(squares, statistic="root_mean", rng=0)
    assert found.value == pytest.approx(2.0)
    assert 1 <= found.low < found.value < found.high <= 3
    assert found.as_json() == {"value": found.value, "low": found.low, "high": found.high}
    assert bootstrap(np.full(10, 3.0), rng=0) == Estimate(3.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="at least 0"):
        bootstrap(np.array([-1.0]), statistic="root_mean", rng=0)


def test_bootstrap_of_groups_agrees_with_resampling_their_values() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat([7, 3, 5, 900], [1, 5, 20, 4])
    values = rng.normal(groups == 5, 1.0)
    found = bootstrap(values, groups=groups, num_draws=4000, rng=2)
    means = []
    for _ in range(4000):
        drawn = rng.choice([7, 3, 5, 900], size=4)
        means.append(np.concatenate([values[groups == group] for group in drawn]).mean())
    assert found.value == pytest.approx(values.mean())
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=0.06)


def test_bootstrap_does_not_depend_on_names_or_order_of_ratings() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.random(100), rng.integers(0, 10, 100)
    order = rng.permutation(100)
    assert bootstrap(values, groups=groups * 7 + 3, rng=1).low == pytest.approx(
        bootstrap(values[order], groups=groups[order], rng=1).low
    )


def test_bootstrap_covers_the_truth_where_users_differ() -> None:
    rng = np.random.default_rng(0)
    covered = {"users": 0, "ratings": 0}
    for _ in range(200):
        groups = np.repeat(np.arange(60), 10)
        values = rng.normal(size=60)[groups] + 0.3 * rng.normal(size=600)
        for name, given_groups in (("users", groups), ("ratings", None)):
            found = bootstrap(values, groups=given_groups, num_draws=300, rng=rng)
            covered[name] += found.low <= 0 <= found.high
    assert 0.88 <= covered["users"] / 200 <= 0.99
    assert covered["ratings"] / 200 < 0.7  # this is why users are resampled


def test_paired_p() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=300)
    assert paired_bootstrap_p(a, a, rng=0) == 1.0
    assert paired_bootstrap_p(a, a - 0.5 + 0.1 * rng.normal(size=300), rng=0) == pytest.approx(1 / 2001)
    ps = [paired_bootstrap_p(rng.normal(size=50), rng.normal(size=50), num_draws=200, rng=rng) for _ in range(200)]
    assert np.mean(np.array(ps) < 0.1) == pytest.approx(0.1, abs=0.07)
    with pytest.raises(ValueError, match="at least 2 groups"):
        paired_bootstrap_p(a, a + 1, np.zeros(300, dtype=int), rng=0)


def test_pit_by_hand() -> None:
    probabilities = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    lot = np.random.default_rng(4).random(2)
    expected = [0.1 + lot[0] * 0.2, lot[1] * 0.5]
    np.testing.assert_allclose(randomised_pit(probabilities, np.array([1, 0]), 4), expected)
    with pytest.raises(ValueError, match="sum to 1"):
        randomised_pit(probabilities * 2, np.array([1, 0]), 4)
    with pytest.raises(ValueError, match=r"indices in 0 \.\. 2"):
        randomised_pit(probabilities, np.array([1, 3]), 4)


def test_pit_of_true_probabilities_is_uniform_and_covers() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 3, 2, 1], size=20_000)
    level = (rng.random((20_000, 1)) > np.cumsum(probabilities, axis=1)[:, :-1]).sum(axis=1)
    pit = randomised_pit(probabilities, level, rng)
    np.testing.assert_allclose(np.histogram(pit, bins=10, range=(0, 1))[0] / 20_000, 0.1, atol=0.01)
    assert interval_coverage(pit).mean() == pytest.approx(0.8, abs=0.01)
    assert interval_coverage(np.array([0.05, 0.1, 0.5, 0.91])).tolist() == [False, True, True, False]
