"""The taste of a user on a day: what moves between the days of one person's ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kg.ratings import Ratings
from models.network.weeks import Weeks

__all__ = ["SessionTower", "Sessions", "between_bins"]

DAY = 86_400
FIRST = 0.3  # first values, as a share of the first scale: days begin almost alike


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions:
    """The sessions of the training ratings; a session is a user and a day (UTC) with ratings, rising.

    Attributes:
        keys: User and day in one number, int64 `[num_sessions]`, rising.
        days: First and last day, counted from 1970.
        user: The user of each session, int64 `[num_sessions]`.
        low: The bin before its mean time, int64 `[num_sessions]`.
        share: Share of the bin after it, in [0, 1], `[num_sessions]`.
        weight: Share of its user's ratings that it holds, `[num_sessions]`.
        weeks: The bins.
        num_users: Number of users.
    """

    keys: Tensor
    days: tuple[int, int]
    user: Tensor
    low: Tensor
    share: Tensor
    weight: Tensor
    weeks: Weeks
    num_users: int

    @classmethod
    def of(cls, ratings: Ratings) -> Sessions:
        """Collect the sessions of training ratings, which must have times."""
        if ratings.time is None:
            raise ValueError("sessions need the times of the ratings, and these have none")
        day = ratings.time // DAY
        days = (int(day.min()), int(day.max())) if len(day) else (0, 0)
        keys, of_rating, counts = np.unique(_keys(ratings.user, day, days), return_inverse=True, return_counts=True)
        weeks = Weeks.spanning(ratings.time)
        low, share = weeks.between(np.bincount(of_rating, weeks.position(ratings.time), len(keys)) / counts)
        user = keys // (days[1] - days[0] + 1)
        weight = counts / ratings.user_counts[user]
        return cls(
            keys=torch.from_numpy(keys),
            days=days,
            user=torch.from_numpy(user),
            low=torch.from_numpy(low),
            share=torch.from_numpy(share.astype(np.float32)),
            weight=torch.from_numpy(weight.astype(np.float32)),
            weeks=weeks,
            num_users=ratings.num_users,
        )

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, user: Tensor, time: Tensor) -> Tensor:
        """Return the session of each user and Unix time, int64 `[num_pairs]`; -1 where there is none."""
        day = time // DAY
        key = torch.from_numpy(_keys(user.numpy(), day.numpy(), self.days))
        place = torch.searchsorted(self.keys, key).clamp(max=len(self) - 1)
        there = (self.keys[place] == key) & (day >= self.days[0]) & (day <= self.days[1])
        return torch.where(there, place, -1)

    def of_ratings(self, ratings: Ratings) -> Tensor:
        """Return the session of each of the ratings they were collected from, int64 `[num_ratings]`."""
        assert ratings.time is not None
        return self.find(torch.from_numpy(ratings.user.copy()), torch.from_numpy(ratings.time.copy()))

    def sum_to_users(self, rows: Tensor) -> Tensor:
        """Return the sum over each user's sessions, `[..., num_users, size]`."""
        return rows.new_zeros(*rows.shape[:-2], self.num_users, rows.shape[-1]).index_add_(-2, self.user, rows)

    def mean_of_users(self, rows: Tensor) -> Tensor:
        """Return the mean over each user's sessions by their number of ratings, `[num_users, size]`; zero without."""
        return self.sum_to_users(self.weight[:, None] * rows)


def _keys(user: NDArray[np.int64], day: NDArray[np.int64], days: tuple[int, int]) -> NDArray[np.int64]:
    return user * (days[1] - days[0] + 1) + day - days[0]


class SessionTower(nn.Module):
    r"""Rows of sessions: $z_s = z_u + (1 - a_s) T_{w_s} + a_s T_{w_s + 1} + \epsilon_s$.

    $T$ has a row for each bin of time, shared by all users and read between the two bins $w_s$, $w_s + 1$ nearest
    to the session's mean time; $\epsilon_s$ is free. A mood that lasts a day is then no lasting taste.
    After the user-by-day biases of Koren, "Collaborative filtering with temporal dynamics" (KDD 2009), here in
    every latent dimension.

    Args:
        sessions: What the rows are of.
        size: Width of a row, `embedding_size + 1`.
        scale: Standard deviation of what a day adds, before training.
        generator: Source of the first values; None for rows without values.
    """

    def __init__(
        self,
        sessions: Sessions,
        size: int,
        scale: float,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()

        def first(rows: int) -> nn.Parameter:
            if generator is None:
                return nn.Parameter(torch.empty(rows, size, device="meta"))
            return nn.Parameter(torch.randn(rows, size, generator=generator) * (FIRST * scale))

        self.weeks = first(sessions.weeks.num_bins)
        self.residual = first(len(sessions))

    def forward(self, users: Tensor, sessions: Sessions) -> Tensor:
        """Return the rows of sessions, `[num_sessions, size]`, from those of users, `[num_users, size]`."""
        return (
            users.index_select(-2, sessions.user)
            + between_bins(self.weeks, sessions.low, sessions.share)
            + self.residual
        )


def between_bins(weeks: Tensor, low: Tensor, share: Tensor) -> Tensor:
    """Read rows of bins, `[..., num_bins, size]`, between two bins, `[..., num_places, size]`."""
    before, after = weeks.index_select(-2, low), weeks.index_select(-2, low + 1)
    return (1 - share)[:, None] * before + share[:, None] * after
