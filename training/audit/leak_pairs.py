"""Held-out ratings that stand in the graph: as edges, backwards, or through concepts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.checks.findings import EXAMPLES, Finding
from kg.rdf.predicates import local_name
from kg.schema import ITEM, USER, EdgeType, Namespace
from training.audit.held_out import HeldOut
from training.splits import liked_from

__all__ = ["concepts_like_users", "edges_of_pairs", "pairs_through_concepts", "repeated_pairs"]

Indices = NDArray[np.int64]
_FEWEST, _ALIKE = 5, 0.8
_TRAIN_ONLY = "build it from training ratings only, or leave the relation out of the description"


def repeated_pairs(held: HeldOut) -> Iterator[Finding]:
    """Find ratings that are trained on and held out."""
    twice = np.intersect1d(held.train, held.test)
    if len(twice):
        yield held.leak(
            "RepeatedRatings",
            f"{len(twice):,} of {len(held.test):,} held-out ratings are trained on as well",
            twice,
            "keep each pair of user and item in one part of the split",
        )


def edges_of_pairs(held: HeldOut) -> Iterator[Finding]:
    """Find edges between users and items, in either direction, that are held-out ratings."""
    for edge_type, edges in held.dataset.graph.edges.items():
        if {edge_type.source, edge_type.target} != {USER, ITEM}:
            continue
        backwards = edge_type.source == ITEM
        user, item = edges.index[::-1] if backwards else edges.index
        told = held.told(user, item)
        if len(told):
            how = "backwards, from items to users" if backwards else "from users to items"
            yield held.leak(
                "ReverseEdges" if backwards else "RatingEdges",
                f"{len(told):,} of {len(held.test):,} held-out ratings are edges {edge_type.relation!r} of the graph, {how}",
                told,
                _TRAIN_ONLY,
            )


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
        names = [_name_of(str(label)) for label in nodes.labels]
        of_item = np.array(
            [items.get(raw_id, items.get(name, -1)) for raw_id, name in zip(nodes.vocabulary, names, strict=True)]
        )
        of_user = np.array(
            [users.get(raw_id, users.get(_name_of(local_name(raw_id)), -1)) for raw_id in nodes.vocabulary]
        )
        seen = [("edges of users", *_ends(held, USER, kind, of_item))]
        item_of, entity = _touching(held, ITEM, kind)
        step = _matrix(*_touching(held, kind, kind), len(nodes), len(nodes))
        one_step = (step + step.T + sparse.eye(len(nodes))).tocsr()[of_user >= 0]
        near = (one_step @ _matrix(entity, item_of, len(nodes), len(graph.items))).tocoo()
        seen.append(("nodes that stand for users", np.flatnonzero(of_user >= 0)[near.row], near.col.astype(np.int64)))
        for what, first, item in seen:
            user = first if what == "edges of users" else of_user[first]
            told = held.told(user, item)
            if len(told) and held.beyond_chance(user, item):
                yield held.leak(
                    "RatingsThroughConcepts",
                    f"{len(told):,} of {len(held.test):,} held-out ratings can be read off concepts of kind {kind!r} ({what})",
                    told,
                    _TRAIN_ONLY,
                )


def concepts_like_users(held: HeldOut) -> Iterator[Finding]:
    r"""Find concepts whose items are those that one user rated, liked, or has held out.

    With the items $C$ of a concept and $U$ of a user, $|C \cap U| / |C \cup U| \ge 0.8$ for at least five items: what an
    actor or a genre has in common with a user stays far below. Where they tell less than 1 % of the held-out ratings it is
    a note: CiteULike has a few tags that one person gave to all they kept.
    """
    graph, ratings = held.dataset.graph, held.dataset.ratings
    is_test = np.zeros(len(ratings), dtype=bool)
    is_test[held.rows] = True
    liked = ratings.value >= liked_from(held.dataset.scale)
    for kind, nodes in graph.nodes.items():
        item, concept = _touching(held, ITEM, kind)
        if kind in (USER, ITEM) or not len(item):
            continue
        of_concept = _matrix(concept, item, len(nodes), ratings.num_items)
        found: dict[int, tuple[int, float]] = {}
        for which in (np.ones(len(ratings), dtype=bool), is_test, liked, is_test & liked):
            of_user = _matrix(ratings.user[which], ratings.item[which], ratings.num_users, ratings.num_items)
            common = (of_concept @ of_user.T).tocoo()
            sizes = of_concept.getnnz(1)[common.row], of_user.getnnz(1)[common.col]
            share = common.data / (sizes[0] + sizes[1] - common.data)
            for at in np.flatnonzero((share >= _ALIKE) & (common.data >= _FEWEST)):
                if share[at] > found.get(int(common.row[at]), (0, 0.0))[1]:
                    found[int(common.row[at])] = (int(common.col[at]), float(share[at]))
        told = []
        for node, (user, _) in found.items():
            mine = of_concept[node].indices.astype(np.int64)
            told.append(held.told(np.full(len(mine), user), mine))
        pairs = np.unique(np.concatenate(told)) if told else np.empty(0, dtype=np.int64)
        if len(pairs):
            ids, users = nodes.vocabulary.ids, graph.users.vocabulary.ids
            some = "; ".join(
                f"{ids[node]} like user {users[user]}" for node, (user, _) in list(found.items())[:EXAMPLES]
            )
            yield held.leak(
                "ConceptsLikeUsers",
                f"{len(found):,} of {len(nodes):,} concepts of kind {kind!r} have the items of one user each ({some}) and "
                f"tell {len(pairs):,} of {len(held.test):,} held-out ratings",
                pairs,
                _TRAIN_ONLY,
                some=True,
            )


def _name_of(label: str) -> str:
    return " ".join(label.casefold().split())


def _names_of_items(held: HeldOut) -> dict[str, int]:
    items = held.dataset.graph.items
    names = {_name_of(str(label)): index for index, label in enumerate(items.labels)}
    names |= {iri: index for index, iri in enumerate(items.iris) if iri is not None}
    space = Namespace(held.dataset.namespace)
    return names | {space.node(ITEM, raw_id): index for index, raw_id in enumerate(items.vocabulary)}


def _names_of_users(held: HeldOut) -> dict[str, int]:
    users, space = held.dataset.graph.users, Namespace(held.dataset.namespace)
    names: dict[str, int] = {}
    for index, raw_id in enumerate(users.vocabulary):
        for name in (
            space.node(USER, raw_id),
            raw_id.casefold(),
            f"user{raw_id}".casefold(),
            f"user_{raw_id}".casefold(),
        ):
            names.setdefault(name, index)
    return names


def _touching(held: HeldOut, first: str, second: str) -> tuple[Indices, Indices]:
    """Return the ends of all edges between two kinds, in either direction, as (first, second)."""
    parts = [np.empty((2, 0), dtype=np.int64)]
    for edge_type, edges in held.dataset.graph.edges.items():
        kinds = EdgeType(*edge_type)
        if (kinds.source, kinds.target) == (first, second):
            parts.append(edges.index)
        elif (kinds.target, kinds.source) == (first, second):
            parts.append(edges.index[::-1])
    together = np.concatenate(parts, axis=1)
    return together[0], together[1]


def _ends(held: HeldOut, first: str, kind: str, stands_for: Indices) -> tuple[Indices, Indices]:
    user, concept = _touching(held, first, kind)
    known = stands_for[concept] >= 0
    return user[known], stands_for[concept[known]]


def _matrix(row: Indices, column: Indices, rows: int, columns: int) -> sparse.csr_matrix:
    matrix = sparse.coo_matrix((np.ones(len(row)), (row, column)), shape=(rows, columns)).tocsr()
    matrix.data[:] = 1.0
    return matrix
