"""New items and users among those a network has learned: placed by the same content tables, without training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.errors import InputError
from kg.growth.new_entities import NewEntities
from kg.hierarchy import with_wider_concepts
from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.cold.trained_network import TrainedNetwork
from models.cold.user_embedding import user_embeddings_of
from models.inputs import directions, relation_name
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.message_names import TEXT
from models.posterior import ContentEdges

__all__ = ["content_of_user", "new_edges", "placed"]

Model = TypeVar("Model", bound=TrainedNetwork)

SEED = 0


@torch.no_grad()
def placed(
    recommender: Model,
    additions: NewEntities,
    edges: Mapping[MessageType, ContentEdges],
    vectors: NDArray[np.float32] | None = None,
    **changed: Any,
) -> Model:
    r"""Return a recommender that knows some new items or users as well.

    A new node gets the cold view of training, $z_v = \mathrm{content}_v + c + \epsilon_v$. Its content comes from the
    tables that all others are read by, $\epsilon_v$ is drawn from what rated nodes have beyond their content
    (`models.cold.residuals`). With a few ratings, $\epsilon_v$ is what these say instead (`SampledNetwork.fold_in`), beside
    preferences for levels of a user; of a user also without any, what is to be expected of someone with their concepts.
    Samples of the first phase answer for it; of a user all, as of someone with that history. Nothing that was known
    changes: the ratings of a new item move no user.

    Args:
        recommender: What answered so far.
        additions: The new nodes.
        edges: Content messages to them (`new_edges`).
        vectors: Text vectors of new items, zero rows without text, `[num_new_nodes, dimension]`.
        **changed: What else is other in the new recommender, by name of the field.
    """
    kind, count = additions.kind, len(additions)
    features = None if vectors is None else _features(recommender, vectors)
    before, phased = recommender.predictor, recommender.posterior
    content = recommender.samples.content_embeddings(kind, edges, features, count)
    shared, first = phased.samples.shared(kind)[:, None], phased.num_cold
    # Only samples of the first phase are asked of a new node, but for a user placed in all.
    residual, preferences = torch.zeros_like(content), content.new_zeros(*content.shape[:2], len(recommender.levels))
    # Of an item without ratings residuals say what is expected; of a user the prior of newcomers does, in all samples.
    expected = kind == USER and recommender.cold_start_prior(USER, 0) is not None
    if not expected:
        residual[:first] = recommender.residuals(kind).draw(kind, list(additions.nodes.vocabulary))
    placed_in_all = torch.zeros(count, dtype=torch.bool)
    for new in range(count) if expected else np.unique(additions.new).tolist():
        row, preferences[:, new], placed_in_all[new] = _rated(recommender, additions, new, content[:, new])
        residual[: len(row), new] = row - content[: len(row), new] - shared[: len(row), 0]
    residual, preferences = residual.half(), preferences.half()  # as all samples are kept
    rows = content + shared + residual.float()
    extended = replace(
        recommender,
        graph=additions.extended(recommender.graph),
        train=_extended_ratings(recommender.train, additions),
        posterior=replace(phased, samples=phased.samples.extended(kind, residual, preferences)),
        data=_extended_data(recommender.data, additions, edges, features),
        additions=(*recommender.additions, additions),
        origin=recommender.origin or recommender,
        **changed,
    )
    if not recommender.implicit:
        # What newcomers are like is told by those that training knew, whoever asks for it first.
        for known_kind in (USER, ITEM):
            recommender.cold_start_priors(known_kind)
    extended.keep(recommender, predictor=before.extended(kind, rows, preferences.float(), placed_in_all))
    return extended


@torch.no_grad()
def content_of_user(recommender: TrainedNetwork, concepts: Mapping[str, Any]) -> Tensor:
    """Return what concepts say of someone new in all samples, `[num_samples, embedding_size + 1]`.

    Args:
        recommender: What answers.
        concepts: Relation -> value or values, such as age and occupation.

    Raises:
        InputError: If users have no such relation, or the graph no such concept.
    """
    someone = {"id": "someone new" + " " * len(recommender.graph.users), "concepts": concepts}
    additions = NewEntities.of(recommender.graph, USER, [someone], scale=recommender.scale)
    if additions.unknown:
        relation, value = additions.unknown[0]
        raise InputError(f"{relation} {value!r} is not known to the graph; leave it out or correct it")
    edges, _ = new_edges(recommender, additions)
    return recommender.samples.content_embeddings(USER, edges)[:, 0]


def new_edges(recommender: TrainedNetwork, additions: NewEntities) -> tuple[dict[MessageType, ContentEdges], list[str]]:
    """Return the content messages to new nodes as training would make them, and sentences on concepts too rare to have a row."""
    graph, data = recommender.graph, recommender.data
    kind, alone, shift = additions.kind, additions.alone(graph), len(graph.nodes[additions.kind])
    messages: dict[MessageType, NDArray[np.int64]] = {}
    for edge_type, edges in additions.edges.items():
        if edge_type.source == edge_type.target:
            index = edges.index - np.array([[shift], [0]])
            messages[edge_type.target, edge_type.relation, kind] = index[::-1]
            continue
        both = directions(edge_type, with_wider_concepts(alone, edge_type))
        messages.update({message_type: index for message_type, index in both if message_type[2] == kind})
    by_relation: dict[MessageType, ContentEdges] = {}
    notes: list[str] = []
    for message_type, index in messages.items():
        learned = data[message_type].senders.numpy() if message_type in data[kind].content else np.zeros(0, np.int64)
        sender, new = np.unique(index, axis=1)
        there = np.isin(sender, learned)
        for node in np.unique(new[~there]):
            labels = graph.nodes[message_type[0]].labels[sender[~there & (new == node)]]
            notes.append(
                f"{message_type[1]} {', '.join(repr(str(label)) for label in labels)} of {kind} "
                f"{additions.nodes.vocabulary.id_of(int(node))!r}: too rare for the model to have learned"
            )
        sender, new = sender[there], new[there]
        if len(sender):
            weight = 1.0 / np.sqrt(np.bincount(new)[new])
            row = np.searchsorted(learned, sender)
            by_relation[message_type] = ContentEdges(
                *(torch.from_numpy(part) for part in (sender, row, new, weight.astype(np.float32)))
            )
    return by_relation, notes


def _features(recommender: TrainedNetwork, vectors: NDArray[np.float32]) -> Tensor | None:
    """Return the text features of new items, zero without text, `[num_new_items, num_features]`; None without any."""
    if TEXT not in recommender.data[ITEM].features["content"] or recommender.projection is None:
        return None
    has_text = vectors.any(axis=1)
    features = np.zeros((len(vectors), len(recommender.projection.components)), dtype=np.float32)
    if has_text.any():
        features[has_text] = recommender.projection(vectors[has_text])
    return torch.from_numpy(features)


def _rated(
    recommender: TrainedNetwork, additions: NewEntities, new: int, content: Tensor
) -> tuple[Tensor, Tensor | float, bool]:
    """Return the row of a new node by its ratings, its preferences for levels, and whether it is placed in all samples.

    An item is placed in the first ones alone, since its content is; so is a user where nothing says what users are like.
    """
    own = additions.new == new
    other = additions.other[own]
    level = nearest_level(additions.value[own], recommender.levels)
    if additions.kind == USER:
        # Nothing said is not the same as an average concept: a history alone is read as `recommend(history=...)` reads it.
        warm, cold = user_embeddings_of(recommender, other, level, content if bool(content.any()) else None)
        return (cold.rows, 0.0, False) if warm is None else (warm.rows, warm.preferences, True)
    item = recommender.cold_samples.fold_in(
        ITEM,
        torch.from_numpy(other),
        torch.from_numpy(level),
        content=content[: recommender.posterior.num_cold],
        prior=recommender.cold_start_prior(ITEM, len(other)),
        generator=torch.Generator().manual_seed(SEED),
    )
    return item.rows, 0.0, False


def _extended_ratings(train: Ratings, additions: NewEntities) -> Ratings:
    """Add the ratings of new nodes; they count as made when the last training rating was."""
    shift, joins = (train.num_items if additions.kind == ITEM else train.num_users), additions.kind == ITEM
    user, item = (additions.other, shift + additions.new) if joins else (shift + additions.new, additions.other)
    num_users = train.num_users + (0 if joins else len(additions))
    num_items = train.num_items + (len(additions) if joins else 0)
    last = None if train.time is None else np.full(len(user), train.time.max() if len(train) else 0, dtype=np.int64)
    new = Ratings(user=user, item=item, value=additions.value, time=last, num_users=num_users, num_items=num_items)
    return replace(train, num_users=num_users, num_items=num_items).concat(new)


def _extended_data(
    data: GraphInputs, additions: NewEntities, edges: Mapping[MessageType, ContentEdges], features: Tensor | None
) -> GraphInputs:
    """Return graph inputs with rows for new nodes: content messages as found, no messages along ratings."""
    kind, count = additions.kind, len(additions)
    extended = copy.copy(data)
    shift = int(data[kind].num_nodes)
    extended[kind].num_nodes = shift + count
    extended[kind].num_present = int(data[kind].num_present) + count
    for message_type, part in edges.items():
        old, new = data[message_type], extended[message_type]
        new.edge_index = torch.cat([old.edge_index, torch.stack([part.sender, part.new + shift])], dim=1)
        new.edge_weight = torch.cat([old.edge_weight, part.weight])
        new.table_row = torch.cat([old.table_row, part.table_row])
    rows = {"content": {TEXT: features}, "interactions": {}}
    extended[kind].features = {
        group: {name: _longer(values, rows[group].get(name), count) for name, values in features_of.items()}
        for group, features_of in data[kind].features.items()
    }
    other = USER if kind == ITEM else ITEM
    hops = {}
    for name, centred in data[other].hop_sources.items():
        own = _hop_features(data, kind, name, edges, features, count, centred)
        hops[name] = torch.cat([centred, own])
    extended[other].hop_sources = hops
    return extended


def _longer(values: Tensor, rows: Tensor | None, count: int) -> Tensor:
    return torch.cat([values, values.new_zeros(count, values.shape[1]) if rows is None else rows])


def _hop_features(
    data: GraphInputs,
    kind: str,
    name: str,
    edges: Mapping[MessageType, ContentEdges],
    features: Tensor | None,
    count: int,
    centred: Tensor,
) -> Tensor:
    """Return what new nodes add to a two-hop feature of whoever rates them, around the mean of training."""
    dense = torch.zeros(count, centred.shape[1])
    old = data[kind].features["content"].get(name)
    if name == TEXT:
        assert features is not None
        assert old is not None
        return features - (old[:1] - centred[:1])
    message_type = next(relation for relation in data[kind].content if relation_name(relation) == name)
    part = data[message_type]
    first = torch.zeros(centred.shape[1])
    own = part.edge_index[1] == 0
    first[part.edge_index[0][own]] = part.edge_weight[own]
    if message_type in edges:
        new = edges[message_type]
        dense[new.new, new.sender] = new.weight
    return dense - (first - centred[0])
