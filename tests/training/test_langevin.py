"""The sampler against posteriors that are known in closed form, and its Gibbs draws against their moments."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from training.langevin import FREEDOM, SMALLEST_VARIANCE, WIDEST, LangevinSampler
from training.scale_priors import ScalePrior

REPLICAS = 4_000  # independent chains in one parameter, so that Monte-Carlo errors are known exactly
PRIOR = ScalePrior(initial=0.8, damping=1.0, learned=False)
JOINT = ScalePrior(initial=0.8, damping=1.0, joint=True)


def sampler(
    parameter: nn.Parameter, *, seed: int = 0, prior: ScalePrior = PRIOR, step_size: float = 0.12
) -> LangevinSampler:
    generator = torch.Generator().manual_seed(seed)
    return LangevinSampler({parameter: prior}, step_size=step_size, generator=generator)


def linear_model() -> tuple[Tensor, Tensor]:
    """Design `[20, 3]` with correlated columns and observations `[20]` with unit noise."""
    generator = torch.Generator().manual_seed(5)
    design = torch.randn(20, 3, generator=generator)
    design[:, 1] += 0.8 * design[:, 0]
    return design, design @ torch.tensor([1.0, -0.5, 0.2]) + torch.randn(20, generator=generator)


def test_a_linear_gaussian_model_has_its_known_posterior() -> None:
    """y = X w + noise, w ~ N(0, 0.64 I): the posterior is normal with precision X'X + I / 0.64."""
    design, observed = linear_model()
    covariance = torch.linalg.inv(design.T @ design + torch.eye(3) / PRIOR.initial**2)
    mean = covariance @ design.T @ observed
    assert (mean.abs() > 3 / math.sqrt(REPLICAS)).all()  # else a sampler of the prior would pass
    parameter = nn.Parameter(torch.zeros(REPLICAS, 3))
    optimizer = sampler(parameter)
    optimizer.set_curvature({parameter: design.square().sum(0).expand(REPLICAS, 3)})
    kept = []
    for step in range(700):
        parameter.grad = (parameter.detach() @ design.T - observed) @ design  # of half the squared error
        optimizer.step()
        if step >= 300 and step % 100 == 99:
            kept.append(parameter.detach().clone())
    samples = torch.cat(kept)
    # The kept moments of one replica are correlated, so the number of replicas alone counts: five standard errors
    # of a mean and of a variance, and 2 % for the length of the step.
    error = covariance.diagonal().sqrt() / math.sqrt(REPLICAS)
    assert ((samples.mean(0) - mean).abs() < 5 * error).all()
    found, size = torch.cov(samples.T), covariance.diagonal()
    tolerance = (5 * math.sqrt(2 / REPLICAS) + 0.02) * (size[:, None] * size).sqrt()
    assert ((found - covariance).abs() < tolerance).all()
    assert covariance[0, 1].abs() > 2 * tolerance[0, 1]  # the correlation is large enough to be seen


def test_without_data_the_sampler_draws_from_the_prior() -> None:
    parameter = nn.Parameter(torch.zeros(REPLICAS, 2))
    optimizer = sampler(parameter)
    for _ in range(300):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    spread = parameter.detach().std(0)
    torch.testing.assert_close(spread, torch.full((2,), 0.8), rtol=5 / math.sqrt(2 * REPLICAS) + 0.02, atol=0)


def test_one_step_is_the_formula() -> None:
    prior = ScalePrior(initial=0.5, damping=3.0)
    parameter = nn.Parameter(torch.tensor([[1.0, -2.0], [0.3, 0.1]]))
    optimizer = sampler(parameter, prior=prior)
    curvature = torch.tensor([[4.0, 0.0], [1.0, 9.0]])
    optimizer.set_curvature({parameter: curvature})
    parameter.grad = torch.tensor([[30.0, 1.0], [-1.0, 0.5]])
    generator = torch.Generator().manual_seed(0)
    velocity = torch.randn(2, 2, generator=generator)
    noise = torch.randn(2, 2, generator=generator)
    scale = (3.0 * curvature + 1 / 0.25) ** -0.5
    force = -(parameter.grad + parameter.detach() / 0.25) * scale
    assert force.abs().max() > 4  # the clip is at work
    keep = math.exp(-0.2 * 0.12)
    velocity = keep * velocity + math.sqrt(1 - keep**2) * noise + 0.12 * force.clamp(-4, 4)
    expected = parameter.detach() + 0.12 * scale * velocity
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), expected)


def test_a_flat_prior_pulls_nowhere() -> None:
    parameter = nn.Parameter(torch.tensor([5.0]))
    optimizer = sampler(parameter, prior=ScalePrior(initial=float("inf"), damping=1.0, learned=False))
    optimizer.set_curvature({parameter: torch.full((1,), 4.0)})
    optimizer.state[parameter]["velocity"].zero_()
    parameter.grad = torch.zeros(1)
    optimizer.generator.manual_seed(1)
    optimizer.step()
    noise = torch.randn(1, generator=torch.Generator().manual_seed(1))
    moved = 0.12 * 0.5 * math.sqrt(1 - math.exp(-2 * 0.2 * 0.12)) * noise
    torch.testing.assert_close(parameter.detach(), 5.0 + moved)


def test_scales_are_drawn_from_their_inverse_gamma_distribution() -> None:
    """Given rows with square sum S, a column's variance is InvGamma(a + n/2, b + S/2): 20,000 equal columns show it."""
    columns, rows, row = 20_000, 30, 0.4
    prior = ScalePrior(initial=1.0, shape=1.5, rate=0.03, highest=10.0)
    parameter = nn.Parameter(torch.full((rows, columns), row))
    optimizer = sampler(parameter, prior=prior)
    optimizer.draw_scales()
    drawn = optimizer.state[parameter]["variance"]
    shape, rate = 1.5 + rows / 2, 0.03 + rows * row**2 / 2
    mean = rate / (shape - 1)
    spread = mean / math.sqrt(shape - 2)
    assert abs(float(drawn.mean()) - mean) < 5 * spread / math.sqrt(columns)
    # 1 / variance is gamma distributed with mean shape / rate and standard deviation sqrt(shape) / rate.
    precision = 1 / drawn
    assert abs(float(precision.mean()) - shape / rate) < 5 * math.sqrt(shape / columns) / rate
    assert abs(float(precision.std()) / (math.sqrt(shape) / rate) - 1) < 0.04


def test_scales_stay_within_their_limits_and_fixed_ones_stay() -> None:
    for row, prior, expected in (
        (9.0, ScalePrior(initial=0.1, highest=0.16), 0.16),
        (0.0, ScalePrior(initial=0.1, rate=1e-12), SMALLEST_VARIANCE),
        (9.0, ScalePrior(initial=0.5, learned=False), 0.25),
    ):
        parameter = nn.Parameter(torch.full((50, 3), row))
        optimizer = sampler(parameter, prior=prior)
        optimizer.draw_scales()
        torch.testing.assert_close(optimizer.state[parameter]["variance"], torch.full((3,), expected))


def test_rescaling_both_sides_leaves_scores_unchanged() -> None:
    generator = torch.Generator().manual_seed(0)
    users, items = (nn.Parameter(torch.randn(rows, 4, generator=generator)) for rows in (6, 5))
    optimizer = LangevinSampler({users: PRIOR, items: PRIOR}, generator=generator)
    before = (users @ items.T).detach()
    factor = torch.tensor([2.0, 0.5, 3.0, 1.0])
    optimizer.rescale(users, factor)
    optimizer.rescale(items, 1 / factor)
    torch.testing.assert_close((users @ items.T).detach(), before)
    torch.testing.assert_close(optimizer.state[users]["variance"], 0.64 * factor**2)


@pytest.mark.parametrize("joint", [False, True])
def test_a_step_after_rescaling_is_the_rescaled_step(joint: bool) -> None:
    """Other units, the same model: gradients are divided by the factor, everything else follows."""
    factor = torch.tensor([2.0, 0.25])
    gradient = torch.tensor([[1.0, -0.5], [0.2, 3.0]])
    ends = []
    for rescaled in (False, True):
        parameter = nn.Parameter(torch.tensor([[1.0, -2.0], [0.3, 0.1]]))
        optimizer = sampler(parameter, prior=JOINT if joint else PRIOR)
        optimizer.set_curvature({parameter: torch.tensor([[4.0, 1.0], [2.0, 9.0]])})
        optimizer.draw_scales()
        assert ("joint" in optimizer.state[parameter]) == joint
        if rescaled:
            optimizer.rescale(parameter, factor)
        parameter.grad = gradient / factor if rescaled else gradient
        optimizer.step()
        ends.append(parameter.detach() if rescaled else parameter.detach() * factor)
    torch.testing.assert_close(ends[0], ends[1])


def test_curvature_is_blended_into_the_old() -> None:
    parameter = nn.Parameter(torch.zeros(2, 2))
    optimizer = sampler(parameter)
    given = torch.full((2, 2), 10.0)
    optimizer.set_curvature({parameter: given})
    assert optimizer.state[parameter]["curvature"].tolist() == [[10, 10], [10, 10]]
    optimizer.set_curvature({parameter: torch.full((2, 2), 20.0)})
    torch.testing.assert_close(optimizer.state[parameter]["curvature"], torch.full((2, 2), 13.0))
    assert given.tolist() == [[10, 10], [10, 10]]


def test_steps_are_decided_by_the_generator() -> None:
    def run(seed: int, global_seed: int) -> Tensor:
        torch.manual_seed(global_seed)
        parameter = nn.Parameter(torch.ones(4, 3))
        optimizer = sampler(parameter, seed=seed)
        for _ in range(5):
            parameter.grad = parameter.detach() * 2
            optimizer.step()
            optimizer.draw_scales()
        return parameter.detach()

    assert torch.equal(run(1, global_seed=0), run(1, global_seed=7))
    assert not torch.equal(run(1, global_seed=0), run(2, global_seed=0))


def precision_of(state: dict[str, Tensor]) -> Tensor:
    """The prior's precision of rows that vary together."""
    return (1 / state["variance"]).diag() + state["joint"]


def test_without_data_rows_that_vary_together_are_drawn_from_their_joint_prior() -> None:
    covariance = torch.tensor([[0.5, 0.4, -0.1], [0.4, 0.6, 0.0], [-0.1, 0.0, 0.2]])
    parameter = nn.Parameter(torch.zeros(REPLICAS, 3))
    optimizer, precision = sampler(parameter, prior=JOINT), torch.linalg.inv(covariance)
    optimizer.state[parameter]["variance"] = 1 / precision.diagonal()
    optimizer.state[parameter]["joint"] = precision - precision.diagonal().diag()
    for _ in range(500):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    size = covariance.diagonal()
    tolerance = (5 * math.sqrt(2 / REPLICAS) + 0.02) * (size[:, None] * size).sqrt()
    assert ((torch.cov(parameter.detach().T) - covariance).abs() < tolerance).all()
    assert covariance[0, 1] > 2 * tolerance[0, 1]


def test_precision_and_widths_are_drawn_from_their_conditional_distributions() -> None:
    """Given rows and widths a precision is Wishart with mean dof * scale; given it a width's inverse is gamma distributed."""
    draws, size, number = 3_000, 3, 12
    rows = torch.randn(number, size, generator=torch.Generator().manual_seed(3)) @ torch.tensor(
        [[1.0, 0.6, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 0.1]]
    )
    widths = torch.tensor([2.0, 0.5, 9.0])
    parameter = nn.Parameter(rows)
    optimizer = sampler(parameter, prior=JOINT)
    state, precisions, gammas = optimizer.state[parameter], [], []
    for _ in range(draws):
        state["widths"] = widths
        optimizer.draw_scales()
        precisions.append(precision_of(state).double())
        gammas.append((FREEDOM * precisions[-1].diagonal() + WIDEST**-2) / state["widths"])
        torch.testing.assert_close(state["joint"], state["joint"].T)
    freedom = FREEDOM + size - 1 + number
    scale = torch.linalg.inv((rows.T @ rows + (2 * FREEDOM / widths).diag()).double())
    found = torch.stack(precisions)
    variance = freedom * (scale.square() + scale.diagonal()[:, None] * scale.diagonal())
    assert ((found.mean(0) - freedom * scale).abs() < 5 * (variance / draws).sqrt()).all()
    torch.testing.assert_close(found.var(0), variance, rtol=0.25, atol=0)
    shape = (FREEDOM + size) / 2
    told = torch.stack(gammas)
    assert ((told.mean(0) - shape).abs() < 5 * math.sqrt(shape / draws)).all()
    torch.testing.assert_close(told.var(0), torch.full((size,), shape, dtype=torch.float64), rtol=0.25, atol=0)


def drawn_covariances(rows: Tensor, draws: int = 300) -> Tensor:
    parameter = nn.Parameter(rows)
    optimizer, found = sampler(parameter, prior=JOINT), []
    for _ in range(draws):
        optimizer.draw_scales()
        found.append(torch.linalg.inv(precision_of(optimizer.state[parameter]).double()))
    return torch.stack(found[50:])


def test_a_strong_correlation_of_columns_is_found() -> None:
    number, covariance = 2_000, torch.tensor([[1.0, 0.54, 0.0], [0.54, 0.36, 0.0], [0.0, 0.0, 0.04]])
    normal = torch.randn(number, 3, generator=torch.Generator().manual_seed(4))
    found = drawn_covariances(normal @ torch.linalg.cholesky(covariance).T)
    size = covariance.diagonal().sqrt().double()
    error = (found.mean(0) - covariance) / size / size[:, None]
    assert (error.abs() < 5 * math.sqrt(2 / number)).all()
    spread = found.std(0) / size / size[:, None]
    assert float(spread.max()) < 2 * math.sqrt(2 / number)
    assert float(spread.diagonal().min()) > 0.5 * math.sqrt(2 / number)


def test_a_dimension_that_the_rows_do_not_use_fades_out() -> None:
    """Its variance is that of its rows, however wide the prior began; a Wishart prior of fixed width would hold it up."""
    rows = torch.randn(300, 4, generator=torch.Generator().manual_seed(5)) * torch.tensor([0.8, 0.01, 0.001, 0.3])
    found = drawn_covariances(rows).mean(0).diagonal()
    torch.testing.assert_close(found, rows.double().square().mean(0), rtol=0.15, atol=0)
