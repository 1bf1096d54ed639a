"""How someone new uses the scale: offsets of the thresholds, read from a few ratings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from models.cold.laplace import drawn_around, mode
from models.head import cuts_around

__all__ = ["ScaleUse"]

CLOSEST = 1e-2  # gap of two cuts below which their level is as good as impossible
SPREAD = 1e-4  # least variance of an offset


@dataclass(frozen=True, eq=False)
class ScaleUse:
    r"""Offsets to be expected of a newcomer in every sample, $a \sim N(\mu, \Sigma)$, learned from those of the known.

    Some give fives freely, others hardly ever. Given the scores $f_j$ of what someone rated at the levels $r_j$, the offsets
    have the posterior

    $$p(a \mid r) \propto N(a; \mu, \Sigma) \prod_j [\sigma(\theta_{j, r_j} + a_{r_j} - f_j) - \sigma(\theta_{j, r_j - 1} + a_{r_j - 1} - f_j)],$$

    which is log-concave where the cuts are in order: Newton finds its mode, and a draw from the Laplace approximation there keeps
    what is still open.

    Attributes:
        mean: $\mu$, `[num_samples, num_levels - 1]`.
        factor: Lower Cholesky factor of $\Sigma$, `[num_samples, num_levels - 1, num_levels - 1]`.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, offsets: Tensor) -> ScaleUse:
        """Learn it from the offsets of known ones, `[num_samples, num_known, num_levels - 1]`."""
        mean = offsets.mean(1)
        beyond = offsets - mean[:, None]
        covariance = beyond.mT @ beyond / offsets.shape[1] + SPREAD * torch.eye(offsets.shape[2])
        return cls(mean, torch.linalg.cholesky(covariance))

    def draw(self, scores: Tensor, cuts: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
        """Return a newcomer's offsets given ratings, `[num_samples, num_levels - 1]`.

        Args:
            scores: Scores of what was rated, `[num_samples, num_ratings]`.
            cuts: Thresholds there, with the offsets of what was rated, `[num_samples, num_ratings, num_levels - 1]`.
            level: Index of each rating's level, int64 `[num_ratings]`.
            generator: Source of the draw.
        """
        num_cuts = cuts.shape[2]
        lower, upper = cuts_around(cuts, level)
        # Which offset moves the cut above a rating's level, and which the one below; the ends have none.
        ends = one_hot(level + 1, num_cuts + 2).float()[:, 1:-1], one_hot(level, num_cuts + 2).float()[:, 1:-1]
        start = [upper - scores, lower - scores]
        moves = [end @ self.factor for end in ends]
        shift = [self.mean @ end.mT for end in ends]

        def cut_pair(standard: Tensor) -> list[Tensor]:
            return [
                at + by + (move @ standard[..., None])[..., 0] for at, by, move in zip(start, shift, moves, strict=True)
            ]

        def log_density(standard: Tensor) -> Tensor:
            above, below = cut_pair(standard)
            gap = (above - below).clamp_min(CLOSEST)
            likelihood = logsigmoid(above) + logsigmoid(-below) + torch.log(-torch.expm1(-gap))
            return likelihood.sum(1) - 0.5 * standard.square().sum(1)

        def derivatives(standard: Tensor) -> tuple[Tensor, Tensor]:
            above, below = cut_pair(standard)
            gap = (above - below).clamp_min(CLOSEST)
            pull = torch.exp(-gap) / -torch.expm1(-gap)
            slopes = torch.sigmoid(-above) + pull, -torch.sigmoid(below) - pull
            gradient = sum((move.mT @ slope[..., None])[..., 0] for move, slope in zip(moves, slopes, strict=True))
            apart = moves[0] - moves[1]
            curvature = apart.mT @ ((pull * (1 + pull))[..., None] * apart) + torch.eye(num_cuts)
            for move, cut in zip(moves, (above, below), strict=True):
                chance = torch.sigmoid(cut)
                curvature = curvature + move.mT @ ((chance * (1 - chance))[..., None] * move)
            return gradient - standard, curvature

        standard = mode(log_density, derivatives, torch.zeros_like(self.mean))
        factor = torch.linalg.cholesky(derivatives(standard)[1])
        standard = drawn_around(standard, factor, generator)
        return self.mean + (self.factor @ standard[..., None])[..., 0]
