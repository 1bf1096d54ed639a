"""How stars follow from scores: the slope of the chord from nothing known to all that is known, in every sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kg.schema import ITEM, USER
from models.head import ordered
from models.posterior import Predictor, bilinear

__all__ = ["Chords"]

_SMALL = 1e-6  # below it a chord is the tangent


@dataclass(frozen=True, kw_only=True, eq=False)
class Chords:
    r"""The expected rating of one pair as a linear function of score and offsets; see `Account` for the formula.

    Attributes:
        rows: Row of the user and of the item, by side, float64 `[num_samples, size]`.
        slope: Stars for each unit of the score, over the number of samples, `[num_samples]`.
        mean: Expected rating at no score and no offsets, in stars.
        offsets: What the offsets of user and item add, by side, in stars.
        score: Expected rating, in stars.
    """

    rows: dict[str, Tensor]
    slope: Tensor
    mean: float
    offsets: dict[str, float]
    score: float

    @classmethod
    def of(cls, predictor: Predictor, levels: Tensor, user: Tensor, offsets: Tensor, item: int) -> Chords:
        """Prepare one pair.

        Args:
            predictor: Rows of known nodes in the samples that make the prediction.
            levels: Values of the rating scale, rising, in stars.
            user: The user's rows, `[num_samples, size]`.
            offsets: The user's offsets, `[num_samples, num_levels - 1]`.
            item: Item index.
        """
        z_u, z_i = user.double(), predictor.items[:, item].double()
        of_user, of_item = offsets.double(), predictor.item_offsets[:, item].double()
        thresholds, step = predictor.thresholds.double(), levels.double().diff()
        alone, of_both = ordered(thresholds), ordered(thresholds + of_user + of_item)
        with_user, with_item = ordered(thresholds + of_user), ordered(thresholds + of_item)
        user_shift = (with_user - alone + of_both - with_item) / 2
        item_shift = (with_item - alone + of_both - with_user) / 2
        score = bilinear(z_u, z_i)[:, None]
        length = score - user_shift - item_shift
        low, high = torch.sigmoid(-alone), torch.sigmoid(score - of_both)
        middle = torch.sigmoid(length / 2 - alone)
        short = length.abs() < _SMALL
        slope = torch.where(short, middle * (1 - middle), (high - low) / torch.where(short, 1.0, length)) * step
        return cls(
            rows={USER: z_u, ITEM: z_i},
            slope=slope.sum(1) / len(slope),
            mean=float(levels[0] + (low @ step).mean()),
            offsets={
                side: -float((slope * shift).sum() / len(slope))
                for side, shift in ((USER, user_shift), (ITEM, item_shift))
            },
            score=float(levels[0] + (high @ step).mean()),
        )

    def weights(self, side: str) -> Tensor:
        """Return what a message to the user's, or the item's, side is multiplied by, `[num_samples, size]`."""
        other = self.rows[ITEM if side == USER else USER]
        factors = torch.cat([other[:, :-1] / 2, torch.ones_like(other[:, -1:])], dim=1)
        return factors * self.slope[:, None]
