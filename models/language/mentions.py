"""Names of items and concepts, and years, that a text mentions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.schema import ITEM, USER

__all__ = ["Mention", "Mentions", "NameIndex"]

_WORD = re.compile(r"\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}]\w+)*")
_IN_BRACKETS = re.compile(r"\s*[(\[][^)\]]*[)\]]")
_YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_YEAR_AFTER = re.compile(r"\s*\(?\s*(1[89]\d\d|20\d\d)\s*\)")
_ARTICLE_LAST = re.compile(r"^(.*), (The|A|An|Les?|La|Il|Der|Die|Das|El)$", re.IGNORECASE)
_LIKE = frozenset(
    [
        "like",
        "liked",
        "likes",
        "love",
        "loved",
        "enjoy",
        "enjoyed",
        "watch",
        "watched",
        "saw",
        "seen",
        "hate",
        "hated",
        "dislike",
        "disliked",
    ]
)
_DECADES = {
    "twenties": 20,
    "thirties": 30,
    "forties": 40,
    "fifties": 50,
    "sixties": 60,
    "seventies": 70,
    "eighties": 80,
    "nineties": 90,
}
_DECADE = re.compile(rf"\b(?:(1[89]|20)?(\d0)'?s|({'|'.join(_DECADES)}))\b", re.IGNORECASE)
_RANGE = re.compile(
    r"\b(?:(?P<after>after|since|newer\s+than|later\s+than|from)|(?P<before>before|older\s+than|earlier\s+than|prior\s+to|until|up\s+to)"
    r"|(?P<between>between))\s+(?:the\s+(?:year\s+)?)?(?P<year>1[89]\d\d|20\d\d)\b(?:\s+(?:and|to|until)\s+(?P<last>1[89]\d\d|20\d\d)\b)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^\d+s?$")  # years and decades are read as stretches of time
_LONGEST_NAME = 10
_SAME = {("sci", "fi"): ("science", "fiction"), ("scifi",): ("science", "fiction")}  # ways to write one genre
_FEW = 1_000  # concepts of a kind whose names people write in small letters, as those of genres

Node = tuple[str, int]
Years = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A node that a text names.

    Attributes:
        kind: Kind of the node.
        node: Its index.
        label: Its label.
    """

    kind: str
    node: int
    label: str


@dataclass(frozen=True, kw_only=True)
class Mentions:
    """What a text names.

    Attributes:
        items: Items, in their order.
        concepts: Concepts, in their order.
        years: First and last year of each stretch of time.
    """

    items: tuple[Mention, ...]
    concepts: tuple[Mention, ...]
    years: tuple[Years, ...]


class NameIndex:
    """Names of a graph's items and of the concepts of items, to be found in texts.

    A title of one word, or in small letters, is a common word as well; it counts where it stands in quotation marks, before
    its year, or with a capital after "like", "loved", "watched" and their kind. Of a name of two words and more the last
    counts alone where it has a capital, as in "by Hitchcock"; of several namesakes it means the one with most items.

    Attributes:
        year: Year of each item as its label says it, int64 `[num_items]`; 0 where it says none.
    """

    def __init__(
        self,
        titles: Mapping[tuple[str, ...], Sequence[int]],
        names: Mapping[tuple[str, ...], Sequence[Node]],
        surnames: Mapping[str, Node],
        labels: Mapping[str, NDArray[np.object_]],
        year: NDArray[np.int64],
    ) -> None:
        self._titles, self._names, self._surnames, self._labels = titles, names, surnames, labels
        self.year = year

    @classmethod
    def of(cls, graph: KnowledgeGraph) -> Self:
        """Collect the names of a graph."""
        counts: dict[Node, int] = defaultdict(int)
        for edge_type, edges in graph.edges.items():
            if edge_type.source == ITEM and edge_type.target not in (ITEM, USER):
                targets, number = np.unique(edges.index[1], return_counts=True)
                for target, count in zip(targets.tolist(), number.tolist(), strict=True):
                    counts[edge_type.target, target] += count
        titles: dict[tuple[str, ...], list[int]] = defaultdict(list)
        names: dict[tuple[str, ...], list[Node]] = defaultdict(list)
        surnames: dict[str, Node] = {}
        years = np.zeros(len(graph.items), dtype=np.int64)
        for index, label in enumerate(graph.items.labels):
            if graph.items.present[index]:
                year = _YEAR.search("".join(_IN_BRACKETS.findall(str(label))))
                years[index] = int(year.group()) if year else 0
                for title in _titles(str(label)):
                    titles[_exact(title)].append(index)
        for (kind, node), count in counts.items():
            label = _IN_BRACKETS.sub("", str(graph.nodes[kind].labels[node]))
            words = _normal(label)
            if sum(map(len, words)) < 3 or _NUMBER.match(label):
                continue
            names[words].append((kind, node))
            last = words[-1]
            if len(words) > 1 and len(last) > 3 and counts.get(surnames.get(last, ("", -1)), 0) < count:
                surnames[last] = (kind, node)
        for same in names.values():
            same.sort(key=lambda node: -counts.get(node, 0))
        return cls(titles, names, surnames, {kind: nodes.labels for kind, nodes in graph.nodes.items()}, years)

    def read(self, text: str) -> Mentions:
        """Find what a text names; of overlapping names the longest."""
        words = list(_WORD.finditer(text))
        exact = [word.group().casefold() for word in words]
        normal = [_stem(word) for word in exact]
        items: dict[int, Mention] = {}
        concepts: dict[Node, Mention] = {}
        taken: list[tuple[int, int]] = []
        place = 0
        while place < len(words):
            for length in range(min(_LONGEST_NAME, len(words) - place), 0, -1):
                span = slice(place, place + length)
                concept = self._concept(text, words[place], tuple(normal[span]))
                item = self._title(text, words, span, self._titles.get(tuple(exact[span]), ()), certain=concept is None)
                if item is not None:
                    items.setdefault(item, self._mention((ITEM, item)))
                elif concept is not None:
                    concepts.setdefault(concept, self._mention(concept))
                else:
                    continue
                taken.append((words[place].start(), words[place + length - 1].end()))
                place += length - 1
                break
            place += 1
        return Mentions(items=tuple(items.values()), concepts=tuple(concepts.values()), years=_years(text, taken))

    def _concept(self, text: str, first: re.Match[str], key: tuple[str, ...]) -> Node | None:
        """Return the concept that words name, or None."""
        capital = first.group()[0].isupper()
        for node in self._names.get(_SAME.get(key, key), ()):
            label, few = self._label(node), len(self._labels[node[0]]) < _FEW
            if capital or len(key) > 1 or few or label == label.lower():
                return node
        if len(key) == 1 and capital and not _starts_sentence(text, first.start()):
            return self._surnames.get(key[0])
        return None

    def _title(
        self, text: str, words: Sequence[re.Match[str]], span: slice, titles: Sequence[int], *, certain: bool
    ) -> int | None:
        """Return which item a title means here, or None if the words may be common ones."""
        if not titles:
            return None
        start, end = words[span.start].start(), words[span.stop - 1].end()
        year = _YEAR_AFTER.match(text, end)
        if year:
            near = [item for item in titles if abs(int(self.year[item]) - int(year.group(1))) <= 1]
            return near[0] if near else None
        quoted = text[start - 1 : start] in ('"', "'", "\N{LEFT DOUBLE QUOTATION MARK}") and text[end : end + 1] in (
            '"',
            "'",
            "\N{RIGHT DOUBLE QUOTATION MARK}",
        )
        capitals = sum(word.group()[0].isupper() for word in words[span])
        before = words[span.start - 1].group().lower() if span.start else ""
        named = before in _LIKE and capitals > 0
        if quoted or named or (certain and capitals >= 2) or (certain and span.stop - span.start >= 4):
            return titles[0]
        return None

    def _label(self, node: Node) -> str:
        return str(self._labels[node[0]][node[1]])

    def _mention(self, node: Node) -> Mention:
        return Mention(kind=node[0], node=node[1], label=self._label(node))


def _titles(label: str) -> Iterable[str]:
    """Return how people write a title: without its year, and with its article in front."""
    plain = _IN_BRACKETS.sub("", label).strip()
    moved = _ARTICLE_LAST.match(plain)
    if moved:
        yield f"{moved.group(2)} {moved.group(1)}"
        plain = moved.group(1)
    if plain:
        yield plain
        if plain.lower().startswith("the ") and len(plain.split()) > 2:
            yield plain[4:]


def _exact(name: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(name))


def _normal(name: str) -> tuple[str, ...]:
    key = tuple(_stem(word) for word in _exact(name))
    return _SAME.get(key, key)


def _stem(word: str) -> str:
    """Bring singular and plural together: `comedies` and `comedy`, `westerns` and `western`."""
    word = word.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _starts_sentence(text: str, start: int) -> bool:
    before = text[:start].rstrip()
    return not before or before[-1] in ".!?"


def _years(text: str, taken: Sequence[tuple[int, int]]) -> tuple[Years, ...]:
    """Return the stretches of time that a text names outside names and brackets."""
    for start, end in taken:
        text = text[:start] + "_" * (end - start) + text[end:]
    text = re.sub(r"\(\d{4}\)", "", text)  # the year of a title
    found: list[Years] = []
    for match in _DECADE.finditer(text):
        century, tens, word = match.groups()
        tens = int(tens) if tens else _DECADES[word.lower()]
        first = (int(century) if century else 19 if tens >= 20 else 20) * 100 + tens
        found.append((first, first + 9))
    text = _DECADE.sub("", text)
    for match in _RANGE.finditer(text):
        year, last = int(match["year"]), int(match["last"] or 0)
        if last:
            found.append((year, last))
        elif match["after"]:
            exact = match["after"].lower() == "from"
            found.append((year, year) if exact else (year if match["after"].lower() == "since" else year + 1, 9999))
        elif match["before"]:
            found.append((0, year - 1))
    found += [(int(year), int(year)) for year in _YEAR.findall(_RANGE.sub("", text))]
    return tuple(dict.fromkeys(found))
