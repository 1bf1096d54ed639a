"""The ordinal likelihood of many ratings at once, with its gradient in closed form."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.network.sparse import Pairs

__all__ = ["ordinal_log_likelihood"]

SMALLEST = 1e-7  # of a probability
_BLOCK = 65_536  # ratings at once: what is between the steps stays in the cache


def ordinal_log_likelihood(scores: Tensor, user_cuts: Tensor, item_cuts: Tensor, pairs: Pairs, level: Tensor) -> Tensor:
    r"""$\log(A - B)$ with $A = \sigma(x_r - f)$, $B = \sigma(x_{r-1} - f)$, $x_k$ the cut above level $k$.

    The gradient in the score is $A + B - 1$, bounded even where offsets have crossed two cuts and
    $A - B$ is clamped: a quotient of derivatives would throw such a user's factors far away.

    Args:
        scores: Bilinear scores, `[num_pairs]`.
        user_cuts: What users add to the cuts below and above each level, `[num_users, num_levels + 1]`.
        item_cuts: What items add to them, `[num_items, num_levels + 1]`.
        pairs: The users and items of the scores.
        level: Index of the observed level, int64 `[num_pairs]`.

    Returns:
        The log-likelihood of each rating, `[num_pairs]`.
    """
    found: Tensor = _OrdinalLogLikelihood.apply(scores, user_cuts, item_cuts, pairs, level)
    return found


def _blocks(pairs: Pairs, level: Tensor, width: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield the ratings in blocks: which, and the place of the cut below in the flat tables of both sides."""
    user, item = pairs.index
    for start in range(0, len(pairs), _BLOCK):
        rows = slice(start, start + _BLOCK)
        below = level[rows].int()
        yield rows, below + user[rows] * width, below + item[rows] * width


class _OrdinalLogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, scores: Tensor, user_cuts: Tensor, item_cuts: Tensor, pairs: Pairs, level: Tensor
    ) -> Tensor:
        ctx.pairs, ctx.level, ctx.shapes = pairs, level, (user_cuts.shape, item_cuts.shape)
        of_users, of_items = user_cuts.reshape(-1), item_cuts.reshape(-1)
        found, slope = torch.empty_like(scores), torch.empty_like(scores)
        # What a cut that is held fixed would get is not worked out.
        moves = any(ctx.needs_input_grad[1:3])
        above_slope, below_slope = (torch.empty_like(scores) if moves else None for _ in range(2))
        for rows, user, item in _blocks(pairs, level, user_cuts.shape[1]):
            below = of_users.index_select(0, user).add_(of_items.index_select(0, item)).sub_(scores[rows]).sigmoid_()
            above = of_users.index_select(0, user.add_(1)).add_(of_items.index_select(0, item.add_(1)))
            above.sub_(scores[rows]).sigmoid_()
            probability = (above - below).clamp_min_(SMALLEST)
            torch.log(probability, out=found[rows])
            torch.add(above, below, out=slope[rows]).sub_(1)
            if above_slope is not None and below_slope is not None:
                torch.addcmul(above, above, above, value=-1, out=above_slope[rows]).div_(probability)
                torch.addcmul(below.neg(), below, below, out=below_slope[rows]).div_(probability)
        ctx.save_for_backward(slope, above_slope, below_slope)
        return found

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        slope, above_slope, below_slope = ctx.saved_tensors
        if above_slope is None:
            return gradient * slope, None, None, None, None
        users, items = (gradient.new_zeros(shape) for shape in ctx.shapes)
        of_users, of_items = users.view(-1), items.view(-1)
        for rows, user, item in _blocks(ctx.pairs, ctx.level, users.shape[1]):
            for part in (below_slope, above_slope):
                change = gradient[rows] * part[rows]
                of_users.index_add_(0, user, change)
                of_items.index_add_(0, item, change)
                user.add_(1), item.add_(1)
        return gradient * slope, users, items, None, None
