"""The facts that a synthetic user text is made from: what sets the liked items of one user apart, without their titles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.graph import KnowledgeGraph
from kg.hierarchy import with_wider_concepts
from kg.ratings import Ratings
from kg.schema import ITEM

__all__ = ["Facts", "Profiler"]

# What an item's relation says of it; in RDF a relation has a prefix. Others are topics if they come from tables.
_RELATIONS = {
    "maker": ("director", "writer", "author", "artist", "creator"),
    "cast": ("actor", "starring"),
    "time": ("decade",),
    "place": ("countryOfOrigin", "country", "language"),
    "topic": ("genre", "about", "subject", "theme", "keyword", "tag"),
}
ROLES = {relation: role for role, relations in _RELATIONS.items() for relation in relations}
SILENT = frozenset({"year", "certificate", "publisher"})  # nobody describes a taste by these
MOST = {"topic": 4, "maker": 3, "cast": 3, "time": 2, "place": 2, "word": 4, "dislike": 2}
LEAST_TELLING = 0.8  # standard deviations above what anyone's liked items would show
DISLIKED = -0.75  # stars below what was to be expected of this user and item
WORD_ITEMS = (3, 0.1)  # a word speaks if at least so many items use it, and at most this share of them
NOUN_SHARE = 0.3  # of its uses, a noun stands so often right after an article or a possessive
_DAMPING = 5.0  # of item means, in ratings
_WORD = re.compile(r"[^\W\d_]{4,}")
_AFTER_ARTICLE = re.compile(r"\b(?:a|an|the|his|her|their|its)\s+([^\W\d_]{4,})")
_YEAR = re.compile(r"\s*\(\d{4}\)\s*$")

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is telling about someone, most telling first, in the words of the graph.

    Attributes:
        topic: Genres, subjects, tags.
        maker: Who directed or wrote.
        cast: Who plays.
        time: Decades.
        place: Countries or languages.
        word: Words of the texts.
        dislike: Topics they like less than others do.
    """

    topic: tuple[str, ...] = ()
    maker: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    word: tuple[str, ...] = ()
    dislike: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything that the person likes to speak of."""
        return self != Facts(dislike=self.dislike)


class Profiler:
    r"""Finds what sets a user's liked items apart from anyone's.

    A user likes an item if the rating is above $m_i + \overline{(r - m)}_u$, the item's mean and the user's usual
    distance from it. Of $n$ liked items, $n_c$ have concept $c$; among all liked items of all users its share is
    $p_c$. What is most telling has the largest $z_c = (n_c - n p_c) / \sqrt{n p_c (1 - p_c) + 1}$. For dislikes the
    same is done with ratings well below what was to be expected. Words of an item's text count as concepts, without those of its title.

    Args:
        graph: Items, their concepts and texts.
        ratings: Training ratings: what is usual is learned from these alone.
    """

    def __init__(self, graph: KnowledgeGraph, ratings: Ratings) -> None:
        counts = ratings.item_counts
        mean = float(ratings.value.mean())
        sums = np.bincount(ratings.item, weights=ratings.value - mean, minlength=ratings.num_items)
        self._item_mean = mean + sums / (counts + _DAMPING)
        residual = ratings.value - self._item_mean[ratings.item]
        per_user = np.maximum(ratings.user_counts, 1)
        usual = np.bincount(ratings.user, weights=residual, minlength=ratings.num_users) / per_user
        likes = residual >= usual[ratings.user]
        self._liked = np.bincount(ratings.item[likes], minlength=ratings.num_items).astype(float)
        self.tables = tuple(_tables(graph))
        self._titles = [_YEAR.sub("", str(label)).casefold() for label in graph.items.labels]
        self._usual = [
            np.asarray(self._liked @ table / max(self._liked.sum(), 1.0)).ravel() for _, table, _ in self.tables
        ]

    def facts(
        self, item: Indices, value: NDArray[np.float32], *, share: float = 1.0, rng: np.random.Generator | None = None
    ) -> Facts:
        """Return what is telling about someone who gave some ratings.

        Args:
            item: Rated items, `[num_ratings]`.
            value: Their ratings, in stars.
            share: Chance that a telling fact comes to the person's mind.
            rng: Source of that chance.
        """
        if not len(item):
            return Facts()
        residual = value - self._item_mean[item]
        residual = residual - residual.mean()
        liked, disliked = item[residual >= 0], item[residual < DISLIKED]
        scored: dict[str, list[tuple[float, str]]] = {}  # role -> (how telling, negated; label)
        for (role, table, labels), usual in zip(self.tables, self._usual, strict=True):
            groups = [(role, liked)] + ([("dislike", disliked)] if role == "topic" else [])
            for name, group in groups:
                if not len(group):
                    continue
                seen = np.asarray(table[group].sum(axis=0)).ravel()  # n_c, [num_concepts]
                expected = len(group) * usual
                telling = (seen - expected) / np.sqrt(expected * (1 - np.minimum(usual, 1)) + 1.0)
                fewest = 1 + (len(group) >= 6) + (role == "word" and len(group) >= 20)
                telling[seen < fewest] = 0.0
                best = np.argsort(-telling, kind="stable")[: 4 * MOST[name]]
                best = best[telling[best] > LEAST_TELLING]
                scored.setdefault(name, []).extend((-float(telling[index]), str(labels[index])) for index in best)
        titles = [self._titles[index] for index in item]
        facts: dict[str, tuple[str, ...]] = {}
        for name, pairs in scored.items():
            named = [
                label for label in dict.fromkeys(label for _, label in sorted(pairs)) if not _has_a_title(label, titles)
            ]
            if rng is not None:
                named = [label for label in named if rng.random() < share]
            facts[name] = tuple(named[: MOST[name]])
        facts["dislike"] = tuple(label for label in facts.get("dislike", ()) if label not in facts.get("topic", ()))
        return Facts(**facts)


def _has_a_title(label: str, titles: Sequence[str]) -> bool:
    words = f" {label.casefold()} "
    return any(f" {title} " in words for title in titles)


def _tables(graph: KnowledgeGraph) -> Iterator[tuple[str, sparse.csr_array, NDArray[np.object_]]]:
    """Yield role, items x concepts as 0/1, and labels: each relation of items, then the words of their texts."""
    done = set()
    for edge_type in sorted(graph.edges, key=lambda edge: ":" in edge.relation):
        prefix, _, name = edge_type.relation.rpartition(":")
        role = ROLES.get(name) or (None if prefix or name in SILENT else "topic")
        if edge_type.source != ITEM or edge_type.target == ITEM or role is None or name in done:
            continue
        done.add(name)
        labels = graph.nodes[edge_type.target].labels
        item, concept = np.unique(with_wider_concepts(graph, edge_type), axis=1)
        shape = (len(graph.items), len(labels))
        yield role, sparse.csr_array((np.ones(len(item)), (item, concept)), shape=shape), labels
    yield "word", *_words(graph)


def _words(graph: KnowledgeGraph) -> tuple[sparse.csr_array, NDArray[np.object_]]:
    """Return items x nouns of their texts as 0/1, and the nouns: neither rare, nor everywhere, nor in the item's title."""
    uses: Counter[str] = Counter()
    uses_as_noun: Counter[str] = Counter()
    words_of: list[set[str]] = []
    for text, label in zip(graph.items.texts, graph.items.labels, strict=True):
        lower = str(text or "").casefold()
        words = _WORD.findall(lower)
        uses.update(words)
        uses_as_noun.update(_AFTER_ARTICLE.findall(lower))
        words_of.append(set(words) - set(_WORD.findall(str(label).casefold())))
    num_items = Counter(word for words in words_of for word in words)
    fewest, share = WORD_ITEMS
    nouns = sorted(
        word
        for word, count in num_items.items()
        if fewest <= count <= share * len(words_of) and uses_as_noun[word] >= NOUN_SHARE * uses[word]
    )
    place = {word: number for number, word in enumerate(nouns)}
    pairs = [(item, place[word]) for item, words in enumerate(words_of) for word in sorted(words) if word in place]
    item, word = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    table = sparse.csr_array((np.ones(len(pairs)), (item, word)), shape=(len(words_of), len(nouns)))
    return table, np.array(nouns, dtype=object)
