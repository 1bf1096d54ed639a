"""What is to be expected of a newcomer before the values of their ratings are read: learned from the known ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.ratings import Ratings

__all__ = ["NewcomerPriors", "RowPrior"]

NUMBERS = (0, 1, 2, 3, 5, 8, 12, 20, 32, 50)  # numbers of ratings a prior is made for; others take the nearest one
MOST_USERS = 1000  # known users a prior is learned from
RIDGE = 1.0  # ratings that pull the mean towards the mean over users
SEED = 0


@dataclass(frozen=True, eq=False)
class RowPrior:
    """Normal prior of what a newcomer's row is beyond the messages of what they rated, in every sample.

    Attributes:
        mean: `[num_samples, size]`.
        covariance: Positive definite, `[num_samples, size, size]`.
    """

    mean: Tensor
    covariance: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        """Draw one row in every sample, `[num_samples, size]`."""
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + (torch.linalg.cholesky(self.covariance) @ noise[..., None])[..., 0]


@dataclass(frozen=True, eq=False)
class NewcomerPriors:
    r"""Priors of new users by their number of ratings, made when first asked for; of new items with the sides exchanged.

    A known user $u$ is taken back to the time of their first $n$ ratings: $m_u$ are the messages of $n$ of their items,
    drawn at random, and $w_u = z_u - m_u$ is what the row $z_u$ turned out to be beyond them. The covariance of the
    $w_u$ over users is that of the prior; so dimensions that go together are learned together, and what few messages leave
    open is not taken for known.

    The mean is not that of the users. People rate what they will like: of the pairs that are rated, scores are higher than
    of pairs at random, and predictions are of the former. So the mean is the one row that tells the scores of the
    rated pairs best, $\arg\min_\mu \sum_{(u, i)} \langle \tilde z_i, w_u - \mu \rangle^2$ with $\tilde z_i = (z_i, 1)$.

    Attributes:
        train: Training ratings.
        rows: Returns rows of all users, without what is known of a newcomer anyway, `[num_samples, num_users, size]`.
        items: Rows of all items, `[num_samples, num_items, size]`.
        messages: Returns what each item adds to whoever rated it, before the weight $1 / \sqrt n$,
            `[num_samples, num_items, size]`.
    """

    train: Ratings
    rows: Callable[[], Tensor]
    items: Tensor
    messages: Callable[[], Tensor]
    _made: dict[int, RowPrior] = field(default_factory=dict)
    _sent: list[Tensor] = field(default_factory=list)

    @torch.no_grad()
    def __call__(self, number: int) -> RowPrior | None:
        """Return the prior of someone with a number of ratings; None where nobody is known to learn it from."""
        known = np.flatnonzero(self.train.user_counts)
        if len(known) < 2:
            return None
        nearest = min(NUMBERS, key=lambda made: abs(np.log1p(made) - np.log1p(number)) + (made == 0 < number))
        if nearest not in self._made:
            rng = np.random.default_rng(SEED)
            if len(known) > MOST_USERS:
                known = np.sort(rng.choice(known, MOST_USERS, replace=False))
            self._made[nearest] = self._prior(known, nearest, rng)
        return self._made[nearest]

    def _prior(self, known: NDArray[np.int64], number: int, rng: np.random.Generator) -> RowPrior:
        place = np.full(self.train.num_users, -1)
        place[known] = np.arange(len(known))
        mine = place[self.train.user] >= 0
        owner, item = place[self.train.user[mine]], self.train.item[mine]
        rows = self.rows()[:, torch.from_numpy(known)]
        beyond = rows - self._messages(owner, item, len(known), number, rng) if number else rows
        centre = beyond.mean(1)
        spread = beyond - centre[:, None]
        size, count = beyond.shape[2], beyond.shape[1]
        covariance = spread.mT @ spread
        # Few users tell nothing of how dimensions go together: as many as there are dimensions hold them apart.
        apart = torch.diag_embed(rows.var(1, unbiased=False).clamp_min(1e-6))
        covariance = (covariance + size * apart) / (count + size)
        return RowPrior(self._mean(beyond, centre, owner, item), covariance)

    def _messages(
        self, owner: NDArray[np.int64], item: NDArray[np.int64], num_users: int, number: int, rng: np.random.Generator
    ) -> Tensor:
        """Return the messages of `number` random ratings of each user, of all of theirs where they have fewer."""
        order = np.lexsort((rng.random(len(owner)), owner))
        owner, item = owner[order], item[order]
        first = np.searchsorted(owner, np.arange(num_users))
        chosen = np.arange(len(owner)) - first[owner] < number
        owner, item = owner[chosen], item[chosen]
        share = np.bincount(owner, minlength=num_users)[owner] ** -0.5
        if not self._sent:
            self._sent.append(self.messages())
        found = self.items.new_zeros(self.items.shape[0], num_users, self.items.shape[2])
        sent = self._sent[0][:, torch.from_numpy(item)] * torch.from_numpy(share.astype(np.float32))[:, None]
        return found.index_add_(1, torch.from_numpy(owner), sent)

    def _mean(self, beyond: Tensor, centre: Tensor, owner: NDArray[np.int64], item: NDArray[np.int64]) -> Tensor:
        """Return the row that tells the scores of rated pairs best, `[num_samples, size]`."""
        raters, rated = torch.from_numpy(owner), torch.from_numpy(item)
        counts = torch.bincount(rated, minlength=self.items.shape[1]).float()
        found = []
        for rows, items, middle in zip(beyond, self.items, centre, strict=True):
            design = torch.cat([items[:, :-1], torch.ones_like(items[:, -1:])], dim=1)
            sums = torch.zeros_like(items).index_add_(0, rated, rows[raters] - middle)
            curvature = (design * counts[:, None]).mT @ design + RIDGE * torch.eye(items.shape[1])
            score = (design * sums).sum(1)
            found.append(middle + torch.linalg.solve(curvature, design.mT @ score))
        return torch.stack(found)
