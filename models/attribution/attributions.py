"""Attribution of a prediction: the expected rating as a sum of parts, in stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.rating_levels import nearest_level
from kg.schema import ITEM, USER
from models.attribution.contributions import (
    LEVELS,
    MEAN,
    PartKey,
    contributions_of_history,
    contributions_to,
)
from models.attribution.secants import Secants
from models.lists.trained import Trained
from models.lists.user_query import UserQuery

__all__ = ["Attribution", "attribution_of_history", "attributions"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    r"""What each part of a prediction adds, in stars.

    In a sample the score is $f = \sum_m m_b + \sum_n n_b + \sum_{m, n} \langle m, n \rangle$ over the messages $m$ of
    the user and $n$ of the item ($b$ marks the bias column). A message gets its bias and one half of every product it
    takes part in, the Shapley value of a product:

    $$f_m = m_b + \tfrac12 \langle m, z_i \rangle, \qquad f_n = n_b + \tfrac12 \langle z_u, n \rangle.$$

    The expected rating $g(f, w) = \sum_k L_k P_k$ is no linear function of the score $f$ and of the user's preferences for
    levels $w$. Score and preferences share it by the Shapley value of the two; what the score adds is spread over its
    messages along the straight path from nothing known, $f = 0$, to all (integrated gradients, arXiv:1703.01365, which is
    the value of Aumann and Shapley): the slope of a secant, and exact,

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
def attributions(recommender: Trained, user: NDArray[np.int64], item: NDArray[np.int64]) -> list[Attribution]:
    """Return the attributions of predictions, by the samples that make each; messages of a node are read once for all its pairs.

    Args:
        recommender: A trained model.
        user: User indices, `[num_pairs]`.
        item: Item indices, `[num_pairs]`.
    """
    predictor, levels = recommender.predictor, torch.tensor(recommender.levels)
    known = (predictor.known_users[user] & predictor.known_items[item]).numpy()
    secants: dict[int, Secants] = {}
    parts: list[list[tuple[tuple[PartKey, ...], Tensor]]] = [[] for _ in user]
    for samples, pairs in (
        (recommender.samples, np.flatnonzero(known)),
        (recommender.cold_samples, np.flatnonzero(~known)),
    ):
        rows = samples.predictor
        for pair in pairs.tolist():
            of_user = rows.users[:, user[pair]], rows.preferences[:, user[pair]]
            secants[pair] = Secants.of(rows, levels, *of_user, int(item[pair]))
        for side, nodes in ((USER, user), (ITEM, item)):
            for node in np.unique(nodes[pairs]).tolist():
                of_node = pairs[nodes[pairs] == node]
                contributions = contributions_to(samples, recommender.learned_ratings, side, node)
                weights = torch.stack([secants[pair].weights(side) for pair in of_node])
                for pair, stars in zip(of_node, contributions.weighed(weights), strict=True):
                    parts[pair].append((contributions.keys, stars))
    return [_sum(secants[pair], of_pair) for pair, of_pair in enumerate(parts)]


@torch.no_grad()
def attribution_of_history(
    recommender: Trained, user_query: UserQuery, ratings: Mapping[int, float], item: int
) -> Attribution:
    """Return the attribution of a prediction for someone new who gave some ratings, by the samples that make it.

    Args:
        recommender: A trained model.
        user_query: What `user_query_of_history` made of the ratings.
        ratings: These ratings, item index -> stars, in the order they were given.
        item: Item index.
    """
    samples, embedding = recommender.cold_samples, user_query.cold
    if user_query.warm is not None and bool(recommender.predictor.known_items[item]):
        samples, embedding = recommender.samples, user_query.warm
    rated, stars = np.array(list(ratings), dtype=np.int64), np.array(list(ratings.values()), dtype=np.float32)
    # The same level that the embedding was made of: the nearest that training knows.
    given = torch.from_numpy(rated), torch.from_numpy(nearest_level(stars, recommender.levels))
    prior = recommender.cold_start_prior(USER, len(rated))
    if prior is not None:
        prior = prior.part(slice(len(samples)))
    secants = Secants.of(
        samples.predictor, torch.tensor(recommender.levels), embedding.rows, embedding.preferences, item
    )
    sides = {
        USER: contributions_of_history(samples, embedding, *given, prior=prior),
        ITEM: contributions_to(samples, recommender.learned_ratings, ITEM, item),
    }
    parts = [
        (contributions.keys, contributions.weighed(secants.weights(side)[None])[0])
        for side, contributions in sides.items()
    ]
    return _sum(secants, parts)


def _sum(secants: Secants, parts: Sequence[tuple[tuple[PartKey, ...], Tensor]]) -> Attribution:
    """Return the parts of both sides with what is not a message."""
    return Attribution(
        keys=(PartKey(MEAN), *(key for keys, _ in parts for key in keys), PartKey(LEVELS, USER)),
        stars=np.concatenate([[secants.mean], *(stars for _, stars in parts), [secants.use]]),
        score=secants.score,
    )
