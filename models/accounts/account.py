"""The additive account: a predicted rating as a sum of parts, in stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.rating_levels import nearest_level
from kg.schema import ITEM, USER
from models.accounts.chords import Chords
from models.accounts.received import LEVELS, MEAN, PartKey, learned_ratings, received_by, received_from_history
from models.cold.newcomer_prior import RowPrior
from models.lists.person import Person
from models.posterior import Posterior
from models.trained import Trained

__all__ = ["Account", "account_of_history", "accounts"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    r"""What each part of a prediction adds, in stars.

    In a sample the score is $f = \sum_m m_b + \sum_n n_b + \sum_{m, n} \langle m, n \rangle$ over the messages $m$ of
    the user and $n$ of the item ($b$ marks the bias column). A message gets its bias and one half of every product it
    takes part in, the Shapley value of a product:

    $$f_m = m_b + \tfrac12 \langle m, z_i \rangle, \qquad f_n = n_b + \tfrac12 \langle z_u, n \rangle.$$

    The expected rating $g(f, w) = \sum_k L_k P_k$ is no linear function of the score $f$ and of the user's preferences for
    levels $w$. Score and preferences share it by the Shapley value of the two; what the score adds is spread over its
    messages along the straight path from nothing known, $f = 0$, to all (integrated gradients, arXiv:1703.01365, which is
    the value of Aumann and Shapley): the slope of a chord, and exact,

    $$s = \frac{[g(f, 0) - g(0, 0)] + [g(f, w) - g(0, w)]}{2 f}, \qquad \text{part } p: s f_p, \qquad
        \text{preferences}: \tfrac12 [g(0, w) - g(0, 0) + g(f, w) - g(f, 0)].$$

    The mean is $g(0, 0)$. Parts are averaged over samples, those that make the prediction; they sum to it.

    Attributes:
        keys: What each part is.
        stars: Its part of the expected rating, in stars, float64 `[num_parts]`.
        score: The expected rating, in stars, taken from rows, not from parts.
    """

    keys: tuple[PartKey, ...]
    stars: NDArray[np.float64]
    score: float

    @property
    def error(self) -> float:
        """How far the parts' sum is from the score, in stars."""
        return abs(float(self.stars.sum()) - self.score)


@torch.no_grad()
def accounts(recommender: Trained, user: NDArray[np.int64], item: NDArray[np.int64]) -> list[Account]:
    """Take predictions of pairs apart, by the samples that make each; messages of a node are read once for all its pairs.

    Args:
        recommender: A trained model.
        user: User indices, `[num_pairs]`.
        item: Item indices, `[num_pairs]`.
    """
    predictor, posterior, levels = recommender.predictor, recommender.posterior, torch.tensor(recommender.levels)
    known = predictor.known_users[user] & predictor.known_items[item]
    train = learned_ratings(recommender)
    found: list[Account | None] = [None] * len(user)
    for samples, rows, mask in ((posterior.warm, predictor.warm, known), (posterior.cold, predictor.cold, ~known)):
        chosen = mask.nonzero()[:, 0].numpy()
        if not len(chosen):
            continue
        u, i = user[chosen], item[chosen]
        chords = [
            Chords.of(rows, levels, rows.users[:, a], rows.preferences[:, a], b)
            for a, b in zip(u.tolist(), i.tolist(), strict=True)
        ]
        parts: list[list[tuple[tuple[PartKey, ...], Tensor]]] = [[] for _ in chosen]
        for side, nodes in ((USER, u), (ITEM, i)):
            order = np.argsort(nodes, kind="stable")
            for places in np.split(order, np.flatnonzero(np.diff(nodes[order])) + 1):
                received = received_by(samples, rows, recommender.data, train, side, int(nodes[places[0]]))
                weights = torch.stack([chords[place].weights(side) for place in places])
                for place, stars in zip(places, received.weighed(weights), strict=True):
                    parts[place].append((received.keys, stars))
        for place, chord, mine in zip(chosen.tolist(), chords, parts, strict=True):
            found[place] = _sum(chord, mine)
    return [account for account in found if account is not None]


@torch.no_grad()
def account_of_history(recommender: Trained, person: Person, ratings: Mapping[int, float], item: int) -> Account:
    """Take the prediction for someone new apart, who gave some ratings, by the samples that make it.

    Args:
        recommender: A trained model.
        person: What `person_of_history` made of the ratings.
        ratings: These ratings, item index -> stars, in the order they were given.
        item: Item index.
    """
    samples, rows, taste = recommender.posterior.cold, recommender.predictor.cold, person.cold
    if person.warm is not None and bool(recommender.predictor.known_items[item]):
        samples, rows, taste = recommender.posterior.warm, recommender.predictor.warm, person.warm
    rated, stars = np.array(list(ratings), dtype=np.int64), np.array(list(ratings.values()), dtype=np.float32)
    # The same level that the taste was made of: the nearest that training knows.
    level = nearest_level(stars, recommender.levels)
    given = torch.from_numpy(rated), torch.from_numpy(level)
    chords = Chords.of(rows, torch.tensor(recommender.levels), taste.rows, taste.preferences, item)
    sides = {
        USER: received_from_history(
            samples, rows, recommender.data, taste, *given, prior=_in(samples, recommender, len(rated))
        ),
        ITEM: received_by(samples, rows, recommender.data, learned_ratings(recommender), ITEM, item),
    }
    parts = [(received.keys, received.weighed(chords.weights(side)[None])[0]) for side, received in sides.items()]
    return _sum(chords, parts)


def _in(samples: Posterior, recommender: Trained, number: int) -> RowPrior | None:
    """Return the prior of someone with a number of ratings in these samples, which are all or the first."""
    prior = recommender.newcomer_prior(USER, number)
    return None if prior is None else prior.part(slice(len(samples)))


def _sum(chords: Chords, parts: Sequence[tuple[tuple[PartKey, ...], Tensor]]) -> Account:
    """Put the parts of both sides together with what is not a message."""
    return Account(
        keys=(PartKey(MEAN), *(key for keys, _ in parts for key in keys), PartKey(LEVELS, USER)),
        stars=np.concatenate([[chords.mean], *(stars for _, stars in parts), [chords.use]]),
        score=chords.score,
    )
