"""Someone new who says in words what they like: what the text asks for and refuses, and the person behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.schema import ITEM
from models.cold.user_embedding import user_embedding_of
from models.language.mentions import Mention, Mentions
from models.language.statements import statements
from models.lists.trained import Trained
from models.lists.user_query import UserQuery, user_query_of_history

__all__ = ["TextQuery", "user_query_of_text"]

logger = logging.getLogger(__name__)

SHARPNESS = 5.0  # how much nearness to the words counts; chosen, as the next four, on half of the film requests
SHARPNESS_ALONE = 20.0  # the same where no map was learned
WANTED, REFUSED = 1.5, 3.0  # what a concept or a year that is asked for, or refused, adds to the logarithm of a rank
LIKELY_SEEN = 0.5  # weight of what people who talk like this have seen beside the titles that are named
LIKED_TITLES = 10  # without a map: items a sentence is taken to like ...
SENTENCE_WEIGHT = 0.2  # ... each with the evidence of a fifth of a rating
MOST_CHARACTERS = 4_000  # what is beyond is not read: more than the language model takes in at once
_NOTHING = Mentions(items=(), concepts=(), years=())

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TextQuery:
    """A text, and what it asks for and refuses (`models.language.statements`).

    Attributes:
        text: The whole text, without blanks around it.
        wanted: The statements that ask for something; None where all refuse.
        refused: What the others refuse, or None.
    """

    text: str
    wanted: str | None
    refused: str | None

    @property
    def readings(self) -> tuple[str, ...]:
        """The different texts that the language model reads."""
        return tuple(dict.fromkeys(part for part in (self.wanted or self.text, self.refused) if part is not None))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a text; of a very long one, the first 4,000 characters.

        Raises:
            InputError: If it is empty, or not text.
        """
        whole = text.strip()[:MOST_CHARACTERS].strip()
        if not whole:
            raise InputError("the text is empty; say in a few words what the person likes")
        try:
            whole.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("the text holds characters that are not text; give plain UTF-8") from None
        said = statements(whole)
        wanted, refused = (" ".join(part.text for part in said if part.refuses is refuses) for refuses in (False, True))
        return cls(text=whole, wanted=wanted or None, refused=refused or None)


def user_query_of_text(recommender: Trained, text: str) -> UserQuery:
    r"""Return the person behind a text.

    - **Names** (`models.language.mentions`): titles that are asked for are items the person likes, those that are refused
      ones they do not; concepts and years that are asked for multiply an item's rank by $e^{1.5}$, refused ones by $e^{-3}$.
    - **Taste:** where titles are named, that of someone with these ratings; else the learned map (`SentenceMap`) says what
      people who talk like this have rated and like.
    - **Nearness:** an item's rank is multiplied by $e^{5 (\cos(i, w) - \cos(i, r))}$, with $w$ the vector of the statements
      that ask for something and $r$ that of what is refused. Where nothing is asked for, or nothing refused, the mean
      synthetic text stands in: some texts are near to whatever people say, and that is no news.
    - Who asks for one thing means it; who names many concepts and years describes a person. So these logarithms are divided by
      the number of concepts and years that are asked for, and taste decides the more, the more are named.

    Without a map, the ten items nearest to the text count as liked a little, and nearness alone decides which to show.

    Raises:
        InputError: If there are no words, or no item or another encoder to hold them against.
    """
    query = TextQuery.read(text)
    has_text = recommender.item_vectors.any(axis=1)
    if not has_text.any():
        raise InputError("no item of this run has a text, so a sentence finds nothing; give ratings instead")
    recommender.check_encoder()
    learned = recommender.sentences
    anyone = None if learned is None else learned.mean
    nearness = _cosines(recommender, query.wanted, anyone) - _cosines(recommender, query.refused, anyone)
    nearness = np.where(has_text, nearness, nearness[has_text].min())
    nearness[~recommender.graph.items.present] = -np.inf
    wanted, refused = (
        _NOTHING if words is None else recommender.names.read(words) for words in (query.wanted, query.refused)
    )
    wishes = WANTED * _told_of(recommender, wanted) - REFUSED * _told_of(recommender, refused)
    named = tuple(mention.node for mention in (*wanted.items, *refused.items))
    understood = (*_phrases(wanted, "like", ""), *_phrases(refused, "not like", ": less"))
    if learned is None:
        logger.info("this run has not learned what sentences say of a taste; items near to the words are listed")
        return _near(recommender, SHARPNESS_ALONE * nearness + wishes, nearness, named, understood)
    vector = recommender.encoder.encode([query.wanted or query.text])[0]
    seen = np.zeros(recommender.train.num_items, dtype=np.float32)
    likely_seen = learned.seen(vector)
    seen[: len(likely_seen)] = likely_seen  # items that came after the training are nobody's history yet
    num_asked = max(len(wanted.concepts) + len(wanted.years), 1)
    nearness = ((SHARPNESS * nearness + wishes) / num_asked).astype(np.float32)
    if named and not recommender.implicit:
        best, worst = float(recommender.levels[-1]), float(recommender.levels[0])
        ids = recommender.graph.items.vocabulary
        ratings = {ids.id_of(mention.node): best for mention in wanted.items}
        ratings |= {ids.id_of(mention.node): worst for mention in refused.items}
        rated = user_query_of_history(recommender, ratings)
        seen = LIKELY_SEEN * seen
        seen[[mention.node for mention in wanted.items]] = 1.0
        return UserQuery(
            warm=rated.warm, cold=rated.cold, seen=seen, nearness=nearness, named=named, understood=understood
        )
    embedding = learned.user_embedding(vector, len(recommender.levels), generator=torch.Generator().manual_seed(0))
    return UserQuery(cold=embedding, seen=seen, nearness=nearness, named=named, understood=understood)


def _cosines(recommender: Trained, words: str | None, otherwise: Floats | None) -> Floats:
    """Return how near items are to words, or without any to another vector, `[num_items]`; zero without either."""
    vector = otherwise if words is None else recommender.encoder.encode([words])[0]
    if vector is None:
        return np.zeros(len(recommender.item_vectors), dtype=np.float32)
    return np.asarray(recommender.item_vectors @ vector, dtype=np.float32)


def _told_of(recommender: Trained, mentions: Mentions) -> Floats:
    """Return how many of the named concepts each item has, a stretch of years as one of them, `[num_items]`."""
    graph, names = recommender.graph, recommender.names
    number = np.zeros(len(graph.items), dtype=np.float32)
    for concept in mentions.concepts:
        has = np.zeros(len(number), dtype=bool)
        for edge_type, edges in graph.edges.items():
            if (edge_type.source, edge_type.target) == (ITEM, concept.kind):
                has[edges.index[0][edges.index[1] == concept.node]] = True
        number += has
    if mentions.years:
        inside = [(names.year >= first) & (names.year <= last) for first, last in mentions.years]
        number += np.any(inside, axis=0)
    return number


def _phrases(mentions: Mentions, like: str, less: str) -> list[str]:
    """Return what was read, for people: `like Alien (1979)`, `genre Horror: less`, `1970 to 1979`."""

    def concept(mention: Mention) -> str:
        return f"{mention.kind.replace('_', ' ')} {mention.label}{less}"

    def years(first: int, last: int) -> str:
        stretch = f"before {last + 1}" if first == 0 else f"from {first} on" if last == 9999 else f"{first} to {last}"
        return f"{first if first == last else stretch}{less}"

    return [
        *(f"{like} {mention.label}" for mention in mentions.items),
        *map(concept, mentions.concepts),
        *(years(first, last) for first, last in mentions.years),
    ]


def _near(
    recommender: Trained, nearness: Floats, to_words: Floats, named: Sequence[int], understood: tuple[str, ...]
) -> UserQuery:
    items = recommender.graph.items
    item = np.argsort(-to_words, kind="stable")[: min(LIKED_TITLES, items.num_present)].astype(np.int64)
    seen = np.zeros(recommender.train.num_items, dtype=np.float32)
    seen[item] = 1.0
    liked = np.full(len(item), len(recommender.levels) - 1)
    embedding = user_embedding_of(recommender, item, liked, SENTENCE_WEIGHT)
    return UserQuery(
        cold=embedding,
        seen=seen,
        nearness=nearness.astype(np.float32),
        comes_across=False,
        named=tuple(named),
        understood=understood,
    )
