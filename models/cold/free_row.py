"""What the values of a few ratings say of a row, and of how someone uses the scale, beside what is known without them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot

from models.cold.laplace import Evaluation, drawn_around, even_draws, mode
from models.cold.newcomer_prior import RowPrior
from models.cold.scale_use import ScaleUse
from models.head import cuts_around

__all__ = ["FreeRow"]

CLOSEST = 1e-2  # gap of two cuts below which their level is as good as impossible


@dataclass(frozen=True, eq=False)
class FreeRow:
    r"""The posterior of a free row $w$ and of offsets $a$ in every sample, given ratings at the levels $r_j$.

    $$p(w, a \mid r) \propto N(w; \mu, \Sigma) \, N(a; \mu_a, L L^\top) \prod_j [\sigma(u_j) - \sigma(-l_j)], \quad
    u_j = \theta_{j, r_j} + a_{r_j} - f_j, \quad l_j = f_j - \theta_{j, r_j - 1} - a_{r_j - 1}, \quad
    f_j = f_j^0 + \langle w, \tilde z_j\rangle$$

    It is written as $w = \mu + F v$ and $a = \mu_a + L s$ with $x = (v, s) \sim N(0, I)$. How far the score lies below the
    upper cut, $u_j$, and above the lower one, $l_j$, and their sum $g_j$, the gap of the two, are affine in $x$, and
    $\sigma(u) - \sigma(-l) = \sigma(u) \, \sigma(l) \, (1 - e^{-g})$ is log-concave where cuts are in order. A few ratings
    tell of the directions of their partners alone: $v$ is searched in their span, and is anyone's beyond it.

    Attributes:
        prior: Prior of $w$.
        scale_use: Prior of $a$; None: there are no offsets.
        design: Rows $\tilde z_j = (z_j, 1)$ of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
        basis: Orthonormal directions in which $v$ is searched, `[num_samples, size, num_directions]`; None: all there are.
        start: $u$ and $l$ at $x = 0$, one after the other, `[num_samples, 2 * num_ratings]`.
        effect: What each entry of $x$ adds to them, `[num_samples, 2 * num_ratings, num_directions + num_offsets]`.
        apart: What each entry of $s$ adds to $g$, `[num_samples, num_ratings, num_offsets]`; None without offsets.
        weight: Evidence of each rating.
    """

    prior: RowPrior
    scale_use: ScaleUse | None
    design: Tensor
    basis: Tensor | None
    start: Tensor
    effect: Tensor
    apart: Tensor | None
    weight: float = 1.0

    @classmethod
    def of(
        cls,
        base: Tensor,
        prior: RowPrior,
        partners: Tensor,
        cuts: Tensor,
        level: Tensor,
        *,
        scale_use: ScaleUse | None = None,
        weight: float = 1.0,
    ) -> FreeRow:
        """Prepare it.

        Args:
            base: What is known without the values of the ratings, `[num_samples, size]`.
            prior: Prior of the free row.
            partners: Rows of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
            cuts: Thresholds with the offsets of the partners, `[num_samples, num_ratings, num_levels - 1]`.
            level: Index of each rating's level, int64 `[num_ratings]`.
            scale_use: Prior of the offsets; None: there are none.
            weight: Evidence of each rating.
        """
        design = torch.cat([partners[..., :-1], torch.ones_like(partners[..., -1:])], dim=-1)
        moves, basis = design @ prior.factor, None
        if design.shape[1] < design.shape[2]:
            basis = torch.linalg.qr(moves.mT).Q
            moves = moves @ basis
        score = _times(design, base + prior.mean) + partners[..., -1]
        lower, upper = cuts_around(cuts, level)
        start, effect = torch.cat([upper - score, score - lower], dim=1), torch.cat([-moves, moves], dim=1)
        if scale_use is None:
            return cls(prior, None, design, basis, start, effect, None, weight)
        # Which offset moves the cut above a rating's level, and which the one below; the ends of the scale have none.
        above, below = (one_hot(level + up, cuts.shape[2] + 2)[:, 1:-1].float() for up in (1, 0))
        ends = torch.cat([above, -below])
        start, effect = start + scale_use.mean @ ends.T, torch.cat([effect, ends @ scale_use.factor], dim=2)
        return cls(prior, scale_use, design, basis, start, effect, (above - below) @ scale_use.factor, weight)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor | None, Tensor]:
        r"""Draw from the Laplace approximation: around the mode, with the curvature there.

        Args:
            generator: Source of the draws.

        Returns:
            $w$, `[num_samples, size]`; $a$, `[num_samples, num_offsets]`, or None; and the precision of $w$ given $a$,
            `[num_samples, size, size]`.
        """
        likely, curvature = mode(self._evaluate, torch.zeros_like(self.effect[:, 0]))
        drawn = drawn_around(likely, torch.linalg.cholesky(curvature), generator)
        standard, use = drawn.tensor_split([drawn.shape[1] - self._num_offsets], dim=1)
        if self.basis is not None:
            anyone = even_draws(self.prior.mean, generator)
            standard = anyone + _times(self.basis, standard - _times(self.basis.mT, anyone))
        row = self.prior.mean + _times(self.prior.factor, standard)
        offsets = None if self.scale_use is None else self.scale_use.mean + _times(self.scale_use.factor, use)
        chance = torch.sigmoid(self.start + _times(self.effect, likely))
        above, below = (self.weight * chance * (1 - chance)).chunk(2, dim=1)
        known = self.design.mT @ ((above + below)[..., None] * self.design)
        return row, offsets, known + self.prior.precision

    @property
    def _num_offsets(self) -> int:
        return 0 if self.scale_use is None else self.scale_use.mean.shape[1]

    def _evaluate(self, standard: Tensor) -> Evaluation:
        """Return log density, gradient and negative Hessian at some $x$."""
        ends = self.start + _times(self.effect, standard)
        chance = torch.sigmoid(ends)
        likelihood, slope = logsigmoid(ends).sum(1), 1 - chance
        curvature = self.effect.mT @ ((chance * slope)[..., None] * self.effect)
        if self.apart is not None:  # offsets alone move the two cuts apart
            above, below = ends.chunk(2, dim=1)
            gap = (above + below).clamp_min(CLOSEST)
            pull = torch.expm1(gap).reciprocal()
            likelihood -= torch.log1p(pull).sum(1)
            slope += pull.repeat(1, 2)
            own = slice(-self._num_offsets, None)
            curvature[:, own, own] += self.apart.mT @ ((pull * (1 + pull))[..., None] * self.apart)
        log_density = self.weight * likelihood - 0.5 * standard.square().sum(1)
        gradient = self.weight * _times(self.effect.mT, slope) - standard
        return log_density, gradient, self.weight * curvature + torch.eye(standard.shape[1])


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
