"""Fold-in: what a few ratings say of a row, and of how someone uses the scale, beside what is known without them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from models.network.bilinear import bilinear, with_one
from models.network.likelihood import SMALLEST, LevelChances, level_chances
from models.posterior.embedding_prior import EmbeddingPrior, UserThresholds
from models.posterior.laplace import Evaluation, drawn_around, even_draws, mode

__all__ = ["LatentFactors"]


@dataclass(frozen=True, eq=False)
class LatentFactors:
    r"""The posterior of a free row $v$ and of preferences for levels $w$ in every sample, given ratings at levels $r_j$.

    $$p(v, w \mid r) \propto N(v; \mu, \Sigma) \, N(w; \mu_w, L L^\top) \prod_j P(r_j \mid f_j, w), \quad
    f_j = f_j^0 + \langle v, \tilde z_j\rangle$$

    It is written as $v = \mu + F x$ and $w = \mu_w + L s$ with $(x, s) \sim N(0, I)$. With $R_{jk} = [r_j = k] - P_{jk}$ the
    gradient is $\sum_k R_{jk} g_{jk}$ in $f_j$ and $\sum_j R_{jk}$ in $w_k$; the search takes the Fisher information,
    $\mathrm{Cov}_P$ of the same statistics, as curvature, which is positive definite wherever it stands. A few ratings tell of
    the directions of their partners alone: $x$ is searched in their span, and is anyone's beyond it.

    Attributes:
        prior: Prior of $v$.
        use: Prior of $w$; or the preferences of the raters, which stand, `[num_samples, num_ratings, num_levels]`; None: zero.
        design: Rows $\tilde z_j = (z_j, 1)$ of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
        basis: Orthonormal directions in which $x$ is searched, `[num_samples, size, num_directions]`; None: all there are.
        start: $f$ at $x = 0$, `[num_samples, num_ratings]`.
        moves: What each entry of $x$ adds to it, `[num_samples, num_ratings, num_directions]`.
        thresholds: In rising order, `[num_samples, num_levels - 1]`.
        level: Index of each rating's level, int64 `[num_ratings]`.
        weight: Evidence of each rating.
    """

    prior: EmbeddingPrior
    use: UserThresholds | Tensor | None
    design: Tensor
    basis: Tensor | None
    start: Tensor
    moves: Tensor
    thresholds: Tensor
    level: Tensor
    weight: float = 1.0

    @classmethod
    def of(
        cls,
        base: Tensor,
        prior: EmbeddingPrior,
        partners: Tensor,
        thresholds: Tensor,
        level: Tensor,
        *,
        use: UserThresholds | Tensor | None = None,
        weight: float = 1.0,
    ) -> LatentFactors:
        """Prepare it.

        Args:
            base: What is known without the values of the ratings, `[num_samples, size]`.
            prior: Prior of the free row.
            partners: Rows of what was rated, or of who rated, `[num_samples, num_ratings, size]`.
            thresholds: In rising order, `[num_samples, num_levels - 1]`.
            level: Index of each rating's level, int64 `[num_ratings]`.
            use: Prior of the preferences; or those of the raters, `[num_samples, num_ratings, num_levels]`; None: zero.
            weight: Evidence of each rating.
        """
        design = with_one(partners)
        moves, basis = design @ prior.factor, None
        if design.shape[1] < design.shape[2]:
            basis = torch.linalg.qr(moves.mT).Q
            moves = moves @ basis
        start = bilinear((base + prior.mean)[:, None], partners)
        return cls(prior, use, design, basis, start, moves, thresholds, level, weight)

    def draw(self, generator: torch.Generator) -> tuple[Tensor, Tensor | None, Tensor]:
        r"""Draw from the Laplace approximation: around the mode, with the curvature there.

        Args:
            generator: Source of the draws.

        Returns:
            $v$, `[num_samples, size]`; $w$, `[num_samples, num_levels]`, or None where it is not drawn; and the precision of
            $v$ given $w$, `[num_samples, size, size]`.
        """
        size = self.moves.shape[2] + (self.use.mean.shape[1] if isinstance(self.use, UserThresholds) else 0)
        likely, curvature = mode(self._evaluate, self.start.new_zeros(len(self.start), size))
        drawn = drawn_around(likely, torch.linalg.cholesky(curvature), generator)
        standard, of_use = drawn.tensor_split([self.moves.shape[2]], dim=1)
        if self.basis is not None:
            anyone = even_draws(self.prior.mean, generator)
            standard = anyone + _times(self.basis, standard - _times(self.basis.mT, anyone))
        row = self.prior.mean + _times(self.prior.factor, standard)
        preferences = self.use.mean + _times(self.use.factor, of_use) if isinstance(self.use, UserThresholds) else None
        information = self.weight * self._chances(likely).information()
        return row, preferences, self.design.mT @ (information[..., None] * self.design) + self.prior.precision

    def _chances(self, point: Tensor) -> LevelChances:
        """Return what scores and preferences at some $(x, s)$ say of the ratings, levels first."""
        standard, of_use = point.tensor_split([self.moves.shape[2]], dim=1)
        weights = None
        if isinstance(self.use, UserThresholds):
            weights = (self.use.mean + _times(self.use.factor, of_use)).exp().t()[..., None]
        elif self.use is not None:
            weights = self.use.exp().movedim(2, 0)
        return level_chances(self.start + _times(self.moves, standard), self.thresholds.t()[..., None], weights)

    def _evaluate(self, point: Tensor) -> Evaluation:
        """Return log density, gradient and Fisher information at some $(x, s)$."""
        chances = self._chances(point)
        observed = self.level.expand(1, *self.start.shape)
        likelihood = chances.probability.gather(0, observed)[0].clamp_min(SMALLEST).log().sum(1)
        mean = chances.mean(chances.slope)
        of_scores = chances.slope.gather(0, observed)[0] - mean
        gradient = _times(self.moves.mT, of_scores)
        curvature = self.moves.mT @ (chances.information()[..., None] * self.moves)
        if isinstance(self.use, UserThresholds):
            probability = chances.probability.permute(1, 2, 0)  # [num_samples, num_ratings, num_levels]
            residual = one_hot(self.level, probability.shape[2]) - probability
            gradient = torch.cat([gradient, _times(self.use.factor.mT, residual.sum(1))], dim=1)
            together = (chances.probability * (chances.slope - mean)).permute(1, 2, 0)
            across = self.moves.mT @ together @ self.use.factor
            own = torch.diag_embed(probability.sum(1)) - probability.mT @ probability
            corner = self.use.factor.mT @ own @ self.use.factor
            curvature = torch.cat([torch.cat([curvature, across], dim=2), torch.cat([across.mT, corner], dim=2)], dim=1)
        log_density = self.weight * likelihood - 0.5 * point.square().sum(1)
        return log_density, self.weight * gradient - point, self.weight * curvature + torch.eye(point.shape[1])


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
