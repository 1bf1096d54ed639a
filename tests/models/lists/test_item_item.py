"""ItemItemModel against the closed forms written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

import models.lists.item_item
from kg.ratings import Ratings
from models.lists.content import Content
from models.lists.item_item import ItemItemModel
from models.lists.item_regression import RegressionSettings

USERS, ITEMS = 12, 7
WARM, COLD = [0, 1, 3, 4, 6], [2, 5]


@pytest.fixture(scope="module")
def seen() -> NDArray[np.float64]:
    """Who rated what; users 10 and 11 and items 2 and 5 have no rating."""
    rng = np.random.default_rng(0)
    matrix = (rng.random((USERS, ITEMS)) < 0.5).astype(float)
    matrix[10:] = 0
    matrix[:, COLD] = 0
    matrix[0, WARM] = 1
    return matrix


@pytest.fixture(scope="module")
def train(seen: NDArray[np.float64]) -> Ratings:
    user, item = np.nonzero(seen)
    values = np.random.default_rng(1).integers(1, 6, len(user))
    return Ratings(user=user, item=item, value=values, num_users=USERS, num_items=ITEMS)


def linear(features: NDArray[np.float32]) -> Content:
    """Content whose kernel is the inner product of features `[num_items, num_features]`."""
    nothing = sparse.csr_array((len(features), 0), dtype=np.float32)
    return Content(features, nothing, nothing)


FEATURES = np.random.default_rng(2).normal(size=(ITEMS, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def content() -> Content:
    return linear(FEATURES)


PLAIN = RegressionSettings(ridge=0.3, damping=0.0)


@pytest.mark.parametrize("says", ["nothing", "something"])
def test_each_chosen_item_is_regressed_on_the_others_around_what_content_says(
    train: Ratings, seen: NDArray[np.float64], content: Content, says: str
) -> None:
    """Column by column, without the trick of the inverse; with content that says nothing it is EASE but for the ridges."""
    if says == "nothing":
        content = linear(np.zeros((ITEMS, 2), dtype=np.float32))
    item_item = ItemItemModel.fit(train, content, settings=PLAIN, content_ridge=3.0)
    active = seen[seen.any(axis=1)][:, WARM]
    share, counts = active.mean(axis=0), active.sum(axis=0)
    centred, kernel = active - share, content.kernel(np.array(WARM), np.array(WARM)).astype(float)
    weights = np.zeros((len(WARM), len(WARM)))
    for target in range(len(WARM)):
        others = [place for place in range(len(WARM)) if place != target]
        alike = kernel[np.ix_(others, others)] + 3.0 * np.eye(len(others))
        prior = np.linalg.solve(alike, kernel[others, target]) * (counts[target] / counts[others]) ** 0.25
        rest = centred[:, target] - centred[:, others] @ prior
        gram = centred[:, others].T @ centred[:, others] + np.diag(0.3 * np.sqrt(counts[others]))
        weights[others, target] = prior + np.linalg.solve(gram, centred[:, others].T @ rest)
    np.testing.assert_allclose(item_item.weights[np.ix_(WARM, WARM)], weights, rtol=1e-3, atol=1e-5)
    scores = item_item(seen.astype(np.float32))[:, WARM]
    expected = share + (seen[:, WARM] - share) @ weights
    np.testing.assert_allclose(scores, np.maximum(expected, 1e-3), rtol=1e-3, atol=1e-5)


def test_with_few_choices_content_decides(train: Ratings, seen: NDArray[np.float64], content: Content) -> None:
    """The heavier the ridge, the nearer the weights to those of content alone."""
    kernel = content.kernel(np.array(WARM), np.array(WARM)).astype(float) + 3.0 * np.eye(len(WARM))
    inverse = np.linalg.inv(kernel)
    alone = -inverse / np.diag(inverse)
    np.fill_diagonal(alone, 0)
    spread = seen[:, WARM].sum(axis=0) ** 0.25
    alone *= spread / spread[:, None]
    far, near = (
        np.abs(
            ItemItemModel.fit(train, content, settings=RegressionSettings(ridge, 0.0), content_ridge=3.0).weights[
                np.ix_(WARM, WARM)
            ]
            - alone
        ).max()
        for ridge in (5.0, 5000.0)
    )
    assert near < 0.01 < far


def test_damping_divides_by_a_power_of_how_many_chose_an_item(train: Ratings, content: Content) -> None:
    """The mean of the counts is 1, and items that nobody chose stay as they are."""
    as_it_is, damped = (
        ItemItemModel.fit(train, content, settings=RegressionSettings(0.3, power)) for power in (0.0, 0.5)
    )
    counts = train.item_counts[WARM]
    factor = np.sqrt(counts.mean() / counts)
    np.testing.assert_allclose(damped.base[WARM], as_it_is.base[WARM] * factor, rtol=1e-5)
    np.testing.assert_allclose(damped.weights[:, WARM], as_it_is.weights[:, WARM] * factor, rtol=1e-5)
    np.testing.assert_array_equal(damped.weights[:, COLD], as_it_is.weights[:, COLD])


def test_cold_items_are_kernel_ridge_regression_on_content(
    train: Ratings, seen: NDArray[np.float64], content: Content
) -> None:
    """Kernel ridge with a linear kernel is ridge regression on content, solved here in the space of features.

    What is regressed is by how much a user's having met an item differs from their share of items.
    """
    item_item = ItemItemModel.fit(train, content, content_ridge=3.0)
    known, unknown = FEATURES[WARM].astype(float), FEATURES[COLD].astype(float)
    share = seen[:, WARM].mean(axis=1)
    coefficients = np.linalg.solve(known.T @ known + 3.0 * np.eye(4), known.T @ (seen[:, WARM].T - share))
    expected = (share + unknown @ coefficients).T
    scores = item_item(seen.astype(np.float32))[:, COLD]
    assert (expected > 0.05).sum() > 3
    np.testing.assert_allclose(scores, np.maximum(expected, 1e-3), rtol=1e-4, atol=1e-6)


def test_cold_items_say_nothing_about_others(train: Ratings, content: Content) -> None:
    assert not ItemItemModel.fit(train, content).weights[COLD].any()


def test_no_item_speaks_for_itself(train: Ratings, content: Content) -> None:
    assert not np.diag(ItemItemModel.fit(train, content).weights).any()


def test_a_newcomer_is_met_as_the_known_user_of_the_same_items(
    train: Ratings, seen: NDArray[np.float64], content: Content
) -> None:
    item_item = ItemItemModel.fit(train, content)
    together = item_item(seen.astype(np.float32))
    for user in range(USERS):
        newcomer = np.zeros((1, ITEMS), dtype=np.float32)
        newcomer[0, train.item[train.user == user]] = 1
        np.testing.assert_allclose(item_item(newcomer)[0], together[user], rtol=1e-5)


def test_the_average_user_has_the_popularity(train: Ratings, seen: NDArray[np.float64], content: Content) -> None:
    average = seen[seen.any(axis=1)].mean(axis=0)
    found = ItemItemModel.fit(train, content, settings=PLAIN)(average[None].astype(np.float32))[0]
    np.testing.assert_allclose(found[WARM], average[WARM], rtol=1e-5)


def test_with_content_that_says_nothing_a_cold_item_is_met_like_any_other(
    train: Ratings, seen: NDArray[np.float64]
) -> None:
    scores = ItemItemModel.fit(train, linear(np.zeros((ITEMS, 2), dtype=np.float32)))(seen.astype(np.float32))
    share = np.maximum(seen[:, WARM].mean(axis=1), 1e-3)
    np.testing.assert_allclose(scores[:, COLD], np.stack([share, share], axis=1), rtol=1e-5)


def test_how_something_was_rated_does_not_matter(train: Ratings, content: Content) -> None:
    other = replace(train, value=train.value[::-1])
    assert not np.array_equal(other.value, train.value)
    np.testing.assert_array_equal(ItemItemModel.fit(other, content).weights, ItemItemModel.fit(train, content).weights)


def test_renumbering_the_items_permutes_the_scores(train: Ratings, seen: NDArray[np.float64], content: Content) -> None:
    new_number = np.array([3, 0, 6, 1, 5, 2, 4])
    old_number = np.argsort(new_number)
    moved = ItemItemModel.fit(replace(train, item=new_number[train.item]), linear(FEATURES[old_number]))
    scores = ItemItemModel.fit(train, content)(seen.astype(np.float32))
    np.testing.assert_allclose(
        moved(seen[:, old_number].astype(np.float32)), scores[:, old_number], rtol=1e-4, atol=1e-6
    )


def test_without_any_rating_all_have_the_floor(train: Ratings, content: Content) -> None:
    nothing = ItemItemModel.fit(train.select(np.zeros(0, dtype=np.int64)), content)
    np.testing.assert_array_equal(nothing(np.ones((1, ITEMS), dtype=np.float32)), np.float32(1e-3))


def test_a_large_catalogue_has_the_matrix_of_its_head(
    train: Ratings, seen: NDArray[np.float64], content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three items chosen most are fitted as if there were no others; beyond, everyone is alike."""
    monkeypatch.setattr(models.lists.item_item, "LARGEST_CATALOGUE", 6)
    monkeypatch.setattr(models.lists.item_item, "HEAD", 3)
    found = ItemItemModel.fit(train, content)
    counts = seen.sum(0)
    assert found.head is not None
    assert sorted(counts[found.head]) == sorted(counts)[-3:]
    place = {int(item): row for row, item in enumerate(found.head)}
    mine = np.isin(train.item, found.head)
    alone = Ratings(
        user=train.user[mine],
        item=[place[item] for item in train.item[mine].tolist()],
        value=train.value[mine],
        num_users=USERS,
        num_items=3,
    )
    small = ItemItemModel.fit(alone, linear(FEATURES[found.head]))
    whole = found(seen.astype(np.float32))
    np.testing.assert_allclose(whole[:, found.head], small(seen[:, found.head].astype(np.float32)), rtol=1e-5)
    tail = [item for item in WARM if item not in place]
    np.testing.assert_allclose(whole[:, tail], np.broadcast_to(counts[tail] / 10, (USERS, len(tail))), rtol=1e-6)
    kernel = FEATURES[found.head] @ FEATURES[found.head].T + 20 * np.eye(3)
    regression = np.linalg.solve(kernel, FEATURES[found.head] @ FEATURES[COLD].T)
    share = counts[found.head] / 10
    expected = share @ (regression + (1 - regression.sum(0)) / 3)
    np.testing.assert_allclose(whole[:, COLD], np.broadcast_to(np.maximum(expected, 1e-3), (USERS, 2)), rtol=1e-4)
    for item in range(ITEMS):
        np.testing.assert_allclose(found.of_item(train, item), whole[:, item], rtol=1e-5, atol=1e-7)


def test_one_column_equals_the_whole(train: Ratings, seen: NDArray[np.float64], content: Content) -> None:
    item_item = ItemItemModel.fit(train, content)
    whole = item_item(seen.astype(np.float32))
    for item in range(train.num_items):
        np.testing.assert_allclose(item_item.of_item(train, item), whole[:, item], rtol=1e-5, atol=1e-7)
