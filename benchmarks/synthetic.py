"""Ratings of any number by simulated users, to see how time and memory grow; the same seed gives the same data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling import cumulated_power_law, drawn
from kg.dataset import Dataset
from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType
from kg.vocabulary import Vocabulary

__all__ = ["FEWEST_RATINGS", "SyntheticWorld", "simulate_ratings", "users_and_items"]

FEWEST_RATINGS = 1_000
_GROWTH = ((100_000, 1_000_000, 10_000_000), (1_000, 6_000, 70_000), (1_700, 3_500, 10_000))  # as MovieLens grew
_FACTORS = 8
_TEXT = 64
_BLOCK = 1_000_000
_START, _YEAR = 1_577_836_800, 365 * 86_400
# Concepts: relation, kind of the node, number of concepts (None: a third of the items), most concepts a node.
_CONCEPTS: tuple[tuple[str, str, int | None, int], ...] = (
    ("genre", ITEM, 18, 3),
    ("decade", ITEM, 9, 1),
    ("director", ITEM, None, 1),
    ("age", USER, 7, 1),
    ("occupation", USER, 21, 1),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticWorld:
    """Simulated data.

    Attributes:
        dataset: Graph and ratings.
        item_vectors: What stands for text: random unit vectors, float32 `[num_items, 64]`, so that nothing is encoded.
    """

    dataset: Dataset
    item_vectors: NDArray[np.float32]


def users_and_items(num_ratings: int) -> tuple[int, int]:
    """Return how many users and items so many ratings have: MovieLens 100K, 1M and 10M, and powers between."""
    ratings, *counts = np.log(_GROWTH)
    part = 0 if num_ratings < _GROWTH[0][1] else 1
    along = (np.log(num_ratings) - ratings[part]) / (ratings[part + 1] - ratings[part])
    num_users, num_items = (max(8, round(float(np.exp(of[part] + along * (of[part + 1] - of[part]))))) for of in counts)
    return num_users, num_items


def simulate_ratings(num_ratings: int, *, seed: int = 0) -> SyntheticWorld:
    r"""Simulate who rated what, how and when.

    $$P(u, i) \sim (\mathrm{rank}_u + c_U)^{-1} (\mathrm{rank}_i + c_I)^{-1}, \qquad
      r_{ui} = \mathrm{clip}(\mathrm{round}(3.5 + b_u + b_i + \langle p_u, q_i \rangle + e), 1, 5)$$

    Pairs are drawn until enough different ones are found, so that users and items both follow a power
    law. $q_i$ is half the mean of the genres' factors, half the item's own; biases, affinity and noise have
    standard deviations of 0.4, 0.5 and 0.8 stars. A user joins within three years and rates with a rate that
    falls off over a month. Ratings are in the order of time, as a log has them.
    Not simulated: text that says anything, and tastes that depend on age or occupation.

    Args:
        num_ratings: Number of ratings.
        seed: Seed of every draw.

    Raises:
        InputError: If fewer than 1,000 ratings are asked for.
    """
    if num_ratings < FEWEST_RATINGS:
        raise InputError(f"simulated data begin at {FEWEST_RATINGS:,} ratings; {num_ratings:,} were asked for")
    rng = np.random.default_rng(seed)
    num_users, num_items = users_and_items(num_ratings)
    sizes = {USER: num_users, ITEM: num_items}
    edges = {
        EdgeType(kind, relation, relation): _concept_edges(sizes[kind], number or num_items // 3 + 1, most, rng)
        for relation, kind, number, most in _CONCEPTS
    }
    concepts = {relation: number or num_items // 3 + 1 for relation, _, number, _ in _CONCEPTS}
    graph = KnowledgeGraph(
        name=f"synthetic-{num_ratings}",
        nodes={kind: _nodes(kind, number) for kind, number in {**sizes, **concepts}.items()},
        edges=edges,
        sources=("simulation",),
    )
    user, item = _pairs(num_ratings, num_users, num_items, rng)
    value = _stars(user, item, num_users, num_items, edges[EdgeType(ITEM, "genre", "genre")].index, rng)
    joined = rng.integers(0, 3 * _YEAR, num_users)
    time = _START + joined[user] + rng.exponential(_YEAR / 12, num_ratings).astype(np.int64)
    order = np.argsort(time, kind="stable")
    ratings = Ratings(
        user=user[order],
        item=item[order],
        value=value[order],
        time=time[order],
        num_users=num_users,
        num_items=num_items,
    )
    vectors = rng.standard_normal((num_items, _TEXT), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return SyntheticWorld(dataset=Dataset(graph=graph, ratings=ratings, scale=(1.0, 5.0)), item_vectors=vectors)


def _nodes(kind: str, number: int) -> Nodes:
    ids = np.array([f"{kind}-{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, ids), labels=ids, texts=nothing, iris=nothing)


def _concept_edges(num_nodes: int, num_concepts: int, most: int, rng: np.random.Generator) -> Edges:
    """Give every node one to `most` different concepts."""
    node = np.repeat(np.arange(num_nodes), most)
    index = np.unique(np.stack([node, rng.integers(0, num_concepts, len(node))]), axis=1)
    return Edges(index=index, provenance=np.zeros(index.shape[1], dtype=np.int16))


def _pairs(
    num_ratings: int, num_users: int, num_items: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw different pairs, sorted by user and item."""
    of_users, of_items = (cumulated_power_law(number, rng) for number in (num_users, num_items))
    pairs = np.zeros(0, dtype=np.int64)
    while len(pairs) < num_ratings:
        wanted = num_ratings - len(pairs) + num_ratings // 8
        user, item = drawn(of_users, wanted, rng), drawn(of_items, wanted, rng)
        # Sorting is several times faster than the hash table of np.unique.
        pairs = np.sort(np.concatenate([pairs, user * num_items + item]))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    kept = np.ones(len(pairs), dtype=bool)
    kept[rng.choice(len(pairs), len(pairs) - num_ratings, replace=False, shuffle=False)] = False
    user, item = np.divmod(pairs[kept], num_items)
    return user, item


def _stars(
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    num_users: int,
    num_items: int,
    genres: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    of_genre = rng.standard_normal((int(genres[1].max()) + 1, _FACTORS))
    shared = np.zeros((num_items, _FACTORS))
    np.add.at(shared, genres[0], of_genre[genres[1]])
    shared /= np.sqrt(np.bincount(genres[0], minlength=num_items))[:, None]
    items = (shared + rng.standard_normal(shared.shape)) * np.sqrt(0.5)
    users = rng.standard_normal((num_users, _FACTORS)) * (0.5 / np.sqrt(_FACTORS))
    of_user, of_item = (0.4 * rng.standard_normal(number) for number in (num_users, num_items))
    value = np.empty(len(user), dtype=np.float32)
    for start in range(0, len(user), _BLOCK):
        rows = slice(start, start + _BLOCK)
        u, i = user[rows], item[rows]
        stars = 3.5 + of_user[u] + of_item[i] + np.einsum("nd,nd->n", users[u], items[i])
        value[rows] = np.clip(np.round(stars + 0.8 * rng.standard_normal(len(u))), 1, 5)
    return value
