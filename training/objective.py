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
from models.network.hybrid import HybridInputs, HybridModel
from models.network.likelihood import Information
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
        weight = None if self.weight is None else self.weight[mask]
        return RatingBatch(self.pairs.select(mask), self.level[mask], weight)


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
        cls, ratings: Ratings, levels: NDArray[np.float32], *, share: float, generator: torch.Generator
    ) -> TrainingBatch:
        """Turn ratings into a batch of all of them.

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
        """Yield the ratings in `number` random parts, each with its number of warm ratings."""
        if number == 1:
            yield self, len(self.warm)
            return
        views = (self.warm, self.cold_items, self.cold_users)
        lots = [torch.randint(number, (len(ratings),), generator=generator) for ratings in views]
        for part in range(number):
            warm, *cold = (ratings.select(lot == part) for ratings, lot in zip(views, lots, strict=True))
            yield TrainingBatch(warm, *cold), len(warm)


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

    def __call__(self, model: HybridModel, batch: TrainingBatch) -> Tensor:
        """Return the summed objective, a scalar."""
        rows, warm = model(self.inputs), batch.warm
        log_likelihood = model.head(
            pair_scores(rows.users, rows.items, warm.pairs), warm.pairs, warm.level, warm.weight
        )
        if self.weight:
            # The cold view reads the head, as it reads the partner, but does not train it.
            fixed = {name: parameter.detach() for name, parameter in model.head.named_parameters()}

            def cold(ratings: RatingBatch, users: Tensor, items: Tensor, *, cold_users: bool) -> Tensor:
                given = (pair_scores(users, items, ratings.pairs), ratings.pairs, ratings.level, ratings.weight)
                part: Tensor = functional_call(model.head, fixed, given, {"cold_users": cold_users})
                return part

            of_items = cold(batch.cold_items, rows.users.detach(), rows.cold_items, cold_users=False)
            of_users = cold(batch.cold_users, rows.cold_users, rows.items.detach(), cold_users=True)
            log_likelihood = log_likelihood + self.weight * (of_items + of_users)
        loss: Tensor = -log_likelihood
        return loss

    @torch.no_grad()
    def curvature(self, model: HybridModel, batch: TrainingBatch) -> dict[nn.Parameter, Tensor]:
        r"""Return the diagonal curvature of the objective in every parameter, with its parameter's shape.

        With $f = \langle z_u, z_i \rangle$, the curvature in $z_u$ is the sum of $z_i^2$ over the user's
        ratings times the Fisher information of each in its score; squared edge weights carry it to the tables.
        """
        rows = model(self.inputs)

        def information(ratings: RatingBatch, users: Tensor, items: Tensor, *, cold_users: bool) -> Information:
            scores = pair_scores(users, items, ratings.pairs)
            fisher: Information = model.head.information(scores, ratings.pairs, ratings.weight, cold_users=cold_users)
            return fisher

        def weighed(ratings: RatingBatch, fisher: Information, share: float) -> Tensor:  # [num_pairs]
            weight = share * (1.0 if ratings.weight is None else ratings.weight)
            return weight * fisher.scores.clamp_min(LEAST_INFORMATION)

        warm, cold_items, cold_users = batch.warm, batch.cold_items, batch.cold_users
        of_warm = information(warm, rows.users, rows.items, cold_users=False)
        of_cold_items = information(cold_items, rows.users, rows.cold_items, cold_users=False)
        of_cold_users = information(cold_users, rows.cold_users, rows.items, cold_users=True)
        # The last column of an embedding is the bias, whose partner in the score is 1.
        square_of_users, square_of_items = with_one(rows.users).square(), with_one(rows.items).square()
        known = weighed(warm, of_warm, 1.0)
        nodes = {
            "users": warm.pairs.to_users(known, square_of_items),
            "items": warm.pairs.to_items(known, square_of_users),
            "cold_users": cold_users.pairs.to_users(weighed(cold_users, of_cold_users, self.weight), square_of_items),
            "cold_items": cold_items.pairs.to_items(weighed(cold_items, of_cold_items, self.weight), square_of_users),
        }
        return parameter_curvature(model, self.inputs, nodes, of_warm)
