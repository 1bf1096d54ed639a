"""A newcomer's row and use of the scale, found together, against a brute-force optimum of the log posterior."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from models.cold.free_row import FreeRow
from models.cold.newcomer_prior import RowPrior
from models.cold.scale_use import ScaleUse
from models.head import level_probabilities

DRAWS, KNOWN, SIZE, CUTS = 20_000, 400, 3, torch.tensor([-2.2, -0.9, 0.6, 2.0])
FACTOR = np.array([[0.5, 0, 0, 0], [0.2, 0.4, 0, 0], [0.0, 0.1, 0.3, 0], [-0.1, 0.0, 0.2, 0.5]])
MEAN = np.array([0.05, -0.1, 0.0, 0.1])
ROW_MEAN, ROW_FACTOR = np.array([0.1, 0.0, -0.2]), np.array([[0.7, 0, 0], [0.2, 0.5, 0], [0.1, -0.2, 0.6]])
PARTNERS = np.random.default_rng(1).standard_normal((12, SIZE))
LEVELS = [
    [4, 0],  # ends of the scale, fewer than the row has entries
    [2, 2, 2],  # its middle alone
    [1],
    [4, 4, 3, 0, 1, 4, 2, 4, 4, 0],
]


def prior(num_samples: int = 1) -> ScaleUse:
    """What offsets with exactly this mean and covariance teach."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((KNOWN, 4))
    drawn = (drawn - drawn.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T, bias=True))).T
    offsets = torch.tensor(MEAN + drawn @ FACTOR.T, dtype=torch.float32)
    return ScaleUse.of(offsets.expand(num_samples, KNOWN, 4))


def free_row(
    levels: list[int], num_samples: int = DRAWS, *, scale_use: ScaleUse | None, cuts: Tensor = CUTS, weight: float = 1.0
) -> FreeRow:
    """The posterior of someone who rated the first partners at these levels."""
    tensor = torch.tensor(ROW_FACTOR @ ROW_FACTOR.T, dtype=torch.float32)
    row = RowPrior(
        torch.tensor(ROW_MEAN, dtype=torch.float32).expand(num_samples, -1), tensor.expand(num_samples, -1, -1)
    )
    partners = torch.tensor(PARTNERS[: len(levels)], dtype=torch.float32).expand(num_samples, -1, -1)
    return FreeRow.of(
        torch.zeros(num_samples, SIZE),
        row,
        partners,
        cuts.expand(num_samples, len(levels), 4),
        torch.tensor(levels, dtype=torch.int64),
        scale_use=scale_use,
        weight=weight,
    )


def drawn(
    levels: list[int], num_samples: int = DRAWS, *, cuts: Tensor = CUTS, weight: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    found = free_row(levels, num_samples, scale_use=prior(num_samples), cuts=cuts, weight=weight)
    row, offsets, precision = found.draw(torch.Generator().manual_seed(0))
    assert offsets is not None
    return row, offsets, precision


def optimum(levels: list[int], weight: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of the log posterior of row and offsets, and its negative Hessian there, by brute force."""
    mean = np.concatenate([ROW_MEAN, MEAN])
    covariance = np.zeros((SIZE + 4, SIZE + 4))
    covariance[:SIZE, :SIZE], covariance[SIZE:, SIZE:] = ROW_FACTOR @ ROW_FACTOR.T, FACTOR @ FACTOR.T + 1e-4 * np.eye(4)
    precision = np.linalg.inv(covariance)

    def cost(point: NDArray[np.float64]) -> float:
        total = float((point - mean) @ precision @ (point - mean)) / 2
        for partner, level in zip(PARTNERS, levels, strict=False):
            score = partner[:-1] @ point[: SIZE - 1] + point[SIZE - 1] + partner[-1]
            edges = np.concatenate([[-np.inf], CUTS.numpy() + point[SIZE:], [np.inf]]) - score
            below, above = 1 / (1 + np.exp(-edges[level])), 1 / (1 + np.exp(-edges[level + 1]))
            if above <= below:
                return np.inf
            total -= weight * np.log(above - below)
        return total

    found = minimize(
        cost,
        mean,
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 99999, "maxfev": 99999, "adaptive": True},
    )
    assert found.success
    step, hessian, unit = 1e-3, np.zeros((SIZE + 4, SIZE + 4)), np.eye(SIZE + 4) * 1e-3
    for i in range(SIZE + 4):
        for j in range(SIZE + 4):
            corners = [cost(found.x + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = sum(corners) / (4 * step**2)
    return found.x, hessian


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("levels", LEVELS)
def test_row_and_offsets_are_drawn_around_the_mode_of_their_log_posterior(levels: list[int], weight: float) -> None:
    row, offsets, precision = drawn(levels, weight=weight)
    found = torch.cat([row, offsets], dim=1).double().numpy()
    mode, hessian = optimum(levels, weight)
    covariance = np.linalg.inv(hessian)
    spread = np.sqrt(np.diag(covariance))
    # As near as the search goes; mirrored draws add nothing.
    assert (np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3).all()
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    moved = np.abs(mode - np.concatenate([ROW_MEAN, MEAN])) > 0.05 * spread
    assert moved[:SIZE].any()
    assert moved[SIZE:].any()
    np.testing.assert_allclose(precision[0].numpy(), hessian[:SIZE, :SIZE], rtol=0.02, atol=0.02)


def test_who_gives_the_ends_of_the_scale_is_expected_to_again() -> None:
    ends, middle = (
        level_probabilities(torch.zeros(200), CUTS + drawn(levels, 200)[1]).mean(0) for levels in ([0, 4] * 6, [2] * 12)
    )
    assert float(ends[0] + ends[4]) > 1.3 * float(middle[0] + middle[4])
    assert float(middle[2]) > 1.2 * float(ends[2])


def test_cuts_that_offsets_of_an_item_have_crossed_break_nothing() -> None:
    for level in range(5):
        row, offsets, _ = drawn([level] * 3, 50, cuts=CUTS[[0, 2, 1, 3]])
        assert bool(offsets.isfinite().all() & row.isfinite().all())
        assert float(offsets.abs().max()) < 6


def test_without_known_users_that_differ_nobody_is_expected_to() -> None:
    same = ScaleUse.of(torch.zeros(30, 5, 4))
    _, offsets, _ = free_row([0, 4, 0, 4], 30, scale_use=same).draw(torch.Generator())
    assert offsets is not None
    assert float(offsets.abs().max()) < 0.05
