"""Contributions to a node's embedding: the messages it is a sum of, in every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.network.bilinear import bilinear, with_one
from models.network.graph_inputs import MessageType
from models.network.head import slopes
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER, TEXT
from models.posterior import EmbeddingPrior, Message, SampledNetwork, UserEmbedding

__all__ = [
    "BIAS",
    "CONCEPT",
    "FACTORS",
    "LEVELS",
    "MEAN",
    "NEIGHBOUR",
    "NEW",
    "RATERS",
    "RELATED",
    "RULE",
    "TEXTS",
    "Contributions",
    "PartKey",
    "contributions_of_history",
    "contributions_to",
]

# Kinds of parts.
MEAN = "mean"  # the average of everything
BIAS = "bias"  # bias column of the latent factors
FACTORS = "factors"  # their other columns
CONCEPT = "concept"  # one concept, or one item that another names
TEXTS = "text"
NEIGHBOUR = "rated"  # one item that the user rated
RATERS = "raters"  # all users who rated the item; single ones are nobody's business
RELATED = "related"  # all that related users rated, or all who rated related items, by relation
LEVELS = "levels"  # which levels the user likes to give
NEW = "new"  # what all users, or items, without ratings share
RULE = "rule"  # what a rule adds


class PartKey(NamedTuple):
    """Which part of a score is meant.

    Attributes:
        kind: One of the kinds of parts.
        side: `user` or `item`: whose message it is; empty for the mean and for rules.
        message: Edge type of the message, for concepts and for what is related.
        sender: Index of the concept or of the rated item.
        name: Name of a rule.
    """

    kind: str
    side: str = ""
    message: MessageType | None = None
    sender: int | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Contributions:
    r"""Everything that adds up to a node's embedding: $z_v = \sum_m m$, in every sample.

    Attributes:
        keys: What each part is, all different.
        messages: The messages of each part, summed, float64 `[num_samples, num_parts, size]`.
    """

    keys: tuple[PartKey, ...]
    messages: Tensor

    def weighed(self, weights: Tensor) -> Tensor:
        r"""Return $\sum_s \langle m_s, x_s \rangle$ for each part $m$.

        Args:
            weights: $x$ of each pair, float64 `[num_pairs, num_samples, size]`.

        Returns:
            float64 `[num_pairs, num_parts]`.
        """
        return torch.einsum("psd,smd->pm", weights, self.messages)


class _Messages:
    """Gathers messages; those of one key are summed."""

    def __init__(self) -> None:
        self.keys: list[PartKey] = []
        self.rows: list[Tensor] = []

    def add(self, keys: list[PartKey], rows: Tensor) -> None:
        """Add messages `[num_samples, num_keys, size]`."""
        self.keys += keys
        self.rows.append(rows.double())

    def add_factors(self, side: str, rows: Tensor) -> None:
        """Add latent factors `[num_samples, size]` as two parts: their bias, and what meets the other side."""
        bias, factors = torch.zeros_like(rows), rows.clone()
        bias[:, -1], factors[:, -1] = rows[:, -1], 0.0
        self.add([PartKey(BIAS, side), PartKey(FACTORS, side)], torch.stack([bias, factors], dim=1))

    def total(self) -> Tensor:
        return sum((rows.sum(1) for rows in self.rows), torch.zeros(()))

    def contributions(self) -> Contributions:
        position = {key: number for number, key in enumerate(dict.fromkeys(self.keys))}
        owner = torch.tensor([position[key] for key in self.keys])
        rows = torch.cat(self.rows, dim=1)
        messages = rows.new_zeros(len(rows), len(position), rows.shape[2])
        return Contributions(tuple(position), messages.index_add_(1, owner, rows))


@torch.no_grad()
def contributions_to(samples: SampledNetwork, train: Ratings, side: str, node: int) -> Contributions:
    """Return the messages to a known or new node of the graph.

    Args:
        samples: The trained network.
        train: Ratings that messages are made of (`TrainedNetwork.learned_ratings`).
        side: `user` or `item`.
        node: Index of the node.
    """
    messages = _Messages()
    rated = train.user == node if side == USER else train.item == node
    partners = torch.from_numpy((train.item if side == USER else train.user)[rated])
    for message in samples.contributions(side, node, partners):
        terms = message.terms()
        if message.name in ("factors", "residual"):
            messages.add_factors(side, terms[:, 0])
        elif side == ITEM and (message.name == RATED_BY or message.name.startswith(HOP)):
            messages.add([PartKey(RATERS, ITEM)], terms.sum(1, keepdim=True))
        elif message.senders:
            messages.add(_keys(message, side), terms)
    return messages.contributions()


def _keys(message: Message, side: str) -> list[PartKey]:
    """Return which part the message of each sender belongs to."""
    if message.name == "shared":
        return [PartKey(NEW, side)]
    if message.name == TEXT:
        return [PartKey(TEXTS, side)]
    if message.name == RATED or message.name.startswith(HOP):
        return [PartKey(NEIGHBOUR, side, sender=sender) for sender in message.senders]
    assert message.relation is not None
    if message.relation[1].startswith(RATED_OVER):
        return [PartKey(RELATED, side, message.relation)] * len(message.senders)
    return [PartKey(CONCEPT, side, message.relation, sender) for sender in message.senders]


@torch.no_grad()
def contributions_of_history(
    samples: SampledNetwork,
    embedding: UserEmbedding,
    item: Tensor,
    level: Tensor,
    *,
    prior: EmbeddingPrior | None = None,
) -> Contributions:
    r"""Return what each rating of a new user brings to their embedding.

    Beyond what the messages of these ratings are believed to say, the embedding is the $w$ that maximises
    $\log N(w; \mu, \Sigma) + \sum_j \log P(r_j \mid f_j)$, up to the draw that keeps its uncertainty
    (`SampledNetwork.fold_in`). Where the gradient vanishes

    $$w = \mu + \Sigma \sum_j \frac{\partial \log P(r_j \mid f_j)}{\partial f_j} (z_j, 1),$$

    so this, too, is a sum over ratings: a rating higher than expected pulls it towards the item. $\mu$, which is what
    people are like, counts as what anyone new is given. What is left is the draw, which stays with the factors.

    Args:
        samples: The trained network.
        embedding: The new user's embedding and preferences for levels.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        prior: What the embedding was made with; by default $\mu = 0$ and the variance of the known latent factors.
    """
    rows = embedding.rows
    messages = _Messages()
    if prior is not None:
        messages.add([PartKey(NEW, USER)], prior.mean[:, None])
    elif not len(item):
        messages.add([PartKey(NEW, USER)], samples.posterior.shared(USER)[:, None])
    prior = prior or samples.covariance_prior(USER, rated=bool(len(item)))
    if len(item):
        keys = [PartKey(NEIGHBOUR, USER, sender=sender) for sender in item.tolist()]
        messages.add(keys, prior.believed(samples.messages_sent(USER, item) * len(item) ** -0.5))
        partners = samples.embeddings(ITEM, item).double()
        design = with_one(partners)
        score = bilinear(rows.double()[:, None], partners)
        thresholds, preferences = (
            part.double()[:, None] for part in (samples.predictor.thresholds, embedding.preferences)
        )
        slope, _ = slopes(score, thresholds, preferences, level)
        messages.add(keys, slope[..., None] * design @ prior.covariance.double())
    messages.add_factors(USER, rows.double() - messages.total())
    return messages.contributions()
