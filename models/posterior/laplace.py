"""The Laplace approximation of a density: its mode in every sample, and a draw around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Evaluation", "drawn_around", "even_draws", "mode"]

NEWTON_STEPS = 8
HALVINGS = 8
ROUNDING = 1e-5  # of a log density: a loss that small is no loss
CONVERGED = 0.01  # mean over samples of the largest step, in spreads of the prior: less than that is missing then

# Log density, `[num_samples]`, its gradient, `[num_samples, size]`, and its expected negative Hessian, positive definite,
# `[num_samples, size, size]`.
Evaluation: TypeAlias = tuple[Tensor, Tensor, Tensor]


def mode(evaluate: Callable[[Tensor], Evaluation], start: Tensor) -> tuple[Tensor, Tensor]:
    """Return the most likely point of every sample, by Fisher scoring with step halving, and the curvature there.

    Args:
        evaluate: Takes points `[num_samples, size]`, returns what the density is like there.
        start: Where the search begins; its unit is the spread of the prior.

    Returns:
        Points, `[num_samples, size]`; expected negative Hessians there, `[num_samples, size, size]`.
    """
    point, (here, gradient, curvature) = start, evaluate(start)
    for _ in range(NEWTON_STEPS):
        step = torch.cholesky_solve(gradient[..., None], torch.linalg.cholesky(curvature))[..., 0]
        # Undamped, a step can swing between the likelihood's flat tails for ever.
        there, gradient, curvature = evaluate(point + step)
        for _ in range(HALVINGS):
            worse = there < here - ROUNDING * here.abs().clamp_min(1)
            if not worse.any():
                break
            step = torch.where(worse[:, None], step / 2, step)
            there, gradient, curvature = evaluate(point + step)
        point, here = point + step, there
        if float(step.abs().amax(1).mean()) < CONVERGED:
            break
    return point, curvature


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
