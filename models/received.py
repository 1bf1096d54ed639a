"""The messages that one node receives in every sample, each by itself: what a score is a sum of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.encoder import parameter_key
from models.inputs import HOP, RATED, RATED_BY, MessageType, relation_name
from models.posterior import Posterior, Predictor

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
    "RULE",
    "TEXTS",
    "PartKey",
    "Received",
    "received_by",
    "received_from_history",
]

# Kinds of parts.
MEAN = "mean"  # what is expected where nothing is known
BIAS = "bias"  # bias column of a free row
FACTORS = "factors"  # other columns of a free row
CONCEPT = "concept"  # one concept, or one item that another names
TEXTS = "text"
NEIGHBOUR = "rated"  # one item that the user rated
RATERS = "raters"  # all users who rated the item; single ones are nobody's business
DATES = "dates"  # when the training ratings were made
LEVELS = "levels"  # how a user, or an item's raters, use the scale
NEW = "new"  # what all users, or items, without ratings share
RULE = "rule"  # what a rule adds


@dataclass(frozen=True)
class PartKey:
    """Which part of a score is meant.

    Attributes:
        kind: One of the kinds of parts.
        side: `user` or `item`: whose message it is; empty for the mean and for rules.
        message: Edge type of the message, for concepts.
        sender: Index of the concept or of the rated item.
        name: Name of a rule.
    """

    kind: str
    side: str = ""
    message: MessageType | None = None
    sender: int | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class TwoHops:
    """A message over two hops, as a sum over the neighbours it comes through.

    Attributes:
        owner: Position of the part that each neighbour's share belongs to, int64 `[num_neighbours]`.
        features: What each neighbour adds to the feature, `[num_neighbours, num_features]`.
        table: Projection in every sample, `[num_features, num_samples * size]`.
    """

    owner: Tensor
    features: Tensor
    table: Tensor


@dataclass(frozen=True, eq=False)
class Received:
    r"""Everything that adds up to a node's row: $z_v = \sum_m m$, in every sample.

    Attributes:
        keys: What each part is.
        rows: Each part without two hops, float64 `[num_parts, num_samples * size]`.
        hops: Messages over two hops.
    """

    keys: tuple[PartKey, ...]
    rows: Tensor
    hops: tuple[TwoHops, ...] = ()

    def weighed(self, weights: Tensor) -> Tensor:
        r"""Return $\sum_s \langle m_s, x_s \rangle$ for each part $m$.

        Args:
            weights: $x$ of each pair, float64 `[num_pairs, num_samples, size]`.

        Returns:
            `[num_pairs, num_parts]`.
        """
        flat = weights.flatten(1)
        found = flat @ self.rows.T
        for hop in self.hops:
            found.index_add_(1, hop.owner, (flat @ hop.table.T) @ hop.features.T)
        return found


class _Collector:
    """Gathers parts; those of one key are summed."""

    def __init__(self, samples: int, size: int) -> None:
        self.shape = (samples, size)
        self.positions: dict[PartKey, int] = {}
        self.places: list[Tensor] = []
        self.rows: list[Tensor] = []
        self.hops: list[TwoHops] = []

    def position(self, key: PartKey) -> int:
        return self.positions.setdefault(key, len(self.positions))

    def add(self, keys: list[PartKey], rows: Tensor) -> None:
        """Add rows `[num_samples, num_keys, size]`."""
        self.places.append(torch.tensor([self.position(key) for key in keys], dtype=torch.int64))
        self.rows.append(rows.double().transpose(0, 1).flatten(1))

    def add_free(self, side: str, rows: Tensor) -> None:
        """Add a free row `[num_samples, size]` as two parts: its bias, and what meets the other side."""
        bias, rest = torch.zeros_like(rows), rows.clone()
        bias[:, -1], rest[:, -1] = rows[:, -1], 0.0
        self.add([PartKey(BIAS, side), PartKey(FACTORS, side)], torch.stack([bias, rest], dim=1))

    def add_hop(self, owner: list[PartKey], features: Tensor, table: Tensor) -> None:
        """Add a message over two hops; `table` is `[num_samples, num_features, size]`."""
        places = torch.tensor([self.position(key) for key in owner], dtype=torch.int64)
        self.hops.append(TwoHops(places, features.double(), table.double().transpose(0, 1).flatten(1)))

    def received(self) -> Received:
        rows = torch.zeros(len(self.positions), self.shape[0] * self.shape[1], dtype=torch.float64)
        for places, found in zip(self.places, self.rows, strict=True):
            rows.index_add_(0, places, found)
        return Received(tuple(self.positions), rows, tuple(self.hops))


@torch.no_grad()
def received_by(
    posterior: Posterior, predictor: Predictor, data: HeteroData, train: Ratings, side: str, node: int
) -> Received:
    """Take a known or new node of the graph apart into its messages.

    Args:
        posterior: Kept samples.
        predictor: Rows of all nodes in them.
        data: Graph inputs.
        train: Training ratings.
        side: `user` or `item`.
        node: Index of the node.
    """
    samples, tower = posterior.samples, f"{side}s"
    collect = _Collector(len(posterior), samples[f"{tower}.factors.rows"].shape[2])
    _add_content(collect, posterior, data, side, node)
    mine = train.user == node if side == USER else train.item == node
    partners = torch.from_numpy((train.item if side == USER else train.user)[mine])
    if not len(partners):
        collect.add([PartKey(NEW, side)], samples[f"cold_{tower}.shared.rows"])
        collect.add_free(side, samples[f"cold_{tower}.residual.rows"][:, node].float())
        return collect.received()
    _add_neighbours(collect, posterior, data, side, partners)
    for edge_type in data[side].interactions:
        if edge_type[1] not in (RATED, RATED_BY):
            _, rows = _edge_rows(posterior, data, f"{tower}.interactions", edge_type, node)
            collect.add([PartKey(DATES, side)], rows.sum(1, keepdim=True))
    if side == USER and predictor.dated is not None:
        days = predictor.users[:, node].double() - predictor.dated.users[:, node].double()
        collect.add([PartKey(DATES, side)], days[:, None])
    collect.add_free(side, samples[f"{tower}.factors.rows"][:, node].float())
    return collect.received()


@torch.no_grad()
def received_from_history(
    posterior: Posterior, predictor: Predictor, data: HeteroData, rows: Tensor, item: Tensor, level: Tensor
) -> Received:
    r"""Take someone new apart into what each of their ratings brings.

    A newcomer's free row $w$ maximises $\log N(w; 0, \tau^2) + \sum_j \log P(r_j \mid f_j)$, up to the draw that keeps
    its uncertainty (`taste_from_history`). Where the gradient vanishes

    $$w = \tau^2 \sum_j \frac{\partial \log P(r_j \mid f_j)}{\partial f_j} (z_j, 1),$$

    so the row, too, is a sum over ratings: a rating higher than expected pulls it towards the item. What is left is the
    draw, which stays with the factors.

    Args:
        posterior: Kept samples.
        predictor: Rows of known nodes.
        data: Graph inputs.
        rows: The newcomer's rows, `[num_samples, size]`.
        item: Rated items, int64 `[num_ratings]`, possibly none.
        level: Index of each rating's level, int64 `[num_ratings]`.
    """
    samples = posterior.samples
    collect = _Collector(*rows.shape)
    if not len(item):
        collect.add([PartKey(NEW, USER)], samples["cold_users.shared.rows"])
    else:
        _add_neighbours(collect, posterior, data, USER, item)
    messages = _total(collect)
    free = rows.double() - messages
    if len(item):
        partners = predictor.items[:, item].double()
        design = torch.cat([partners[..., :-1], torch.ones_like(partners[..., -1:])], dim=-1)
        score = (design @ rows.double()[..., None])[..., 0] + partners[..., -1]
        cuts = predictor.thresholds.double()[:, None] + predictor.item_offsets[:, item].double()
        ends = torch.full_like(cuts[..., :1], torch.inf)
        cuts = torch.cat([-ends, cuts, ends], dim=-1)
        place = level.expand(len(rows), -1)[..., None]
        below, above = (torch.sigmoid(cuts.gather(2, place + step)[..., 0] - score) for step in (0, 1))
        variance = samples["users.factors.rows"].double().var(dim=1, unbiased=False)
        pulls = variance[:, None] * (below + above - 1)[..., None] * design
        collect.add([PartKey(NEIGHBOUR, USER, sender=int(one)) for one in item], pulls)
        free = free - pulls.sum(1)
    collect.add_free(USER, free)
    return collect.received()


def _total(collect: _Collector) -> Tensor:
    """Return the sum of what was collected so far, float64 `[num_samples, size]`."""
    found = collect.received()
    total = found.rows.sum(0)
    for hop in found.hops:
        total = total + hop.features.sum(0) @ hop.table
    return total.view(collect.shape)


def _add_content(collect: _Collector, posterior: Posterior, data: HeteroData, side: str, node: int) -> None:
    for edge_type in data[side].content:
        senders, rows = _edge_rows(posterior, data, f"{side}s.content", edge_type, node)
        collect.add([PartKey(CONCEPT, side, edge_type, sender) for sender in senders], rows)
    for name, features in data[side].features["content"].items():
        table = posterior.samples[f"{side}s.content.tables.{parameter_key(name)}"].double()
        collect.add([PartKey(TEXTS, side)], (features[node].double() @ table)[:, None])


def _edge_rows(
    posterior: Posterior, data: HeteroData, encoder: str, edge_type: MessageType, node: int
) -> tuple[list[int], Tensor]:
    """Return the senders of a relation's messages to a node, and the messages `[num_samples, num_senders, size]`."""
    edges = data[edge_type]
    mine = (edges.edge_index[1] == node).nonzero()[:, 0]
    table = posterior.samples[f"{encoder}.tables.{parameter_key(relation_name(edge_type))}"]
    rows = table[:, edges.table_row[mine]].double() * edges.edge_weight[mine, None].double()
    return edges.edge_index[0][mine].tolist(), rows


def _add_neighbours(collect: _Collector, posterior: Posterior, data: HeteroData, side: str, partners: Tensor) -> None:
    """Add what the items that a user rated say, each by itself, or the users who rated an item, together."""
    share = len(partners) ** -0.5
    keys = [
        PartKey(NEIGHBOUR, USER, sender=partner) if side == USER else PartKey(RATERS, ITEM)
        for partner in partners.tolist()
    ]
    edge_type = (ITEM, RATED, USER) if side == USER else (USER, RATED_BY, ITEM)
    encoder = f"{side}s.interactions"
    if edge_type in data[side].interactions:
        senders = data[edge_type].senders
        row = torch.searchsorted(senders, partners).clamp(max=len(senders) - 1)
        # Who has no training rating has no row in the table, and sends nothing.
        sends = senders[row] == partners
        table = posterior.samples[f"{encoder}.tables.{parameter_key(relation_name(edge_type))}"]
        rows = table[:, row].double() * (share * sends[:, None])
        if side == ITEM:
            rows, named = rows.sum(1, keepdim=True), keys[:1]
        else:
            named = keys
        collect.add(named, rows)
    for name, centred in data[side].hop_sources.items():
        features = centred[partners].double() * share
        if side == ITEM:
            features = features.sum(0, keepdim=True)
        table = posterior.samples[f"{encoder}.tables.{parameter_key(HOP + name)}"]
        collect.add_hop(keys if side == USER else keys[:1], features, table)
