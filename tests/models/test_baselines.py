"""Baselines: against slow oracles, by hand, by law; sane on real ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from kg.ratings import Ratings
from models import baselines
from models.baselines import Baseline, Biases, ContentKNN, Ease, Mean, Popularity
from models.lists.content import SHARED, Content

SCALE = (1.0, 5.0)
STARS = (Mean, Biases, ContentKNN, Popularity)


def make_ratings(user: list[int], item: list[int], value: list[float], num_users: int, num_items: int) -> Ratings:
    return Ratings(user=user, item=item, value=value, num_users=num_users, num_items=num_items)


def content_of(text: NDArray[np.floating], concepts: NDArray[np.floating] | None = None) -> Content:
    """Content of items by their text vectors and 0/1 concepts that all weigh the same; rows get length 1."""

    def directions(rows: NDArray[np.floating]) -> NDArray[np.float32]:
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, length, out=np.zeros(rows.shape, np.float32), where=length > 0)

    marks = np.zeros((len(text), 1), np.float32) if concepts is None else concepts.astype(np.float32)
    return Content(directions(text), sparse.csr_array(directions(marks)), sparse.csr_array(marks))


def world(seed: int = 0) -> tuple[Ratings, Content]:
    """25 users and 18 items; the last user and the last two items have no ratings, item 3 has neither text nor concepts."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((24, 16)) < 0.5)
    order = rng.permutation(len(user))
    text, concepts = rng.normal(size=(18, 5)), rng.random((18, 6)) < 0.3
    text[3] = concepts[3] = 0
    ratings = Ratings(
        user=user[order], item=item[order], value=rng.integers(1, 6, len(user)), num_users=25, num_items=18
    )
    return ratings, content_of(text, concepts)


def all_pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    user, item = np.divmod(np.arange(25 * 18), 18)
    return user, item


def every() -> list[Baseline]:
    return [*(kind(SCALE) for kind in STARS), Ease(ridge=3.0)]


def test_mean_by_hand() -> None:
    fitted = Mean(SCALE).fit(make_ratings([0, 1, 1], [0, 0, 1], [1, 2, 5], 2, 3))
    np.testing.assert_allclose(fitted.predict(np.array([0, 1]), np.array([2, 0])), 8 / 3)
    np.testing.assert_array_equal(fitted.rank(np.array([1])), [[0, 0, 0]])


def test_biases_solve_the_ridge_equations() -> None:
    train, content = world()
    design = np.hstack([np.eye(25)[train.user], np.eye(18)[train.item]])
    ridge = np.diag([10.0] * 25 + [5.0] * 18)
    mean = train.value.mean(dtype=float)
    exact = np.linalg.solve(design.T @ design + ridge, design.T @ (train.value - mean))
    fitted = Biases(SCALE).fit(train, content)
    np.testing.assert_allclose(np.concatenate([fitted.of_user, fitted.of_item]), exact, atol=1e-5)
    user, item = all_pairs()
    np.testing.assert_allclose(
        fitted.predict(user, item), np.clip(mean + exact[user] + exact[25 + item], 1, 5), atol=1e-5
    )
    assert fitted.predict(np.array([24]), np.array([17]))[0] == pytest.approx(mean)


def test_predictions_stay_on_the_scale_and_ranks_do_not_tie_at_its_end() -> None:
    train = make_ratings([0] * 4 + [1] * 4, [0, 0, 1, 1] * 2, [5, 5, 5, 4.9, 5, 5, 5, 5], 2, 2)
    fitted = Biases((1, 4.5), lambda_user=0.1, lambda_item=0.1).fit(train)
    np.testing.assert_array_equal(fitted.predict(np.array([0, 0]), np.array([0, 1])), [4.5, 4.5])
    assert fitted.rank(np.array([0]))[0, 0] > fitted.rank(np.array([0]))[0, 1]


def test_content_knn_agrees_with_loops() -> None:
    train, content = world(1)
    k = 4
    base = Biases(SCALE).fit(train, content)
    concepts, marks = content.concepts.toarray(), content.shared.toarray()

    def similarity(i: int, j: int) -> float:
        alike = content.text[i] @ content.text[j] + concepts[i] @ concepts[j] + SHARED * (marks[i] @ marks[j])
        return 0.0 if i == j else max(0.0, float(alike))

    rated_items = sorted(set(train.item.tolist()))
    nearest = {i: sorted(rated_items, key=lambda j, i=i: -similarity(i, j))[:k] for i in range(18)}
    item_bias = base.of_item.copy()
    for i in (16, 17):
        weights = [similarity(i, j) for j in nearest[i]]
        item_bias[i] = np.dot(weights, base.of_item[nearest[i]]) / sum(weights)
    deviation = train.value - base.unclipped(train.user, train.item)
    fitted = ContentKNN(SCALE, num_neighbours=k).fit(train, content)
    user, item = all_pairs()
    predicted = fitted.predict(user, item)
    ranked = fitted.rank(np.arange(25))
    for u, i, found in zip(user.tolist(), item.tolist(), predicted.tolist(), strict=True):
        own = np.flatnonzero(train.user == u)
        close = sorted(((similarity(i, int(train.item[row])), deviation[row]) for row in own), reverse=True)[:k]
        total = sum(weight for weight, _ in close)
        moved = sum(weight * moved for weight, moved in close) / total if total else 0.0
        assert found == pytest.approx(np.clip(base.mean + base.of_user[u] + item_bias[i] + moved, 1, 5), abs=1e-5)
        liked = set(train.item[own].tolist())
        assert ranked[u, i] == pytest.approx(sum(similarity(i, j) for j in nearest[i] if j in liked), abs=1e-5)


@pytest.mark.parametrize("of_text", [True, False])
def test_content_knn_knows_a_cold_item_by_its_twin(of_text: bool) -> None:
    """Items 0 (loved) and 1 (hated) point apart; the unrated 2 is like 0, 3 is like 1, of 4 nothing is known."""
    train = make_ratings([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], [5, 5, 5, 1, 1, 1], 4, 5)
    vectors = np.array([[1, 0], [0, 1], [2, 0], [0, 3], [0, 0]], dtype=np.float32)
    content = content_of(vectors) if of_text else content_of(np.zeros((5, 1)), vectors > 0)
    fitted = ContentKNN(SCALE).fit(train, content)
    item = np.arange(5)
    for user in (0, 3):
        loved, hated, like_loved, like_hated, unknown = fitted.predict(np.full(5, user), item).tolist()
        assert like_loved > 3 > like_hated
        assert unknown == pytest.approx(3)
        assert loved > hated
    np.testing.assert_allclose(
        fitted.rank(np.array([0, 3])), np.array([[0, 0, 1, 1, 0], [0] * 5]) * (1 if of_text else 1 + SHARED)
    )


def test_popularity_counts() -> None:
    train, content = world()
    ranked = Popularity(SCALE).fit(train, content).rank(np.array([3, 24]))
    counts = [int((train.item == item).sum()) for item in range(18)]
    np.testing.assert_array_equal(ranked, [counts, counts])


def test_ease_is_the_constrained_ridge_regression_of_each_item() -> None:
    train, _ = world(2)
    table = np.zeros((25, 18))
    table[train.user, train.item] = 1
    weights = np.zeros((18, 18))
    inverse = np.linalg.inv(table.T @ table + 3.0 * np.eye(18))
    for j in range(18):
        others = [i for i in range(18) if i != j]
        known = table[:, others]
        weights[others, j] = np.linalg.solve(known.T @ known + 3.0 * np.eye(17), known.T @ table[:, j])
        for i in others:
            assert weights[i, j] == pytest.approx(-inverse[i, j] / inverse[j, j], abs=1e-9)
    fitted = Ease(ridge=3.0).fit(train)
    np.testing.assert_allclose(fitted.rank(np.arange(25)), table @ weights, atol=1e-5)
    with pytest.raises(ValueError, match="only ranks"):
        fitted.predict(np.array([0]), np.array([0]))


@pytest.mark.parametrize("num_users", [25, 12])
@pytest.mark.parametrize("ridge", [0.5, 3.0, 400.0])
def test_ease_is_the_same_by_users_and_by_items(num_users: int, ridge: float) -> None:
    train, _ = world(3)
    train = train.select(train.user < num_users)
    table = np.zeros((num_users, 18))
    table[train.user, train.item] = 1
    inverse = np.linalg.inv(table.T @ table + ridge * np.eye(18))
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0)
    given = Ratings(user=train.user, item=train.item, value=train.value, num_users=num_users, num_items=18)
    fitted = Ease(ridge=ridge).fit(given)
    np.testing.assert_allclose(fitted.rank(np.arange(num_users)), table @ weights, atol=2e-5)


def test_ease_refuses_what_does_not_fit_in_memory() -> None:
    train = make_ratings([0], [0], [3], 1, 20_001)
    with pytest.raises(ValueError, match="about 2 GB of memory"):
        Ease().fit(train)


@pytest.mark.parametrize("number", range(5))
def test_permuting_ids_changes_nothing(number: int) -> None:
    train, content = world()
    rng = np.random.default_rng(5)
    new_user, new_item, rows = rng.permutation(25), rng.permutation(18), rng.permutation(len(train))
    moved = Ratings(
        user=new_user[train.user][rows],
        item=new_item[train.item][rows],
        value=train.value[rows],
        num_users=25,
        num_items=18,
    )
    moved_content = content.of_items(np.argsort(new_item))
    one, two = every()[number].fit(train, content), every()[number].fit(moved, moved_content)
    np.testing.assert_allclose(two.rank(new_user)[:, new_item], one.rank(np.arange(25)), atol=1e-5)
    if one.name != "ease":
        user, item = all_pairs()
        np.testing.assert_allclose(two.predict(new_user[user], new_item[item]), one.predict(user, item), atol=1e-5)


@pytest.mark.parametrize("number", range(5))
def test_blocks_and_repeated_ratings_change_nothing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train, content = world()
    whole = every()[number].fit(train, content)
    monkeypatch.setattr(baselines, "BLOCK_ROWS", 5)
    blocked = every()[number].fit(train, content)
    user, item = all_pairs()
    np.testing.assert_allclose(blocked.rank(np.arange(25)), whole.rank(np.arange(25)), atol=1e-5)
    if whole.name == "ease":
        doubled = every()[number].fit(train.concat(train), content)
        np.testing.assert_allclose(doubled.rank(np.arange(25)), whole.rank(np.arange(25)), atol=1e-5)
    else:
        np.testing.assert_allclose(blocked.predict(user, item), whole.predict(user, item), atol=1e-5)


@pytest.mark.parametrize("number", range(5))
def test_unseen_users_and_items_get_finite_values(number: int) -> None:
    train, content = world()
    fitted = every()[number].fit(train, content)
    scores = fitted.rank(np.array([24, 0]))
    assert scores.shape == (2, 18)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    if fitted.name != "ease":
        stars = fitted.predict(np.array([24, 24, 0]), np.array([17, 0, 16]))
        assert stars.dtype == np.float32
        assert ((stars >= 1) & (stars <= 5)).all()
        assert len(fitted.predict(np.array([], dtype=np.int64), np.array([], dtype=np.int64))) == 0


@pytest.mark.parametrize("number", range(5))
def test_wrong_input_is_refused(number: int) -> None:
    train, content = world()
    with pytest.raises(ValueError, match="at least one training rating"):
        every()[number].fit(train.select(np.zeros(len(train), dtype=bool)), content)
    if every()[number].name == "content_knn":
        with pytest.raises(ValueError, match="content of 18 items; got that of 17"):
            every()[number].fit(train, content.of_items(np.arange(17)))
        with pytest.raises(ValueError, match="content of 18 items; got none"):
            every()[number].fit(train)


@pytest.mark.slow
def test_movielens_floors(real_data: Path) -> None:
    base, test = (
        np.loadtxt(real_data / "ml-100k" / name, dtype=np.int64, delimiter="\t") - [1, 1, 0, 0]
        for name in ("u1.base", "u1.test")
    )
    train = Ratings(user=base[:, 0], item=base[:, 1], value=base[:, 2], num_users=943, num_items=1682)
    genres = [line.split("|")[5:] for line in (real_data / "ml-100k" / "u.item").read_text("latin-1").splitlines()]
    content = content_of(np.zeros((1682, 1)), np.array(genres, dtype=np.float32))
    error = {
        kind.name: np.sqrt(np.mean((kind(SCALE).fit(train, content).predict(test[:, 0], test[:, 1]) - test[:, 2]) ** 2))
        for kind in STARS
    }
    assert error["mean"] == pytest.approx(1.154, abs=0.001)
    assert 0.94 < error["biases"] < 0.97
    assert error["content_knn"] < error["mean"]
    assert Ease().fit(train).rank(np.arange(943)).shape == (943, 1682)
