"""Held-out ratings that stand in the graph: as edges, backwards, through concepts, or under another id."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import binom

from kg.findings import EXAMPLES, Finding, Severity
from kg.schema import ITEM, USER, EdgeType, Namespace
from kg.triples import local_name
from kg.twins import twins
from training.held_out import HeldOut
from training.splits import liked_from

__all__ = ["concepts_like_users", "edges_of_pairs", "pairs_through_concepts", "repeated_pairs", "same_items"]

Indices = NDArray[np.int64]
_FEWEST, _ALIKE = 5, 0.8
_EXPOSED = 0.01  # of the held-out ratings; below, a public split is still worth measuring on
_CHANCE = 0.001
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_TRAIN_ONLY = "build it from training ratings only, or leave the relation out of the description"


def repeated_pairs(held: HeldOut) -> Iterator[Finding]:
    """Find ratings that are trained on and held out."""
    twice = np.intersect1d(held.train, held.test)
    if len(twice):
        yield _leak(
            held,
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
            yield _leak(
                held,
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
        reached = (step + step.T + sparse.eye(len(nodes))) @ _matrix(entity, item_of, len(nodes), len(graph.items))
        near = reached[of_user >= 0].tocoo()
        seen.append(("nodes that stand for users", np.flatnonzero(of_user >= 0)[near.row], near.col.astype(np.int64)))
        for what, first, item in seen:
            user = first if what == "edges of users" else of_user[first]
            told = held.told(user, item)
            if len(told) and held.beyond_chance(user, item):
                yield _leak(
                    held,
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
            yield _leak(
                held,
                "ConceptsLikeUsers",
                f"{len(found):,} of {len(nodes):,} concepts of kind {kind!r} have the items of one user each ({some}) and "
                f"tell {len(pairs):,} of {len(held.test):,} held-out ratings",
                pairs,
                _TRAIN_ONLY,
                severity=_by_share(held, pairs),
            )


def same_items(held: HeldOut) -> Iterator[Finding]:
    """Find items that are trained on under one id and held out under another.

    A leak is: an item held out whole, by design of the split, with a twin to train on; an item whose ratings are held
    out and its twin's are not, beyond what the share of held-out ratings would bring about by chance (binomial, one in
    a thousand over all twins); or users who rated both, one to train on and one held out, for at least 1 % of the
    held-out ratings. Fewer of the latter are a note: MovieLens 100K itself has 18 films under two ids. Two items of
    one link whose titles have no word in common may as well be a wrong link: a warning.
    """
    vocabulary = held.dataset.graph.items.vocabulary
    every = pd.DataFrame(
        [
            (one, other, what, _is_certain(held, one, other, what))
            for (one, other), what in twins(held.dataset.graph).items()
        ],
        columns=["one", "other", "what", "certain"],
    )
    test_count = np.bincount(held.test % held.num_items, minlength=held.num_items)
    train_count = held.split.train.item_counts
    share = len(held.test) / (len(held.test) + len(held.train))
    pairs = every[(train_count[every["one"]] > 0) & (test_count[every["other"]] > 0)]
    tested, trained = test_count[pairs["other"]], train_count[pairs["other"]]
    whole = (trained == 0) & held.cold_by_design
    unlikely = binom.sf(tested - 1, tested + trained, share) < _CHANCE / max(len(every), 1)
    apart = pairs[whole | unlikely]
    for certain, found in apart.groupby("certain", sort=False):
        rows = [
            {"item": vocabulary.id_of(other), "twin": vocabulary.id_of(one), "same": what}
            for one, other, what in zip(found["one"], found["other"], found["what"], strict=True)
        ]
        some = "; ".join(
            f"{row['item']} is held out, {row['twin']} trained on (same {row['same']})" for row in rows[:EXAMPLES]
        )
        count, total = found["other"].nunique(), int((test_count > 0).sum())
        how = "are trained on under another id" if certain else "have the link of an item of another title to train on"
        yield Finding(
            check="SameItems" if certain else "SameLinks",
            severity="error" if certain else "warning",
            sentence=f"{count:,} of {total:,} items with held-out ratings {how}, for example {some}.",
            remedy="join the two ids before splitting, or hold both out"
            if certain
            else "correct the wrong link, or join the items if they are one",
            count=count,
            total=total,
            kind=ITEM,
            rows=rows,
        )
    sure = pairs[pairs["certain"].astype(bool)]
    both = _rated_twice(held, sure)
    if len(both):
        yield _leak(
            held,
            "SameItemRatedTwice",
            f"{len(both):,} of {len(held.test):,} held-out ratings are of items whose twin under another id the same user "
            "rated in training",
            both,
            "join the two ids before splitting",
            severity=_by_share(held, both),
        )


def _is_certain(held: HeldOut, one: int, other: int, what: str) -> bool:
    labels = held.dataset.graph.items.labels
    words = [set(_LETTERS.findall(str(labels[item]).casefold())) for item in (one, other)]
    return what != "link" or bool(words[0] & words[1])


def _rated_twice(held: HeldOut, pairs: pd.DataFrame) -> Indices:
    tested = pd.DataFrame({"user": held.test // held.num_items, "other": held.test % held.num_items})
    trained = pd.DataFrame({"user": held.train // held.num_items, "one": held.train % held.num_items})
    joined = tested.merge(pairs[["one", "other"]], on="other").merge(trained, on=["user", "one"])
    return np.unique(held.pairs(joined["user"].to_numpy(np.int64), joined["other"].to_numpy(np.int64)))


def _by_share(held: HeldOut, pairs: Indices) -> Severity:
    return "error" if len(pairs) >= _EXPOSED * len(held.test) else "note"


def _leak(
    held: HeldOut, check: str, sentence: str, pairs: Indices, remedy: str, severity: Severity = "error"
) -> Finding:
    return Finding(
        check=check,
        severity=severity,
        sentence=f"{sentence}, for example {held.examples(pairs)}.",
        remedy=remedy,
        count=len(pairs),
        total=len(held.test),
        rows=held.named(pairs),
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
