"""The rating head: a bilinear score read through an ordinal likelihood."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from models.network.likelihood import ordinal_log_likelihood
from models.network.priors import ScalePrior
from models.network.sparse import Pairs

__all__ = ["OrdinalHead", "cumulated", "cuts_around", "level_probabilities", "ordered"]

INFINITE = 1e4  # a threshold no score reaches


class OrdinalHead(nn.Module):
    r"""Ordinal logit on the bilinear score $f_{ui} = \langle z_u, z_i\rangle + b_u + b_i$.

    $$P(r \le k \mid u, i) = \sigma(\theta_k + a_{uk} + c_{ik} - f_{ui}), \quad k = 1 \dots K-1$$

    Thresholds $\theta$ are shared; $a_u$ and $c_i$ say how a user or item uses the scale. Written out
    with $z_u = h(x_u) V_U$ and $z_i = g(y_i) V_I$, the inner product is $h(x)^\top \Phi\, g(y)$ with
    $\Phi = V_U V_I^\top$: a bilinear form of rank `embedding_size`.

    Args:
        shares: Share of each level among the training ratings, `[num_levels]`; sets the first thresholds.
        num_users: Number of users.
        num_items: Number of items.
    """

    def __init__(self, shares: Tensor, num_users: int, num_items: int) -> None:
        super().__init__()
        steps = len(shares) - 1
        cumulated = shares.cumsum(0)[:-1].clamp(1e-4, 1 - 1e-4)
        self.thresholds = nn.Parameter(torch.logit(cumulated))
        self.user_offsets = nn.Parameter(torch.zeros(num_users, steps))
        self.item_offsets = nn.Parameter(torch.zeros(num_items, steps))
        offsets = ScalePrior(initial=0.2, shape=1.0, rate=0.02, damping=1.0, correlated=False)
        self.priors = {
            "thresholds": ScalePrior(initial=float("inf"), damping=1.0, learned=False, correlated=False),
            "user_offsets": replace(offsets, highest=0.16),
            "item_offsets": replace(offsets, highest=0.04),
        }

    @property
    def num_levels(self) -> int:
        """Number of levels of the rating scale."""
        return len(self.thresholds) + 1

    def forward(
        self, scores: Tensor, pairs: Pairs, level: Tensor, *, cold_users: bool = False, cold_items: bool = False
    ) -> Tensor:
        """Return the log-likelihood of each rating, `[num_pairs]`.

        Args:
            scores: Bilinear scores, `[num_pairs]`.
            pairs: The users and items they belong to.
            level: Index of the observed level, int64 `[num_pairs]`.
            cold_users: Leave the users' offsets out, as for users that have none.
            cold_items: Leave the items' offsets out.
        """
        of_users = torch.zeros_like(self.user_offsets) if cold_users else self.user_offsets
        of_items = torch.zeros_like(self.item_offsets) if cold_items else self.item_offsets
        user_cuts, item_cuts = self._with_ends(self.thresholds + of_users, INFINITE), self._with_ends(of_items, 0.0)
        return ordinal_log_likelihood(scores, user_cuts, item_cuts, pairs, level)

    @staticmethod
    def _with_ends(cuts: Tensor, end: float) -> Tensor:
        """Add a cut below the lowest level and one above the highest, `[num_rows, num_levels + 1]`."""
        ends = cuts.new_full((len(cuts), 1), end)
        return torch.cat([-ends, cuts, ends], dim=1)

    def curvature(self, pairs: Pairs, weight: float = 0.15) -> dict[str, Tensor]:
        """Return a fixed, typical curvature: `weight` for every rating that touches a threshold."""
        per_user = torch.bincount(pairs.user, minlength=len(self.user_offsets)).float()
        per_item = torch.bincount(pairs.item, minlength=len(self.item_offsets)).float()
        return {
            "thresholds": torch.full_like(self.thresholds, weight * len(pairs)),
            "user_offsets": (weight * per_user)[:, None].expand_as(self.user_offsets),
            "item_offsets": (weight * per_item)[:, None].expand_as(self.item_offsets),
        }


def level_probabilities(scores: Tensor, cuts: Tensor) -> Tensor:
    """Return the probability of each level, `[..., num_levels]`.

    Args:
        scores: Bilinear scores, `[...]`.
        cuts: Thresholds with all offsets added, `[..., num_levels - 1]`.
    """
    return torch.diff(cumulated(scores, cuts), dim=-1)


def cumulated(scores: Tensor, cuts: Tensor) -> Tensor:
    r"""Return the chance $F_k = P(r \le k)$ of a level up to each, from $F_0 = 0$ to 1, `[..., num_levels + 1]`.

    Args:
        scores: Bilinear scores, `[...]`.
        cuts: Thresholds with all offsets added, `[..., num_levels - 1]`.
    """
    below = torch.sigmoid(ordered(cuts) - scores[..., None])
    ends = below.new_zeros(*below.shape[:-1], 1)
    return torch.cat([ends, below, ends + 1], dim=-1)


def cuts_around(cuts: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cuts below and above the level of each rating, each `[num_samples, num_ratings]`; no score reaches the ends.

    Args:
        cuts: Thresholds with all offsets added, `[num_samples, num_ratings, num_levels - 1]`.
        level: Index of each rating's level, int64 `[num_ratings]`.
    """
    bounded = pad(cuts, (1, 1), value=INFINITE)
    bounded[..., 0] = -INFINITE
    place = level.expand(len(cuts), -1)[..., None]
    return bounded.gather(2, place)[..., 0], bounded.gather(2, place + 1)[..., 0]


def ordered(cuts: Tensor) -> Tensor:
    """Return cuts that never fall along the last dimension: where offsets cross two, the level between is impossible."""
    columns = list(cuts.unbind(-1))
    for step in range(1, len(columns)):  # few columns: much faster than `cummax`, which also finds where
        columns[step] = torch.maximum(columns[step - 1], columns[step])
    return torch.stack(columns, dim=-1)
