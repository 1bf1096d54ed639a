"""New items and users among those a model has learned: placed by the same content tables, without training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.growth.new_entities import NewEntities
from kg.hierarchy import with_wider_concepts
from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.wording import item_sentences
from models.cold.fold_in import item_from_raters
from models.cold.user_embedding import user_embeddings_of
from models.inputs import directions, relation_name
from models.lists.content import Content
from models.network.encoder import Messages
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.message_names import TEXT
from models.posterior import PhasedPredictor, Predictor
from models.trained import Trained

__all__ = ["content_of_user", "placed", "text_vectors"]

Model = TypeVar("Model", bound=Trained)

SEED = 0


@dataclass(frozen=True, eq=False)
class NewEdges:
    """Content messages to new nodes: of each edge type the sender, its row in the table, the new node, the weight."""

    sender: Tensor
    table_row: Tensor
    new: Tensor
    weight: Tensor


def text_vectors(recommender: Trained, additions: NewEntities) -> NDArray[np.float32]:
    """Read the texts of new items with the encoder that read the others, `[num_new_items, dimension]`.

    As in training, an item without text is read by its title and concepts, and one of which nothing is known has zeros.

    Raises:
        InputError: If the encoder at hand is another one, or a text is not plain UTF-8.
    """
    vectors = np.zeros((len(additions), recommender.item_vectors.shape[1]), dtype=np.float32)
    if additions.kind != ITEM or not vectors.shape[1] or not recommender.item_vectors.any():
        return vectors
    sentences = item_sentences(additions.alone(recommender.graph))
    known = [number for number, sentence in enumerate(sentences) if sentence is not None]
    if known:
        recommender.check_encoder()
        try:
            "".join(sentence or "" for sentence in sentences).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("a text of the new items holds characters that are not text; give plain UTF-8") from None
        vectors[known] = recommender.encoder.encode([sentence for sentence in sentences if sentence is not None])
    return vectors


@torch.no_grad()
def placed(recommender: Model, additions: NewEntities, vectors: NDArray[np.float32]) -> Model:
    r"""Return a recommender that knows some new items or users as well.

    A new node gets the cold view of training, $z_v = \mathrm{content}_v + c + \epsilon_v$. Its content comes from the
    tables that all others are read by, $\epsilon_v$ is drawn from what rated nodes have beyond their content
    (`models.cold.residuals`). With a few ratings, $\epsilon_v$ is what these say instead (`models.cold.fold_in`), beside
    preferences for levels of a user; of a user also without any, what is to be expected of someone with their concepts. Samples of the first phase answer for it; of a user
    all, as of someone with that history. Nothing that was known changes: the ratings of a new item move no user.

    Args:
        recommender: What answered so far.
        additions: The new nodes.
        vectors: Text vectors of new items (`text_vectors`).
    """
    kind, count = additions.kind, len(additions)
    edges, notes = _new_edges(recommender.graph, additions, recommender.data)
    features = _features(recommender, vectors) if kind == ITEM else None
    before, phased = recommender.predictor, recommender.posterior
    content = _content_embeddings(recommender, kind, edges, features, count)
    shared = phased.warm.shared(kind)[:, None]
    # Only samples of the first phase are asked of a new node, but for a user placed in all.
    residual, first = torch.zeros_like(content), phased.num_cold
    preferences = content.new_zeros(*content.shape[:2], len(recommender.levels))
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
    known = {
        USER: torch.cat([before.known_users, placed_in_all]) if kind == USER else before.known_users,
        ITEM: torch.cat([before.known_items, placed_in_all]) if kind == ITEM else before.known_items,
    }
    item_item, content_of_items, item_vectors = recommender.item_item, recommender.content, recommender.item_vectors
    if kind == ITEM:
        found = {name: (part.sender.numpy(), part.new.numpy()) for name, part in edges.items()}
        content_of_items = content_of_items.extended(vectors, found)
        items = np.arange(len(item_vectors), len(item_vectors) + count)
        item_item = item_item.extended(_item_item_columns(recommender, content_of_items, items))
        item_vectors = np.concatenate([item_vectors, vectors])
    extended = replace(
        recommender,
        graph=additions.extended(recommender.graph),
        train=_extended_ratings(recommender.train, additions),
        posterior=replace(phased, warm=phased.warm.extended(kind, residual, preferences)),
        data=_extended_data(recommender.data, additions, edges, features),
        item_vectors=item_vectors,
        item_item=item_item,
        content=content_of_items,
        additions=(*recommender.additions, additions),
        notes=(*recommender.notes, *additions.notes, *notes),
        origin=recommender.origin or recommender,
    )
    if not recommender.implicit:
        # What newcomers are like is told by those that training knew, whoever asks for it first.
        for known_kind in (USER, ITEM):
            recommender.cold_start_priors(known_kind)
    extended.keep(
        recommender,
        predictor=PhasedPredictor(
            _extended_predictor(before.warm, kind, rows, preferences.float()), first, known[USER], known[ITEM]
        ),
    )
    return extended


@torch.no_grad()
def content_of_user(recommender: Trained, concepts: Mapping[str, Any]) -> Tensor:
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
    edges, _ = _new_edges(recommender.graph, additions, recommender.data)
    return _content_embeddings(recommender, USER, edges, None, 1)[:, 0]


def _new_edges(
    graph: KnowledgeGraph, additions: NewEntities, data: GraphInputs
) -> tuple[dict[MessageType, NewEdges], list[str]]:
    """Return the messages to new nodes as training would make them, from senders that have a row in a table."""
    kind, alone, shift = additions.kind, additions.alone(graph), len(graph.nodes[additions.kind])
    messages: dict[MessageType, NDArray[np.int64]] = {}
    for edge_type, edges in additions.edges.items():
        if edge_type.source == edge_type.target:
            index = edges.index - np.array([[shift], [0]])
            messages[edge_type.target, edge_type.relation, kind] = index[::-1]
            continue
        both = directions(edge_type, with_wider_concepts(alone, edge_type))
        messages.update({message_type: index for message_type, index in both if message_type[2] == kind})
    found: dict[MessageType, NewEdges] = {}
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
            found[message_type] = NewEdges(
                *(torch.from_numpy(part) for part in (sender, row, new, weight.astype(np.float32)))
            )
    return found, notes


def _features(recommender: Trained, vectors: NDArray[np.float32]) -> Tensor | None:
    """Return the text features of new items, zero without text, `[num_new_items, num_features]`; None without any."""
    if TEXT not in recommender.data[ITEM].features["content"] or recommender.projection is None:
        return None
    has_text = vectors.any(axis=1)
    found = np.zeros((len(vectors), len(recommender.projection.components)), dtype=np.float32)
    if has_text.any():
        found[has_text] = recommender.projection(vectors[has_text])
    return torch.from_numpy(found)


def _content_embeddings(
    recommender: Trained, kind: str, edges: Mapping[MessageType, NewEdges], features: Tensor | None, count: int
) -> Tensor:
    """Return what concepts and text say of new nodes, `[num_samples, num_new_nodes, size]`."""
    relations, senders = {}, {}
    for message_type, part in edges.items():
        name = relation_name(message_type)
        senders[name], place = torch.unique(part.table_row, return_inverse=True)
        relations[name] = (torch.stack([place, part.new]), part.weight, len(senders[name]))
    encoder = (recommender.model.users if kind == USER else recommender.model.items).content
    messages = Messages.stack(count, relations, {} if features is None else {TEXT: features})
    return recommender.posterior.warm.content_embeddings(encoder, kind, messages, senders)


def _rated(
    recommender: Trained, additions: NewEntities, new: int, content: Tensor
) -> tuple[Tensor, Tensor | float, bool]:
    """Return the row of a new node by its ratings, its preferences for levels, and whether it is placed in all samples.

    An item is placed in the first ones alone, since its content is; so is a user where nothing says what users are like.
    """
    mine = additions.new == new
    other = torch.from_numpy(additions.other[mine])
    level = nearest_level(additions.value[mine], recommender.levels)
    if additions.kind == USER:
        # Nothing said is not the same as an average concept: a history alone is read as `recommend(history=...)` reads it.
        concepts = content if bool(content.any()) else None
        warm, cold = user_embeddings_of(recommender, other.numpy(), level, concepts)
        return (cold.rows, 0.0, False) if warm is None else (warm.rows, warm.preferences, True)
    rows = item_from_raters(
        recommender.posterior.cold,
        recommender.predictor.cold,
        recommender.data,
        other,
        torch.from_numpy(level),
        content=content[: recommender.posterior.num_cold],
        prior=recommender.cold_start_prior(ITEM, len(other)),
        generator=torch.Generator().manual_seed(SEED),
    )
    return rows, 0.0, False


def _extended_predictor(predictor: Predictor, kind: str, rows: Tensor, preferences: Tensor) -> Predictor:
    if kind == ITEM:
        return replace(predictor, items=torch.cat([predictor.items, rows], dim=1))
    return replace(
        predictor,
        users=torch.cat([predictor.users, rows], dim=1),
        preferences=torch.cat([predictor.preferences, preferences], dim=1),
    )


def _extended_ratings(train: Ratings, additions: NewEntities) -> Ratings:
    """Add the ratings of new nodes; they count as made when the last training rating was."""
    new = {ITEM: train.num_items, USER: train.num_users}[additions.kind] + additions.new
    user, item = (additions.other, new) if additions.kind == ITEM else (new, additions.other)
    sizes = {
        "num_users": train.num_users + (len(additions) if additions.kind == USER else 0),
        "num_items": train.num_items + (len(additions) if additions.kind == ITEM else 0),
    }
    time = train.time
    if time is not None:
        time = np.concatenate([time, np.full(len(user), time.max() if len(time) else 0, dtype=np.int64)])
    weight = train.weight
    if weight is not None:
        weight = np.concatenate([weight, np.ones(len(user), dtype=np.float32)])
    return Ratings(
        user=np.concatenate([train.user, user]),
        item=np.concatenate([train.item, item]),
        value=np.concatenate([train.value, additions.value]),
        time=time,
        weight=weight,
        **sizes,
    )


def _item_item_columns(recommender: Trained, content: Content, items: NDArray[np.int64]) -> NDArray[np.float32]:
    item_item, regression = recommender.item_item, recommender.content_regression
    columns = np.zeros((len(item_item.weights), len(items)), dtype=np.float32)
    if len(regression.warm):
        columns[regression.warm if item_item.head is None else slice(None)] = regression.columns(content, items)
    return columns


def _extended_data(
    data: GraphInputs, additions: NewEntities, edges: Mapping[MessageType, NewEdges], features: Tensor | None
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
        group: {name: _longer(values, rows[group].get(name), count) for name, values in found.items()}
        for group, found in data[kind].features.items()
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
    edges: Mapping[MessageType, NewEdges],
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
    message_type = next(found for found in data[kind].content if relation_name(found) == name)
    part = data[message_type]
    first = torch.zeros(centred.shape[1])
    mine = part.edge_index[1] == 0
    first[part.edge_index[0][mine]] = part.edge_weight[mine]
    if message_type in edges:
        new = edges[message_type]
        dense[new.new, new.sender] = new.weight
    return dense - (first - centred[0])
