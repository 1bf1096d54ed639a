"""Held-out ratings that stand in the graph: as edges, backwards, or through concepts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.checks.findings import Finding
from kg.rdf.predicates import local_name
from kg.schema import ITEM, USER, Namespace
from training.audit.held_out import HeldOut

__all__ = ["edges_of_pairs", "pairs_through_concepts"]

Indices = NDArray[np.int64]
_TRAIN_ONLY = "build it from training ratings only, or leave the relation out of the description"


def edges_of_pairs(held: HeldOut) -> Iterator[Finding]:
    """Find edges between users and items, in either direction, that are held-out ratings."""
    for (source, relation, target), edges in held.dataset.graph.edges.items():
        if {source, target} != {USER, ITEM}:
            continue
        backwards = source == ITEM
        leaked = held.among(*(edges.index[::-1] if backwards else edges.index))
        if len(leaked):
            how = "backwards, from items to users" if backwards else "from users to items"
            check = "ReverseEdges" if backwards else "RatingEdges"
            yield held.leak(check, f"are edges {relation!r} of the graph, {how}", leaked, _TRAIN_ONLY)


def pairs_through_concepts(held: HeldOut) -> Iterator[Finding]:
    """Find concepts that stand for an item or a user, and so tie one to the other.

    A concept stands for an item if it has the item's label or link (`favourite: Star Wars`), and for a user if its IRI
    or label ends in the user's id (RDF that states `schema:Rating`: user and item are one or two steps apart).
    Ids and labels agree by chance; only pairs that meet held-out ratings more often than chance are a leak.
    """
    graph = held.dataset.graph
    items, users = _names_of_items(held), _names_of_users(held)
    for kind, nodes in graph.nodes.items():
        if kind in (USER, ITEM):
            continue
        ids, labels = nodes.vocabulary.ids, [_plain(str(label)) for label in nodes.labels]
        of_item = np.array([items.get(i, items.get(label, -1)) for i, label in zip(ids, labels, strict=True)], np.int64)
        of_user = np.array([users.get(i, users.get(_plain(local_name(i)), -1)) for i in ids], np.int64)
        user, concept = _ends(held, USER, kind)
        favourites = user, of_item[concept]
        # From a node that stands for a user to items: one step, or two by way of another node of the kind.
        step = _matrix(*_ends(held, kind, kind), (len(nodes), len(nodes)))
        one_step = (step + step.T + sparse.eye(len(nodes))).tocsr()[of_user >= 0]
        item, concept = _ends(held, ITEM, kind)
        near = (one_step @ _matrix(concept, item, (len(nodes), len(graph.items)))).tocoo()
        statements = of_user[of_user >= 0][near.row], near.col.astype(np.int64)
        for what, (user, item) in (("edges of users", favourites), ("nodes that stand for users", statements)):
            user, item = user[item >= 0], item[item >= 0]
            leaked = held.among(user, item)
            if len(leaked) and held.beyond_chance(user, item):
                sentence = f"can be read off concepts of kind {kind!r} ({what})"
                yield held.leak("RatingsThroughConcepts", sentence, leaked, _TRAIN_ONLY)


def _plain(label: str) -> str:
    return " ".join(label.casefold().split())


def _names_of_items(held: HeldOut) -> dict[str, int]:
    items, space = held.dataset.graph.items, Namespace(held.dataset.namespace)
    names = {_plain(str(label)): index for index, label in enumerate(items.labels)}
    names |= {iri: index for index, iri in enumerate(items.iris) if iri is not None}
    return names | {space.node(ITEM, raw_id): index for index, raw_id in enumerate(items.vocabulary)}


def _names_of_users(held: HeldOut) -> dict[str, int]:
    users, space = held.dataset.graph.users, Namespace(held.dataset.namespace)
    names: dict[str, int] = {}
    for index, raw_id in enumerate(users.vocabulary):
        plain = raw_id.casefold()
        for name in (space.node(USER, raw_id), plain, f"user{plain}", f"user_{plain}"):
            names.setdefault(name, index)
    return names


def _ends(held: HeldOut, first: str, second: str) -> tuple[Indices, Indices]:
    """Return the ends of all edges between two kinds, in either direction, as (first, second)."""
    parts = [np.empty((2, 0), dtype=np.int64)]
    for (source, _, target), edges in held.dataset.graph.edges.items():
        if (source, target) == (first, second):
            parts.append(edges.index)
        elif (target, source) == (first, second):
            parts.append(edges.index[::-1])
    both = np.concatenate(parts, axis=1)
    return both[0], both[1]


def _matrix(row: Indices, column: Indices, shape: tuple[int, int]) -> sparse.csr_matrix:
    matrix = sparse.coo_matrix((np.ones(len(row)), (row, column)), shape=shape).tocsr()
    matrix.data[:] = 1.0
    return matrix
