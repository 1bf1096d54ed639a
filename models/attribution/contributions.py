"""The messages that one node receives in every sample, each by itself: what a score is a sum of."""

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
from models.network.message_names import HOP, RATED, RATED_BY
from models.posterior import Posterior, Predictor
from models.trained import Trained

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
    "learned_ratings",
]

# Kinds of parts.
MEAN = "mean"  # the average of everything
BIAS = "bias"  # bias column of a free row
FACTORS = "factors"  # other columns of a free row
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
class Direct:
    """Messages of single senders.

    Attributes:
        owner: Position of the part that each message belongs to, int64 `[num_messages]`.
        rows: The messages without their weights, `[num_samples, num_messages, size]`.
        weight: Weight of each, float64 `[num_messages]`.
    """

    owner: Tensor
    rows: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class TwoHops:
    """A message over two hops, as a sum over the neighbours it comes through.

    Attributes:
        owner: Position of the part that each neighbour's share belongs to, int64 `[num_neighbours]`.
        features: What each neighbour adds to the feature, `[num_neighbours, num_features]`.
        table: Projection in every sample, `[num_samples, num_features, size]`.
    """

    owner: Tensor
    features: Tensor
    table: Tensor


@dataclass(frozen=True, eq=False)
class Contributions:
    r"""Everything that adds up to a node's row: $z_v = \sum_m m$, in every sample.

    Attributes:
        keys: What each part is.
        direct: Messages of single senders.
        hops: Messages over two hops.
    """

    keys: tuple[PartKey, ...]
    direct: tuple[Direct, ...]
    hops: tuple[TwoHops, ...] = ()

    def weighed(self, weights: Tensor) -> Tensor:
        r"""Return $\sum_s \langle m_s, x_s \rangle$ for each part $m$.

        Args:
            weights: $x$ of each pair, float64 `[num_pairs, num_samples, size]`.

        Returns:
            float64 `[num_pairs, num_parts]`.
        """
        found = weights.new_zeros(len(weights), len(self.keys))
        for part in self.direct:
            found.index_add_(1, part.owner, _weighed(weights, part.rows) * part.weight)
        for hop in self.hops:
            found.index_add_(1, hop.owner, _weighed(weights, hop.table) @ hop.features.T)
        return found

    def messages(self) -> Tensor:
        """Return every part's messages, summed, float64 `[num_samples, num_parts, size]`."""
        rows = torch.cat([part.rows.double() * part.weight[:, None] for part in self.direct], dim=1)
        hops = [hop.features @ hop.table.double() for hop in self.hops]
        owner = torch.cat([*(part.owner for part in self.direct), *(hop.owner for hop in self.hops)])
        found = rows.new_zeros(len(rows), len(self.keys), rows.shape[2])
        return found.index_add_(1, owner, torch.cat([rows, *hops], dim=1))

    def total(self) -> Tensor:
        """Return the sum of all messages, float64 `[num_samples, size]`."""
        parts = [(part.weight @ part.rows.double()) for part in self.direct]
        parts += [hop.features.sum(0) @ hop.table.double() for hop in self.hops]
        return torch.stack(parts).sum(0)


def _weighed(weights: Tensor, rows: Tensor) -> Tensor:
    return torch.einsum("psd,srd->pr", weights, rows.double())


class _Collector:
    """Gathers parts; those of one key are summed."""

    def __init__(self) -> None:
        self.positions: dict[PartKey, int] = {}
        self.direct: list[Direct] = []
        self.hops: list[TwoHops] = []

    def owner(self, keys: list[PartKey]) -> Tensor:
        return torch.tensor([self.positions.setdefault(key, len(self.positions)) for key in keys], dtype=torch.int64)

    def add(self, keys: list[PartKey], rows: Tensor, weight: Tensor | None = None) -> None:
        """Add messages `[num_samples, num_keys, size]`."""
        ones = torch.ones(len(keys), dtype=torch.float64)
        self.direct.append(Direct(self.owner(keys), rows, ones if weight is None else weight.double()))

    def add_free(self, side: str, rows: Tensor) -> None:
        """Add a free row `[num_samples, size]` as two parts: its bias, and what meets the other side."""
        bias, rest = torch.zeros_like(rows), rows.clone()
        bias[:, -1], rest[:, -1] = rows[:, -1], 0.0
        self.add([PartKey(BIAS, side), PartKey(FACTORS, side)], torch.stack([bias, rest], dim=1))

    def add_hop(self, owner: Tensor, features: Tensor, table: Tensor) -> None:
        """Add a message over two hops; `table` is `[num_samples, num_features, size]`."""
        self.hops.append(TwoHops(owner, features.double(), table))

    def contributions(self) -> Contributions:
        return Contributions(tuple(self.positions), tuple(self.direct), tuple(self.hops))


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
    """Take a known or new node of the graph apart into its messages.

    Args:
        posterior: Kept samples.
        predictor: Rows of all nodes in them.
        data: Graph inputs.
        train: Ratings that messages are made of (`learned_ratings`).
        side: `user` or `item`.
        node: Index of the node.
    """
    collect = _Collector()
    _add_content(collect, posterior, data, side, node)
    mine = train.user == node if side == USER else train.item == node
    partners = torch.from_numpy((train.item if side == USER else train.user)[mine])
    if not len(partners):
        collect.add([PartKey(NEW, side)], posterior.shared(side)[:, None])
        collect.add_free(side, posterior.residual(side, node))
        return collect.contributions()
    _add_neighbours(collect, posterior, data, side, partners)
    for edge_type in data[side].interactions:
        if edge_type[1] not in (RATED, RATED_BY):
            senders, rows, weight = _edge_rows(posterior, data, "interactions", edge_type, node)
            collect.add([PartKey(RELATED, side, edge_type)] * len(senders), rows, weight)
    collect.add_free(side, posterior.factors(side, node))
    return collect.contributions()


@torch.no_grad()
def contributions_of_history(
    posterior: Posterior,
    predictor: Predictor,
    data: GraphInputs,
    taste: UserEmbedding,
    item: Tensor,
    level: Tensor,
    *,
    prior: EmbeddingPrior | None = None,
) -> Contributions:
    r"""Take someone new apart into what each of their ratings brings.

    A newcomer's row beyond what the messages of these ratings are believed to say, $w$, maximises
    $\log N(w; \mu, \Sigma) + \sum_j \log P(r_j \mid f_j)$, up to the draw that keeps its uncertainty (`user_embedding_from_history`). Where the gradient vanishes

    $$w = \mu + \Sigma \sum_j \frac{\partial \log P(r_j \mid f_j)}{\partial f_j} (z_j, 1),$$

    so the row, too, is a sum over ratings: a rating higher than expected pulls it towards the item. $\mu$, which is what
    people are like, counts as what anyone new is given. What is left is the draw, which stays with the factors.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: Graph inputs.
        taste: The newcomer's rows and preferences for levels.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
        prior: What the taste was made with; by default $\mu = 0$ and the variance of the known free rows.
    """
    rows = taste.rows
    collect = _Collector()
    if prior is not None:
        collect.add([PartKey(NEW, USER)], prior.mean[:, None])
    elif not len(item):
        collect.add([PartKey(NEW, USER)], posterior.shared(USER)[:, None])
    keys = [PartKey(NEIGHBOUR, USER, sender=one) for one in item.tolist()]
    if len(item):
        sent = messages_sent(posterior, data, USER, item) * len(item) ** -0.5
        collect.add(keys, sent if prior is None else prior.believed(sent))
    free = rows.double() - collect.contributions().total()
    if len(item):
        partners = predictor.items[:, item].double()
        design = with_one(partners)
        score = (design @ rows.double()[..., None])[..., 0] + partners[..., -1]
        thresholds, preferences = (part.double()[:, None] for part in (predictor.thresholds, taste.preferences))
        slope, _ = slopes(score, thresholds, preferences, level)
        pulls = slope[..., None] * design
        if prior is None:
            pulls = pulls @ posterior.factor_covariance(USER).double()
        else:
            pulls = pulls @ prior.covariance.double()
        collect.add(keys, pulls)
        free = free - pulls.sum(1)
    collect.add_free(USER, free)
    return collect.contributions()


def _add_content(collect: _Collector, posterior: Posterior, data: GraphInputs, side: str, node: int) -> None:
    for edge_type in data[side].content:
        senders, rows, weight = _edge_rows(posterior, data, "content", edge_type, node)
        if senders:
            collect.add([PartKey(CONCEPT, side, edge_type, sender) for sender in senders], rows, weight)
    for name, features in data[side].features["content"].items():
        table = posterior.table(side, "content", name)
        collect.add_hop(collect.owner([PartKey(TEXTS, side)]), features[node, None], table)


def _edge_rows(
    posterior: Posterior, data: GraphInputs, group: str, edge_type: MessageType, node: int
) -> tuple[list[int], Tensor, Tensor]:
    """Return the senders of a relation's messages to a node, their rows `[num_samples, num_senders, size]`, the weights."""
    edges = data[edge_type]
    mine = (edges.edge_index[1] == node).nonzero()[:, 0]
    table = posterior.table(edge_type[2], group, relation_name(edge_type))
    return edges.edge_index[0][mine].tolist(), table.index_select(1, edges.table_row[mine]), edges.edge_weight[mine]


def _add_neighbours(collect: _Collector, posterior: Posterior, data: GraphInputs, side: str, partners: Tensor) -> None:
    """Add what the items that a user rated say, each by itself, or the users who rated an item, together."""
    share = len(partners) ** -0.5
    if side == USER:
        edge_type, keys = (ITEM, RATED, USER), [PartKey(NEIGHBOUR, USER, sender=one) for one in partners.tolist()]
    else:
        edge_type, keys = (USER, RATED_BY, ITEM), [PartKey(RATERS, ITEM)]
    if edge_type in data[side].interactions:
        senders = data[edge_type].senders
        row = torch.searchsorted(senders, partners).clamp(max=len(senders) - 1)
        # Who has no training rating has no row in the table, and sends nothing.
        weight = share * (senders[row] == partners).double()
        table = posterior.table(side, "interactions", relation_name(edge_type))
        rows = table.index_select(1, row)
        if side == ITEM:
            rows, weight = (weight @ rows.double())[:, None], torch.ones(1)
        collect.add(keys, rows, weight)
    owner = collect.owner(keys)
    for name, centred in data[side].hop_sources.items():
        features = centred[partners].double() * share
        table = posterior.table(side, "interactions", HOP + name)
        collect.add_hop(owner, features if side == USER else features.sum(0, keepdim=True), table)
