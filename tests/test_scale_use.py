"""How a newcomer uses the scale, against a brute-force optimum of the log posterior."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.cold.scale_use import ScaleUse
from models.head import level_probabilities

DRAWS, KNOWN, CUTS = 20_000, 400, torch.tensor([-2.2, -0.9, 0.6, 2.0])
FACTOR = np.array([[0.5, 0, 0, 0], [0.2, 0.4, 0, 0], [0.0, 0.1, 0.3, 0], [-0.1, 0.0, 0.2, 0.5]])
MEAN = np.array([0.05, -0.1, 0.0, 0.1])
HISTORY = [
    ([0.3, -0.4, 1.1, 0.0], [4, 0, 4, 3]),  # ends of the scale
    ([0.3, -0.4, 1.1], [2, 2, 2]),  # its middle alone
    ([1.5], [1]),
]


def prior(num_samples: int = 1) -> ScaleUse:
    """What offsets with exactly this mean and covariance teach."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((KNOWN, 4))
    drawn = (drawn - drawn.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T, bias=True))).T
    offsets = torch.tensor(MEAN + drawn @ FACTOR.T, dtype=torch.float32)
    return ScaleUse.of(offsets.expand(num_samples, KNOWN, 4))


def drawn(scores: list[float], levels: list[int], num_samples: int = DRAWS) -> torch.Tensor:
    cuts = CUTS.expand(num_samples, len(scores), 4)
    of_samples = torch.tensor(scores).expand(num_samples, -1)
    generator = torch.Generator().manual_seed(0)
    return prior(num_samples).draw(of_samples, cuts, torch.tensor(levels, dtype=torch.int64), generator)


def optimum(scores: list[float], levels: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of the log posterior, and the inverse of its Hessian there, by brute force."""
    precision = np.linalg.inv(FACTOR @ FACTOR.T + 1e-4 * np.eye(4))

    def cost(offsets: NDArray[np.float64]) -> float:
        total = float((offsets - MEAN) @ precision @ (offsets - MEAN)) / 2
        for score, level in zip(scores, levels, strict=True):
            edges = np.concatenate([[-np.inf], CUTS.numpy() + offsets, [np.inf]]) - score
            below, above = 1 / (1 + np.exp(-edges[level])), 1 / (1 + np.exp(-edges[level + 1]))
            total -= np.log(above - below)
        return total

    found = minimize(cost, MEAN, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 9999})
    assert found.success
    step, hessian, unit = 1e-3, np.zeros((4, 4)), np.eye(4) * 1e-3
    for i in range(4):
        for j in range(4):
            corners = [cost(found.x + a * unit[i] + b * unit[j]) * a * b for a in (1, -1) for b in (1, -1)]
            hessian[i, j] = sum(corners) / (4 * step**2)
    return found.x, np.linalg.inv(hessian)


@pytest.mark.parametrize(("scores", "levels"), HISTORY)
def test_offsets_are_drawn_around_the_mode_of_the_log_posterior(scores: list[float], levels: list[int]) -> None:
    found = drawn(scores, levels).double().numpy()
    mode, covariance = optimum(scores, levels)
    spread = np.sqrt(np.diag(covariance))
    assert (
        np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3
    ).all()  # as near as the search goes; mirrored draws add nothing
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    assert (np.abs(mode - MEAN) > 0.1 * spread).any()  # the ratings do move it


def test_who_gives_the_ends_of_the_scale_is_expected_to_again() -> None:
    scores = [0.0] * 12
    ends, middle = (
        level_probabilities(torch.zeros(200), CUTS + drawn(scores, levels, 200)).mean(0)
        for levels in ([0, 4] * 6, [2] * 12)
    )
    assert float(ends[0] + ends[4]) > 1.5 * float(middle[0] + middle[4])
    assert float(middle[2]) > 1.3 * float(ends[2])


def test_cuts_that_offsets_of_an_item_have_crossed_break_nothing() -> None:
    cuts = CUTS[[0, 2, 1, 3]].expand(50, 3, 4)
    for level in range(5):
        found = prior(50).draw(torch.zeros(50, 3), cuts, torch.full((3,), level), torch.Generator().manual_seed(1))
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) < 6


def test_without_known_users_that_differ_nobody_is_expected_to() -> None:
    same = ScaleUse.of(torch.zeros(30, 5, 4))
    found = same.draw(torch.zeros(30, 4), CUTS.expand(30, 4, 4), torch.tensor([0, 4, 0, 4]), torch.Generator())
    assert float(found.abs().max()) < 0.05
