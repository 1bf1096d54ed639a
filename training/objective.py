"""What training minimises: the negative log-likelihood of the training ratings, in the warm and the cold view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from models.network.bilinear import with_one
from models.network.hybrid import HybridInputs, HybridModel, Representations
from models.network.sparse import Pairs, pair_scores
from training.curvature import parameter_curvature

__all__ = ["RatingBatch", "RatingObjective", "TrainingBatch"]

LEAST_INFORMATION = 0.1  # of a rating in its score that a step reckons with: what it tells where it surprises


@dataclass(frozen=True, eq=False)
class RatingBatch:
    """Ratings to learn from.

    Attributes:
        pairs: Users and items, sorted by user.
        level: Index of each observed level, int64 `[num_pairs]`.
        weight: How much each rating counts, `[num_pairs]`; None: 1.
    """

    pairs: Pairs
    level: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pairs)

    def select(self, mask: Tensor) -> RatingBatch:
        """Return the ratings a mask `[num_pairs]` picks."""
        return RatingBatch(
            self.pairs.select(mask),
            self.level[mask],
            None if self.weight is None else self.weight[mask],
        )


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Ratings to learn from, and the shares of them that are also seen as cold.

    Attributes:
        warm: All ratings.
        cold_items: A fixed random share, seen as if nobody had rated the item.
        cold_users: Another fixed random share, seen as if the user had rated nothing.
    """

    warm: RatingBatch
    cold_items: RatingBatch
    cold_users: RatingBatch

    @classmethod
    def draw(
        cls,
        ratings: Ratings,
        levels: NDArray[np.float32],
        *,
        share: float,
        generator: torch.Generator,
    ) -> TrainingBatch:
        """Turn ratings into batches.

        Args:
            ratings: Training ratings.
            levels: The values of the rating scale, in rising order.
            share: Share of the ratings that is also seen as cold, in [0, 1].
            generator: Draws the shares.
        """
        user, item = torch.from_numpy(ratings.user.copy()), torch.from_numpy(ratings.item.copy())
        level = torch.from_numpy(nearest_level(ratings.value, levels))
        order = Pairs.order(user, item, ratings.num_items)
        pairs = Pairs(user[order], item[order], ratings.num_users, ratings.num_items)
        weight = None if ratings.weight is None else torch.from_numpy(ratings.weight.copy())[order]
        warm = RatingBatch(pairs, level[order], weight)
        cold_items = warm.select(torch.rand(len(warm), generator=generator) < share)
        return cls(warm, cold_items, warm.select(torch.rand(len(warm), generator=generator) < share))

    def batches(self, number: int, generator: torch.Generator) -> Iterator[tuple[TrainingBatch, int]]:
        """Yield the evidence in `number` random parts, each with its number of ratings."""
        if number == 1:
            yield self, len(self.warm)
            return
        parts = [
            torch.randint(number, (len(batch),), generator=generator)
            for batch in (self.warm, self.cold_items, self.cold_users)
        ]
        for part in range(number):
            masks = [drawn == part for drawn in parts]
            warm = self.warm.select(masks[0])
            yield TrainingBatch(warm, self.cold_items.select(masks[1]), self.cold_users.select(masks[2])), len(warm)


class RatingObjective:
    r"""Summed negative log-likelihood of warm ratings and of a share of them seen as cold.

    $$L = -\sum_{(u,i)} \log P(r \mid z_u, z_i)
       - w \sum_{S_I} \log P(r \mid \bar z_u, z_i^{\mathrm{cold}})
       - w \sum_{S_U} \log P(r \mid z_u^{\mathrm{cold}}, \bar z_i)$$

    The second and third terms teach content to stand for an item or user nobody has rated yet
    (the idea of DropoutNet, NIPS 2017). The bar means "held fixed": no gradient flows to the partner,
    so that the cold view cannot bend what ratings say of known users and items.

    Args:
        inputs: Messages to users and items.
        weight: Weight $w$ of a rating seen as cold, in [0, 1].
    """

    def __init__(self, inputs: HybridInputs, *, weight: float) -> None:
        self.inputs = inputs
        self.weight = weight

    def __call__(self, model: HybridModel, evidence: TrainingBatch) -> Tensor:
        """Return the summed objective, a scalar."""
        rows = model(self.inputs)
        warm = evidence.warm
        total = model.head(pair_scores(rows.users, rows.items, warm.pairs), warm.pairs, warm.level, warm.weight)
        if self.weight:
            total = total + self.weight * self._cold(model, rows, evidence)
        objective: Tensor = -total
        return objective

    def _cold(self, model: HybridModel, rows: Representations, evidence: TrainingBatch) -> Tensor:
        fixed = {name: parameter.detach() for name, parameter in model.head.named_parameters()}
        total = rows.users.new_zeros(())
        of_items, of_users = evidence.cold_items, evidence.cold_users
        for batch, users, items in (
            (of_items, rows.users.detach(), rows.cold_items),
            (of_users, rows.cold_users, rows.items.detach()),
        ):
            cold = {"cold_users": users is rows.cold_users}
            given = (pair_scores(users, items, batch.pairs), batch.pairs, batch.level, batch.weight)
            total = total + functional_call(model.head, fixed, given, cold)
        return total

    @torch.no_grad()
    def curvature(self, model: HybridModel, evidence: TrainingBatch) -> dict[nn.Parameter, Tensor]:
        r"""Return the diagonal curvature of the objective in every parameter.

        With $f = \langle z_u, z_i \rangle$, the curvature in $z_u$ is the sum of $z_i^2$ over the user's
        ratings times the Fisher information of each in its score; squared edge weights carry it to the tables.
        """
        rows = model(self.inputs)
        batches = (
            (evidence.warm, rows.users, rows.items, 1.0),
            (evidence.cold_items, rows.users, rows.cold_items, self.weight),
            (evidence.cold_users, rows.cold_users, rows.items, self.weight),
        )
        information = [
            model.head.information(
                pair_scores(users, items, batch.pairs), batch.pairs, batch.weight, cold_users=users is rows.cold_users
            )
            for batch, users, items, _ in batches
        ]
        of_warm, of_cold_items, of_cold_users = (
            share * (1.0 if batch.weight is None else batch.weight) * found.scores.clamp_min(LEAST_INFORMATION)
            for found, (batch, *_, share) in zip(information, batches, strict=True)
        )
        nodes = {
            "users": evidence.warm.pairs.to_users(of_warm, with_one(rows.items).square()),
            "items": evidence.warm.pairs.to_items(of_warm, with_one(rows.users).square()),
            "cold_users": evidence.cold_users.pairs.to_users(of_cold_users, with_one(rows.items).square()),
            "cold_items": evidence.cold_items.pairs.to_items(of_cold_items, with_one(rows.users).square()),
        }
        return parameter_curvature(model, self.inputs, nodes, information[0])
