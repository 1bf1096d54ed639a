"""From graph, training ratings and text vectors to the typed, weighted edges of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack
from torch import Tensor

from kg.graph import KnowledgeGraph
from kg.hierarchy import with_wider_concepts
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from models.network.encoder import Messages
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.hybrid import HybridInputs
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER, TEXT
from models.network.sparse import SparseOperator
from models.network.tower import NodeInputs

__all__ = ["InputLimits", "graph_inputs", "hybrid_inputs"]

_BLOCK = 1024  # nodes whose relations are followed to ratings at once


@dataclass(frozen=True, kw_only=True)
class InputLimits:
    """Which messages are made.

    Attributes:
        least_items: A concept speaks only if it belongs to at least this many items or users.
        most_hop_concepts: Relations with at most this many concepts also send over two hops.
        least_related: A relation between users or items carries ratings only if it leads to those of at least this many.
        most_over: Over a relation between users or items, at most this many messages of what the related ones rated
            reach a node: those of the largest weight, so that the cost stays in proportion to the nodes.
        leave_out: Parts that send no messages, for ablations: concepts, text, neighbours, two_hops.
    """

    least_items: int = 2
    most_hop_concepts: int = 32
    least_related: int = 10
    most_over: int = 128
    leave_out: frozenset[str] = frozenset()


def graph_inputs(
    graph: KnowledgeGraph, ratings: Ratings, item_text: NDArray[np.float32], limits: InputLimits | None = None
) -> GraphInputs:
    r"""Make the model's messages.

    Every edge type `(source, relation, user | item)` has `edge_index` `[2, num_edges]`,
    `edge_weight` `[num_edges]`, the `senders` that have a row in the relation's table, and the
    `table_row` of each edge's sender `[num_edges]`; a node with $n$ edges of one relation weighs each by $1/\sqrt{n}$, so
    that the message's variance does not grow with $n$. Nothing here depends on the *value* of a rating:
    ratings enter only as who rated what.

    Args:
        graph: The knowledge graph.
        ratings: Training ratings only.
        item_text: Text features of items, `[num_items, num_features]`; zero rows for items without text.
        limits: Which messages are made.

    Returns:
        Nodes `user`, `item` and every concept kind. `data[kind].content` and
        `data[kind].interactions` list the edge types of each group; `data[kind].features` holds dense
        features by group and name, and `data[kind].hop_sources` what each neighbour adds to a two-hop feature.
    """
    limits = limits or InputLimits()
    data = GraphInputs()
    for kind, nodes in graph.nodes.items():
        data[kind].num_nodes, data[kind].num_present = len(nodes), nodes.num_present
    for kind in (USER, ITEM):
        data[kind].content, data[kind].interactions = [], []
        data[kind].features, data[kind].hop_sources = {"content": {}, "interactions": {}}, {}
    if "concepts" not in limits.leave_out:
        for edge_type in graph.edges:
            for message_type, index in directions(edge_type, with_wider_concepts(graph, edge_type)):
                _add(data, "content", message_type, *_concept_edges(index, limits.least_items))
                if message_type[0] == message_type[2] and "neighbours" not in limits.leave_out:
                    _add(data, "interactions", *_rated_over(message_type, index, ratings, limits))
    if "text" not in limits.leave_out and item_text.shape[1]:
        data[ITEM].features["content"][TEXT] = torch.from_numpy(np.ascontiguousarray(item_text))
    rated = _rated(ratings)
    if "two_hops" not in limits.leave_out:
        _add_two_hops(data, rated, limits)
    if "neighbours" not in limits.leave_out:
        for message_type, edges in rated.items():
            _add(data, "interactions", message_type, *edges)
    return data


def hybrid_inputs(data: GraphInputs, *, edges: bool = True) -> HybridInputs:
    """Stack the edges of `graph_inputs` into one sparse operator a side and group.

    Args:
        data: What `graph_inputs` made.
        edges: Whether the edges are wanted; the sizes of a network follow from the senders alone.
    """

    def messages(kind: str, group: str) -> Messages:
        if not edges:
            sizes = {relation_name(found): len(data[found].senders) for found in getattr(data[kind], group)}
            return Messages(int(data[kind].num_nodes), sizes, None, data[kind].features[group])
        relations = {
            relation_name(edge_type): (
                torch.stack([data[edge_type].table_row, data[edge_type].edge_index[1]]),
                data[edge_type].edge_weight,
                len(data[edge_type].senders),
            )
            for edge_type in getattr(data[kind], group)
        }
        return Messages.stack(int(data[kind].num_nodes), relations, data[kind].features[group])

    def node_inputs(kind: str) -> NodeInputs:
        return NodeInputs(content=messages(kind, "content"), interactions=messages(kind, "interactions"))

    return HybridInputs(users=node_inputs(USER), items=node_inputs(ITEM))


def relation_name(edge_type: MessageType) -> str:
    """Name the messages of an edge type; the kinds tell the directions of one relation apart."""
    sender, relation, _ = edge_type
    return f"{relation}<{sender}"


def directions(edge_type: EdgeType, index: NDArray[np.int64]) -> list[tuple[MessageType, NDArray[np.int64]]]:
    """Turn a graph edge into messages to users and items: from its target, and back from its source."""
    source, relation, target = edge_type
    found: list[tuple[MessageType, NDArray[np.int64]]] = []
    if source in (USER, ITEM):
        found.append(((target, relation, source), index[::-1]))
    # A relation that holds both ways, as two articles that cite each other, says everything in one direction.
    both_ways = source == target and np.array_equal(np.unique(index, axis=1), np.unique(index[::-1], axis=1))
    if target in (USER, ITEM) and not both_ways:
        found.append(((source, f"{relation}_of", target), index))
    return found


def _concept_edges(index: NDArray[np.int64], least: int) -> tuple[Tensor, Tensor]:
    """Keep concepts with at least `least` receivers, each pair once, weighted by 1 / sqrt(degree)."""
    edge_index = np.unique(index, axis=1)
    if edge_index.shape[1]:
        edge_index = edge_index[:, np.bincount(edge_index[0])[edge_index[0]] >= least]
    weight = 1.0 / np.sqrt(np.bincount(edge_index[1])[edge_index[1]]) if edge_index.shape[1] else np.zeros(0)
    return torch.from_numpy(edge_index.copy()), torch.from_numpy(weight.astype(np.float32))


def _add(
    data: GraphInputs,
    group: str,
    edge_type: MessageType,
    edge_index: Tensor,
    weight: Tensor,
    sends: Tensor | None = None,
) -> None:
    if edge_index.shape[1]:
        # A relation's table has rows for its own senders only: few persons direct, though many act.
        sends = torch.bincount(edge_index[0]) > 0 if sends is None else sends
        senders, table_row = sends.nonzero()[:, 0], (sends.cumsum(0) - 1)[edge_index[0]]
        edges = data[edge_type]
        edges.edge_index, edges.edge_weight, edges.table_row, edges.senders = edge_index, weight, table_row, senders
        getattr(data[edge_type[2]], group).append(edge_type)


def _rated(ratings: Ratings) -> dict[MessageType, tuple[Tensor, Tensor]]:
    """Return messages along training ratings both ways: who rated what, never how."""
    user, item = torch.from_numpy(ratings.user.copy()), torch.from_numpy(ratings.item.copy())
    of_user, of_item = (
        torch.from_numpy(counts.astype(np.float32)) for counts in (ratings.user_counts, ratings.item_counts)
    )
    return {
        (ITEM, RATED, USER): (torch.stack([item, user]), of_user[user].rsqrt()),
        (USER, RATED_BY, ITEM): (torch.stack([user, item]), of_item[item].rsqrt()),
    }


def _rated_over(
    message_type: MessageType, index: NDArray[np.int64], ratings: Ratings, limits: InputLimits
) -> tuple[MessageType, Tensor, Tensor, Tensor]:
    r"""Return messages of what related users rated (or of who rated related items): $\sum_w \sum_j T[j] / \sqrt{m_v n_w}$.

    $w$ runs over the $m_v$ related nodes that have ratings, $j$ over the $n_w$ ratings of each: the trust of TrustSVD
    (Guo et al., AAAI 2015) along ratings. They say who rated what, never how.

    Args:
        message_type: The relation, between nodes of one kind.
        index: Its edges, sender and receiver, int64 `[2, num_edges]`.
        ratings: Training ratings.
        limits: Least number of related nodes, most messages to a node.

    Returns:
        Edge type, edges (none, if too few are related) and weights of the messages, and who has a row in their table: all that have ratings. Which of
        them send may change when someone is forgotten; that no one gets a row then, a posterior relies on.
    """
    kind, relation, _ = message_type
    own, other, others = (
        (ratings.user, ratings.item, ratings.num_items)
        if kind == USER
        else (ratings.item, ratings.user, ratings.num_users)
    )
    num_nodes = ratings.num_users if kind == USER else ratings.num_items
    counts = np.bincount(own, minlength=num_nodes)
    rated = coo_array((counts[own] ** -0.5, (own, other)), shape=(num_nodes, others)).tocsr()
    sender, receiver = np.unique(index[:, counts[index[0]] > 0], axis=1)
    if len(np.unique(receiver)) < limits.least_related:
        sender, receiver = sender[:0], receiver[:0]
    related = np.bincount(receiver, minlength=num_nodes)
    towards = coo_array((related[receiver] ** -0.5, (receiver, sender)), shape=(num_nodes, num_nodes)).tocsr()
    # In blocks: before the smaller ones are dropped there may be as many weights as nodes of both kinds, multiplied.
    blocks = [
        _largest(towards[start : start + _BLOCK] @ rated, limits.most_over) for start in range(0, num_nodes, _BLOCK)
    ]
    found = vstack(blocks).tocoo()
    edge_index = torch.from_numpy(np.stack([found.col, found.row]).astype(np.int64))
    sent = (ITEM if kind == USER else USER, RATED_OVER + relation, kind)
    sends = torch.from_numpy(np.bincount(other, minlength=others) > 0)
    return sent, edge_index, torch.from_numpy(found.data.astype(np.float32)), sends


def _largest(weights: csr_array, most: int) -> csr_array:
    """Return a matrix with the largest entries of each row; of equal ones those of the first columns."""
    weights.sort_indices()
    row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    order = np.lexsort((weights.indices, -weights.data, row))
    kept = np.sort(order[np.arange(len(row)) - weights.indptr[row] < most])
    return csr_array((weights.data[kept], (row[kept], weights.indices[kept])), shape=weights.shape)


def _add_two_hops(data: GraphInputs, rated: Mapping[MessageType, tuple[Tensor, Tensor]], limits: InputLimits) -> None:
    r"""Send small relations and text over ratings: $\sum_{j \in N(v)} (x_j - \bar x) / \sqrt{n_v}$.

    $\bar x$ is the mean over ratings, so that the message says how a node's neighbours differ from
    what everyone's neighbours are like.
    """
    for (sender, _, receiver), (edge_index, weight) in rated.items():
        counts = torch.bincount(edge_index[0], minlength=int(data[sender].num_nodes)).float()
        small = {
            relation_name(edge_type): _dense(data, edge_type)
            for edge_type in data[sender].content
            if data[edge_type[0]].num_present <= limits.most_hop_concepts
        }
        num_nodes = (int(data[receiver].num_nodes), int(data[sender].num_nodes))
        operator = SparseOperator(edge_index[1], edge_index[0], weight, num_nodes)
        for name, features in {**small, **data[sender].features["content"]}.items():
            centred = features - (counts[:, None] * features).sum(0) / counts.sum().clamp_min(1)
            data[receiver].hop_sources[name] = centred
            data[receiver].features["interactions"][HOP + name] = operator @ centred


def _dense(data: GraphInputs, edge_type: MessageType) -> Tensor:
    edges = data[edge_type]
    dense = torch.zeros(int(data[edge_type[2]].num_nodes), int(data[edge_type[0]].num_nodes))
    dense[edges.edge_index[1], edges.edge_index[0]] = edges.edge_weight
    return dense
