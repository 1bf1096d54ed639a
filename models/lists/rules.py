"""Rules applied to a graph: which items they hide and move, what they say of each item, and where they contradict."""

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

from kg.errors import InputError, UnknownNameError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.hierarchy import with_wider_concepts
from kg.queries.query import Answer, Question, answer
from kg.queries.sparql import prefixes_of
from kg.saved.store import quads
from kg.schema import ITEM, EdgeType, Namespace
from kg.tabular.concepts import concept_id
from models.lists.rule_file import ITEM_IDS, SPARQL, Action, Rule, RuleFile

__all__ = ["AppliedRules", "RuleEffect", "apply_rules"]

ROWS_AN_ITEM = 20  # rows that a query may find for each item of the graph

Mask = NDArray[np.bool_]
Ask = Callable[[Question], Answer]


@dataclass(frozen=True)
class RuleEffect:
    """What one rule does to one item.

    Attributes:
        rule: The rule in short.
        action: `hide`, `boost` or `only`.
        stars: How far it moves the item, in stars; 0 for the other actions.
    """

    rule: str
    action: Action
    stars: float

    def __str__(self) -> str:
        return self.rule


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
    def hidden(self) -> Mask:
        """Items that no list may show, bool `[num_items]`."""
        found = self._of("hide").any(axis=0) | ~self._of("only").all(axis=0)
        return np.asarray(found)

    @cached_property
    def boost(self) -> NDArray[np.float32]:
        """By how many stars each item is moved, float32 `[num_items]`; 0 for hidden ones."""
        stars = np.array([rule.stars or 0.0 for rule in self.rules])
        found = (stars[:, None] * self.matches).sum(axis=0)
        return np.where(self.hidden, 0.0, found).astype(np.float32)

    @cached_property
    def num_left(self) -> int:
        """Number of items that lists may show."""
        return int((self.present & ~self.hidden).sum())

    def of_item(self, item: int) -> tuple[RuleEffect, ...]:
        """Return what the rules do to an item, in their order; an `only` is told of what it keeps."""
        return tuple(
            RuleEffect(str(self.rules[number]), self.rules[number].action, self.rules[number].stars or 0.0)
            for number in np.flatnonzero(self.matches[:, item])
        )

    def boosts_of(self, item: int) -> dict[str, float]:
        """Return the stars that each boost adds to an item, by the rule in short; none where the item is hidden."""
        found: dict[str, float] = {}
        if not self.hidden[item]:
            for effect in self.of_item(item):
                if effect.stars:
                    found[effect.rule] = found.get(effect.rule, 0.0) + effect.stars
        return found

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences about rules that do nothing, or contradict each other, and what then holds."""
        found = list(self.remarks)
        for number, rule in enumerate(self.rules):
            if not self.matches[number].any():
                found.append(f"{self._named(number)} is about no item of this graph")
            if rule.boost is not None and (lost := int((self.matches[number] & self.hidden).sum())):
                hiding = [other for other in range(len(self.rules)) if self._hides(other, number)]
                names = " or ".join(map(self._named, hiding))
                found.append(f"{self._named(number)} moves {_items(lost)} that {names} hides; hidden items stay hidden")
        for one, other in combinations(range(len(self.rules)), 2):
            first, second = self.rules[one].stars or 0.0, self.rules[other].stars or 0.0
            shared = int((self.matches[one] & self.matches[other] & ~self.hidden).sum())
            if first * second < 0 and shared:
                found.append(
                    f"{self._named(one)} and {self._named(other)} pull {_items(shared)} both ways; their stars add up "
                    f"to {first + second:+g}"
                )
        return tuple(found)

    def refuse_nothing_left(self, file: Path | None = None) -> None:
        """Raise `InputError` if no item is left to be listed, and say which rules of which file leave none."""
        if self.num_left or not self.present.any():
            return
        only = [number for number, rule in enumerate(self.rules) if rule.only is not None]
        kept = self._of("only").all(axis=0)
        if not kept.any():
            names = " and ".join(map(self._named, only))
            remedy = (
                "an item must satisfy all of them; put alternatives into one rule, as {genre: [Drama, Comedy]}"
                if len(only) > 1
                else "widen it"
            )
            raise InputError(f"the rules leave no item to recommend: no item satisfies {names}; {remedy}", file=file)
        hiding = [number for number, rule in enumerate(self.rules) if rule.hide is not None]
        all_that = "all that " + " and ".join(map(self._named, only)) + " keeps" if only else "every item"
        names = " and ".join(map(self._named, hiding))
        verb = "hides" if len(hiding) == 1 else "hide"
        raise InputError(
            f"the rules leave no item to recommend: {names} {verb} {all_that}; narrow them or leave one out", file=file
        )

    def _of(self, action: Action) -> Mask:
        return self.matches[[rule.action == action for rule in self.rules]]

    def _hides(self, number: int, boosted: int) -> bool:
        """Whether a rule hides an item that another one moves."""
        action = self.rules[number].action
        gone = self.matches[number] if action == "hide" else ~self.matches[number]
        return action != "boost" and bool((gone & self.matches[boosted]).any())

    def _named(self, number: int) -> str:
        return f"rule {number + 1} ({self.rules[number]})"


def apply_rules(
    rules: RuleFile | Path,
    graph: KnowledgeGraph,
    *,
    namespace: Namespace | None = None,
    ask: Ask | None = None,
) -> AppliedRules:
    """Find out which items of a graph each rule is about.

    A concept is named by its label or id, upper and lower case alike; who has a narrower concept has the wider one, too.

    Args:
        rules: The rules, or their file, whose lines messages then name.
        graph: The graph.
        namespace: Where its IRIs were minted.
        ask: Answers queries; by default a store in memory does, for as long as it takes.

    Raises:
        InputError: If the file is wrong, a relation, concept or item is not in the graph, a query is refused or
            finds no items, or nothing is left to recommend.
    """
    file = rules if isinstance(rules, Path) else None
    rules = RuleFile.load(rules) if isinstance(rules, Path) else rules
    namespace = namespace or Namespace()
    matches = np.zeros((len(rules.rules), len(graph.items)), dtype=bool)
    remarks: list[str] = []
    for number, rule in enumerate(rules.rules):
        found = graph.items.present.copy()
        for key, values in rule.condition.items():
            line = None if file is None else rules.line(file, number, rule.action, key)
            try:
                if key == SPARQL:
                    place = None if file is None else f"{file}, line {line}"
                    ask = ask or _in_memory(graph, namespace)
                    one, said = _queried(values, graph, namespace, ask, place)
                    remarks += said
                elif key == ITEM_IDS:
                    one = _mask(graph, graph.items.vocabulary.indices(values))
                else:
                    one = _with_concepts(graph, key, values)
            except InputError as error:
                if error.file is not None or file is None:
                    raise
                raise type(error)(str(error), file=file, line=line) from None
            found &= one
        matches[number] = found
    applied = AppliedRules(
        rules=tuple(rules.rules), matches=matches, present=graph.items.present, remarks=tuple(remarks)
    )
    applied.refuse_nothing_left(file)
    return applied


def _with_concepts(graph: KnowledgeGraph, relation: str, values: Sequence[str]) -> Mask:
    """Return which items have one of some concepts."""
    pairs = [_item_edges(graph, edge_type) for edge_type in _item_relation(graph, relation)]
    found = np.zeros(len(graph.items), dtype=bool)
    for value in values:
        wanted, known = concept_id(value), False
        for kind, items, concepts in pairs:
            nodes = graph.nodes[kind]
            used = np.unique(concepts)
            fits = [
                index
                for index in used.tolist()
                if concept_id(str(nodes.labels[index])) == wanted or nodes.vocabulary.id_of(index) == value
            ]
            known |= bool(fits)
            found[items[np.isin(concepts, fits)]] = True
        if not known:
            raise UnknownNameError(_unknown(graph, relation, value, pairs))
    return found


def _item_relation(graph: KnowledgeGraph, relation: str) -> list[EdgeType]:
    """Return the edge types of a relation that touch items, those that start at items first choice."""
    of_items = [edge_type for edge_type in graph.edges if ITEM in (edge_type.source, edge_type.target)]
    found = [edge_type for edge_type in of_items if edge_type.relation == relation]
    forward = [edge_type for edge_type in found if edge_type.source == ITEM]
    if found:
        return forward or found
    known = sorted({edge_type.relation for edge_type in of_items})
    elsewhere = any(edge_type.relation == relation for edge_type in graph.edges)
    what = "is no relation of items" if elsewhere else "is no relation of this graph"
    raise UnknownNameError(
        f"{relation!r} {what}; rules are about {', '.join([*known, ITEM_IDS, SPARQL])}."
        f"{did_you_mean(relation, [*known, ITEM_IDS, SPARQL])}"
    )


def _item_edges(graph: KnowledgeGraph, edge_type: EdgeType) -> tuple[str, NDArray[np.int64], NDArray[np.int64]]:
    """Return the kind at the other end, and items and concepts of all edges."""
    if edge_type.source == ITEM:
        items, concepts = with_wider_concepts(graph, edge_type)
        return edge_type.target, items, concepts
    concepts, items = graph.edges[edge_type].index
    return edge_type.source, items, concepts


def _unknown(
    graph: KnowledgeGraph,
    relation: str,
    value: str,
    pairs: Iterable[tuple[str, NDArray[np.int64], NDArray[np.int64]]],
) -> str:
    labels = sorted({str(label) for kind, _, used in pairs for label in graph.nodes[kind].labels[np.unique(used)]})
    several = f"; there are {', '.join(labels)}" if len(labels) <= 30 else f" among the {len(labels):,} there are"
    return f"no item of this graph has the {relation} {value!r}{several}.{did_you_mean(value, labels)}"


def _queried(
    texts: Sequence[str], graph: KnowledgeGraph, namespace: Namespace, ask: Ask, place: str | None
) -> tuple[Mask, list[str]]:
    """Return which items queries find in their variable `?item`, and what is to be said of the queries."""
    found = np.zeros(len(graph.items), dtype=bool)
    said: list[str] = []
    names = dict.fromkeys((*graph.nodes, *(edge_type.relation for edge_type in graph.edges)))
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
        said += answered.notes
        iris = [row["item"]["value"] for row in answered.rows if "item" in row]
        found |= _mask(graph, np.array([_item_of(iri, graph, namespace, place) for iri in iris], dtype=np.int64))
    return found, said


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


def _in_memory(graph: KnowledgeGraph, namespace: Namespace) -> Ask:
    store = ox.Store()
    store.bulk_extend(quads(graph, namespace))
    return lambda question: answer(store, question)


def _mask(graph: KnowledgeGraph, items: NDArray[np.int64]) -> Mask:
    found = np.zeros(len(graph.items), dtype=bool)
    found[items] = True
    return found


def _items(number: int) -> str:
    return f"{number:,} item{'' if number == 1 else 's'}"
