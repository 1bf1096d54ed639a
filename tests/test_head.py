"""The ordinal head: a distribution over levels, its likelihood and its gradient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.head import OrdinalHead, level_probabilities
from models.network.sparse import Pairs

SHARES = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.15])
USERS, ITEMS = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 0, 1])
PAIRS = Pairs(USERS, ITEMS, 3, 2)
LEVEL = torch.arange(5)


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def head() -> OrdinalHead:
    """A head with offsets small enough that all cuts stay in order."""
    made = OrdinalHead(SHARES.to(torch.get_default_dtype()), 3, 2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        made.user_offsets.copy_(torch.rand(3, 4, generator=generator) * 0.3)
        made.item_offsets.copy_(torch.rand(2, 4, generator=generator) * 0.3)
    return made


def scores() -> Tensor:
    return torch.tensor([-2.0, -0.5, 0.1, 0.7, 3.0])


def test_likelihood_is_the_probability_of_the_observed_level() -> None:
    made = head()
    cuts = (made.thresholds + made.user_offsets[USERS] + made.item_offsets[ITEMS]).detach()
    probabilities = level_probabilities(scores(), cuts)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    for level in range(5):
        found = made(scores(), PAIRS, torch.full((5,), level)).detach()
        torch.testing.assert_close(found.exp(), probabilities[:, level])


def test_likelihood_is_the_formula_written_out() -> None:
    made = head()
    found = made(scores(), PAIRS, LEVEL).detach()
    for row in range(5):
        user, item, level = int(USERS[row]), int(ITEMS[row]), int(LEVEL[row])

        def at_most(k: int, user: int = user, item: int = item, row: int = row) -> float:
            if k < 0:
                return 0.0
            if k > 3:
                return 1.0
            cut = made.thresholds[k] + made.user_offsets[user, k] + made.item_offsets[item, k]
            return float(torch.sigmoid(cut - scores()[row]).detach())

        assert float(found[row].exp()) == pytest.approx(at_most(level) - at_most(level - 1), rel=1e-5)


def test_first_thresholds_rise_and_give_the_shares() -> None:
    made = OrdinalHead(SHARES, 3, 2)
    assert (made.thresholds.diff() > 0).all()
    found = level_probabilities(torch.zeros(1), made.thresholds.detach()[None])
    torch.testing.assert_close(found[0], SHARES)


def test_a_higher_score_means_a_higher_rating() -> None:
    made = OrdinalHead(SHARES, 3, 2)
    rising = torch.linspace(-4, 4, 50)
    probabilities = level_probabilities(rising, made.thresholds.detach().expand(50, 4))
    above = probabilities.flip(1).cumsum(1)[:, :4]
    assert (above.diff(dim=0) > 0).all()


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(-30, 30))
def test_probabilities_are_never_negative_and_sum_to_one(cuts: list[float], score: float) -> None:
    """Offsets of a user or item may put two cuts in the wrong order; a probability is one all the same."""
    found = level_probabilities(torch.tensor([score]), torch.tensor([cuts]))
    assert (found >= 0).all()
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("cold", [{}, {"cold_users": True}, {"cold_items": True}])
def test_gradients_agree_with_finite_differences(cold: dict[str, bool]) -> None:
    made = head()
    names = [name for name, _ in made.named_parameters()]

    def likelihood(score: Tensor, *parameters: Tensor) -> Tensor:
        values = dict(zip(names, parameters, strict=True))
        found = torch.func.functional_call(made, values, (score, PAIRS, LEVEL), cold)
        assert isinstance(found, Tensor)
        return found

    parameters = tuple(parameter.detach().requires_grad_() for parameter in made.parameters())
    assert torch.autograd.gradcheck(likelihood, (scores().requires_grad_(), *parameters))


@pytest.mark.usefixtures("_double")
def test_gradient_in_the_score_is_the_closed_form() -> None:
    """With A and B the probabilities at most one below, and at most, the level: d log P / d f = A + B - 1."""
    made = OrdinalHead(SHARES.double(), 3, 2)
    score = scores().requires_grad_()
    made(score, PAIRS, LEVEL).sum().backward()
    assert score.grad is not None
    cumulated = torch.sigmoid(made.thresholds - score[:, None])
    at_most = torch.cat([torch.zeros(5, 1), cumulated, torch.ones(5, 1)], dim=1).detach()
    torch.testing.assert_close(score.grad, at_most[range(5), LEVEL] + at_most[range(5), LEVEL + 1] - 1)


def test_the_cold_view_leaves_exactly_its_offsets_out() -> None:
    made, without_users, without_items = head(), head(), head()
    with torch.no_grad():
        without_users.user_offsets.zero_()
        without_items.item_offsets.zero_()
        warm = made(scores(), PAIRS, LEVEL)
        for cold, expected in (({"cold_users": True}, without_users), ({"cold_items": True}, without_items)):
            found = made(scores(), PAIRS, LEVEL, **cold)
            assert torch.equal(found, expected(scores(), PAIRS, LEVEL))
            assert not torch.allclose(found, warm)


def test_the_cold_view_sends_its_offsets_no_gradient() -> None:
    made = head()
    made(scores(), PAIRS, LEVEL, cold_items=True).sum().backward()
    assert made.item_offsets.grad is None or not made.item_offsets.grad.any()
    assert made.user_offsets.grad is not None
    assert made.user_offsets.grad.any()


def test_an_impossible_rating_costs_much_but_stays_finite() -> None:
    score = torch.tensor([80.0, -80.0]).requires_grad_()
    found = OrdinalHead(SHARES, 3, 2)(
        score, Pairs(torch.tensor([0, 1]), torch.tensor([0, 0]), 3, 2), torch.tensor([1, 3])
    )
    found.sum().backward()
    assert score.grad is not None
    assert torch.isfinite(found).all()
    assert torch.isfinite(score.grad).all()
    assert (found < -15).all()


def test_two_levels_are_logistic_regression() -> None:
    made = OrdinalHead(torch.tensor([0.5, 0.5]), 3, 2)
    found = made(scores(), PAIRS, torch.tensor([0, 1, 0, 1, 1]))
    sign = torch.tensor([-1.0, 1.0, -1.0, 1.0, 1.0])
    torch.testing.assert_close(found.detach(), torch.nn.functional.logsigmoid(sign * scores()), atol=1e-6, rtol=1e-5)


def test_curvature_counts_the_ratings_of_users_and_items() -> None:
    found = head().curvature(PAIRS)
    assert found["thresholds"].tolist() == pytest.approx([0.15 * 5] * 4)
    assert found["user_offsets"][:, 0].tolist() == pytest.approx([0.3, 0.15, 0.3])
    assert found["item_offsets"][:, 3].tolist() == pytest.approx([0.3, 0.45])


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(-30, 30), st.integers(0, 4))
def test_crossed_cuts_throw_no_score_away(offsets: list[float], score: float, level: int) -> None:
    """The gradient in the score is A + B - 1 wherever the cuts lie: never beyond 1, else factors would fly off."""
    made = OrdinalHead(SHARES, 1, 1)
    with torch.no_grad():
        made.user_offsets.copy_(torch.tensor([offsets]))
    at = torch.tensor([score], requires_grad=True)
    nothing = torch.tensor([0])
    made(at, Pairs(nothing, nothing, 1, 1), torch.tensor([level])).sum().backward()
    assert at.grad is not None
    assert float(at.grad.abs()) <= 1 + 1e-6
