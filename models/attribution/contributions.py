"""Contributions to a node's embedding: the messages it is a sum of, in every sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.cold.cold_start_prior import EmbeddingPrior
from models.cold.fold_in import UserEmbedding, messages_sent
from models.inputs import relation_name
from models.network.bilinear import with_one
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.head import slopes
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER
from models.posterior import Posterior, Predictor
from models.trained import Trained

__all__ = [
    "BIAS",
    "CONCEPT",
    "DATES",
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
    "learned_ratings",
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
DATES = "dates"  # when the training ratings were made
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

    def add(self, keys: list[PartKey], rows: Tensor, weight: Tensor | None = None) -> None:
        """Add messages `[num_samples, num_keys, size]`, each times its weight."""
        self.keys += keys
        self.rows.append(rows.double() if weight is None else rows.double() * weight.double()[:, None])

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


def learned_ratings(recommender: Trained) -> Ratings:
    """Return the ratings that messages are made of: those of nodes that joined after training send none."""
    if not recommender.additions:
        return recommender.train
    users, items = recommender.learned(USER).numpy(), recommender.learned(ITEM).numpy()
    return recommender.train.select(users[recommender.train.user] & items[recommender.train.item])


@torch.no_grad()
def contributions_to(
    posterior: Posterior, predictor: Predictor, data: GraphInputs, train: Ratings, side: str, node: int
) -> Contributions:
    """Return the messages to a known or new node of the graph.

    Args:
        posterior: Kept samples.
        predictor: Embeddings of all nodes in them.
        data: Graph inputs.
        train: Ratings that messages are made of (`learned_ratings`).
        side: `user` or `item`.
        node: Index of the node.
    """
    messages = _Messages()
    for edge_type in data[side].content:
        senders, rows, weight = _edge_rows(posterior, data, "content", edge_type, node)
        if senders:
            messages.add([PartKey(CONCEPT, side, edge_type, sender) for sender in senders], rows, weight)
    for name, features in data[side].features["content"].items():
        table = posterior.table(side, "content", name).double()
        messages.add([PartKey(TEXTS, side)], features[node, None].double() @ table)
    rated = train.user == node if side == USER else train.item == node
    partners = torch.from_numpy((train.item if side == USER else train.user)[rated])
    if not len(partners):
        messages.add([PartKey(NEW, side)], posterior.shared(side)[:, None])
        messages.add_factors(side, posterior.residual(side, node))
        return messages.contributions()
    _add_rated(messages, posterior, data, side, partners)
    for edge_type in data[side].interactions:
        if edge_type[1] not in (RATED, RATED_BY):
            senders, rows, weight = _edge_rows(posterior, data, "interactions", edge_type, node)
            over = edge_type[1].startswith(RATED_OVER)
            key = PartKey(RELATED, side, edge_type) if over else PartKey(DATES, side)
            messages.add([key] * len(senders), rows, weight)
    if side == USER and predictor.dated is not None:
        days = predictor.users[:, node].double() - predictor.dated.users[:, node].double()
        messages.add([PartKey(DATES, side)], days[:, None])
    messages.add_factors(side, posterior.factors(side, node))
    return messages.contributions()


@torch.no_grad()
def contributions_of_history(
    posterior: Posterior,
    predictor: Predictor,
    data: GraphInputs,
    embedding: UserEmbedding,
    item: Tensor,
    level: Tensor,
    *,
    prior: EmbeddingPrior | None = None,
) -> Contributions:
    r"""Return what each rating of a new user brings to their embedding.

    Beyond what the messages of these ratings are believed to say, the embedding is the $w$ that maximises
    $\log N(w; \mu, \Sigma) + \sum_j \log P(r_j \mid f_j)$, up to the draw that keeps its uncertainty
    (`models.cold.user_embedding`). Where the gradient vanishes

    $$w = \mu + \Sigma \sum_j \frac{\partial \log P(r_j \mid f_j)}{\partial f_j} (z_j, 1),$$

    so this, too, is a sum over ratings: a rating higher than expected pulls it towards the item. $\mu$, which is what
    people are like, counts as what anyone new is given. What is left is the draw, which stays with the factors.

    Args:
        posterior: Kept samples.
        predictor: Embeddings of known nodes.
        data: Graph inputs.
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
        messages.add([PartKey(NEW, USER)], posterior.shared(USER)[:, None])
    if len(item):
        keys = [PartKey(NEIGHBOUR, USER, sender=sender) for sender in item.tolist()]
        sent = messages_sent(posterior, data, USER, item) * len(item) ** -0.5
        messages.add(keys, sent if prior is None else prior.believed(sent))
        partners = predictor.items[:, item].double()
        design = with_one(partners)
        score = (design @ rows.double()[..., None])[..., 0] + partners[..., -1]
        thresholds, preferences = (part.double()[:, None] for part in (predictor.thresholds, embedding.preferences))
        slope, _ = slopes(score, thresholds, preferences, level)
        covariance = posterior.factor_covariance(USER) if prior is None else prior.covariance
        messages.add(keys, slope[..., None] * design @ covariance.double())
    messages.add_factors(USER, rows.double() - messages.total())
    return messages.contributions()


def _edge_rows(
    posterior: Posterior, data: GraphInputs, group: str, edge_type: MessageType, node: int
) -> tuple[list[int], Tensor, Tensor]:
    """Return the senders of a relation's messages to a node, their rows `[num_samples, num_senders, size]`, the weights."""
    edges = data[edge_type]
    to_node = (edges.edge_index[1] == node).nonzero()[:, 0]
    rows = posterior.table(edge_type[2], group, relation_name(edge_type)).index_select(1, edges.table_row[to_node])
    return edges.edge_index[0][to_node].tolist(), rows, edges.edge_weight[to_node]


def _add_rated(messages: _Messages, posterior: Posterior, data: GraphInputs, side: str, partners: Tensor) -> None:
    """Add what the items that a user rated say, each by itself, or the users who rated an item, together."""
    if side == USER:
        edge_type, keys = (ITEM, RATED, USER), [PartKey(NEIGHBOUR, USER, sender=item) for item in partners.tolist()]
    else:
        edge_type, keys = (USER, RATED_BY, ITEM), [PartKey(RATERS, ITEM)]
    weight = torch.full((len(partners),), len(partners) ** -0.5, dtype=torch.float64)
    if edge_type in data[side].interactions:
        senders = data[edge_type].senders
        row = torch.searchsorted(senders, partners).clamp(max=len(senders) - 1)
        rows = posterior.table(side, "interactions", relation_name(edge_type)).index_select(1, row).double()
        # Who has no training rating has no row in the table, and sends nothing.
        rows *= (weight * (senders[row] == partners))[:, None]
        messages.add(keys, rows if side == USER else rows.sum(1, keepdim=True))
    for name, centred in data[side].hop_sources.items():
        features = centred[partners].double() * weight[:, None]
        table = posterior.table(side, "interactions", HOP + name).double()
        messages.add(keys, (features if side == USER else features.sum(0, keepdim=True)) @ table)
