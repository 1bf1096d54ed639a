"""Someone new who says in words what they like."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from models.cold.text_query import TextQuery
from models.cold.user_embedding import user_embedding_of
from models.lists.user_query import UserQuery
from models.trained import Trained

__all__ = ["user_query_of_text"]

logger = logging.getLogger(__name__)

SHARPNESS = 5.0  # how much nearness to a text of one statement counts, chosen on validation users; of m, a m-th of it
SHARPNESS_ALONE = 20.0  # the same where no map was learned
LIKED_TITLES = 10  # items a sentence is then taken to like ...
SENTENCE_WEIGHT = 0.2  # ... each with the evidence of a fifth of a rating

Floats = NDArray[np.float32]


def user_query_of_text(recommender: Trained, text: str) -> UserQuery:
    r"""Return the person behind a text.

    The learned map (`SentenceMap`) says what people who talk like this have rated and like. What the map cannot know,
    since it learned from portraits made of templates, nearness adds: an item's rank is
    multiplied by $e^{5 (\cos(i, w) - \cos(i, r)) / m}$, with $w$ the vector of the $m$ statements that ask for something
    and $r$ that of those that refuse something. Where nothing is asked for, or nothing refused, the mean portrait
    stands in: some texts are near to whatever people say, and that is no news. One statement is a text_query: its words
    count most. Many describe a person: taste counts most.

    Without a map, the ten items nearest to the text count as liked a little, and nearness alone decides which to show.

    Raises:
        InputError: If there are no words, or no item or another encoder to hold them against.
    """
    text_query = TextQuery.read(text)
    has_text = recommender.item_vectors.any(axis=1)
    if not has_text.any():
        raise InputError("no item of this run has a text, so a sentence finds nothing; give ratings instead")
    recommender.check_encoder()
    learned, size = recommender.sentences, recommender.train.num_items
    anyone = None if learned is None else learned.mean
    nearness = _cosines(recommender, text_query.wanted, anyone) - _cosines(recommender, text_query.refused, anyone)
    nearness = np.where(has_text, nearness, nearness[has_text].min()).astype(np.float32)
    nearness[~recommender.graph.items.present] = -np.inf
    if learned is None:
        logger.info("this run has not learned what sentences say of a taste; items near to the words are listed")
        return _user_query_near(recommender, nearness)
    vector = recommender.encoder.encode([text_query.text])[0]
    seen = np.zeros(size, dtype=np.float32)
    told = learned.seen(vector)
    seen[: len(told)] = told  # items that came after the training are nobody's history yet
    taste = learned.user_embedding(vector, len(recommender.levels), generator=torch.Generator().manual_seed(0))
    return UserQuery(cold=taste, seen=seen, nearness=SHARPNESS / text_query.num_wanted * nearness)


def _cosines(recommender: Trained, words: str | None, otherwise: Floats | None) -> Floats:
    """Return how near items are to words, or without any to another vector, `[num_items]`; zero without either."""
    vector = otherwise if words is None else recommender.encoder.encode([words])[0]
    if vector is None:
        return np.zeros(len(recommender.item_vectors), dtype=np.float32)
    return np.asarray(recommender.item_vectors @ vector, dtype=np.float32)


def _user_query_near(recommender: Trained, nearness: Floats) -> UserQuery:
    items = recommender.graph.items
    item = np.argsort(-nearness, kind="stable")[: min(LIKED_TITLES, items.num_present)].astype(np.int64)
    seen = np.zeros(recommender.train.num_items, dtype=np.float32)
    seen[item] = 1.0
    liked = np.full(len(item), len(recommender.levels) - 1)
    taste = user_embedding_of(recommender, item, liked, SENTENCE_WEIGHT)
    return UserQuery(cold=taste, seen=seen, nearness=SHARPNESS_ALONE * nearness, comes_across=False)
