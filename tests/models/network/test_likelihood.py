"""The likelihood of many ratings against its formula written out in double precision; blocks and fixed parts change nothing."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.network import likelihood
from models.network.likelihood import (
    chance_of_at_least,
    level_chances,
    level_information,
    level_log_likelihood,
)
from models.network.sparse import Pairs

PAIRS = Pairs(torch.tensor([0, 0, 1, 2, 2, 2, 3]), torch.tensor([0, 1, 1, 0, 1, 2, 2]), 4, 3)
LEVEL = torch.tensor([0, 2, 1, 3, 0, 1, 3])
WEIGHT = torch.arange(1.0, 8.0) / 4
NUM_LEVELS = 4


def tables(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, thresholds and preferences."""
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(7, generator=generator)
    preferences = torch.randn(4, NUM_LEVELS, generator=generator)
    return tuple(part.to(dtype) for part in (scores, torch.tensor([-1.0, 0.3, 0.9]), preferences))  # type: ignore[return-value]


def log_chances(scores: Tensor, thresholds: Tensor, preferences: Tensor) -> Tensor:
    """The formula as it is written, `[num_ratings, num_levels]`."""
    ends = thresholds.new_tensor([math.inf])
    cuts = torch.cat([-ends, thresholds, ends])
    mass = torch.sigmoid(cuts - scores[:, None]).diff(dim=1)
    return torch.log_softmax(mass.log() + preferences, dim=1)


def gradients(weight: Tensor | None = WEIGHT, moving: tuple[bool, bool] = (True, True)) -> list[Tensor | None]:
    """The likelihood, and its gradients in scores, thresholds and preferences."""
    scores, thresholds, preferences = tables()
    parts = [scores.requires_grad_(), thresholds.requires_grad_(moving[0]), preferences.requires_grad_(moving[1])]
    total = level_log_likelihood(scores, thresholds, preferences, PAIRS, LEVEL, weight)
    (2 * total).backward()
    return [2 * total.detach(), *(part.grad for part in parts)]


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_the_size_of_a_block_changes_nothing(
    block: int, weight: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gradients(weight)
    before = level_information(*tables(), PAIRS)
    monkeypatch.setattr(likelihood, "_BLOCK", block)
    for part, expected in zip(gradients(weight), whole, strict=True):
        assert part is not None
        assert expected is not None
        torch.testing.assert_close(part, expected)
    after = level_information(*tables(), PAIRS)
    assert after.preferences is not None
    assert before.preferences is not None
    torch.testing.assert_close(after.scores, before.scores)
    torch.testing.assert_close(after.preferences, before.preferences)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_likelihood_and_gradients_are_those_of_the_formula_written_out(weight: Tensor | None) -> None:
    """Autograd through plain indexing is the oracle."""
    scores, thresholds, preferences = (table.requires_grad_() for table in tables(torch.float64))
    chosen = log_chances(scores, thresholds, preferences[PAIRS.user])[range(7), LEVEL]
    expected = 2 * (chosen if weight is None else chosen * weight.double()).sum()
    expected.backward()
    wanted = (expected.detach(), scores.grad, thresholds.grad, preferences.grad)
    for part, by_autograd in zip(gradients(weight), wanted, strict=True):
        assert part is not None
        assert by_autograd is not None
        torch.testing.assert_close(part.double(), by_autograd, atol=1e-5, rtol=1e-4)


def test_gradients_agree_with_finite_differences() -> None:
    scores, thresholds, preferences = (table.requires_grad_() for table in tables(torch.float64))

    def total(*parts: Tensor) -> Tensor:
        return level_log_likelihood(*parts, PAIRS, LEVEL, WEIGHT.double())

    assert torch.autograd.gradcheck(total, (scores, thresholds, preferences))


def test_a_rating_of_weight_two_counts_as_two_ratings() -> None:
    scores, thresholds, preferences = tables()
    twice = torch.tensor([0, 1, 1, 2, 3, 4, 5, 5, 6])
    pairs = Pairs(PAIRS.index[0][twice], PAIRS.index[1][twice], 4, 3)
    counted = level_log_likelihood(scores[twice], thresholds, preferences, pairs, LEVEL[twice])
    weight = torch.tensor([1.0, 2, 1, 1, 1, 2, 1])
    torch.testing.assert_close(
        level_log_likelihood(scores, thresholds, preferences, PAIRS, LEVEL, weight), counted, rtol=1e-5, atol=1e-5
    )


def test_parts_that_are_held_fixed_get_no_gradient_and_change_none_of_the_scores() -> None:
    moving, fixed = gradients(), gradients(moving=(False, False))
    assert fixed[1] is not None
    assert moving[1] is not None
    assert torch.equal(fixed[1], moving[1])
    assert fixed[2] is None
    assert fixed[3] is None


def test_without_preferences_all_levels_are_liked_alike() -> None:
    scores, thresholds, preferences = tables()
    zero = level_log_likelihood(scores, thresholds, torch.zeros_like(preferences), PAIRS, LEVEL)
    torch.testing.assert_close(level_log_likelihood(scores, thresholds, None, PAIRS, LEVEL), zero)
    without, with_zero = (
        level_information(scores, thresholds, table, PAIRS) for table in (None, torch.zeros_like(preferences))
    )
    assert without.preferences is None
    torch.testing.assert_close(without.scores, with_zero.scores)


def test_no_ratings_have_no_likelihood() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    _, thresholds, preferences = tables()
    total = level_log_likelihood(
        torch.zeros(0), thresholds, preferences.requires_grad_(), Pairs(nothing, nothing, 4, 3), nothing
    )
    total.backward()
    assert float(total.detach()) == 0.0
    assert preferences.grad is not None
    assert not preferences.grad.any()


def test_information_is_the_expected_square_of_the_gradient() -> None:
    """Each rating is imagined at every level; squared gradients by autograd are averaged by the chances of the levels."""
    scores, thresholds, preferences = tables(torch.float64)
    of_scores, of_preferences = torch.zeros(7, dtype=torch.float64), torch.zeros_like(preferences)
    for row, user in enumerate(PAIRS.user):
        score, own = scores[row : row + 1].clone().requires_grad_(), preferences[user].clone().requires_grad_()
        chances = log_chances(score, thresholds, own)[0]
        for level in range(NUM_LEVELS):
            in_score, in_own = torch.autograd.grad(chances[level], (score, own), retain_graph=True)
            of_scores[row] += chances[level].detach().exp() * in_score[0].square()
            of_preferences[user] += chances[level].detach().exp() * in_own.square()
    found = level_information(*tables(), PAIRS)
    assert found.preferences is not None
    torch.testing.assert_close(found.scores.double(), of_scores, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.preferences.double(), of_preferences, atol=1e-5, rtol=1e-4)


def test_impossible_ratings_cost_much_but_stay_finite() -> None:
    """A score far away on the wrong side, and a level of which the user was believed never to give it."""
    scores = torch.tensor([80.0, -80.0, 0.0]).requires_grad_()
    preferences = torch.zeros(3, NUM_LEVELS)
    preferences[2, 1] = -60.0
    thresholds = torch.tensor([-1.0, 0.3, 0.9]).requires_grad_()
    pairs, level = Pairs(torch.arange(3), torch.zeros(3, dtype=torch.int64), 3, 1), torch.tensor([1, 2, 1])
    preferences.requires_grad_()
    for row in range(3):
        only = torch.tensor([row])
        alone = Pairs(pairs.index[0][only], pairs.index[1][only], 3, 1)
        given = scores[only], thresholds, preferences, alone, level[only]
        assert -80 < float(level_log_likelihood(*given).detach()) < -15
    level_log_likelihood(scores, thresholds, preferences, pairs, level).backward()
    for part in (scores, thresholds, preferences):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()
    assert scores.grad is not None
    assert (scores.grad.abs() <= 2).all()  # g_k lies within -1 and 1: no factors fly off
    assert float(scores.grad[0]) < -0.9
    assert float(scores.grad[1]) > 0.9


@given(
    st.floats(-40, 40),
    st.lists(st.floats(0.01, 5), min_size=1, max_size=20),
    st.floats(-6, 6),
    st.data(),
)
def test_the_chance_of_at_least_a_level_is_the_sum_of_its_levels(
    score: float, distances: list[float], first: float, data: st.DataObject
) -> None:
    thresholds = torch.tensor([first, *distances]).cumsum(0)
    num_levels = len(thresholds) + 1
    preferences = torch.tensor(data.draw(st.lists(st.floats(-4, 4), min_size=num_levels, max_size=num_levels)))
    level = data.draw(st.integers(1, num_levels - 1))
    weights, scores = preferences.exp()[:, None], torch.tensor([score])
    exact = level_chances(scores.double(), thresholds.double()[:, None], weights.double()).probability[level:].sum(0)
    found = chance_of_at_least(scores.clone(), thresholds, weights, level)
    torch.testing.assert_close(found.double(), exact, atol=1e-3, rtol=1e-3)
    whole = chance_of_at_least(scores.double(), thresholds.double(), weights.double(), level)
    torch.testing.assert_close(whole, exact, atol=1e-6, rtol=1e-6)


def test_the_chance_of_at_least_a_level_takes_weights_of_each_user_and_sample() -> None:
    """`[num_users, num_items]` with weights of users, and `[num_items, num_samples]` with those of samples."""
    generator = torch.Generator().manual_seed(1)
    scores, own = 2 * torch.randn(3, 5, generator=generator), torch.randn(NUM_LEVELS, 3, generator=generator).exp()
    thresholds = torch.tensor([-1.0, 0.3, 0.9])
    of_samples = thresholds[:, None] + 0.2 * torch.randn(3, 5, generator=generator).sort(dim=0).values
    weights = torch.randn(NUM_LEVELS, 5, generator=generator).exp()
    for level in (1, 2, 3):
        expected = level_chances(scores, thresholds[:, None, None], own[..., None]).probability[level:].sum(0)
        found = chance_of_at_least(scores.clone(), thresholds, own[..., None], level)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        expected = level_chances(scores, of_samples[:, None], weights[:, None]).probability[level:].sum(0)
        found = chance_of_at_least(scores.clone(), of_samples, weights, level)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
