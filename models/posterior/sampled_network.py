"""A trained network in every kept sample: whatever stands above it asks this, and nothing else, for embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from kg.schema import ITEM, USER
from models.inputs import hybrid_inputs, relation_name
from models.network.assembly import ModelSettings, assemble
from models.network.encoder import Messages
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.hybrid import HybridInputs, HybridModel
from models.network.message_names import HOP, RATED, RATED_BY, TEXT
from models.network.tower import NodeInputs
from models.posterior.embedding_prior import EmbeddingPrior, UserThresholds
from models.posterior.latent_factors import LatentFactors
from models.posterior.predictor import Predictor, rows_of
from models.posterior.samples import Posterior
from models.posterior.user_embedding import UserEmbedding

__all__ = ["ContentEdges", "Message", "NetworkOnGraph", "SampledNetwork"]


@dataclass(frozen=True, eq=False)
class NetworkOnGraph:
    """The modules of the network, and the messages of the graph that they read.

    Attributes:
        data: Graph inputs.
        settings: Sizes of the network.
        num_levels: Number of levels of the rating scale.
    """

    data: GraphInputs
    settings: ModelSettings
    num_levels: int

    @cached_property
    def inputs(self) -> HybridInputs:
        """Messages to all nodes; stacked on first use."""
        return hybrid_inputs(self.data)

    @cached_property
    def model(self) -> HybridModel:
        """The network, whose tables are of the right sizes and empty: each of the samples brings its own."""
        shares = torch.full((self.num_levels,), 1 / self.num_levels)
        return assemble(hybrid_inputs(self.data, edges=False), shares, self.settings)

    def messages(self, kind: str) -> NodeInputs:
        """Return the messages to all users or items."""
        return self.inputs.users if kind == USER else self.inputs.items


class ContentEdges(NamedTuple):
    """Edges of one relation from concepts to nodes that training need not have seen.

    Attributes:
        sender: Index of each edge's concept, int64 `[num_edges]`.
        table_row: Its row in the relation's table.
        new: Position of the node it reaches.
        weight: Weight of the edge.
    """

    sender: Tensor
    table_row: Tensor
    new: Tensor
    weight: Tensor


class Message(NamedTuple):
    r"""Terms of the sum that an embedding is, one for each sender: $w_j T_j$, or $\sum_m x_{jm} W_m$ of features.

    Attributes:
        name: Name of the relation's messages or of the feature; `hop_...` over two hops; `factors`, `residual` or `shared`.
        senders: Index of each sender; a single -1 for what the node is by itself.
        weight: $w$, `[num_senders]`; or features $x$, `[num_senders, num_features]`.
        rows: $T$, `[num_samples, num_senders, size]`; or $W$, `[num_samples, num_features, size]`.
        relation: The edge type of messages along edges.
    """

    name: str
    senders: list[int]
    weight: Tensor
    rows: Tensor
    relation: MessageType | None = None

    def terms(self) -> Tensor:
        """Return what each sender adds, float64 `[num_samples, num_senders, size]`."""
        rows, weight = self.rows.double(), self.weight.double()
        return rows * weight[:, None] if weight.dim() == 1 else weight @ rows


@dataclass(frozen=True, eq=False)
class SampledNetwork:
    """A network in all kept samples, in some of them, or in the only one of a gradient run; kinds are `user` and `item`.

    Attributes:
        posterior: Its parameters in every sample.
        predictor: Embeddings of all nodes in them.
        network: Its modules, and what they read.
    """

    posterior: Posterior
    predictor: Predictor
    network: NetworkOnGraph

    def __len__(self) -> int:
        return len(self.predictor)

    @property
    def data(self) -> GraphInputs:
        """The graph inputs."""
        return self.network.data

    def part(self, chosen: slice) -> SampledNetwork:
        """Return the network in some of the samples, in the same memory."""
        return SampledNetwork(self.posterior.part(chosen), self.predictor.part(chosen), self.network)

    def embeddings(self, kind: str, nodes: Tensor | int | slice = slice(None)) -> Tensor:
        """Return embeddings of nodes of the graph, bias last, `[num_samples, num_given_nodes, size]`."""
        rows = self.predictor.users if kind == USER else self.predictor.items
        return rows_of(rows, nodes) if isinstance(nodes, Tensor) else rows[:, nodes]

    def content_embeddings(
        self,
        kind: str,
        edges: Mapping[MessageType, ContentEdges] | None = None,
        features: Tensor | None = None,
        num_nodes: int = 1,
    ) -> Tensor:
        """Return what text and concepts alone say of nodes, `[num_samples, num_nodes, size]`.

        Args:
            kind: Kind of the nodes.
            edges: Concepts of nodes that training has not seen; by default all nodes of the graph are meant.
            features: Text features of these nodes, `[num_nodes, num_features]`, if they have any.
            num_nodes: Number of these nodes.
        """
        encoder = (self.network.model.users if kind == USER else self.network.model.items).content
        if edges is None:
            return self.posterior.content_embeddings(encoder, kind, self.network.messages(kind).content)
        relations, senders = {}, {}
        for relation, part in edges.items():
            name = relation_name(relation)
            senders[name], place = torch.unique(part.table_row, return_inverse=True)
            relations[name] = (torch.stack([place, part.new]), part.weight, len(senders[name]))
        messages = Messages.stack(num_nodes, relations, {} if features is None else {TEXT: features})
        return self.posterior.content_embeddings(encoder, kind, messages, senders)

    @torch.no_grad()
    def messages_sent(self, kind: str, senders: Tensor | None = None) -> Tensor:
        r"""Return what each item adds to whoever rated it, before the weight $1 / \sqrt n$; of items, what each rater adds.

        Args:
            kind: Kind of the receivers.
            senders: Which senders, int64 `[num_senders]`; by default all there are.

        Returns:
            `[num_samples, num_senders, size]`.
        """
        data, relation = self.data, _along_ratings(kind)
        nodes = torch.arange(int(data[relation[0]].num_nodes)) if senders is None else senders
        sent = torch.zeros(len(self), len(nodes), self.posterior.size)
        if relation in data[kind].interactions and len(data[relation].senders):
            row, there = _table_rows(data, relation, nodes)
            table = self.posterior.table(kind, "interactions", relation_name(relation))
            sent += rows_of(table, row).float() * there[:, None]
        for name, centred in data[kind].hop_sources.items():
            sent += centred[nodes] @ self.posterior.table(kind, "interactions", HOP + name).float()
        return sent

    @torch.no_grad()
    def fold_in(
        self,
        kind: str,
        rated: Tensor,
        level: Tensor,
        *,
        content: Tensor | None = None,
        prior: EmbeddingPrior | None = None,
        thresholds: UserThresholds | None = None,
        weight: float = 1.0,
        generator: torch.Generator,
    ) -> UserEmbedding:
        r"""Return the embedding of a newcomer who rated some items, without training; or of an item that users rated.

        The messages along ratings and over two hops are those of any node, believed as far as the prior says. What the
        embedding is beyond them, $w$, has the posterior
        $p(w \mid r) \propto N(w; \mu, \Sigma) \prod_j P(r_j \mid f_j^0 + \langle w, z_j\rangle)$ (`LatentFactors`); a few
        scoring steps in every sample find its mode, and one draw from the Laplace approximation there keeps the uncertainty
        that a few ratings leave. A user's preferences for levels are found and drawn together with it; those who rated an
        item stay as they are.

        Args:
            kind: Kind of the newcomer.
            rated: Items they rated, or users who rated the item, int64 `[num_ratings]`, possibly none.
            level: Index of each rating's level, int64 `[num_ratings]`.
            content: What concepts and text say, `[num_samples, size]`; None where none is known.
            prior: What is to be expected of someone with so many ratings (`models.cold.cold_start_prior`). By default
                $\mu = 0$ and $\Sigma$ is the covariance of the known nodes' latent factors in the sample; without ratings,
                the cold view.
            thresholds: What is to be expected of a user's use of the scale; by default that it is nobody's own.
            weight: Evidence of each rating: 1 for one that was given, less for one that is only guessed.
            generator: Source of the draws.
        """
        nothing = torch.zeros_like(self.predictor.preferences[:, 0])
        start = 0.0 if len(rated) or prior is not None else self.posterior.shared(kind)
        prior = prior or self.covariance_prior(kind, rated=bool(len(rated)))
        if content is not None:
            start = start + prior.believed_content(content[:, None])[:, 0]
        if not len(rated):
            return UserEmbedding(start + prior.draw(1, generator)[:, 0], nothing, prior.precision)
        start = start + prior.believed(self.messages_sent(kind, rated) * len(rated) ** -0.5).sum(1)
        use = thresholds if kind == USER else rows_of(self.predictor.preferences, rated)
        partners = self.embeddings(ITEM if kind == USER else USER, rated)
        factors = LatentFactors.of(start, prior, partners, self.predictor.thresholds, level, use=use, weight=weight)
        row, preferences, precision = factors.draw(generator)
        return UserEmbedding(start + row, nothing if preferences is None else preferences, precision)

    def covariance_prior(self, kind: str, *, rated: bool) -> EmbeddingPrior:
        """Return the prior around zero that training gave latent factors, or what a node without ratings is beyond its content."""
        covariance = self.posterior.factor_covariance(kind) if rated else self.posterior.residual_covariance(kind)
        return EmbeddingPrior(torch.zeros_like(covariance[..., 0]), covariance)

    def edge_messages(self, kind: str, group: str, nodes: Tensor) -> Iterator[tuple[Tensor, Message]]:
        """Yield the messages of one group, `content` or `interactions`, to some nodes, relation by relation.

        Args:
            kind: Kind of the nodes.
            group: Which messages.
            nodes: The nodes, all different, int64 `[num_given_nodes]`.

        Yields:
            For each message the position of the node it reaches, and the messages.
        """
        place = torch.full((int(self.data[kind].num_nodes),), -1)
        place[nodes] = torch.arange(len(nodes))
        for relation in getattr(self.data[kind], group):
            edges, name = self.data[relation], relation_name(relation)
            receiver = place[edges.edge_index[1]]
            reached = torch.nonzero(receiver >= 0)[:, 0]
            rows = rows_of(self.posterior.table(kind, group, name), edges.table_row[reached])
            yield (
                receiver[reached],
                Message(name, edges.edge_index[0][reached].tolist(), edges.edge_weight[reached], rows, relation),
            )

    @torch.no_grad()
    def contributions(self, kind: str, node: int, partners: Tensor) -> list[Message]:
        """Return the messages whose sum the embedding of a node of the graph is, exactly: the encoder is linear.

        Args:
            kind: Kind of the node.
            node: Its index.
            partners: Items that a user rated in training, or users who rated the item, int64 `[num_ratings]`.
        """
        data, posterior, itself = self.data, self.posterior, torch.ones(1)
        terms_of_sum = [message for _, message in self.edge_messages(kind, "content", torch.tensor([node]))]
        for name, features in data[kind].features["content"].items():
            terms_of_sum.append(Message(name, [-1], features[node, None], posterior.table(kind, "content", name)))
        if not len(partners):
            shared, residual = posterior.shared(kind)[:, None], posterior.residual(kind, node)[:, None]
            return [*terms_of_sum, Message("shared", [-1], itself, shared), Message("residual", [-1], itself, residual)]
        share, along = len(partners) ** -0.5, _along_ratings(kind)
        if along in data[kind].interactions:
            row, there = _table_rows(data, along, partners)
            rows = rows_of(posterior.table(kind, "interactions", relation_name(along)), row)
            terms_of_sum.append(Message(along[1], partners.tolist(), share * there.double(), rows))
        for name, centred in data[kind].hop_sources.items():
            table = posterior.table(kind, "interactions", HOP + name)
            terms_of_sum.append(Message(HOP + name, partners.tolist(), centred[partners].double() * share, table))
        for _, message in self.edge_messages(kind, "interactions", torch.tensor([node])):
            if message.relation != along:
                terms_of_sum.append(message)
        return [*terms_of_sum, Message("factors", [-1], itself, posterior.factors(kind, node)[:, None])]


def _along_ratings(kind: str) -> MessageType:
    return (ITEM, RATED, USER) if kind == USER else (USER, RATED_BY, ITEM)


def _table_rows(data: GraphInputs, relation: MessageType, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the row of each node in a relation's table, and whether it has one: who has no training rating sends nothing."""
    senders = data[relation].senders
    row = torch.searchsorted(senders, nodes).clamp(max=len(senders) - 1)
    return row, senders[row] == nodes
