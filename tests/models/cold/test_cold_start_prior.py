"""The prior of newcomers, where the law of the known users is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kg.ratings import Ratings
from models.cold.cold_start_prior import ColdStartPriors
from models.posterior.laplace import even_draws

USERS, ITEMS, SIZE = 900, 12, 3


def world(num_users: int = USERS, *, sent: float = 0.0, seed: int = 0) -> tuple[ColdStartPriors, torch.Tensor, Ratings]:
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
    return ColdStartPriors(train, lambda: rows, items, lambda: table), beyond, train


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
    prior = ColdStartPriors(train, lambda: rows[None], items[None], lambda: torch.zeros(1, ITEMS, SIZE))(0)
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
        ColdStartPriors(train, lambda: rows, torch.zeros(1, ITEMS, SIZE), lambda: torch.zeros(1, ITEMS, SIZE))(2)
        is None
    )


def test_two_users_give_a_prior_that_can_be_drawn_from() -> None:
    prior = world(2)[0](3)
    assert prior is not None
    assert bool(torch.isfinite(prior.draw(1, torch.Generator().manual_seed(0))).all())
    assert float(torch.linalg.eigvalsh(prior.covariance[0]).min()) > 0


def test_numbers_in_between_take_the_nearest_prior_and_none_is_made_twice() -> None:
    priors, _, _ = world(50)
    assert priors(1) is not priors(0)
    assert priors(4) in (priors(3), priors(5))
    assert priors(1000) is priors(50)


def told_world(believed: float, noise: float, number: int, *, content: bool) -> tuple[ColdStartPriors, torch.Tensor]:
    """Users whose row is a multiple of what is told of them (messages of all their items, or concepts) plus noise."""
    rng = np.random.default_rng(7)
    user = np.repeat(np.arange(USERS), number)
    item = np.concatenate([rng.choice(ITEMS, number, replace=False) for _ in range(USERS)])
    train = Ratings(user=user, item=item, value=np.ones(len(user)), num_users=USERS, num_items=ITEMS)
    table = torch.from_numpy(rng.normal(size=(1, ITEMS, SIZE))).float()
    messages = torch.zeros(USERS, SIZE).index_add_(0, torch.from_numpy(user), table[0, torch.from_numpy(item)])
    told = torch.from_numpy(rng.normal(size=(USERS, SIZE))).float() if content else messages / number**0.5
    rows = (believed * told + noise * torch.from_numpy(rng.normal(size=(USERS, SIZE))).float())[None]
    items = torch.from_numpy(rng.normal(size=(1, ITEMS, SIZE))).float()
    return ColdStartPriors(train, lambda: rows, items, lambda: table * (not content), lambda: told[None].half()), table


@pytest.mark.parametrize("believed", [0.4, 1.0])
def test_messages_are_believed_as_far_as_they_told_the_rows_of_known_users(believed: float) -> None:
    prior = told_world(believed, 0.3, 5, content=False)[0](5)
    assert prior is not None
    assert prior.of_messages is not None
    np.testing.assert_allclose(prior.of_messages[0].numpy(), believed * np.eye(SIZE), atol=0.08)
    np.testing.assert_allclose(prior.covariance[0].numpy(), 0.09 * np.eye(SIZE), atol=0.02)


@pytest.mark.parametrize("believed", [0.4, 1.0])
def test_concepts_are_believed_as_far_as_they_told_the_rows_of_known_users(believed: float) -> None:
    priors, _ = told_world(believed, 0.3, 5, content=True)
    prior = priors(5, informed=True)
    assert prior is not None
    assert prior.of_content is not None
    np.testing.assert_allclose(prior.of_content[0].numpy(), believed * np.eye(SIZE), atol=0.06)
    said = torch.tensor([[2.0, 0.0, -2.0]])
    np.testing.assert_allclose(
        prior.believed_content(said[:, None])[0, 0].numpy(), believed * np.array([2.0, 0.0, -2.0]), atol=0.2
    )
    uninformed = priors(5)
    assert uninformed is not None
    assert uninformed.of_content is None
    assert float(torch.linalg.det(prior.covariance[0])) < float(torch.linalg.det(uninformed.covariance[0]))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_second_draw_is_the_mirror_image_of_the_one_before(count: int) -> None:
    drawn = even_draws(torch.zeros(count, SIZE), torch.Generator().manual_seed(0))
    pairs = count // 2 * 2
    assert torch.equal(drawn[1:pairs:2], -drawn[0:pairs:2])
    assert bool(drawn.ne(0).all())
    many = even_draws(torch.zeros(20_000, SIZE), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(torch.cov(many.T).numpy(), np.eye(SIZE), atol=0.05)


def test_a_part_of_a_prior_is_the_prior_in_these_samples() -> None:
    prior = told_world(1.0, 0.3, 5, content=True)[0](5, informed=True)
    assert prior is not None
    part = prior.part(slice(1))
    for name in ("mean", "covariance", "of_messages", "of_content"):
        assert torch.equal(getattr(part, name), getattr(prior, name)[:1])
