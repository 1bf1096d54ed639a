"""Rules applied to a graph: which items they hide and move, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyoxigraph as ox
from numpy.typing import NDArray

from kg.counted import counted
from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.queries.query import Answer, Question, answer
from kg.queries.sparql import prefixes_of
from kg.saved.store import quads
from kg.schema import ITEM, Namespace
from models.lists.item_filter import items_with
from models.lists.rule_file import ITEM_IDS, SPARQL, Rule, RuleFile

__all__ = ["AppliedRules", "apply_rules"]

ROWS_AN_ITEM = 20  # rows that a query may find for each item of the graph

Mask = NDArray[np.bool_]
Ask = Callable[[Question], Answer]


@dataclass(frozen=True, kw_only=True, eq=False)
class AppliedRules:
    """Rules and the items each of them is about.

    An item is hidden if a `hide` is about it, or an `only` is not; boosts of one item add up. What is hidden stays
    hidden, whatever boosts it.

    Attributes:
        rules: The rules, in their order.
        matches: Which items each is about, bool `[num_rules, num_items]`.
        present: Which items are there at all, bool `[num_items]`.
        remarks: Sentences about the rules alone, such as names in a query that occur nowhere.
    """

    rules: tuple[Rule, ...]
    matches: Mask
    present: Mask
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.matches.shape != (len(self.rules), len(self.present)):
            raise ValueError(
                f"{len(self.rules)} rules for {len(self.present)} items; got matches of {self.matches.shape}"
            )

    @cached_property
    def _hides(self) -> Mask:
        """Which items each rule hides, bool `[num_rules, num_items]`."""
        actions = np.array([rule.action for rule in self.rules])[:, None]
        return np.where(actions == "hide", self.matches, (actions == "only") & ~self.matches)

    @cached_property
    def hidden(self) -> Mask:
        """Items that no list may show, bool `[num_items]`."""
        return np.asarray(self._hides.any(axis=0))

    @cached_property
    def boost(self) -> NDArray[np.float32]:
        """By how many stars each item is moved, float32 `[num_items]`; 0 for hidden ones."""
        stars = np.array([rule.stars or 0.0 for rule in self.rules]) @ self.matches
        return np.where(self.hidden, 0.0, stars).astype(np.float32)

    @cached_property
    def num_left(self) -> int:
        """Number of items that lists may show."""
        return int((self.present & ~self.hidden).sum())

    def of_item(self, item: int) -> tuple[Rule, ...]:
        """Return the rules that are about an item, in their order."""
        return tuple(self.rules[number] for number in np.flatnonzero(self.matches[:, item]))

    def boosts_of(self, item: int) -> dict[str, float]:
        """Return the stars that each boost adds to an item, by the rule in short; none where the item is hidden."""
        boosts: dict[str, float] = {}
        for rule in () if self.hidden[item] else self.of_item(item):
            if rule.stars:
                boosts[str(rule)] = boosts.get(str(rule), 0.0) + rule.stars
        return boosts

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences about rules that do nothing, or contradict each other, and what then holds."""
        notes = list(self.remarks)
        for number, (rule, about) in enumerate(zip(self.rules, self.matches, strict=True)):
            if not about.any():
                notes.append(f"{self._names([number])} is about no item of this graph")
            if rule.stars and (about & self.hidden).any():
                moved = counted(int((about & self.hidden).sum()), "item")
                hiding = self._names(np.flatnonzero((about & self._hides).any(axis=1)), " or ")
                notes.append(f"{self._names([number])} moves {moved} that {hiding} hides; hidden items stay hidden")
        stars = [rule.stars or 0.0 for rule in self.rules]
        for first, second in combinations(range(len(self.rules)), 2):
            both = int((self.matches[first] & self.matches[second] & ~self.hidden).sum())
            if stars[first] * stars[second] < 0 and both:
                names, total = self._names([first, second]), stars[first] + stars[second]
                notes.append(f"{names} pull {counted(both, 'item')} both ways; their stars add up to {total:+g}")
        return tuple(notes)

    def refuse_nothing_left(self, file: Path | None = None) -> None:
        """Raise `InputError` if no item is left to recommend, and say which rules of which file leave none."""
        if self.num_left or not self.present.any():
            return
        only, hiding = (
            [number for number, rule in enumerate(self.rules) if rule.action == action] for action in ("only", "hide")
        )
        if not self.matches[only].all(axis=0).any():
            alternatives = "put alternatives into one rule, as {genre: [Drama, Comedy]}"
            reason = f"no item satisfies {self._names(only)}; {alternatives}, or widen what is kept"
        else:
            what = f"all that {self._names(only)} keeps" if only else "every item"
            reason = f"{self._names(hiding)} hides {what}; narrow them or leave one out"
        raise InputError(f"the rules leave no item to recommend: {reason}", file=file)

    def _names(self, numbers: Iterable[int], between: str = " and ") -> str:
        return between.join(f"rule {number + 1} ({self.rules[number]})" for number in numbers)


def apply_rules(rules: RuleFile | Path, graph: KnowledgeGraph, *, ask: Ask | None = None) -> AppliedRules:
    """Find out which items of a graph each rule is about.

    A concept is named by its label or id, upper and lower case alike; who has a narrower concept has the wider one, too.

    Args:
        rules: The rules, or their file, whose lines messages then name.
        graph: The graph.
        ask: Answers queries; by default a store in memory does, for as long as it takes.

    Raises:
        InputError: If the file is wrong, a relation, concept or item is not in the graph, a query is refused or
            finds no items, or nothing is left to recommend.
    """
    file = rules if isinstance(rules, Path) else None
    rules = RuleFile.load(rules) if isinstance(rules, Path) else rules
    matches = np.tile(graph.items.present, (len(rules.rules), 1))
    remarks: list[str] = []
    for number, rule in enumerate(rules.rules):
        for key, values in rule.condition.items():
            line = None if file is None else rules.line(file, number, rule.action, key)
            place = None if file is None else f"{file}, line {line}"
            try:
                if key == SPARQL:
                    ask = ask or _in_memory(graph)
                    items, notes = _queried(values, graph, ask, place)
                    remarks += notes
                elif key == ITEM_IDS:
                    items = graph.items.vocabulary.indices(values)
                else:
                    items = np.flatnonzero(items_with(graph, {key: values}))
            except InputError as error:
                if error.file is not None or file is None:
                    raise
                raise type(error)(str(error), file=file, line=line) from None
            matches[number] &= np.isin(np.arange(len(graph.items)), items)
    applied = AppliedRules(
        rules=tuple(rules.rules), matches=matches, present=graph.items.present, remarks=tuple(remarks)
    )
    applied.refuse_nothing_left(file)
    return applied


def _queried(
    texts: Sequence[str], graph: KnowledgeGraph, ask: Ask, place: str | None
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the items that queries find in their variable `?item`, and notes about the queries."""
    namespace, names = Namespace(), dict.fromkeys((*graph.nodes, *(edge_type.relation for edge_type in graph.edges)))
    items: list[int] = []
    notes: list[str] = []
    for text in texts:
        question = Question(
            text=text,
            prefixes=prefixes_of(namespace, graph.nodes),
            limit=ROWS_AN_ITEM * len(graph.items),
            vocabulary=tuple("kv:" + quote(name, safe="") for name in names),
            file=place,
        )
        answered = ask(question)
        if answered.boolean is not None or "item" not in answered.variables:
            raise InputError("expected a query SELECT ?item { ... } that finds items in the variable ?item", file=place)
        if answered.cut:
            raise InputError(
                f"the query finds more than {question.limit:,} rows; write SELECT DISTINCT ?item", file=place
            )
        if answered.notes and not answered.rows:
            raise InputError(answered.notes[0], file=place)
        notes += answered.notes
        iris = [row["item"]["value"] for row in answered.rows if "item" in row]
        items += [_item_of(iri, graph, namespace, place) for iri in iris]
    return np.array(items, dtype=np.int64), notes


def _item_of(iri: str, graph: KnowledgeGraph, namespace: Namespace, place: str | None) -> int:
    try:
        kind, raw_id = namespace.raw_id(iri)
    except ValueError:
        kind, raw_id = "", iri
    index = int(graph.items.vocabulary.find([raw_id])[0]) if kind == ITEM else -1
    if index < 0:
        raise InputError(
            f"the query finds {iri!r} in ?item, which is no item of this graph; add `?item a kv:item`", file=place
        )
    return index


def _in_memory(graph: KnowledgeGraph) -> Ask:
    store = ox.Store()
    store.bulk_extend(quads(graph, Namespace()))
    return lambda question: answer(store, question)
