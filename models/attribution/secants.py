"""Secants: how stars follow from scores, the slope of the secant from nothing known to all that is known, in every sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kg.schema import ITEM, USER
from models.network.bilinear import bilinear
from models.network.head import chances_of
from models.posterior import Predictor

__all__ = ["Secants"]

_SMALL = 1e-6  # below it the secant is the tangent


@dataclass(frozen=True, kw_only=True, eq=False)
class Secants:
    r"""The expected rating of one pair as a linear function of the score; see `Attribution` for the formula.

    Attributes:
        rows: Row of the user and of the item, by side, float64 `[num_samples, size]`.
        slope: Stars for each unit of the score, over the number of samples, `[num_samples]`.
        mean: Expected rating at no score and no preferences, in stars.
        use: What the user's preferences for levels add, in stars.
        score: Expected rating, in stars.
    """

    rows: dict[str, Tensor]
    slope: Tensor
    mean: float
    use: float
    score: float

    @classmethod
    def of(cls, predictor: Predictor, levels: Tensor, user: Tensor, preferences: Tensor, item: int) -> Secants:
        """Prepare one pair.

        Args:
            predictor: Rows of known nodes in the samples that make the prediction.
            levels: Values of the rating scale, rising, in stars.
            user: The user's rows, `[num_samples, size]`.
            preferences: The user's preferences for levels, `[num_samples, num_levels]`.
            item: Item index.
        """
        z_u, z_i = user.double(), predictor.items[:, item].double()
        stars, thresholds = levels.double()[:, None], predictor.thresholds.double()
        score = bilinear(z_u, z_i)
        nothing, anyone, own = torch.zeros_like(score), torch.zeros_like(preferences).double(), preferences.double()

        def expected(at: Tensor, wanted: Tensor) -> Tensor:
            return chances_of(at, thresholds, wanted).mean(stars)

        def tangent(at: Tensor, wanted: Tensor) -> Tensor:
            return chances_of(at, thresholds, wanted).slope_of_mean(stars)

        mean, with_score = expected(nothing, anyone), expected(score, anyone)
        with_use, with_both = expected(nothing, own), expected(score, own)
        # The Shapley value of two: either may come first.
        of_score, of_use = (
            (with_score - mean + with_both - with_use) / 2,
            (with_use - mean + with_both - with_score) / 2,
        )
        short = score.abs() < _SMALL
        slope = torch.where(
            short,
            (tangent(score / 2, anyone) + tangent(score / 2, own)) / 2,
            of_score / torch.where(short, 1.0, score),
        )
        return cls(
            rows={USER: z_u, ITEM: z_i},
            slope=slope / len(slope),
            mean=float(mean.mean()),
            use=float(of_use.mean()),
            score=float(with_both.mean()),
        )

    def weights(self, side: str) -> Tensor:
        """Return what a message to the user's, or the item's, side is multiplied by, `[num_samples, size]`."""
        other = self.rows[ITEM if side == USER else USER]
        factors = torch.cat([other[:, :-1] / 2, torch.ones_like(other[:, -1:])], dim=1)
        return factors * self.slope[:, None]
