"""Settings of the baselines: chosen as a slow search does, by nothing but training and validation ratings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

from kg.ratings import Ratings
from models.baselines import Biases, Ease
from training.chosen_baselines import BASELINES, cut_for_choice, fitted_baselines, settings_sentence

SCALE = (1.0, 5.0)


def ratings_of(value: NDArray[np.floating], pairs: NDArray[np.bool_]) -> Ratings:
    """Ratings of the marked pairs of a table `[num_users, num_items]`."""
    user, item = np.nonzero(pairs)
    return Ratings(user=user, item=item, value=value[pairs], num_users=len(value), num_items=value.shape[1])


def noise(seed: int, scale: float, size: tuple[int, int] = (40, 30)) -> NDArray[np.float64]:
    return np.clip(3 + np.random.default_rng(seed).normal(0, scale, size), 1, 5)


def test_a_tenth_is_cut_off_the_same_each_time() -> None:
    train = ratings_of(noise(0, 1.0), np.random.default_rng(1).random((40, 30)) < 0.5)
    known, held_out = cut_for_choice(train) or (train, train)
    assert len(held_out) == round(0.1 * len(train))
    pairs = [set(zip(part.user.tolist(), part.item.tolist(), strict=True)) for part in (train, known, held_out)]
    assert pairs[1] | pairs[2] == pairs[0]
    assert not pairs[1] & pairs[2]
    again = cut_for_choice(train)
    assert again is not None
    np.testing.assert_array_equal(again[1].user * 30 + again[1].item, held_out.user * 30 + held_out.item)


def test_validation_ratings_of_the_split_are_taken_where_training_knows_their_user_and_item() -> None:
    def part(user: list[int], item: list[int]) -> Ratings:
        return Ratings(user=user, item=item, value=[3.0] * len(user), num_users=40, num_items=40)

    train = part([0, 1] * 10, [0, 1] * 5 + [1, 0] * 5)
    found = cut_for_choice(train, part([0, 0, 5], [1, 7, 0]))
    assert found is not None
    assert found[0] is train
    assert (found[1].user.tolist(), found[1].item.tolist()) == ([0], [1])
    cold = cut_for_choice(train, part([5], [7]))
    assert cold is not None
    assert (len(cold[0]), len(cold[1])) == (18, 2)
    assert cut_for_choice(part([0], [0])) is None


def test_noise_asks_for_the_strongest_ridges_and_true_biases_for_the_weakest() -> None:
    rng = np.random.default_rng(2)
    pairs = rng.random((300, 200)) < 0.1
    known = {"content": None, "scale": SCALE, "relevant_from": 4.0}
    of_noise = BASELINES["biases"].chosen(ratings_of(noise(3, 1.0, pairs.shape), pairs), None, **known)
    assert of_noise["stars"] == {"lambda_user": 30.0, "lambda_item": 30.0}
    true = 3 + rng.normal(0, 0.6, (300, 1)) + rng.normal(0, 0.6, (1, 200))
    of_biases = BASELINES["biases"].chosen(ratings_of(np.clip(true, 1, 5), pairs), None, **known)
    assert of_biases["stars"] == {"lambda_user": 1.0, "lambda_item": 1.0}


def test_the_ridge_of_ease_is_that_of_a_slow_search() -> None:
    """Two circles of users and items, a few strays: lists of each ridge are judged by scikit-learn's NDCG."""
    rng = np.random.default_rng(4)
    alike = (np.arange(200)[:, None] % 2) == (np.arange(60)[None, :] % 2)
    train = ratings_of(np.full((200, 60), 5.0), rng.random((200, 60)) < np.where(alike, 0.3, 0.05))
    cut = cut_for_choice(train)
    assert cut is not None
    known, held_out = cut
    table, wanted = np.zeros((2, 200, 60))
    table[known.user, known.item] = wanted[held_out.user, held_out.item] = 1
    users = np.flatnonzero(wanted.any(axis=1))
    quality = {}
    for settings in BASELINES["ease"].grid:
        inverse = np.linalg.inv(table.T @ table + settings["ridge"] * np.eye(60))
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0)
        scores = np.where(table > 0, -1e9, table @ weights)
        quality[settings["ridge"]] = ndcg_score(wanted[users], scores[users], k=20)
    fitted = BASELINES["ease"].fitted(train, None, content=None, scale=SCALE, relevant_from=4.0)
    best = max(quality, key=lambda ridge: quality[ridge])
    assert fitted.chosen == {"lists": {"ridge": best}}
    assert fitted.stars is None
    assert fitted.rank is not None
    everything = Ease(ridge=best).fit(train)  # again on all training ratings
    np.testing.assert_allclose(fitted.rank(np.arange(5)), everything.rank(np.arange(5)), atol=1e-5)


def test_stars_and_lists_may_need_different_settings_and_one_alone_is_fitted_once() -> None:
    train = ratings_of(noise(5, 1.0), np.random.default_rng(6).random((40, 30)) < 0.5)
    fitted = BASELINES["biases"].fitted(train, None, content=None, scale=SCALE, relevant_from=4.0)
    user, item = np.divmod(np.arange(40 * 30), 30)
    assert fitted.stars is not None
    assert fitted.rank is not None
    stars, lists = (Biases(SCALE, **fitted.chosen[purpose]).fit(train) for purpose in ("stars", "lists"))
    np.testing.assert_array_equal(fitted.stars(user, item), stars.predict(user, item))
    np.testing.assert_array_equal(fitted.rank(np.arange(40)), lists.rank(np.arange(40)))


def test_choices_have_no_stars_and_too_few_ratings_leave_the_usual_settings() -> None:
    pairs = np.random.default_rng(7).random((40, 30)) < 0.3
    chosen = BASELINES["biases"].chosen(
        ratings_of(np.ones((40, 30)), pairs), None, content=None, scale=(1.0, 1.0), relevant_from=1.0
    )
    assert set(chosen) == {"lists"}
    one = Ratings(user=[0], item=[0], value=[3.0], num_users=2, num_items=2)
    fitted = BASELINES["ease"].fitted(one, None, content=None, scale=SCALE, relevant_from=4.0)
    assert fitted.chosen == {}
    assert fitted.rank is not None


def test_a_catalogue_too_large_for_ease_goes_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    train = ratings_of(noise(8, 1.0), np.random.default_rng(9).random((40, 30)) < 0.5)
    monkeypatch.setattr(Ease, "max_items", 29)
    names = [
        name
        for name, _ in fitted_baselines(
            train, None, content=None, scale=SCALE, relevant_from=4.0, names=("mean", "ease", "popularity")
        )
    ]
    assert names == ["mean", "popularity"]


def test_what_was_chosen_is_a_sentence() -> None:
    chosen = {"stars": {"lambda_user": 10.0, "lambda_item": 3.0}, "lists": {"ridge": 50.0}}
    told = "lambda_user 10, lambda_item 3 for stars; ridge 50 for lists, chosen on validation ratings"
    assert settings_sentence(chosen) == told
