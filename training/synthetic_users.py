"""Training users describe themselves, and the map from sentence to taste is learned from it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from models.cold.sentence_map import SentenceMap
from models.recommender import Recommender
from training.progress import Progress, silent
from training.synthetic_texts import Profiler
from training.text_templates import said, wished

__all__ = ["synthetic_users", "with_sentences"]

SEED = 5
ON_MIND = 0.8  # of the telling facts, the share that comes to mind when someone writes
FEWEST = 20  # texts below which nothing is learned


def synthetic_users(
    graph: KnowledgeGraph, train: Ratings, *, most: int, rng: int | np.random.Generator
) -> tuple[list[str], NDArray[np.int64]]:
    """Return what training users would say of themselves, and who says it.

    A self-portrait tells of all of someone's ratings in some sentences; a wish is a few words, with a random half of the
    ratings in mind. In random order users give the one and the other by turns, then each what they have not given yet, so
    that however few texts there are, both kinds are among them. Users of whom nothing is telling say nothing.

    Args:
        graph: Items, their concepts and texts.
        train: Training ratings; nothing else is looked at.
        most: Number of texts at most.
        rng: Seed or generator.
    """
    rng = np.random.default_rng(rng)
    profiler = Profiler(graph, train)
    order = np.argsort(train.user, kind="stable")
    ends = np.cumsum(train.user_counts)
    texts: list[str] = []
    users: list[int] = []
    active = rng.permutation(np.flatnonzero(train.user_counts))
    turns = [(user, (number + turn) % 2 == 1) for turn in (0, 1) for number, user in enumerate(active.tolist())]
    for user, brief in turns:
        if len(texts) == most:
            break
        mine = order[ends[user] - train.user_counts[user] : ends[user]]
        if brief:
            mine = rng.permutation(mine)[: max(len(mine) // 2, 1)]
        facts = profiler.facts(train.item[mine], train.value[mine], share=ON_MIND, rng=rng)
        text = wished(facts, rng) if brief else said(facts, rng)
        if text:
            texts.append(text)
            users.append(user)
    return texts, np.array(users, dtype=np.int64)


def with_sentences(recommender: Recommender, *, most: int, progress: Progress = silent) -> Recommender:
    """Return a recommender that has learned what people of its tastes say; as it was, if hardly anyone says anything.

    Args:
        recommender: A trained one.
        most: Number of self-portraits at most; 0 leaves the recommender as it is.
        progress: Called with (stage, done, total, message).
    """
    if not most or not recommender.item_vectors.any():
        return recommender
    texts, users = synthetic_users(recommender.graph, recommender.train, most=most, rng=SEED)
    if len(texts) < FEWEST:
        return recommender
    vectors = recommender.encoder.encode(
        texts, progress=lambda done, total: progress("encode", done, total, "self-portraits of users")
    )
    rows = recommender.predictor.cold_samples.users[:, torch.from_numpy(users)]
    who, place = np.unique(users, return_inverse=True)
    return recommender.with_map(SentenceMap.fit(vectors, recommender.seen_by(who)[place], rows))
