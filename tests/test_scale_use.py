"""A newcomer's row and use of the scale, found together, against a brute-force optimum of the log posterior."""

from __future__ import annotations

from collections.abc import Callable

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
HISTORY = [
    ([0.3, -0.4, 1.1, 0.0], [4, 0, 4, 3]),  # ends of the scale
    ([0.3, -0.4, 1.1], [2, 2, 2]),  # its middle alone
    ([1.5], [1]),
]
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
    partners: NDArray[np.float64],
    levels: list[int],
    num_samples: int,
    row_mean: NDArray[np.float64],
    row_factor: NDArray[np.float64],
    *,
    scale_use: ScaleUse,
    cuts: Tensor = CUTS,
    weight: float = 1.0,
) -> FreeRow:
    """The posterior of someone who rated partners at these levels, the same in every sample."""

    def alike(array: NDArray[np.float64]) -> Tensor:
        return torch.tensor(array, dtype=torch.float32).expand(num_samples, *array.shape)

    return FreeRow.of(
        torch.zeros(num_samples, SIZE),
        RowPrior(alike(row_mean), alike(row_factor @ row_factor.T)),
        alike(partners),
        cuts.expand(num_samples, len(levels), 4),
        torch.tensor(levels, dtype=torch.int64),
        scale_use=scale_use,
        weight=weight,
    )


def drawn(
    scores: list[float],
    levels: list[int],
    num_samples: int = DRAWS,
    *,
    cuts: Tensor = CUTS,
    use: ScaleUse | None = None,
) -> Tensor:
    """Offsets of someone whose row is as good as known, so that the scores are."""
    partners = np.zeros((len(scores), SIZE))
    partners[:, -1] = scores
    known = free_row(
        partners,
        levels,
        num_samples,
        np.zeros(SIZE),
        1e-4 * np.eye(SIZE),
        scale_use=use or prior(num_samples),
        cuts=cuts,
    )
    _, offsets, _ = known.draw(torch.Generator().manual_seed(0))
    assert offsets is not None
    return offsets


def brute_force(
    levels: list[int],
    score: Callable[[NDArray[np.float64], int], float],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    weight: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of a log posterior whose last four unknowns are the offsets, and its negative Hessian there."""
    precision, size = np.linalg.inv(covariance), len(mean)

    def cost(point: NDArray[np.float64]) -> float:
        total = float((point - mean) @ precision @ (point - mean)) / 2
        for place, level in enumerate(levels):
            edges = np.concatenate([[-np.inf], CUTS.numpy() + point[-4:], [np.inf]]) - score(point, place)
            below, above = 1 / (1 + np.exp(-edges[level])), 1 / (1 + np.exp(-edges[level + 1]))
            if above <= below:
                return np.inf
            total -= weight * np.log(above - below)
        return total

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 99999, "maxfev": 99999, "adaptive": True}
    found = minimize(cost, mean, method="Nelder-Mead", options=options)
    assert found.success
    step, hessian, unit = 1e-3, np.zeros((size, size)), np.eye(size) * 1e-3
    for i in range(size):
        for j in range(size):
            corners = [cost(found.x + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = sum(corners) / (4 * step**2)
    return found.x, hessian


@pytest.mark.parametrize(("scores", "levels"), HISTORY)
def test_offsets_are_drawn_around_the_mode_of_the_log_posterior(scores: list[float], levels: list[int]) -> None:
    found = drawn(scores, levels).double().numpy()
    mode, hessian = brute_force(levels, lambda _, place: scores[place], MEAN, FACTOR @ FACTOR.T + 1e-4 * np.eye(4))
    covariance = np.linalg.inv(hessian)
    spread = np.sqrt(np.diag(covariance))
    assert (
        np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3
    ).all()  # as near as the search goes; mirrored draws add nothing
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    assert (np.abs(mode - MEAN) > 0.1 * spread).any()  # the ratings do move it


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("levels", LEVELS)
def test_row_and_offsets_are_drawn_around_the_mode_of_their_log_posterior(levels: list[int], weight: float) -> None:
    partners, use = PARTNERS[: len(levels)], prior(DRAWS)
    both = free_row(partners, levels, DRAWS, ROW_MEAN, ROW_FACTOR, scale_use=use, weight=weight)
    row, offsets, precision = both.draw(torch.Generator().manual_seed(0))
    assert offsets is not None
    found = torch.cat([row, offsets], dim=1).double().numpy()
    mean, before = np.concatenate([ROW_MEAN, MEAN]), np.zeros((SIZE + 4, SIZE + 4))
    before[:SIZE, :SIZE], before[SIZE:, SIZE:] = ROW_FACTOR @ ROW_FACTOR.T, FACTOR @ FACTOR.T + 1e-4 * np.eye(4)

    def score(point: NDArray[np.float64], place: int) -> float:
        partner = partners[place]
        return float(partner[:-1] @ point[: SIZE - 1] + point[SIZE - 1] + partner[-1])

    mode, hessian = brute_force(levels, score, mean, before, weight)
    covariance = np.linalg.inv(hessian)
    spread = np.sqrt(np.diag(covariance))
    # As near as the search goes; mirrored draws add nothing.
    assert (np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3).all()
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    moved = np.abs(mode - mean) > 0.05 * spread
    assert moved[:SIZE].any()
    assert moved[SIZE:].any()
    np.testing.assert_allclose(precision[0].numpy(), hessian[:SIZE, :SIZE], rtol=0.02, atol=0.02)


def test_who_gives_the_ends_of_the_scale_is_expected_to_again() -> None:
    scores = [0.0] * 12
    ends, middle = (
        level_probabilities(torch.zeros(200), CUTS + drawn(scores, levels, 200)).mean(0)
        for levels in ([0, 4] * 6, [2] * 12)
    )
    assert float(ends[0] + ends[4]) > 1.5 * float(middle[0] + middle[4])
    assert float(middle[2]) > 1.3 * float(ends[2])


def test_cuts_that_offsets_of_an_item_have_crossed_break_nothing() -> None:
    for level in range(5):
        found = drawn([0.0] * 3, [level] * 3, 50, cuts=CUTS[[0, 2, 1, 3]])
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) < 6


def test_without_known_users_that_differ_nobody_is_expected_to() -> None:
    same = ScaleUse.of(torch.zeros(30, 5, 4))
    found = drawn([0.0] * 4, [0, 4, 0, 4], 30, use=same)
    assert float(found.abs().max()) < 0.05
