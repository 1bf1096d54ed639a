"""New items or users for a graph that is in use: what is said of them, matched to what the graph knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, did_you_mean
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.schema import ITEM, USER, EdgeType
from kg.tabular.concepts import concept_id
from kg.tabular.frames import table_rows
from kg.vocabulary import Vocabulary

__all__ = ["EntityLinker", "NewEntities", "records_of"]

FIELDS = ("id", "label", "title", "text", "concepts", "ratings")
SEPARATOR = "|"  # between the values of a cell
_RANGE = re.compile(r"under (?P<below>[\d.]+)|(?P<low>[\d.]+)(?:-| to below )(?P<high>[\d.]+)|(?P<from>[\d.]+)\+")

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class NewEntities:
    """New nodes of one kind, with edges to nodes the graph knows, and ratings.

    Attributes:
        kind: `item` or `user`.
        nodes: The new nodes.
        edges: Their edges by type; new nodes are numbered after those of the graph.
        other: The other end of each rating: a user's index for new items, an item's for new users, int64 `[num_ratings]`.
        new: Which of the new nodes each rating is of, counted from 0, int64 `[num_ratings]`.
        value: The ratings, in stars, float32 `[num_ratings]`.
        notes: What was said but could not be used, as sentences.
        unknown: Relation and value of what the graph does not know, which the notes tell.
        records: What was said, as JSON values, to be said again.
        lines: Line of each record in its source, from 1.
        source: Where it was said.
    """

    kind: str
    nodes: Nodes
    edges: Mapping[EdgeType, Edges]
    other: NDArray[np.int64]
    new: NDArray[np.int64]
    value: NDArray[np.float32]
    notes: tuple[str, ...]
    unknown: tuple[tuple[str, str], ...]
    records: tuple[dict[str, Any], ...] = field(repr=False)
    lines: tuple[int, ...] = field(repr=False)
    source: str

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(
        cls,
        graph: KnowledgeGraph,
        kind: str,
        given: pd.DataFrame | Iterable[Record],
        *,
        scale: tuple[float, float],
        source: str = "additions",
        lines: Sequence[int] = (),
    ) -> NewEntities:
        """Match records to a graph.

        A record has `id` and may have `label` (or `title`), `text` (items), `concepts` (relation -> one value or a list:
        labels, ids or IRIs) and `ratings` (id of the other side -> stars). Instead of under `concepts`, a relation may be
        a field of its own; in a table several values stand in one cell, with `|` between them.

        Args:
            graph: The graph.
            kind: `item` or `user`.
            given: One record a new node, or a table with one row each.
            scale: Lowest and highest possible rating, in stars.
            source: Name of the place that states all this, kept with every edge.
            lines: Line of each record there; by default its number, from 1.

        Raises:
            InputError: If a record lacks its id, an id is there already, a field or relation is unknown, or a rating is
                of an unknown id or off the scale. A concept that the graph does not know is a note, no error.
        """
        records = records_of(given, kind)
        nodes = graph.nodes[kind]
        ids = [_new_id(record, nodes.vocabulary, number) for number, record in enumerate(records, start=1)]
        if len(set(ids)) < len(ids):
            twice = next(raw_id for raw_id, times in Counter(ids).items() if times > 1)
            raise InputError(f"the new {kind} {twice!r} stands twice; give each once")
        records = [{**record, "id": raw_id} for raw_id, record in zip(ids, records, strict=True)]
        relations = _relations(graph, kind)
        lines = tuple(lines) or tuple(range(1, len(records) + 1))
        if len(lines) != len(records):
            raise InputError(f"{len(lines)} lines for {len(records)} {kind}s; give one a record, or none")
        names = EntityLinker(graph)
        notes: list[str] = []
        not_known: list[tuple[str, str]] = []
        ends: dict[EdgeType, list[tuple[int, int, int]]] = {}
        for number, (raw_id, record) in enumerate(zip(ids, records, strict=True)):
            said = 0
            for relation, values in _concepts(record, kind, relations).items():
                unknown = set(values)
                for edge_type in relations[relation]:
                    side = edge_type.target if edge_type.source == kind else edge_type.source
                    found = {value: index for value in values if (index := names.find(side, value)) >= 0}
                    # A relation may lead to several kinds; a value is unknown if none of them knows it.
                    unknown -= found.keys()
                    for index in dict.fromkeys(found.values()):
                        ends.setdefault(edge_type, []).append((len(nodes) + number, index, lines[number]))
                        said += 1
                missed = [value for value in values if value in unknown]
                not_known += [(relation, value) for value in missed]
                notes += [
                    f"{relation} {value!r} of {kind} {raw_id!r} is not known to the graph and says nothing"
                    for value in missed
                ]
            read = kind == ITEM and str(record.get("text") or "").strip()
            if not said and not read and not record.get("ratings"):
                what = "neither text nor a known concept" if kind == ITEM else "no known concept"
                notes.append(f"{kind} {raw_id!r} has {what}: it counts as an average one")
        edges = {edge_type: _edges(found, edge_type, kind) for edge_type, found in ends.items()}
        labels = [
            str(record.get("label") or record.get("title") or raw_id)
            for raw_id, record in zip(ids, records, strict=True)
        ]
        texts = [text if (text := str(record.get("text") or "")).strip() else None for record in records]
        new, other, stars = _ratings(graph, kind, ids, records, scale)
        return cls(
            kind=kind,
            nodes=Nodes(
                vocabulary=Vocabulary(kind, ids),
                labels=np.array(labels, dtype=object),
                texts=np.array(texts, dtype=object),
                iris=np.full(len(ids), None, dtype=object),
            ),
            edges=edges,
            other=other,
            new=new,
            value=stars,
            notes=tuple(notes),
            unknown=tuple(not_known),
            records=tuple(records),
            lines=lines,
            source=source,
        )

    def alone(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return a graph in which the new nodes are the only ones of their kind, numbered from 0: what is said of them."""
        shift = len(graph.nodes[self.kind])
        edges: dict[EdgeType, Edges] = {t: found for t, found in graph.edges.items() if not {USER, ITEM} & {*t[::2]}}
        for edge_type, found in self.edges.items():
            if edge_type.source == edge_type.target:
                continue  # the other ends are of the same kind, and are not here
            moved = found.index.copy()
            moved[0 if edge_type.source == self.kind else 1] -= shift
            edges[edge_type] = replace(found, index=moved, provenance=np.zeros_like(found.provenance))
        return KnowledgeGraph(
            name=graph.name, nodes={**graph.nodes, self.kind: self.nodes}, edges=edges, sources=graph.sources or ("",)
        )

    def extended(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return the graph with the new nodes and their edges; indices that are in use stay."""
        before = graph.nodes[self.kind]
        vocabulary = Vocabulary(
            self.kind,
            [*before.vocabulary, *self.nodes.vocabulary],
            removed=np.concatenate([before.vocabulary.removed, self.nodes.vocabulary.removed]),
        )
        columns = {
            name: np.concatenate([getattr(before, name), getattr(self.nodes, name)])
            for name in ("labels", "texts", "iris")
        }
        # A file may have the name of one that the graph was built from, or that was added before.
        names = chain([self.source], (f"{self.source} ({number})" for number in count(2)))
        sources, place = (*graph.sources, next(name for name in names if name not in graph.sources)), len(graph.sources)
        edges = dict(graph.edges)
        for edge_type, found in self.edges.items():
            old = graph.edges[edge_type]
            edges[edge_type] = Edges(
                index=np.concatenate([old.index, found.index], axis=1),
                provenance=np.concatenate([old.provenance, np.full(len(found), place, dtype=np.int16)]),
                lines=np.concatenate([old.lines, found.lines]),
            )
        nodes = {**graph.nodes, self.kind: Nodes(vocabulary=vocabulary, **columns)}
        return KnowledgeGraph(name=graph.name, nodes=nodes, edges=edges, sources=sources)


class EntityLinker:
    """Finds nodes of a graph by what people call them: id, IRI, label in any spelling, or a number in a range."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._labels: dict[str, dict[str, int]] = {}

    def find(self, kind: str, value: str) -> int:
        """Return the index of a node, or -1."""
        nodes = self.graph.nodes[kind]
        exact, folded = nodes.vocabulary.find([value, concept_id(value)]).tolist()
        if exact >= 0 or folded >= 0:
            return int(exact if exact >= 0 else folded)
        if kind not in self._labels:
            known: dict[str, int] = {}
            for index, (label, iri) in enumerate(zip(nodes.labels, nodes.iris, strict=True)):
                if not nodes.vocabulary.removed[index]:
                    known.setdefault(concept_id(str(label)), index)
                    if iri is not None:
                        known[str(iri)] = index
            self._labels[kind] = known
        labels = self._labels[kind]
        found = labels.get(value, labels.get(concept_id(value), -1))
        if found < 0:
            found = _in_range(labels, value)
        return found if found >= 0 else _same_range(labels, value)


def _same_range(labels: Mapping[str, int], value: str) -> int:
    """Find a range in its other spelling, or -1: `18-24` of whole numbers is `18 to below 25` where others stand beside them."""
    wanted = _borders(value)
    return -1 if wanted is None else next((index for label, index in labels.items() if _borders(label) == wanted), -1)


def _borders(label: str) -> tuple[float, float] | None:
    """Return where a range with two ends begins and the next one does; one whole number is a range of its own."""
    found = _RANGE.fullmatch(label)
    if found is None:
        return (float(label), float(label) + 1) if label.isdecimal() else None
    low, high = found.group("low", "high")
    return None if low is None else (float(low), float(high) + ("-" in label))


def _in_range(labels: Mapping[str, int], value: str) -> int:
    """Find the concept such as `25-34` or `56+` that a number falls into, or -1."""
    try:
        number = float(value)
    except ValueError:
        return -1
    for label, index in labels.items():
        found = _RANGE.fullmatch(label)
        if found is None:
            continue
        below, low, high, beyond = (
            None if part is None else float(part) for part in found.group("below", "low", "high", "from")
        )
        whole = "-" in label  # 25-34 holds 34, `25 to below 35` does not hold 35
        if (
            (below is not None and number < below)
            or (beyond is not None and number >= beyond)
            or (low is not None and high is not None and low <= number < high + whole)
        ):
            return index
    return -1


def records_of(given: pd.DataFrame | Iterable[Record], kind: str) -> list[dict[str, Any]]:
    """Return what was given as plain records; raises `InputError` if it is neither a table nor a list of records."""
    rows = table_rows(given)
    if rows is not None:
        return [{name: cell for name, cell in row.items() if _said(cell)} for row in rows]
    if isinstance(given, Mapping | str) or not isinstance(given, Iterable):
        raise InputError(f"expected a list of {kind}s, found a single {type(given).__name__}; put it into a list")
    records = []
    for number, record in enumerate(given, start=1):
        if not isinstance(record, Mapping):
            raise InputError(
                f"{kind} number {number} is {record!r}; expected a record with the fields id, label, text, concepts, ratings"
            )
        records.append({str(name): part for name, part in record.items() if part is not None})
    return records


def _said(cell: object) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell)


def _new_id(record: Record, vocabulary: Vocabulary, number: int) -> str:
    kind, given = vocabulary.kind, record.get("id")
    raw_id = str(given) if isinstance(given, str | int | np.integer) and not isinstance(given, bool) else ""
    if not raw_id.strip():
        raise InputError(f"{kind} number {number} has no id; give each a text or a whole number that is new")
    if vocabulary.places([raw_id])[0] >= 0:
        state = "known already" if raw_id in vocabulary else "the id of one that was removed"
        raise InputError(f"the {kind} id {raw_id!r} is {state}; give the new {kind} another one")
    return raw_id


def _relations(graph: KnowledgeGraph, kind: str) -> dict[str, list[EdgeType]]:
    found: dict[str, list[EdgeType]] = {}
    for edge_type in graph.edges:
        if kind in (edge_type.source, edge_type.target):
            found.setdefault(edge_type.relation, []).append(edge_type)
    return found


def _concepts(record: Record, kind: str, relations: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of each relation that a record names."""
    grouped = record.get("concepts") or {}
    if not isinstance(grouped, Mapping):
        raise InputError(f"the concepts of {kind} {record['id']!r} are {grouped!r}; expected relation: values")
    beside = [(name, value, True) for name, value in record.items() if name not in FIELDS]
    found: dict[str, list[str]] = {}
    for name, values, is_field in (*beside, *((name, value, False) for name, value in grouped.items())):
        if name not in relations:
            known = sorted(relations)
            where = "field or relation" if is_field else "relation"
            hint = did_you_mean(str(name), [*known, *FIELDS])
            raise InputError(
                f"{name!r} is no {where} of {kind}s here; relations are {', '.join(known) or 'none'}.{hint}"
            )
        listed = values if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else [values]
        cells = [str(value) for value in listed if value is not None]
        if is_field and isinstance(values, str):
            cells = values.split(SEPARATOR)
        before = found.get(str(name), [])
        found[str(name)] = list(dict.fromkeys([*before, *(cell.strip() for cell in cells if cell.strip())]))
    return found


def _edges(found: Sequence[tuple[int, int, int]], edge_type: EdgeType, kind: str) -> Edges:
    new, other, line = np.array(found, dtype=np.int64).T
    index = np.stack([new, other] if edge_type.source == kind else [other, new])
    return Edges(index=index, provenance=np.zeros(len(line), dtype=np.int16), lines=line)


def _ratings(
    graph: KnowledgeGraph, kind: str, ids: Sequence[str], records: Sequence[Record], scale: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    others = graph.users if kind == ITEM else graph.items
    low, high = scale
    new, other, value = [], [], []
    for number, (raw_id, record) in enumerate(zip(ids, records, strict=True)):
        given = record.get("ratings") or {}
        if not isinstance(given, Mapping):
            raise InputError(f"the ratings of {kind} {raw_id!r} are {given!r}; expected id: stars")
        for name, stars in given.items():
            if isinstance(stars, bool) or not isinstance(stars, int | float | np.number) or not low <= stars <= high:
                raise InputError(
                    f"the rating of {kind} {raw_id!r} by or of {name!r} is {stars!r}; the scale is {low:g} to {high:g}"
                )
            new.append(number)
            other.append(str(name))
            value.append(float(stars))
    index = others.vocabulary.indices(other) if other else np.zeros(0, dtype=np.int64)
    return np.array(new, dtype=np.int64), index, np.array(value, dtype=np.float32)
