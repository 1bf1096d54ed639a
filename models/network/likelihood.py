"""The chance of each level given a score, and the likelihood of many ratings at once with its gradient in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.network.sparse import Pairs

__all__ = [
    "Information",
    "LevelChances",
    "chance_of_at_least",
    "level_chances",
    "level_information",
    "level_log_likelihood",
]

LARGEST = 30.0  # of a score's distance from a threshold: beyond, in 32 bits, a level is certain
SMALLEST = 1e-30  # of a probability
_BLOCK = 8_192  # ratings at once: what is between the steps stays in the cache


@dataclass(frozen=True, eq=False)
class LevelChances:
    r"""What scores say of levels, level by level: the first dimension is that of the levels.

    Attributes:
        cumulated: $\sigma(\theta_k - f)$, `[num_levels - 1, ...]`.
        slope: $g_k = \partial \log m_k / \partial f = \sigma(\theta_k - f) + \sigma(\theta_{k-1} - f) - 1$, `[num_levels, ...]`.
        probability: $P_k$, `[num_levels, ...]`.
    """

    cumulated: Tensor
    slope: Tensor
    probability: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Return the expectation of what has a value at each level, `[num_levels, ...]` -> `[...]`."""
        return (self.probability * values).sum(0)

    def slope_of_mean(self, values: Tensor) -> Tensor:
        """Return the derivative in the score of the expectation of `values`, their covariance with the slopes, `[...]`."""
        return self.mean((values - self.mean(values)) * self.slope)

    def information(self) -> Tensor:
        r"""Return the Fisher information in the score, $\mathrm{Var}_P(g)$, `[...]`."""
        return self.mean((self.slope - self.mean(self.slope)).square())

    def information_of_shifts(self, touching: Tensor) -> Tensor:
        """Return the Fisher information in a shift of each threshold with all above it, `[num_levels - 1, ...]`.

        Args:
            touching: Slope of log(1 - exp(-distance)) in each threshold's distance from the one below; 0 for the first.
        """
        slopes, share = self.probability * self.slope, self.probability[:-1]
        above, squares = (part.flip(0).cumsum(0).flip(0)[1:] for part in (slopes, slopes * self.slope))
        own = (
            1 - self.cumulated + touching
        )  # of the level whose upper end alone is moved; those above are as for a score
        return share * own.square() + squares - (share * own - above).square()


def level_chances(scores: Tensor, thresholds: Tensor, weights: Tensor | None) -> LevelChances:
    r"""Return $P_k \propto m_k(f)\, e^{w_k}$ with $m_k(f) = \sigma(\theta_k - f) - \sigma(\theta_{k-1} - f)$.

    Args:
        scores: Bilinear scores, `[...]`.
        thresholds: $\theta$ in rising order, `[num_levels - 1, ...]`, broadcast to the scores.
        weights: $e^{w}$, `[num_levels, ...]`, broadcast to the scores; None: 1.
    """
    odds = (scores - thresholds).clamp(-LARGEST, LARGEST).exp()
    below = (odds + 1).reciprocal()
    above, end = odds * below, torch.ones_like(below[:1])  # 1 - below, exact where that is tiny
    upper, lower = torch.cat([below, end]), torch.cat([end, above])
    # sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - exp(b - a)): a product loses no digits where the difference would.
    ends = torch.ones_like(thresholds[:1])
    mass = upper * lower * torch.cat([ends, -torch.expm1(-thresholds.diff(dim=0)), ends])
    if weights is not None:
        mass = mass * weights
    return LevelChances(below, upper - lower, mass / mass.sum(0).clamp_min(SMALLEST))


def chance_of_at_least(scores: Tensor, thresholds: Tensor, weights: Tensor, level: int) -> Tensor:
    r"""Return $P(r \ge L)$, `[...]`, in few passes over the scores.

    Summed by parts, $\sum_k m_k q_k = q_K + \sum_{k<K} \sigma(\theta_k - f) (q_k - q_{k+1})$: each threshold is one term.

    Args:
        scores: Bilinear scores, `[...]`; overwritten.
        thresholds: In rising order, `[num_levels - 1, ...]`, broadcast to the scores.
        weights: $q = e^w$, `[num_levels, ...]`, broadcast to the scores.
        level: Index of the lowest level that counts, 1 or more.
    """
    middle = thresholds[len(thresholds) // 2]
    odds = scores.sub_(middle).clamp_(-LARGEST, LARGEST).exp_()
    whole, upper = weights[-1].expand_as(odds).clone(), weights[-1].expand_as(odds).clone()
    for step, factor in enumerate((middle - thresholds).exp()):
        below = (odds * factor).add_(1).reciprocal_()
        change = weights[step] - weights[step + 1]
        whole.addcmul_(below, change)
        if step >= level:
            upper.addcmul_(below, change)
        elif step == level - 1:
            upper.addcmul_(below, weights[level], value=-1)
    return upper.div_(whole).clamp_(0, 1)


def level_log_likelihood(
    scores: Tensor,
    thresholds: Tensor,
    preferences: Tensor | None,
    pairs: Pairs,
    level: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Summed log-likelihood of ratings.

    $$\log P(r = k \mid u, i) = \log m_k(f_{ui}) + w_{uk} - \log \sum_j m_j(f_{ui})\, e^{w_{uj}}$$

    With $R_k = [r = k] - P_k$ every gradient is a sum over levels: in the score $\sum_k R_k g_k$, in a preference $R_k$.

    Args:
        scores: Bilinear scores, `[num_pairs]`.
        thresholds: In rising order, `[num_levels - 1]`.
        preferences: $w$, `[num_users, num_levels]`; None: all levels are liked alike.
        pairs: The users and items of the scores.
        level: Index of the observed level, int64 `[num_pairs]`.
        weight: Evidence of each rating, `[num_pairs]`; None: 1.

    Returns:
        The weighted sum over ratings, a scalar.
    """
    total: Tensor = _LevelLogLikelihood.apply(scores, thresholds, preferences, pairs, level, weight)
    return total


@dataclass(frozen=True, eq=False)
class Information:
    """Diagonal Fisher information of ratings: the curvature that the likelihood has where the parameters stand.

    Attributes:
        scores: In the score of each rating, were it to count as one, `[num_pairs]`.
        shifts: In a shift of each threshold with all above it, `[num_levels - 1]`.
        preferences: In the preferences of users, `[num_users, num_levels]`; None without.
    """

    scores: Tensor
    shifts: Tensor
    preferences: Tensor | None


@torch.no_grad()
def level_information(
    scores: Tensor, thresholds: Tensor, preferences: Tensor | None, pairs: Pairs, weight: Tensor | None = None
) -> Information:
    """Return the Fisher information of ratings, whatever they were; arguments as of the likelihood."""
    of_scores, of_shifts = torch.empty_like(scores), torch.zeros_like(thresholds)
    table = None if preferences is None else preferences.new_zeros(preferences.shape[::-1])
    touching = torch.cat([torch.zeros_like(thresholds[:1]), _touching(thresholds)])[:, None]
    counts = torch.ones_like(scores) if weight is None else weight
    for rows, chances in _blocks(scores, thresholds, preferences, pairs):
        of_scores[rows] = chances.information()
        of_shifts += (counts[rows] * chances.information_of_shifts(touching)).sum(1)
        if table is not None:
            _add_to_users(table, pairs, rows, counts[rows] * chances.probability * (1 - chances.probability))
    return Information(of_scores, of_shifts, None if table is None else table.t())


def _touching(thresholds: Tensor) -> Tensor:
    """Return the slope of log(1 - exp(-distance)) in the distance between neighbours, `[num_levels - 2]`."""
    return torch.expm1(thresholds.diff()).reciprocal()


def _blocks(
    scores: Tensor, thresholds: Tensor, preferences: Tensor | None, pairs: Pairs
) -> Iterator[tuple[slice, LevelChances]]:
    """Yield ratings in blocks, and what their scores say."""
    cuts = thresholds[:, None]
    table = None if preferences is None else preferences.t().exp().contiguous()
    for start in range(0, len(scores), _BLOCK):
        rows = slice(start, start + _BLOCK)
        weights = None if table is None else table.index_select(1, pairs.index[0][rows])
        yield rows, level_chances(scores[rows], cuts, weights)


def _add_to_users(table: Tensor, pairs: Pairs, rows: slice, values: Tensor) -> None:
    """Add `[num_levels, num_rows]` to the columns of the users, `[num_levels, num_users]`."""
    for of_level, added in zip(table, values, strict=True):
        of_level.index_add_(0, pairs.index[0][rows], added)


class _LevelLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,
        scores: Tensor,
        thresholds: Tensor,
        preferences: Tensor | None,
        pairs: Pairs,
        level: Tensor,
        weight: Tensor | None,
    ) -> Tensor:
        total, of_scores = scores.new_zeros(()), torch.empty_like(scores)
        # What a parameter that is held fixed would get is not worked out.
        of_cuts = torch.zeros_like(thresholds) if ctx.needs_input_grad[1] else None
        moves = preferences is not None and ctx.needs_input_grad[2]
        table = preferences.new_zeros(preferences.shape[::-1]) if moves and preferences is not None else None
        touching = _touching(thresholds)[:, None]
        for rows, chances in _blocks(scores, thresholds, preferences, pairs):
            observed = level[None, rows]
            likelihood = chances.probability.gather(0, observed)[0].clamp_min_(SMALLEST).log_()
            residual = chances.probability.neg_().scatter_add_(0, observed, torch.ones_like(likelihood)[None])
            if weight is not None:
                likelihood *= weight[rows]
                residual *= weight[rows]
            total += likelihood.sum()
            torch.sum(residual * chances.slope, dim=0, out=of_scores[rows])
            if table is not None:
                _add_to_users(table, pairs, rows, residual)
            if of_cuts is not None:
                # A threshold is the upper end of one level and the lower end of the next.
                upper, lower = residual[:-1] * (1 - chances.cumulated), residual[1:] * chances.cumulated
                of_cuts += (upper - lower).sum(1)
                of_gaps = (residual[1:-1] * touching).sum(1)
                of_cuts[1:] += of_gaps
                of_cuts[:-1] -= of_gaps
        ctx.save_for_backward(of_scores, of_cuts, None if table is None else table.t())
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        parts = (None if part is None else part * gradient for part in ctx.saved_tensors)
        return (*parts, None, None, None)
