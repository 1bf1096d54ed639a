"""The Laplace approximation of a log-concave density: its mode in every sample, and a draw around it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["drawn_around", "even_draws", "mode"]

NEWTON_STEPS = 8
HALVINGS = 8
ROUNDING = 1e-5  # of a log density: a loss that small is no loss
CONVERGED = 5e-2  # of the largest step, in units of the prior's spread: its square is about what is still missing then


def mode(
    log_density: Callable[[Tensor], Tensor], derivatives: Callable[[Tensor], tuple[Tensor, Tensor]], start: Tensor
) -> Tensor:
    """Return the most likely point of every sample, by Newton's method with step halving, `[num_samples, size]`.

    Args:
        log_density: Takes points `[num_samples, size]`, returns `[num_samples]`.
        derivatives: Takes points, returns the gradient `[num_samples, size]` and the negative Hessian, positive
            definite, `[num_samples, size, size]`.
        start: Where the search begins; its unit is the spread of the prior.
    """
    point, here = start, log_density(start)
    for _ in range(NEWTON_STEPS):
        gradient, curvature = derivatives(point)
        step = torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(curvature))[..., 0]
        # Undamped, a step can swing between the likelihood's flat tails for ever.
        length = torch.ones_like(step[:, :1])
        there = log_density(point + step)
        for _ in range(HALVINGS):
            worse = (there < here - ROUNDING * here.abs().clamp_min(1))[:, None]
            if not worse.any():
                break
            length = torch.where(worse, length / 2, length)
            there = log_density(point + length * step)
        point, here = point + length * step, there
        if float((length * step).abs().max()) < CONVERGED:
            break
    return point


def drawn_around(middle: Tensor, precision_factor: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one normal row in every sample, `[num_samples, size]`.

    Args:
        middle: Means, `[num_samples, size]`.
        precision_factor: Lower Cholesky factors of the precision, `[num_samples, size, size]`.
        generator: Source of the draws.
    """
    drawn = even_draws(middle, generator)
    return middle + torch.linalg.solve_triangular(precision_factor.mT, drawn[..., None], upper=True)[..., 0]


def even_draws(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw standard normal rows, in every second sample the mirror image of the sample before.

    Neighbouring samples are alike, so what they say together has little noise of the draw.

    Args:
        like: Tensor of the wanted shape, `[num_samples, ...]`.
        generator: Source of the draws.
    """
    drawn = torch.randn(like.shape, generator=generator)
    drawn[1::2] = -drawn[: len(drawn) // 2 * 2 : 2]
    return drawn
