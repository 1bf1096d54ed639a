"""The prior of newcomers, where the law of the known users is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kg.ratings import Ratings
from models.cold.newcomer_prior import NewcomerPriors

USERS, ITEMS, SIZE = 900, 12, 3


def world(num_users: int = USERS, *, sent: float = 0.0, seed: int = 0) -> tuple[NewcomerPriors, torch.Tensor, Ratings]:
    """Users who rated six random items each; their rows are messages plus a normal row of known mean and covariance."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(num_users), 6)
    item = np.concatenate([rng.choice(ITEMS, 6, replace=False) for _ in range(num_users)])
    train = Ratings(user=user, item=item, value=np.ones(len(user)), num_users=num_users, num_items=ITEMS)
    items = torch.from_numpy(rng.normal(size=(1, ITEMS, SIZE))).float()
    table = torch.from_numpy(rng.normal(size=(1, ITEMS, SIZE))).float() * sent
    beyond = torch.from_numpy(rng.multivariate_normal([0.5, -1.0, 0.2], COVARIANCE, size=num_users)).float()
    messages = (
        torch.zeros(num_users, SIZE).index_add_(0, torch.from_numpy(user), table[0, torch.from_numpy(item)]) / 6**0.5
    )
    rows = (beyond + messages)[None]
    return NewcomerPriors(train, lambda: rows, items, lambda: table), beyond, train


COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, 0.1], [0.0, 0.1, 0.3]])


def test_mean_and_covariance_of_the_known_users_are_found() -> None:
    priors, beyond, _ = world(sent=1.0)
    prior = priors(6)  # nearest: 5, so one message of six is missing
    whole = world(sent=0.0)[0](0)
    for found, slack in ((whole, 0.1), (prior, 0.35)):
        assert found is not None
        np.testing.assert_allclose(found.mean[0].numpy(), beyond.mean(0).numpy(), atol=slack + 0.1)
        np.testing.assert_allclose(found.covariance[0].numpy(), COVARIANCE, atol=slack)


def test_fewer_messages_leave_more_open() -> None:
    priors, _, _ = world(sent=2.0)
    volumes = [float(torch.linalg.det(priors(number).covariance[0])) for number in (1, 2, 5)]  # type: ignore[union-attr]
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[0] > 1.5 * volumes[2]


def test_the_mean_tells_the_scores_of_rated_pairs_best() -> None:
    """Those who like an item rate it: the mean lies above that of the users, and is the least squares one."""
    rng = np.random.default_rng(3)
    rows = torch.from_numpy(rng.normal(size=(400, SIZE))).float()
    items = torch.from_numpy(rng.normal(size=(ITEMS, SIZE))).float()
    scores = (rows[:, :-1] @ items[:, :-1].T + rows[:, -1:]).numpy()
    user, item = np.nonzero(scores > 1.0)
    train = Ratings(user=user, item=item, value=np.ones(len(user)), num_users=400, num_items=ITEMS)
    prior = NewcomerPriors(train, lambda: rows[None], items[None], lambda: torch.zeros(1, ITEMS, SIZE))(0)
    assert prior is not None
    design = np.concatenate([items[:, :-1].numpy(), np.ones((ITEMS, 1))], axis=1)[item]
    oracle = np.linalg.lstsq(design, scores[user, item], rcond=None)[0]
    np.testing.assert_allclose(prior.mean[0].numpy(), oracle, atol=0.02)  # a ridge of one rating
    assert float(prior.mean[0, -1]) > float(rows[:, -1].mean()) + 0.3


@pytest.mark.parametrize("num_users", [0, 1])
def test_nobody_known_gives_no_prior(num_users: int) -> None:
    rated = np.zeros(num_users, dtype=np.int64)
    train = Ratings(user=rated, item=rated, value=rated, num_users=3, num_items=ITEMS)
    rows = torch.zeros(1, 3, SIZE)
    assert (
        NewcomerPriors(train, lambda: rows, torch.zeros(1, ITEMS, SIZE), lambda: torch.zeros(1, ITEMS, SIZE))(2) is None
    )


def test_two_users_give_a_prior_that_can_be_drawn_from() -> None:
    prior = world(2)[0](3)
    assert prior is not None
    assert bool(torch.isfinite(prior.draw(torch.Generator().manual_seed(0))).all())
    assert float(torch.linalg.eigvalsh(prior.covariance[0]).min()) > 0


def test_numbers_in_between_take_the_nearest_prior_and_none_is_made_twice() -> None:
    priors, _, _ = world(50)
    assert priors(1) is not priors(0)
    assert priors(4) in (priors(3), priors(5))
    assert priors(1000) is priors(50)
