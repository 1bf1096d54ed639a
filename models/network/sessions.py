"""The taste of a user on a day: what moves between the days of one person's ratings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kg.ratings import Ratings
from models.network.priors import ScalePrior
from models.network.weeks import Weeks

__all__ = ["DatedUsers", "SessionTower", "Sessions"]

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
        """Return the sum over each user's sessions, `[num_users, size]`."""
        return rows.new_zeros(self.num_users, rows.shape[1]).index_add_(0, self.user, rows)

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
        weeks_prior: Prior of $T$.
        residual_prior: Prior of $\epsilon$.
        generator: Source of the first values.
    """

    def __init__(
        self,
        sessions: Sessions,
        size: int,
        weeks_prior: ScalePrior,
        residual_prior: ScalePrior,
        generator: torch.Generator,
    ) -> None:
        super().__init__()

        def first(rows: int, prior: ScalePrior) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, size, generator=generator) * (FIRST * prior.initial))

        self.weeks = first(sessions.weeks.num_bins, weeks_prior)
        self.residual = first(len(sessions), residual_prior)
        self.priors = {"weeks": weeks_prior, "residual": residual_prior}

    def forward(self, users: Tensor, sessions: Sessions) -> Tensor:
        """Return the rows of sessions, `[num_sessions, size]`, from those of users, `[num_users, size]`."""
        return users.index_select(0, sessions.user) + _at(self.weeks, sessions.low, sessions.share) + self.residual

    def curvature(self, sessions: Sessions, session_curvature: Tensor) -> dict[str, Tensor]:
        """Send the curvature of sessions, `[num_sessions, size]`, to both tables, by name."""
        to_weeks = torch.zeros_like(self.weeks)
        for place, share in ((sessions.low, 1 - sessions.share), (sessions.low + 1, sessions.share)):
            to_weeks.index_add_(0, place, share.square()[:, None] * session_curvature)
        return {"weeks": to_weeks, "residual": session_curvature}


def _at(weeks: Tensor, low: Tensor, share: Tensor) -> Tensor:
    """Read rows of bins, `[..., num_bins, size]`, between two bins, `[..., num_places, size]`."""
    before, after = weeks.index_select(-2, low), weeks.index_select(-2, low + 1)
    return (1 - share)[:, None] * before + share[:, None] * after


@dataclass(frozen=True, kw_only=True, eq=False)
class DatedUsers:
    """The rows of users at any date, in every sample.

    Attributes:
        sessions: Sessions of the training ratings.
        known: Which users have training ratings, bool `[num_users]`; of the others a date says nothing.
        users: Rows without what a day adds, `[num_samples, num_users, size]`.
        weeks: Rows of bins, `[num_samples, num_bins, size]`.
        residual: Free rows of sessions, `[num_samples, num_sessions, size]`, in half precision.
    """

    sessions: Sessions
    known: Tensor
    users: Tensor
    weeks: Tensor
    residual: Tensor

    def part(self, chosen: slice) -> DatedUsers:
        """Return the rows of some samples, in the same memory."""
        return replace(self, users=self.users[chosen], weeks=self.weeks[chosen], residual=self.residual[chosen])

    def rows(self, user: Tensor, time: Tensor) -> Tensor:
        """Return the rows of users at Unix times, `[num_samples, num_pairs, size]`.

        On a day with training ratings these are the session's; on another, the user's with the date's place between
        two bins, within the time of the training ratings.
        """
        session = self.sessions.find(user, time)
        there, place = session >= 0, session.clamp_min(0)
        low, share = (
            torch.from_numpy(part) for part in self.sessions.weeks.between(self.sessions.weeks.position(time.numpy()))
        )
        low = torch.where(there, self.sessions.low[place], low)
        share = torch.where(there, self.sessions.share[place], share.float())
        free = self.residual[:, place].float() * there[:, None]
        return self.users[:, user] + self.known[user, None] * (_at(self.weeks, low, share) + free)
