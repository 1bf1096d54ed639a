"""Synthetic texts of training users, and the map from sentence to user embedding that is learned from them."""

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
from training.text_templates import self_description, short_request

__all__ = ["synthetic_users", "with_sentences"]

SEED = 5
ON_MIND = 0.8  # of the telling facts, the share that comes to mind when someone writes
FEWEST = 20  # texts below which nothing is learned


def synthetic_users(
    graph: KnowledgeGraph, train: Ratings, *, most: int, rng: int | np.random.Generator
) -> tuple[list[str], NDArray[np.int64]]:
    """Return texts as training users might write them, and the user of each, int64 `[num_texts]`.

    A self-description tells of all of someone's ratings in some sentences; a short request is a few words, with a random
    half of the ratings in mind. In random order users give the one and the other by turns, then each what they have not
    given yet, so that however few texts there are, both kinds are among them. Users without telling facts have no text.

    Args:
        graph: Items, their concepts and texts.
        train: Training ratings; nothing else is looked at.
        most: Number of texts at most.
        rng: Seed or generator.
    """
    rng = np.random.default_rng(rng)
    profiler = Profiler(graph, train)
    order, ends = np.argsort(train.user, kind="stable"), np.cumsum(train.user_counts)
    texts: list[str] = []
    users: list[int] = []
    active = rng.permutation(np.flatnonzero(train.user_counts)).tolist()
    turns = [(user, (number + turn) % 2 == 1) for turn in (0, 1) for number, user in enumerate(active)]
    for user, brief in turns:
        if len(texts) == most:
            break
        rows = order[ends[user] - train.user_counts[user] : ends[user]]
        if brief:
            rows = rng.permutation(rows)[: max(len(rows) // 2, 1)]
        facts = profiler.facts(train.item[rows], train.value[rows], share=ON_MIND, rng=rng)
        text = short_request(facts, rng) if brief else self_description(facts, rng)
        if text:
            texts.append(text)
            users.append(user)
    return texts, np.array(users, dtype=np.int64)


def with_sentences(recommender: Recommender, *, most: int, progress: Progress = silent) -> Recommender:
    """Return a recommender that has learned what sentences say of a taste; as it was, if there are hardly any texts.

    Args:
        recommender: A trained one.
        most: Number of texts at most; 0 leaves the recommender as it is.
        progress: Called with (stage, done, total, message).
    """
    if not most or not recommender.item_vectors.any():
        return recommender
    texts, users = synthetic_users(recommender.graph, recommender.train, most=most, rng=SEED)
    if len(texts) < FEWEST:
        return recommender
    vectors = recommender.encoder.encode(
        texts, progress=lambda done, total: progress("encode", done, total, "synthetic texts of users")
    )
    embeddings = recommender.predictor.cold_samples.users[:, torch.from_numpy(users)]
    speakers, place = np.unique(users, return_inverse=True)
    return recommender.with_map(SentenceMap.fit(vectors, recommender.seen_by(speakers)[place], embeddings))
