"""Reasons for an item in a list: the concepts that add most to its score."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.graph import KnowledgeGraph
from kg.queries.provenance import Origin, origin_of
from kg.schema import ITEM, EdgeType
from models.network.graph_inputs import MessageType
from models.posterior import SampledNetwork

__all__ = ["Reason", "origin_of_message", "reasons_of_items", "relation_words"]

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")  # countryOfOrigin -> country of origin


@dataclass(frozen=True)
class Reason:
    """One concept of an item and what it adds to the score.

    Attributes:
        relation: Relation between item and concept.
        concept: Label of the concept.
        score: Its part of the bilinear score, mean over samples, on the latent scale.
        origin: What states that the item has the concept; None where a narrower concept implies it.
    """

    relation: str
    concept: str
    score: float
    origin: Origin | None = None

    def __str__(self) -> str:
        return f"{relation_words(self.relation)}: {self.concept}"


def relation_words(relation: str) -> str:
    """Return a relation as people read it: without its source, and its words apart."""
    name = relation.partition(":")[2] or relation
    return _CAMEL.sub(" ", name).replace("_", " ").lower()


@torch.no_grad()
def reasons_of_items(
    samples: SampledNetwork, graph: KnowledgeGraph, rows: Tensor, items: NDArray[np.int64], *, most: int
) -> list[list[Reason]]:
    r"""Return the concepts of each of several items that speak for it most, largest first.

    The score is linear in the item's messages, so concept $c$ of relation $r$ adds exactly
    $w^r_{ic} (\langle z_u, T_r[c] \rangle + T_r[c]_{\mathrm{bias}})$.

    Args:
        samples: The trained network.
        graph: Labels of the concepts.
        rows: The user's rows, `[num_samples, embedding_size + 1]`.
        items: Item indices, `[num_given_items]`, all different.
        most: Largest number of reasons of an item; those that speak against it are none.
    """
    messages_for: list[list[tuple[float, MessageType, int]]] = [[] for _ in items]
    if not most or not len(items):
        return [[] for _ in items]
    for place, message in samples.edge_messages(ITEM, "content", torch.from_numpy(items)):
        assert message.relation is not None
        messages = message.rows.float()
        products = torch.bmm(rows[:, None, :-1], messages[..., :-1].mT)[:, 0] + messages[..., -1]
        scores = products.mean(0) * message.weight
        for number, concept, score in zip(place.tolist(), message.senders, scores.tolist(), strict=True):
            if score > 0:
                messages_for[number].append((score, message.relation, concept))
    return [
        [
            Reason(
                edge_type[1],
                str(graph.nodes[edge_type[0]].labels[concept]),
                score,
                origin_of_message(graph, edge_type, concept, item),
            )
            for score, edge_type, concept in sorted(messages, key=lambda message: -message[0])[:most]
        ]
        for item, messages in zip(items.tolist(), messages_for, strict=True)
    ]


def origin_of_message(graph: KnowledgeGraph, message: MessageType, sender: int, receiver: int) -> Origin | None:
    """Return what states the edge behind a message: one against it, or along it where its name got the ending `_of`."""
    kind, relation, side = message
    return origin_of(graph, EdgeType(side, relation, kind), receiver, sender) or origin_of(
        graph, EdgeType(kind, relation.removesuffix("_of"), side), sender, receiver
    )
