"""The ordinal head: a distribution over levels, its likelihood and its gradient."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.network.head import OrdinalHead, level_probabilities, rising, slopes
from models.network.sparse import Pairs
from training.curvature import head_curvature

SHARES = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.15])
USERS, ITEMS = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 0, 1])
PAIRS = Pairs(USERS, ITEMS, 3, 2)
LEVEL = torch.arange(5)
STEPS = st.lists(st.floats(-4, 2), min_size=4, max_size=4).map(torch.tensor)
PREFERENCES = st.lists(st.floats(-20, 20), min_size=5, max_size=5).map(torch.tensor)


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def head() -> OrdinalHead:
    """A head of users who like different levels."""
    made = OrdinalHead(SHARES.to(torch.get_default_dtype()), 3)
    with torch.no_grad():
        made.preferences.copy_(torch.randn(3, 5, generator=torch.Generator().manual_seed(0)))
    return made


def scores() -> Tensor:
    return torch.tensor([-2.0, -0.5, 0.1, 0.7, 3.0])


def one_by_one(made: OrdinalHead, level: Tensor, **options: bool) -> Tensor:
    """The log-likelihood of each rating alone, `[num_ratings]`."""
    return torch.stack(
        [
            made(scores()[row : row + 1], Pairs(USERS[row : row + 1], ITEMS[row : row + 1], 3, 2), one[None], **options)
            for row, one in enumerate(level)
        ]
    ).detach()


def test_likelihood_is_the_probability_of_the_observed_level() -> None:
    made = head()
    probabilities = level_probabilities(scores(), rising(made.steps), made.preferences[USERS]).detach()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    for level in range(5):
        found = one_by_one(made, torch.full((5,), level))
        torch.testing.assert_close(found.exp(), probabilities[:, level])
        whole = made(scores(), PAIRS, torch.full((5,), level)).detach()
        torch.testing.assert_close(whole, probabilities[:, level].log().sum())


def test_likelihood_is_the_formula_written_out() -> None:
    made = head()
    found = one_by_one(made, LEVEL)
    thresholds = rising(made.steps).detach()
    for row in range(5):

        def at_most(k: int, row: int = row) -> float:
            if k < 0:
                return 0.0
            return 1.0 if k > 3 else float(torch.sigmoid(thresholds[k] - scores()[row]))

        masses = [
            (at_most(k) - at_most(k - 1)) * float(made.preferences[USERS[row], k].detach().exp()) for k in range(5)
        ]
        assert float(found[row].exp()) == pytest.approx(masses[int(LEVEL[row])] / sum(masses), rel=1e-5)


def test_first_thresholds_rise_and_give_the_shares() -> None:
    made = OrdinalHead(SHARES, 3)
    assert (rising(made.steps).diff() > 0).all()
    found = level_probabilities(torch.zeros(1), rising(made.steps.detach()), made.preferences.detach()[:1])
    torch.testing.assert_close(found[0], SHARES)


def test_a_level_without_ratings_starts_with_a_share_near_none_and_thresholds_that_rise() -> None:
    made = OrdinalHead(torch.tensor([0.0, 0.5, 0.0, 0.0, 0.5]), 1)
    thresholds = rising(made.steps.detach())
    assert (thresholds.diff() > 0).all()
    found = level_probabilities(torch.zeros(1), thresholds, torch.zeros(1, 5))[0]
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, 0.0, 0.0, 0.5]), atol=2e-3, rtol=0)


@given(STEPS)
def test_thresholds_rise_whatever_the_steps(steps: Tensor) -> None:
    found = rising(steps)
    assert float(found[0]) == float(steps[0])
    torch.testing.assert_close(found.diff(), steps[1:].exp(), rtol=1e-3, atol=1e-5)
    assert (found.diff() > 0).all()
    torch.testing.assert_close(rising(steps.expand(2, 3, 4)), found.expand(2, 3, 4))


@given(STEPS, PREFERENCES)
def test_a_higher_score_means_a_higher_rating_whatever_is_preferred(steps: Tensor, preferences: Tensor) -> None:
    """The ratio of the chances of two levels rises with the score, and so do the chances of at least each level."""
    score = torch.linspace(-8, 8, 60, dtype=torch.float64)
    found = level_probabilities(score, rising(steps.double()), preferences.double())
    assert (found > 0).all()
    assert (found.log().diff(dim=1).diff(dim=0) >= -1e-9).all()
    above = found.flip(1).cumsum(1)[:, :4]
    assert (above.diff(dim=0) >= -1e-12).all()
    assert (above[-1] > above[0]).all()


@given(STEPS, PREFERENCES, st.floats(-1e6, 1e6))
def test_probabilities_are_never_negative_and_sum_to_one(steps: Tensor, preferences: Tensor, score: float) -> None:
    found = level_probabilities(torch.tensor([score]), rising(steps), preferences)
    assert found.shape == (1, 5)
    assert (found >= 0).all()
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("cold", [{}, {"cold_users": True}])
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
    """Without preferences, with A and B the probabilities at most one below, and at most, the level: A + B - 1."""
    made = OrdinalHead(SHARES.double(), 3)
    score = scores().requires_grad_()
    made(score, PAIRS, LEVEL).backward()
    assert score.grad is not None
    cumulated = torch.sigmoid(rising(made.steps) - score[:, None])
    at_most = torch.cat([torch.zeros(5, 1), cumulated, torch.ones(5, 1)], dim=1).detach()
    torch.testing.assert_close(score.grad, at_most[range(5), LEVEL] + at_most[range(5), LEVEL + 1] - 1)


@pytest.mark.usefixtures("_double")
def test_slopes_are_the_gradient_and_their_variance_the_information() -> None:
    made, mean, mean_square = head(), torch.zeros(5), torch.zeros(5)
    given = rising(made.steps.detach()), made.preferences.detach()[USERS]
    for level in range(5):
        score, observed = scores().requires_grad_(), torch.full((5,), level)
        made(score, PAIRS, observed).backward()
        slope, information = slopes(scores(), *given, observed)
        assert score.grad is not None
        torch.testing.assert_close(slope, score.grad)
        chance = level_probabilities(scores(), *given)[:, level]
        mean += chance * slope
        mean_square += chance * slope.square()
    torch.testing.assert_close(mean, torch.zeros(5))
    torch.testing.assert_close(information, mean_square)
    torch.testing.assert_close(made.information(scores(), PAIRS).scores, mean_square)


def test_the_cold_view_leaves_exactly_the_preferences_out() -> None:
    made, without = head(), head()
    with torch.no_grad():
        without.preferences.zero_()
        found = made(scores(), PAIRS, LEVEL, cold_users=True)
        torch.testing.assert_close(found, without(scores(), PAIRS, LEVEL))
        assert not torch.allclose(found, made(scores(), PAIRS, LEVEL))
        cold = made.information(scores(), PAIRS, cold_users=True)
        torch.testing.assert_close(cold.scores, without.information(scores(), PAIRS).scores)
        assert cold.preferences is None


def test_the_cold_view_sends_preferences_no_gradient() -> None:
    made = head()
    made(scores(), PAIRS, LEVEL, cold_users=True).backward()
    assert made.preferences.grad is None or not made.preferences.grad.any()
    assert made.steps.grad is not None
    assert made.steps.grad.all()


def test_weights_count_ratings() -> None:
    made, weight = head(), torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0])
    expected = (weight * one_by_one(made, LEVEL)).sum()
    torch.testing.assert_close(made(scores(), PAIRS, LEVEL, weight).detach(), expected)


def test_two_levels_are_logistic_regression() -> None:
    """Preferences move the threshold alone: log odds are the score and their difference."""
    made = OrdinalHead(torch.tensor([0.5, 0.5]), 3)
    level, sign = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([-1.0, 1.0, -1.0, 1.0, 1.0])
    found = one_by_one(made, level)
    torch.testing.assert_close(found, torch.nn.functional.logsigmoid(sign * scores()), atol=1e-6, rtol=1e-5)
    with torch.no_grad():
        made.preferences.copy_(torch.tensor([[0.0, 1.0], [0.5, -0.5], [-2.0, 0.0]]))
    found, odds = one_by_one(made, level), scores() + torch.tensor([1.0, 1.0, -1.0, 2.0, 2.0])
    torch.testing.assert_close(found, torch.nn.functional.logsigmoid(sign * odds), atol=1e-6, rtol=1e-5)


def test_a_level_never_given_has_no_chance_and_leaves_the_others_their_ratios() -> None:
    """Whole stars only on a scale of halves: the chances are those of anyone, renormalised, and so is the mean."""
    stars, score = torch.arange(0.5, 5.5, 0.5), torch.linspace(-4, 4, 9)
    thresholds = torch.linspace(-3, 3, 9)
    anyone = level_probabilities(score, thresholds, torch.zeros(10))
    whole = stars % 1 == 0
    found = level_probabilities(score, thresholds, torch.where(whole, 0.0, -20.0))
    assert float(found[:, ~whole].max()) < 1e-7
    expected = anyone[:, whole] / anyone[:, whole].sum(1, keepdim=True)
    torch.testing.assert_close(found[:, whole], expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found @ stars, expected @ stars[whole], atol=1e-5, rtol=1e-5)


def test_curvature_of_preferences_is_their_information() -> None:
    made = head()
    information = made.information(scores(), PAIRS)
    curvature = dict(head_curvature(made, information))
    assert set(curvature) == set(made.parameters())
    chances = level_probabilities(scores(), rising(made.steps), made.preferences[USERS]).detach()
    expected = torch.zeros(3, 5).index_add_(0, USERS, chances * (1 - chances))
    torch.testing.assert_close(curvature[made.preferences], expected)


@given(STEPS, PREFERENCES, st.floats(-2, 2))
def test_curvature_of_steps_is_their_information(steps: Tensor, preferences: Tensor, score: float) -> None:
    """The expected square of the gradient of one rating, by autograd at each level."""
    made = OrdinalHead(SHARES, 1).double()
    with torch.no_grad():
        made.steps.copy_(steps)
        made.preferences.copy_(preferences[None])
    nothing, at = torch.tensor([0]), torch.tensor([score], dtype=torch.float64)
    pairs, exact = Pairs(nothing, nothing, 1, 1), torch.zeros(4, dtype=torch.float64)
    for level in range(5):
        made.steps.grad = None
        total = made(at, pairs, torch.tensor([level]))
        total.backward()
        assert made.steps.grad is not None
        exact += total.detach().exp() * made.steps.grad.square()
    torch.testing.assert_close(
        dict(head_curvature(made, made.information(at, pairs)))[made.steps], exact, rtol=1e-5, atol=1e-8
    )


@given(STEPS, PREFERENCES, st.floats(-30, 30), st.integers(0, 4))
def test_no_preferences_throw_a_score_away(steps: Tensor, preferences: Tensor, score: float, level: int) -> None:
    """The gradient in the score is g_r - E[g] with every g within -1 and 1: never beyond 2, else factors would fly off."""
    made = OrdinalHead(SHARES, 1)
    with torch.no_grad():
        made.steps.copy_(steps)
        made.preferences.copy_(preferences[None])
    at, nothing = torch.tensor([score], requires_grad=True), torch.tensor([0])
    made(at, Pairs(nothing, nothing, 1, 1), torch.tensor([level])).backward()
    assert at.grad is not None
    assert float(at.grad.abs()) <= 2 + 1e-5
