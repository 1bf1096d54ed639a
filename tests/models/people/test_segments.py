"""Groups of users that were put in are found again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from models.people.segments import cluster, wilson


def planted(size: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of taste over 8 concepts, of very different strengths."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat([0, 1, 2], [size // 2, size // 3, size // 6])
    centres = np.eye(8)[:3] - np.eye(8)[3:6]
    strength = rng.lognormal(0, 0.7, len(kinds))[:, None]
    return strength * (centres[kinds] + 0.1 * rng.normal(size=(len(kinds), 8))), kinds


def test_planted_kinds_are_found_whatever_the_strength_of_a_taste() -> None:
    weights, kinds = planted()
    found = cluster(weights, 3, seed=0)
    assert adjusted_rand_score(found, kinds) == pytest.approx(1.0)
    assert np.bincount(found).tolist() == [30, 20, 10]  # the largest first


def test_the_unit_of_a_concept_and_the_order_of_users_do_not_matter() -> None:
    weights, _ = planted()
    found = cluster(weights, 3, seed=0)
    assert adjusted_rand_score(found, cluster(weights * np.linspace(0.5, 20, 8), 3, seed=0)) == pytest.approx(1.0)
    order = np.random.default_rng(1).permutation(len(weights))
    assert adjusted_rand_score(found[order], cluster(weights[order], 3, seed=0)) == pytest.approx(1.0)


def test_users_who_are_all_alike_are_one_group() -> None:
    assert cluster(np.ones((5, 3)), 2, seed=0).tolist() == [0] * 5


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 4, 0.0456, 0.6994)],
)
def test_wilson_intervals_are_those_of_the_tables(hits: int, total: int, low: float, high: float) -> None:
    """Figures of the score interval as published tools print them, four digits."""
    assert wilson(hits, total) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
