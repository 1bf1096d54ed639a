"""Re-ranking against the plain list, by construction, and against a loop over single choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg.errors import InputError
from kg.ratings import Ratings
from models.lists.content import Content
from models.lists.rerank import Reranker, check_weights, greedy, pool_of, self_information

TWINS, OTHER = [0, 1, 2], 3  # three items alike, one unlike them


def content() -> Content:
    text = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    return Content(text=text, concepts=sparse.csr_array(text), shared=sparse.csr_array(text))


def reranker(novelty: list[float]) -> Reranker:
    return Reranker(content=content(), novelty=np.array(novelty, dtype=np.float32), typical=0.5)


def test_without_weights_the_list_is_that_of_the_ranking() -> None:
    scores = np.array([0.4, 0.9, -np.inf, 0.6], dtype=np.float32)
    assert reranker([0, 0, 0, 0]).best(scores, 3).tolist() == [1, 3, 0]


def test_full_diversity_takes_the_unlike_item_second() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.1], dtype=np.float32)
    found = reranker([0, 0, 0, 0])
    assert found.best(scores, 2).tolist() == [0, 1]
    assert found.best(scores, 2, diversity=1.0).tolist() == [0, OTHER]


def test_full_novelty_takes_what_fewest_people_know() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.1], dtype=np.float32)
    assert reranker([1, 4, 2, 3]).best(scores, 3, novelty=1.0).tolist() == [1, 3, 2]


def test_what_may_not_be_listed_never_is() -> None:
    scores = np.array([0.9, -np.inf, 0.7, -np.inf], dtype=np.float32)
    assert set(reranker([1, 9, 2, 9]).best(scores, 4, novelty=1.0)) == {0, 2}


def test_distances_of_twins_are_zero_and_of_unlike_items_one() -> None:
    found = reranker([0, 0, 0, 0]).distances(np.arange(4))
    np.testing.assert_allclose(found[np.ix_(TWINS, TWINS)], 0.0, atol=1e-6)
    np.testing.assert_allclose(found[OTHER, TWINS], 1.0, atol=1e-6)


def one_by_one(
    scores: np.ndarray, distances: np.ndarray, novelty: np.ndarray, k: int, diversity: float, weight: float
) -> list[int]:
    """The formula of `Reranker`, a choice at a time."""
    chosen: list[int] = []

    def spread(values: dict[int, float]) -> dict[int, float]:
        low, high = min(values.values()), max(values.values())
        return {item: (value - low) / (high - low) if high > low else 0.0 for item, value in values.items()}

    for _ in range(k):
        left = [item for item in range(len(scores)) if item not in chosen]
        relevance = spread({item: float(scores[item]) for item in left})
        apart = spread({item: float(sum(distances[item, other] for other in chosen)) for item in left})
        new = spread({item: float(novelty[item]) for item in left})
        value = {
            item: (1 - diversity - weight) * relevance[item] + diversity * apart[item] + weight * new[item]
            for item in left
        }
        chosen.append(max(left, key=lambda item: value[item]))
    return chosen


@given(
    seed=st.integers(0, 10_000),
    weights=st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.3), (0.5, 0.5), (1.0, 0.0), (0.2, 0.1)]),
)
def test_many_users_at_once_are_as_one_choice_at_a_time(seed: int, weights: tuple[float, float]) -> None:
    rng = np.random.default_rng(seed)
    users, size, k = 3, 7, 4
    scores = -np.sort(-rng.random((users, size)).astype(np.float32), axis=1)
    distances = rng.random((users, size, size)).astype(np.float32)
    distances = (distances + distances.transpose(0, 2, 1)) / 2
    novelty = rng.random((users, size)).astype(np.float32)
    found = greedy(scores, distances, novelty, k, diversity=weights[0], novelty_weight=weights[1])
    for user in range(users):
        slow = one_by_one(scores[user], distances[user], novelty[user], k, *weights)
        assert found[user].tolist() == slow
    if weights == (0.0, 0.0):
        assert found.tolist() == [list(range(k))] * users


@pytest.mark.parametrize(("diversity", "novelty"), [(-0.1, 0), (0, 1.1), (0.6, 0.6), (float("nan"), 0)])
def test_weights_out_of_their_range_are_refused(diversity: float, novelty: float) -> None:
    with pytest.raises(InputError, match="weight"):
        check_weights(diversity, novelty)


def test_pools_hold_the_best_equal_ones_by_index() -> None:
    scores = np.array([[1, 3, 3, 2], [5, 5, 5, 9]], dtype=np.float32)
    assert pool_of(scores, 2).tolist() == [[1, 2], [3, 0]]
    assert pool_of(scores, 4).tolist() == [[1, 2, 3, 0], [3, 0, 1, 2]]


def test_self_information_is_zero_where_all_rated_and_one_bit_a_halving() -> None:
    train = Ratings(
        user=np.array([0, 1, 2, 0]), item=np.array([0, 0, 0, 1]), value=np.ones(4), num_users=3, num_items=3
    )
    np.testing.assert_allclose(self_information(train), [0.0, 1.0, 2.0])
