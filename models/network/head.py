"""The rating head: a bilinear score read through ordered thresholds and preferences for levels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.network.likelihood import (
    Information,
    LevelChances,
    level_chances,
    level_information,
    level_log_likelihood,
)
from models.network.sparse import Pairs

__all__ = ["OrdinalHead", "chances_of", "level_probabilities", "rising", "slopes"]


class OrdinalHead(nn.Module):
    r"""Ordinal logit on the bilinear score $f_{ui} = \langle z_u, z_i\rangle + b_u + b_i$, with preferences for levels.

    $$P(r = k \mid u, i) \propto \left[\sigma(\theta_k - f_{ui}) - \sigma(\theta_{k-1} - f_{ui})\right] e^{w_{uk}},
      \quad -\infty = \theta_0 < \theta_1 < \dots < \theta_K = \infty$$

    Thresholds $\theta$ are shared and ordered by construction: the first one and the logarithms of the distances between
    neighbours are learned. $w_u$ says which levels a user likes to give whatever the item, for example whole stars only;
    offsets of the thresholds themselves would cross where a user never gives a level. A tilt by $w$ keeps the likelihood
    ratio rising in $f$, so a higher score still means a higher rating. Written out with $z_u = h(x_u) V_U$ and
    $z_i = g(y_i) V_I$, the inner product is $h(x)^\top \Phi\, g(y)$ with $\Phi = V_U V_I^\top$: a bilinear form of rank
    `embedding_size`.

    Args:
        shares: Share of each level among the training ratings, `[num_levels]`; sets the first thresholds.
        num_users: Number of users.
    """

    def __init__(self, shares: Tensor, num_users: int) -> None:
        super().__init__()
        thresholds = torch.logit(shares.cumsum(0)[:-1].clamp(1e-4, 1 - 1e-4))
        self.steps = nn.Parameter(torch.cat([thresholds[:1], thresholds.diff().clamp_min(1e-3).log()]))
        self.preferences = nn.Parameter(torch.zeros(num_users, len(shares)))

    @property
    def num_levels(self) -> int:
        """Number of levels of the rating scale."""
        return len(self.steps) + 1

    def forward(
        self, scores: Tensor, pairs: Pairs, level: Tensor, weight: Tensor | None = None, *, cold_users: bool = False
    ) -> Tensor:
        """Return the log-likelihood of ratings, summed, a scalar.

        Args:
            scores: Bilinear scores, `[num_pairs]`.
            pairs: The users and items they belong to.
            level: Index of the observed level, int64 `[num_pairs]`.
            weight: Evidence of each rating, `[num_pairs]`; None: 1.
            cold_users: Leave the users' preferences out, as for users whose ratings nobody knows.
        """
        preferences = None if cold_users else self.preferences
        return level_log_likelihood(scores, rising(self.steps), preferences, pairs, level, weight)

    def information(
        self, scores: Tensor, pairs: Pairs, weight: Tensor | None = None, *, cold_users: bool = False
    ) -> Information:
        """Return the Fisher information of ratings in their scores and in preferences; arguments as of `forward`."""
        preferences = None if cold_users else self.preferences
        return level_information(scores, rising(self.steps), preferences, pairs, weight)


def rising(steps: Tensor) -> Tensor:
    """Return thresholds in rising order from the first one and the logarithms of the distances, `[..., num_levels - 1]`."""
    return torch.cat([steps[..., :1], steps[..., 1:].exp()], dim=-1).cumsum(-1)


def chances_of(scores: Tensor, thresholds: Tensor, preferences: Tensor) -> LevelChances:
    """Return the chances of levels with these in the first dimension, as `level_chances` does.

    Args:
        scores: Bilinear scores, `[...]`.
        thresholds: In rising order, `[..., num_levels - 1]`.
        preferences: For each level, `[..., num_levels]`.
    """
    first, second = (part[(None,) * (scores.dim() + 1 - part.dim())] for part in (thresholds, preferences))
    return level_chances(scores, first.movedim(-1, 0), second.movedim(-1, 0).exp())


def level_probabilities(scores: Tensor, thresholds: Tensor, preferences: Tensor) -> Tensor:
    """Return the probability of each level, `[..., num_levels]`; arguments as of `chances_of`."""
    return chances_of(scores, thresholds, preferences).probability.movedim(0, -1)


def slopes(scores: Tensor, thresholds: Tensor, preferences: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return the slope of each rating's log-likelihood in the score, and its variance if the model holds, each `[...]`.

    The slope is $g_r - E_P[g]$; it has mean 0, and as variance the Fisher information.

    Args:
        scores: Bilinear scores, `[...]`.
        thresholds: In rising order, `[..., num_levels - 1]`.
        preferences: For each level, `[..., num_levels]`.
        level: Index of each rating's level, `[...]`.
    """
    chances = chances_of(scores, thresholds, preferences)
    observed = chances.slope.gather(0, level.expand(scores.shape)[None])[0]
    return observed - chances.mean(chances.slope), chances.information()
