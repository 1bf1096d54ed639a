"""Search over nodes by meaning: the cosines of a text with all nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.schema import ITEM, USER
from kg.wording import concept_sentences, item_sentences, user_sentences
from models.text import TextEncoder

__all__ = ["search_nodes"]


def search_nodes(
    graph: KnowledgeGraph,
    encoder: TextEncoder,
    text: str,
    *,
    k: int = 10,
    kinds: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Return the `k` nodes nearest to a text, best first: `kind`, `id`, `label`, `text`, `score` (the cosine).

    A node is known by the words the language model reads of it: an item by its text, or else its label and concepts; a
    concept by its label and kind, `Drama (genre).`. Nodes without any words are not found. Those that are equally near
    come in the order of kinds and indices.

    Args:
        graph: The graph.
        encoder: Turns words into vectors, and keeps those of nodes.
        text: What to look for.
        k: Number of nodes.
        kinds: Kinds of nodes to search; by default all but users.
        progress: Called with (texts encoded, texts to encode) where the encoder does not know the words yet.

    Raises:
        InputError: If the text is empty.
        UnknownNameError: If the graph has no such kind.
    """
    chosen = [kind for kind in graph.nodes if kind != USER] if kinds is None else list(dict.fromkeys(kinds))
    nodes = [
        (kind, index, words)
        for kind in chosen
        for index, words in enumerate(_sentences(graph, graph.schema.kind(kind)))
        if words
    ]
    if not text.strip():
        raise InputError("there is nothing to look for; give a few words")
    if not nodes:
        return []
    query = encoder.encode_query(text)
    vectors = encoder.encode([words for _, _, words in nodes], progress=progress)
    scores = np.einsum("nd,d->n", vectors, query)  # row by row: equal words get equal cosines
    best = [(*nodes[place][:2], float(scores[place])) for place in np.argsort(-scores, kind="stable")[:k]]
    return [
        {
            "kind": kind,
            "id": graph.nodes[kind].vocabulary.id_of(index),
            "label": str(graph.nodes[kind].labels[index]),
            "text": graph.nodes[kind].texts[index],
            "score": score,
        }
        for kind, index, score in best
    ]


def _sentences(graph: KnowledgeGraph, kind: str) -> Sequence[str | None]:
    if kind == ITEM:
        return item_sentences(graph)
    return user_sentences(graph) if kind == USER else concept_sentences(graph, kind)
