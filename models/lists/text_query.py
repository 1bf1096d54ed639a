"""Someone new who says in words what they like: what the text asks for and refuses, and the person behind it."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from models.cold.user_embedding import user_embedding_of
from models.lists.trained import Trained
from models.lists.user_query import UserQuery

__all__ = ["TextQuery", "user_query_of_text"]

logger = logging.getLogger(__name__)

SHARPNESS = 5.0  # how much nearness to a text of one statement counts, chosen on validation users; of m, a m-th of it
SHARPNESS_ALONE = 20.0  # the same where no map was learned
LIKED_TITLES = 10  # items a sentence is then taken to like ...
SENTENCE_WEIGHT = 0.2  # ... each with the evidence of a fifth of a rating
MOST_CHARACTERS = 4_000  # what is beyond is not read: more than the language model takes in at once
_ENDS = re.compile(r"(?<=[.!?;])\s+|\n+|,?\s+\bbut\b\s+", re.IGNORECASE)
_REFUSES = re.compile(
    r"^(no|not|nothing|never|without|anything but|please,? no)\b"
    r"|\b(do not|don't|cannot|can't|never|won't|would not|could not) (really |much |ever )*"
    r"(like|love|enjoy|want|watch|read|need|care|stand|bear)"
    r"|\b(hate|dislike|avoid|detest|spare me|except|tired of|sick of|bored (by|of|with)|not into)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"\w")

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class TextQuery:
    """A text, and its statements by what they say.

    A statement ends with its sentence, its line, or before "but"; one refuses if it says so in plain English
    (`no horror, please`, `I cannot stand musicals`). Refusals in other words or languages count as wishes.

    Attributes:
        text: The whole text, without blanks around it.
        wanted: The statements that ask for something; None where all refuse.
        refused: The statements that refuse something, or None.
        num_wanted: Number of the former, at least 1.
    """

    text: str
    wanted: str | None
    refused: str | None
    num_wanted: int

    @property
    def readings(self) -> tuple[str, ...]:
        """The different texts that the language model reads."""
        return tuple(dict.fromkeys(part for part in (self.text, self.wanted, self.refused) if part is not None))

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
        statements = [part.strip() for part in _ENDS.split(whole) if _LETTER.search(part)] or [whole]
        refused = [part for part in statements if _refuses(part)]
        wanted = [part for part in statements if not _refuses(part)]
        return cls(
            text=whole,
            wanted=" ".join(wanted) or None,
            refused=" ".join(refused) or None,
            num_wanted=max(len(wanted), 1),
        )


def _refuses(statement: str) -> bool:
    return _REFUSES.search(statement.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None


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
    likely_seen = learned.seen(vector)
    seen[: len(likely_seen)] = likely_seen  # items that came after the training are nobody's history yet
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
