"""A newcomer's row and use of the scale, found together, against a brute-force optimum of the log posterior."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from models.network.head import level_probabilities
from models.posterior import EmbeddingPrior, UserThresholds
from models.posterior.latent_factors import LatentFactors

DRAWS, KNOWN, SIZE, CUTS = 20_000, 400, 3, torch.tensor([-2.2, -0.9, 0.6, 2.0])
FACTOR = np.array(
    [[0.9, 0, 0, 0, 0], [0.3, 0.7, 0, 0, 0], [0, 0.2, 0.5, 0, 0], [-0.2, 0, 0.4, 0.8, 0], [0.5, -0.3, 0, 0.1, 0.6]]
)
MEAN = np.array([0.1, -0.2, 0.0, 0.2, 0.3])
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


def prior(num_samples: int = 1) -> UserThresholds:
    """What preferences with exactly this mean and covariance teach."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((KNOWN, 5))
    drawn = (drawn - drawn.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn.T, bias=True))).T
    preferences = torch.tensor(MEAN + drawn @ FACTOR.T, dtype=torch.float32)
    return UserThresholds.of(preferences.expand(num_samples, KNOWN, 5))


def free_row(
    partners: NDArray[np.float64],
    levels: list[int],
    num_samples: int,
    row_mean: NDArray[np.float64],
    row_factor: NDArray[np.float64],
    *,
    use: UserThresholds | Tensor,
    cuts: Tensor = CUTS,
    weight: float = 1.0,
) -> LatentFactors:
    """The posterior of someone who rated partners at these levels, the same in every sample."""

    def alike(array: NDArray[np.float64]) -> Tensor:
        return torch.tensor(array, dtype=torch.float32).expand(num_samples, *array.shape)

    return LatentFactors.of(
        torch.zeros(num_samples, SIZE),
        EmbeddingPrior(alike(row_mean), alike(row_factor @ row_factor.T)),
        alike(partners),
        cuts.expand(num_samples, 4),
        torch.tensor(levels, dtype=torch.int64),
        use=use,
        weight=weight,
    )


def drawn(
    scores: list[float],
    levels: list[int],
    num_samples: int = DRAWS,
    *,
    cuts: Tensor = CUTS,
    use: UserThresholds | None = None,
) -> Tensor:
    """Preferences of someone whose row is as good as known, so that the scores are."""
    partners = np.zeros((len(scores), SIZE))
    partners[:, -1] = scores
    known = free_row(
        partners,
        levels,
        num_samples,
        np.zeros(SIZE),
        1e-4 * np.eye(SIZE),
        use=use or prior(num_samples),
        cuts=cuts,
    )
    _, preferences, _ = known.draw(torch.Generator().manual_seed(0))
    assert preferences is not None
    return preferences


def score(point: NDArray[np.float64], partner: NDArray[np.float64]) -> float:
    return float(partner[:-1] @ point[: SIZE - 1] + point[SIZE - 1] + partner[-1])


def log_chances(score: float, preferences: NDArray[np.float64]) -> NDArray[np.float64]:
    at_most = 1 / (1 + np.exp(score - CUTS.numpy().astype(float)))
    mass = np.diff(at_most, prepend=0.0, append=1.0) * np.exp(preferences)
    found: NDArray[np.float64] = np.log(mass / mass.sum())
    return found


def brute_force(
    levels: list[int],
    chances: Callable[[NDArray[np.float64], int], NDArray[np.float64]],
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    weight: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of a log posterior and the expected information there, given the log chances of levels at a point for each rating."""
    precision, size = np.linalg.inv(covariance), len(mean)

    def cost(point: NDArray[np.float64]) -> float:
        total = float((point - mean) @ precision @ (point - mean)) / 2
        return total - weight * sum(chances(point, place)[level] for place, level in enumerate(levels))

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 99999, "maxfev": 99999, "adaptive": True}
    found = minimize(cost, mean, method="Nelder-Mead", options=options)
    assert found.success
    step, information = 1e-4, precision.copy()
    for place in range(len(levels)):
        moved = [chances(found.x + step * unit, place) - chances(found.x - step * unit, place) for unit in np.eye(size)]
        slopes = np.stack(moved) / (2 * step)  # of the log chance of each level, [size, num_levels]
        information += weight * (slopes * np.exp(chances(found.x, place))) @ slopes.T
    return found.x, information


@pytest.mark.parametrize(("scores", "levels"), HISTORY)
def test_preferences_are_drawn_around_the_mode_of_the_log_posterior(scores: list[float], levels: list[int]) -> None:
    found = drawn(scores, levels).double().numpy()
    before = FACTOR @ FACTOR.T + 1e-4 * np.eye(5)
    mode, information = brute_force(levels, lambda point, place: log_chances(scores[place], point), MEAN, before)
    covariance = np.linalg.inv(information)
    spread = np.sqrt(np.diag(covariance))
    assert (
        np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3
    ).all()  # as near as the search goes; mirrored draws add nothing
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    assert (np.abs(mode - MEAN) > 0.1 * spread).any()  # the ratings do move it


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("levels", LEVELS)
def test_row_and_preferences_are_drawn_around_the_mode_of_their_log_posterior(levels: list[int], weight: float) -> None:
    partners, use = PARTNERS[: len(levels)], prior(DRAWS)
    both = free_row(partners, levels, DRAWS, ROW_MEAN, ROW_FACTOR, use=use, weight=weight)
    row, preferences, precision = both.draw(torch.Generator().manual_seed(0))
    assert preferences is not None
    found = torch.cat([row, preferences], dim=1).double().numpy()
    mean, before = np.concatenate([ROW_MEAN, MEAN]), np.zeros((SIZE + 5, SIZE + 5))
    before[:SIZE, :SIZE], before[SIZE:, SIZE:] = ROW_FACTOR @ ROW_FACTOR.T, FACTOR @ FACTOR.T + 1e-4 * np.eye(5)

    def chances(point: NDArray[np.float64], place: int) -> NDArray[np.float64]:
        return log_chances(score(point, partners[place]), point[SIZE:])

    mode, information = brute_force(levels, chances, mean, before, weight)
    covariance = np.linalg.inv(information)
    spread = np.sqrt(np.diag(covariance))
    # As near as the search goes; mirrored draws add nothing.
    assert (np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3).all()
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    moved = np.abs(mode - mean) > 0.05 * spread
    assert moved[:SIZE].any()
    assert moved[SIZE:].any()
    np.testing.assert_allclose(precision[0].numpy(), information[:SIZE, :SIZE], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("levels", LEVELS)
def test_an_items_row_is_drawn_around_its_mode_given_the_preferences_of_its_raters(levels: list[int]) -> None:
    partners = PARTNERS[: len(levels)]
    wanted = np.random.default_rng(2).standard_normal((len(levels), 5))
    use = torch.tensor(wanted, dtype=torch.float32).expand(DRAWS, -1, -1)
    row, preferences, precision = free_row(partners, levels, DRAWS, ROW_MEAN, ROW_FACTOR, use=use).draw(
        torch.Generator().manual_seed(0)
    )
    assert preferences is None
    mode, information = brute_force(
        levels,
        lambda point, place: log_chances(score(point, partners[place]), wanted[place]),
        ROW_MEAN,
        ROW_FACTOR @ ROW_FACTOR.T,
    )
    covariance, found = np.linalg.inv(information), row.double().numpy()
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(found.mean(0) - mode) < 0.02 * spread + 1e-3).all()
    assert (np.abs(np.cov(found.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * np.outer(spread, spread) + 1e-3).all()
    np.testing.assert_allclose(precision[0].numpy(), information, rtol=0.02, atol=0.02)


def test_who_gives_the_ends_of_the_scale_is_expected_to_again() -> None:
    scores = [0.0] * 12
    ends, middle = (
        level_probabilities(torch.zeros(200), CUTS, drawn(scores, levels, 200)).mean(0)
        for levels in ([0, 4] * 6, [2] * 12)
    )
    assert float(ends[0] + ends[4]) > 1.5 * float(middle[0] + middle[4])
    assert float(middle[2]) > 1.3 * float(ends[2])


def test_thresholds_that_nearly_meet_break_nothing() -> None:
    for level in range(5):
        found = drawn([0.0] * 3, [level] * 3, 50, cuts=torch.tensor([-2.2, 0.6, 0.6001, 0.6001001]))
        assert bool(found.isfinite().all())
        assert float(found.abs().max()) < 6


def test_without_known_users_that_differ_nobody_is_expected_to() -> None:
    same = UserThresholds.of(torch.zeros(30, 5, 5))
    found = drawn([0.0] * 4, [0, 4, 0, 4], 30, use=same)
    assert float(found.abs().max()) < 0.05
