"""What is to be expected of a newcomer before the values of their ratings are read: learned from the known ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kg.ratings import Ratings
from models.network.bilinear import with_one
from models.posterior.embedding_prior import EmbeddingPrior

__all__ = ["NUMBERS", "ColdStartPriors", "PriorTable"]

NUMBERS = (0, 1, 2, 3, 5, 8, 12, 20, 32, 50)  # numbers of ratings a prior is made for; others take the nearest one
MOST_USERS = 3000  # known users a prior is learned from
RIDGE = 1.0  # ratings that pull the mean towards the mean over users
SAMPLES = 32  # samples at once
SEED = 0

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PriorTable:
    """Priors by number of ratings, as a saved run has them: all that `ColdStartPriors` can make.

    Attributes:
        made: By number of ratings, and whether the concepts of the newcomer are known; empty where nobody is known.
    """

    made: Mapping[tuple[int, bool], EmbeddingPrior]

    def __call__(self, number: int, *, informed: bool = False) -> EmbeddingPrior | None:
        """Return the prior of someone with a number of ratings, as `ColdStartPriors` does."""
        nearest = _nearest(number)
        return self.made.get((nearest, informed), self.made.get((nearest, False)))


@dataclass(frozen=True, eq=False)
class ColdStartPriors:
    r"""Priors of new users by their number of ratings, made when first asked for; of new items with the sides exchanged.

    A known user $u$ is taken back to the time of their first $n$ ratings: $m_u$ are the messages of $n$ of their items,
    drawn at random, and the row $z_u$ is what they transposed out to be. A regression over users reads one from the other,
    $z_u = \mu + A m_u + C c_u + w_u$, since few messages, each with the weight $1 / \sqrt n$, say too much: with $A = 1$
    what they got wrong would have to be taken back by the ratings. $C$ is there for those whose concepts are known; $c_u$ is
    what concepts say of $u$ when learned from all others (`models.cold.leave_one_out_content`). The covariance of the prior is that of the
    $w_u$; so dimensions that go together are learned together, and what few messages leave open is not taken for known.
    A ridge pulls $A$ and $C$ towards 1 by as many users as there are dimensions. Of an item, $z_i$ is what it is beyond content
    that the other items taught: a new item taught its concepts nothing, and its own content would say too much for it.

    The mean is not that of the users. People rate what they will like: of the pairs that are rated, scores are higher than
    of pairs at random, and predictions are of the former. So the mean is the one row that tells the scores of the
    rated pairs best, $\arg\min_\mu \sum_{(u, i)} \langle \tilde z_i, w_u - \mu \rangle^2$ with $\tilde z_i = (z_i, 1)$.

    Attributes:
        train: Training ratings.
        rows: Returns rows of all users, without what is known of a newcomer anyway, `[num_samples, num_users, size]`.
        items: Rows of all items, `[num_samples, num_items, size]`.
        messages: Returns what each item adds to whoever rated it, before the weight $1 / \sqrt n$,
            `[num_samples, num_items, size]`.
        content: Returns what concepts say of all users, `[num_samples, num_users, size]`; None where nobody's count.
    """

    train: Ratings
    rows: Callable[[], Tensor]
    items: Tensor
    messages: Callable[[], Tensor]
    content: Callable[[], Tensor] | None = None
    _made: dict[tuple[int, bool], EmbeddingPrior] = field(default_factory=dict)
    _kept: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, number: int, *, informed: bool = False) -> EmbeddingPrior | None:
        """Return the prior of someone with a number of ratings; None where nobody is known to learn it from.

        Args:
            number: Number of ratings.
            informed: Whether the concepts of the newcomer are known as well.
        """
        known = np.flatnonzero(self.train.user_counts)
        if len(known) < 2:
            return None
        key = (_nearest(number), informed and self.content is not None)
        if key not in self._made:
            rng = np.random.default_rng(SEED)
            if len(known) > MOST_USERS:
                known = np.sort(rng.choice(known, MOST_USERS, replace=False))
            self._made[key] = self._prior(known, *key, rng)
        return self._made[key]

    def _prior(self, known: Places, number: int, informed: bool, rng: np.random.Generator) -> EmbeddingPrior:
        place = np.full(self.train.num_users, -1)
        place[known] = np.arange(len(known))
        is_known = place[self.train.user] >= 0
        owner, item = place[self.train.user[is_known]], self.train.item[is_known]
        people, given = torch.from_numpy(known), _some(owner, len(known), number, rng)
        parts = []
        # A few samples at a time: what lies between is as large as the rows of all these people.
        for start in range(0, len(self.items), SAMPLES):
            chosen = slice(start, start + SAMPLES)
            rows = self.rows()[chosen, people]
            evidence = [self._messages(chosen, owner[given], item[given], len(known))] if number else []
            if informed:
                evidence.append(self._once("content", self.content)[chosen, people].float())
            maps = _read(rows, evidence)
            mean, covariance = self._beyond(chosen, rows, evidence, maps, owner, item)
            parts.append(EmbeddingPrior(mean, covariance, maps[0] if number else None, maps[-1] if informed else None))
        return EmbeddingPrior.joined(parts)

    def _beyond(
        self,
        chosen: slice,
        rows: Tensor,
        evidence: Sequence[Tensor],
        maps: Sequence[Tensor],
        owner: Places,
        item: Places,
    ) -> tuple[Tensor, Tensor]:
        """Return mean and covariance of the evidence does not say, in some samples."""
        count, size = rows.shape[1:]
        beyond = rows
        for part, found in zip(evidence, maps, strict=True):
            beyond = beyond - part @ found.mT
        centre = beyond.mean(1)
        spread = beyond - centre[:, None]
        covariance = spread.mT @ spread
        # Few users tell nothing of how dimensions go together: as many as there are dimensions hold them apart.
        apart = torch.diag_embed(rows.var(1, unbiased=False).clamp_min(1e-6))
        covariance = (covariance + size * apart) / (count + size)
        return self._mean(chosen, spread, centre, owner, item), covariance

    def _messages(self, chosen: slice, owner: Places, item: Places, num_users: int) -> Tensor:
        """Return the messages of some ratings of each user, in some samples."""
        share = np.bincount(owner, minlength=num_users)[owner] ** -0.5
        return _summed(self._once("messages", self.messages)[chosen], owner, item, share, num_users)

    def _mean(self, chosen: slice, spread: Tensor, centre: Tensor, owner: Places, item: Places) -> Tensor:
        """Return the row that tells the scores of rated pairs best, `[num_chosen, size]`."""
        num_items = self.items.shape[1]
        counts = torch.from_numpy(np.bincount(item, minlength=num_items)).float()
        sums = _summed(spread, item, owner, np.ones(len(item)), num_items)
        found = []
        for total, items, middle in zip(sums, self.items[chosen], centre, strict=True):
            design = with_one(items)
            curvature = (design * counts[:, None]).mT @ design + RIDGE * torch.eye(items.shape[1])
            score = (design * total).sum(1)
            found.append(middle + torch.linalg.solve(curvature, design.mT @ score))
        return torch.stack(found)

    def _once(self, name: str, make: Callable[[], Tensor] | None) -> Tensor:
        if name not in self._kept:
            assert make is not None
            self._kept[name] = make()
        return self._kept[name]


def _nearest(number: int) -> int:
    """Return the number of ratings whose prior stands for a number of them; some ratings are never none."""
    return min(NUMBERS, key=lambda made: abs(np.log1p(made) - np.log1p(number)) + (made == 0 < number))


def _some(owner: Places, num_users: int, number: int, rng: np.random.Generator) -> Places:
    """Return the places of `number` random ratings of each user, of all of theirs where they have fewer."""
    order = np.lexsort((rng.random(len(owner)), owner))
    first = np.searchsorted(owner[order], np.arange(num_users))
    return order[np.arange(len(owner)) - first[owner[order]] < number]


def _read(rows: Tensor, evidence: Sequence[Tensor]) -> list[Tensor]:
    """Return the matrix by which rows are best read from each part of the evidence, each `[num_samples, size, size]`.

    Args:
        rows: What users transposed out to be, `[num_samples, num_users, size]`.
        evidence: Parts `[num_samples, num_users, size]`; their matrices are pulled to 1.
    """
    if not evidence:
        return []
    count, size = rows.shape[1:]
    joint = torch.cat(list(evidence), dim=2)
    joint = joint - joint.mean(1, keepdim=True)
    rest = rows - sum(evidence)
    gram = joint.mT @ joint
    ridge = torch.diag_embed(gram.diagonal(dim1=1, dim2=2) * (size / count) + 1e-6)
    found = torch.linalg.solve(gram + ridge, joint.mT @ (rest - rest.mean(1, keepdim=True))).mT
    return [part + torch.eye(size) for part in found.split(size, dim=2)]


def _summed(rows: Tensor, receiver: Places, sender: Places, weight: NDArray[np.floating], num_receivers: int) -> Tensor:
    """Return weighted sums of nodes' rows `[num_samples, num_nodes, size]` in every sample, `[num_samples, num_receivers, size]`."""
    num_samples, num_nodes, size = rows.shape
    table = sparse.csr_array((weight.astype(np.float32), (receiver, sender)), shape=(num_receivers, num_nodes))
    flat = rows.transpose(0, 1).reshape(num_nodes, -1).numpy()
    return torch.from_numpy(table @ flat).view(num_receivers, num_samples, size).transpose(0, 1)
