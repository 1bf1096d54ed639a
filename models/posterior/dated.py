"""Embeddings of users at any date, in every sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.network.sessions import Sessions, between_bins

__all__ = ["DatedUsers"]


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
        return self.users[:, user] + self.known[user, None] * (between_bins(self.weeks, low, share) + free)
