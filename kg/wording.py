"""One natural sentence per node: what the language model reads."""

from __future__ import annotations

from collections import defaultdict

from kg.graph import KnowledgeGraph
from kg.schema import ITEM, USER

__all__ = ["concept_sentences", "item_sentences", "user_sentences"]

_MOST = 5


def item_sentences(graph: KnowledgeGraph) -> list[str | None]:
    """Return what is known of each item in words, `[num_items]`.

    The item's text; where there is none, its label with the concepts of its tables, a few of each relation. None
    states that nothing is known, not even a title: the model has a learned vector for that case.
    """
    nodes = graph.items
    facts: list[str] = []
    sentences: list[str | None] = list(nodes.texts)
    for index, text in enumerate(nodes.texts):
        if text is not None:
            continue
        facts = facts or _facts(graph, ITEM)
        label = str(nodes.labels[index])
        title = "" if label == nodes.vocabulary.id_of(index) else f"{label}."  # an id says nothing
        sentences[index] = " ".join(part for part in (title, facts[index]) if part) or None
    return sentences


def concept_sentences(graph: KnowledgeGraph, kind: str) -> list[str]:
    """Return `Drama (genre).` for each node of a kind, followed by its text where it has one.

    Raises:
        UnknownNameError: If the graph has no such kind.
    """
    nodes = graph.nodes[graph.schema.kind(kind)]
    words = kind.replace("_", " ")
    return [
        f"{label} ({words})." + (f" {text}" if text else "")
        for label, text in zip(nodes.labels, nodes.texts, strict=True)
    ]


def user_sentences(graph: KnowledgeGraph) -> list[str]:
    """Return what is known of each user in words: `A user. Age: 18-24. Occupation: student.`."""
    nodes, facts = graph.users, _facts(graph, USER)
    return [
        " ".join(part for part in ("A user.", facts[index], nodes.texts[index]) if part) for index in range(len(nodes))
    ]


def _facts(graph: KnowledgeGraph, kind: str) -> list[str]:
    """Return `Genre: Drama, War. Director: ...` for each node; relations of RDF sources are left to the graph network."""
    names_of: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(len(graph.nodes[kind]))]
    for edge_type, edges in graph.edges.items():
        if edge_type.source != kind or ":" in edge_type.relation:
            continue
        labels = graph.nodes[edge_type.target].labels
        for start, end in edges.index.T.tolist():
            names_of[start][edge_type.relation].append(str(labels[end]))
    return [
        " ".join(
            f"{relation.replace('_', ' ').capitalize()}: {', '.join(names[:_MOST])}."
            for relation, names in facts.items()
        )
        for facts in names_of
    ]
