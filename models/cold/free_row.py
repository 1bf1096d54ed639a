"""What the values of a few ratings say of a row, beside what is known without them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from models.cold.laplace import drawn_around, mode
from models.cold.newcomer_prior import RowPrior
from models.head import cuts_around

__all__ = ["FreeRow"]


@dataclass(frozen=True, eq=False)
class FreeRow:
    r"""The posterior of a free row $w$ in every sample, $p(w \mid r) \propto N(w; \mu, \Sigma) \prod_j P(r_j \mid f_j^0 + \langle w, \tilde z_j\rangle)$.

    It is written as $w = \mu + F v$ with $v \sim N(0, I)$. A few ratings tell of the directions of their partners alone, so
    $v$ is searched in their span.

    Attributes:
        prior: Prior of $w$.
        design: Rows $\tilde z_j = (z_j, 1)$ of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
        start: Scores at $v = 0$, `[num_samples, num_ratings]`.
        spread: $F$, `[num_samples, size, num_directions]`.
        effect: What each entry of $v$ adds to the scores, `[num_samples, num_ratings, num_directions]`.
        level: Index of each rating's level, int64 `[num_ratings]`.
        weight: Evidence of each rating.
    """

    prior: RowPrior
    design: Tensor
    start: Tensor
    spread: Tensor
    effect: Tensor
    level: Tensor
    weight: float = 1.0

    @classmethod
    def of(cls, base: Tensor, prior: RowPrior, partners: Tensor, level: Tensor, weight: float = 1.0) -> FreeRow:
        """Prepare it.

        Args:
            base: What is known without the values of the ratings, `[num_samples, size]`.
            prior: Prior of the free row.
            partners: Rows of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
            level: Index of each rating's level, int64 `[num_ratings]`.
            weight: Evidence of each rating.
        """
        design = torch.cat([partners[..., :-1], torch.ones_like(partners[..., -1:])], dim=-1)
        start = _times(design, base + prior.mean) + partners[..., -1]
        spread = prior.factor
        if design.shape[1] < design.shape[2]:
            spread = spread @ torch.linalg.qr((design @ spread).mT).Q
        return cls(prior, design, start, spread, design @ spread, level, weight)

    def scores(self, standard: Tensor) -> Tensor:
        """Return the scores of the ratings at some $v$, `[num_samples, num_ratings]`."""
        return self.start + _times(self.effect, standard)

    def mode(self, cuts: Tensor, near: Tensor | None = None) -> Tensor:
        """Return the most likely $v$, `[num_samples, num_directions]`.

        Args:
            cuts: Thresholds of the ratings with offsets, `[num_samples, num_ratings, num_levels - 1]`.
            near: Where to start, if it is about known.
        """
        (lower, upper), effect = cuts_around(cuts, self.level), self.effect
        prior = torch.eye(effect.shape[2])

        def log_density(standard: Tensor) -> Tensor:
            score = self.scores(standard)
            likelihood = (logsigmoid(upper - score) + logsigmoid(score - lower)).sum(1)
            return self.weight * likelihood - 0.5 * standard.square().sum(1)

        def derivatives(standard: Tensor) -> tuple[Tensor, Tensor]:
            below, above = _beyond(self.scores(standard), lower, upper)
            gradient = self.weight * _times(effect.mT, below + above - 1) - standard
            return gradient, effect.mT @ (self._curvature(below, above) * effect) + prior

        zero = effect.new_zeros(len(effect), effect.shape[2])
        return mode(log_density, derivatives, zero if near is None else near)

    def draw(self, standard: Tensor, cuts: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw $w$ from the Laplace approximation, `[num_samples, size]`, and return the Cholesky factor of its precision.

        Args:
            standard: The most likely $v$.
            cuts: The thresholds that it was found with.
            generator: Source of the draw.
        """
        curvature = self._curvature(*_beyond(self.scores(standard), *cuts_around(cuts, self.level)))
        factor = torch.linalg.cholesky(self.design.mT @ (curvature * self.design) + self.prior.precision)
        return drawn_around(self.prior.mean + _times(self.spread, standard), factor, generator), factor

    def _curvature(self, below: Tensor, above: Tensor) -> Tensor:
        return (self.weight * (below * (1 - below) + above * (1 - above)))[..., None]


def _beyond(score: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chances of a level below the rating's own, and of one not above it."""
    return torch.sigmoid(lower - score), torch.sigmoid(upper - score)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
