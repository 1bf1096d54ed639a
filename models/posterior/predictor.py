"""Embeddings of all users and items in every sample, and what they say of ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.network.bilinear import bilinear, with_one
from models.network.head import level_probabilities
from models.network.likelihood import chance_of_at_least, level_chances

__all__ = ["Predictor", "by_node", "expected_value", "interval", "rows_of"]

ROUNDING = 1e-5
_USERS = 16  # users ranked at once
_CACHED = 16_384  # scores whose levels fit into the cache together
_BLOCK = 4_000_000  # numbers of one intermediate tensor [num_samples, num_pairs, size]


@dataclass(frozen=True, eq=False)
class Predictor:
    """Rows of all users and items in every sample.

    Attributes:
        users: `[num_samples, num_users, embedding_size + 1]`.
        items: `[num_samples, num_items, embedding_size + 1]`.
        thresholds: `[num_samples, num_levels - 1]`.
        preferences: Of users for levels, `[num_samples, num_users, num_levels]`, zero for users without ratings.
    """

    users: Tensor
    items: Tensor
    thresholds: Tensor
    preferences: Tensor

    def __len__(self) -> int:
        return len(self.users)

    def part(self, chosen: slice) -> Predictor:
        """Return the rows of some samples, in the same memory."""
        return Predictor(
            users=self.users[chosen],
            items=self.items[chosen],
            thresholds=self.thresholds[chosen],
            preferences=self.preferences[chosen],
        )

    @torch.no_grad()
    def probabilities(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the probability of each level for each pair, averaged over samples, `[num_pairs, num_levels]`.

        Args:
            user: int64 `[num_pairs]`.
            item: int64 `[num_pairs]`.
        """
        block = max(1, _BLOCK // (self.users.shape[0] * self.users.shape[2]))
        parts = []
        for start in range(0, len(user), block):
            u, i = user[start : start + block], item[start : start + block]
            scores = bilinear(rows_of(self.users, u), rows_of(self.items, i))
            parts.append(level_probabilities(scores, self.thresholds[:, None], rows_of(self.preferences, u)).mean(0))
        return torch.cat(parts) if parts else torch.zeros(0, self.thresholds.shape[1] + 1)

    @torch.no_grad()
    def for_rows(self, rows: Tensor, preferences: Tensor, items: Tensor | None = None) -> Tensor:
        """Return the level probabilities of items, by default all, for one user given by rows, `[num_items, num_levels]`.

        Args:
            rows: `[num_samples, embedding_size + 1]`.
            preferences: `[num_samples, num_levels]`.
            items: Which items, int64 `[num_items]`.
        """
        columns = self.items if items is None else rows_of(self.items, items)
        # The bias meets a one, as in a column of its own.
        own = with_one(rows)
        scores = torch.bmm(own[:, None], columns.mT)[:, 0] + rows[:, -1:]
        thresholds, weights = self.thresholds.t()[..., None], preferences.exp().t()[..., None]
        size = max(1, _CACHED // len(scores))  # items at once
        parts = [level_chances(part, thresholds, weights).probability.mean(1) for part in scores.split(size, dim=1)]
        return torch.cat(parts, dim=1).t()

    @torch.no_grad()
    def at_least(self, users: Tensor, level: int) -> Tensor:
        """Return the chance of at least level number `level` for users and all items, `[num_users, num_items]`."""
        total = torch.zeros(len(users), self.items.shape[1])
        for number in range(len(self.items)):
            columns, rows = self.items[number], self.users[number, users]
            factors = columns[:, :-1].t().contiguous()
            weights = self.preferences[number, users].exp()
            # Few users at a time and in place: what lies between stays in the cache.
            for some, own, sums in zip(weights.split(_USERS), rows.split(_USERS), total.split(_USERS), strict=True):
                scores = (own[:, :-1] @ factors).add_(columns[:, -1]).add_(own[:, -1:])
                sums += chance_of_at_least(scores, self.thresholds[number], some.t()[..., None], level)
        return total / len(self.items)


def by_node(rows: Tensor) -> Tensor:
    """Return the same rows, `[num_samples, num_nodes, size]`, with those of a node side by side in memory: few are quick to read."""
    contiguous = np.empty((rows.shape[1], rows.shape[0], rows.shape[2]), dtype=np.float32)  # NumPy asks for large pages
    return torch.from_numpy(contiguous).copy_(rows.transpose(0, 1)).transpose(0, 1)


def rows_of(rows: Tensor, index: Tensor) -> Tensor:
    """Return `rows[:, index]`; `index_select` copies whole rows, which indexing does number by number."""
    if rows.stride(1) > rows.stride(0):
        return rows.transpose(0, 1).index_select(0, index).transpose(0, 1)
    return rows.index_select(1, index)


def expected_value(probabilities: Tensor, levels: Tensor) -> Tensor:
    """Return the mean rating in stars, `[num_pairs]`."""
    return probabilities @ levels


def interval(probabilities: Tensor, levels: Tensor, coverage: float = 0.8) -> tuple[Tensor, Tensor]:
    """Return the shortest range of levels that holds a rating with a chance of at least `coverage`, in stars.

    A rating is a whole level, so the range holds at least this share, usually more. It always holds the
    expected rating, too; among ranges of equal length the most likely one is taken.

    Args:
        probabilities: `[num_pairs, num_levels]`.
        levels: Values of the levels, rising, `[num_levels]`.
        coverage: Wanted chance, in (0, 1).

    Returns:
        Lower and upper ends, each `[num_pairs]`; both ends belong to the range.
    """
    cumulated = torch.cat([probabilities.new_zeros(len(probabilities), 1), probabilities.cumsum(1)], dim=1)
    first, last = torch.triu_indices(len(levels), len(levels))
    mass = cumulated[:, last + 1] - cumulated[:, first]
    length = (levels[last] - levels[first]).expand_as(mass)
    mean = expected_value(probabilities, levels)[:, None]
    # Rounding may leave the whole scale a hair below 1, and a certain rating a hair off its level.
    holds = (mass >= coverage - ROUNDING) & (levels[first] <= mean + ROUNDING) & (mean - ROUNDING <= levels[last])
    length = torch.where(holds, length, torch.inf)
    best = torch.where(length <= length.min(dim=1, keepdim=True).values, mass, -torch.inf).argmax(dim=1)
    return levels[first[best]], levels[last[best]]
