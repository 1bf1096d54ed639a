"""New items or users for a graph that is in use, matched to the nodes that it knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, did_you_mean
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.growth.entity_linker import EntityLinker
from kg.schema import ITEM, USER, EdgeType
from kg.tabular.frames import table_rows
from kg.vocabulary import Vocabulary

__all__ = ["SEPARATOR", "NewEntities", "records_of"]

FIELDS = ("id", "label", "title", "text", "concepts", "ratings")
SEPARATOR = "|"  # between the values of a cell

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
                of an unknown id or off the scale; its `line` is that of the record. A concept that the graph does not
                know is a note, no error.
        """
        records = records_of(given, kind)
        lines = tuple(lines) or tuple(range(1, len(records) + 1))
        if len(lines) != len(records):
            raise InputError(f"{len(lines)} lines for {len(records)} {kind}s; give one a record, or none")
        matcher = _Matcher(graph, kind, scale)
        for record, line in zip(records, lines, strict=True):
            try:
                matcher.add(record, line)
            except InputError as error:
                raise type(error)(str(error), line=line) from None
        records = [{**record, "id": raw_id} for raw_id, record in zip(matcher.ids, records, strict=True)]
        labels = [str(record.get("label") or record.get("title") or record["id"]) for record in records]
        texts = [text if (text := str(record.get("text") or "")).strip() else None for record in records]
        new, other, stars = zip(*matcher.ratings, strict=True) if matcher.ratings else ((), (), ())
        return cls(
            kind=kind,
            nodes=Nodes(
                vocabulary=Vocabulary(kind, matcher.ids),
                labels=np.array(labels, dtype=object),
                texts=np.array(texts, dtype=object),
                iris=np.full(len(records), None, dtype=object),
            ),
            edges={edge_type: _edges(ends, edge_type, kind) for edge_type, ends in matcher.ends.items()},
            other=np.array(other, dtype=np.int64),
            new=np.array(new, dtype=np.int64),
            value=np.array(stars, dtype=np.float32),
            notes=tuple(matcher.notes),
            unknown=tuple(matcher.unknown),
            records=tuple(records),
            lines=lines,
            source=source,
        )

    def alone(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return a graph in which the new nodes are the only ones of their kind, numbered from 0: what is said of them."""
        shift = len(graph.nodes[self.kind])
        edges: dict[EdgeType, Edges] = {t: old for t, old in graph.edges.items() if not {USER, ITEM} & {*t[::2]}}
        for edge_type, own in self.edges.items():
            if edge_type.source == edge_type.target:
                continue  # the other ends are of the same kind, and are not here
            index = own.index.copy()
            index[0 if edge_type.source == self.kind else 1] -= shift
            edges[edge_type] = replace(own, index=index, provenance=np.zeros_like(own.provenance))
        return KnowledgeGraph(
            name=graph.name, nodes={**graph.nodes, self.kind: self.nodes}, edges=edges, sources=graph.sources or ("",)
        )

    def extended(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return the graph with the new nodes and their edges; indices that are in use stay."""
        # A file may have the name of one that the graph was built from, or that was added before.
        names = chain([self.source], (f"{self.source} ({number})" for number in count(2)))
        sources, place = (*graph.sources, next(name for name in names if name not in graph.sources)), len(graph.sources)
        edges = dict(graph.edges)
        for edge_type, own in self.edges.items():
            old = graph.edges[edge_type]
            edges[edge_type] = Edges(
                index=np.concatenate([old.index, own.index], axis=1),
                provenance=np.concatenate([old.provenance, np.full(len(own), place, dtype=np.int16)]),
                lines=np.concatenate([old.lines, own.lines]),
            )
        nodes = {**graph.nodes, self.kind: graph.nodes[self.kind].concat(self.nodes)}
        return KnowledgeGraph(name=graph.name, nodes=nodes, edges=edges, sources=sources)


class _Matcher:
    """Matches one record after the other."""

    def __init__(self, graph: KnowledgeGraph, kind: str, scale: tuple[float, float]) -> None:
        self.graph, self.kind, self.scale = graph, kind, scale
        self.linker = EntityLinker(graph)
        self.relations: dict[str, list[EdgeType]] = {}
        for edge_type in graph.edges:
            if kind in (edge_type.source, edge_type.target):
                self.relations.setdefault(edge_type.relation, []).append(edge_type)
        self.ids: dict[str, None] = {}
        self.ends: dict[EdgeType, list[tuple[int, int, int]]] = {}
        self.ratings: list[tuple[int, int, float]] = []
        self.notes: list[str] = []
        self.unknown: list[tuple[str, str]] = []

    def add(self, record: Record, line: int) -> None:
        number, raw_id = len(self.ids), self._new_id(record)
        linked = 0
        for relation, values in self._values(record, raw_id).items():
            missed = set(values)
            for edge_type in self.relations[relation]:
                side = edge_type.target if edge_type.source == self.kind else edge_type.source
                known = {value: index for value in values if (index := self.linker.find(side, value)) >= 0}
                # A relation may lead to several kinds; a value is unknown if none of them knows it.
                missed -= known.keys()
                ends = [
                    (len(self.graph.nodes[self.kind]) + number, index, line) for index in dict.fromkeys(known.values())
                ]
                if ends:
                    self.ends.setdefault(edge_type, []).extend(ends)
                linked += len(ends)
            for value in (value for value in values if value in missed):
                self.unknown.append((relation, value))
                self.notes.append(
                    f"{relation} {value!r} of {self.kind} {raw_id!r} is not known to the graph and says nothing"
                )
        rated = self._ratings(record, raw_id)
        self.ratings += [(number, other, stars) for other, stars in rated]
        read = self.kind == ITEM and str(record.get("text") or "").strip()
        if not linked and not read and not rated:
            what = "neither text nor a known concept" if self.kind == ITEM else "no known concept"
            self.notes.append(f"{self.kind} {raw_id!r} has {what}: it counts as an average one")
        self.ids[raw_id] = None

    def _new_id(self, record: Record) -> str:
        kind, given, vocabulary = self.kind, record.get("id"), self.graph.nodes[self.kind].vocabulary
        raw_id = str(given) if isinstance(given, str | int | np.integer) and not isinstance(given, bool) else ""
        if not raw_id.strip():
            raise InputError(
                f"{kind} number {len(self.ids) + 1} has no id; give each a text or a whole number that is new"
            )
        if vocabulary.places([raw_id])[0] >= 0:
            state = "known already" if raw_id in vocabulary else "the id of one that was removed"
            raise InputError(f"the {kind} id {raw_id!r} is {state}; give the new {kind} another one")
        if raw_id in self.ids:
            raise InputError(f"the new {kind} {raw_id!r} stands twice; give each once")
        return raw_id

    def _values(self, record: Record, raw_id: str) -> dict[str, list[str]]:
        """Return the values of each relation that a record names."""
        grouped = record.get("concepts") or {}
        if not isinstance(grouped, Mapping):
            raise InputError(f"the concepts of {self.kind} {raw_id!r} are {grouped!r}; expected relation: values")
        fields = [(name, value, True) for name, value in record.items() if name not in FIELDS]
        values_of: dict[str, list[str]] = {}
        for name, values, is_field in (*fields, *((name, value, False) for name, value in grouped.items())):
            if name not in self.relations:
                known = sorted(self.relations)
                where = "field or relation" if is_field else "relation"
                raise InputError(
                    f"{name!r} is no {where} of {self.kind}s here; relations are {', '.join(known) or 'none'}."
                    f"{did_you_mean(str(name), [*known, *FIELDS])}"
                )
            listed = values if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str) else [values]
            if is_field and isinstance(values, str):
                listed = values.split(SEPARATOR)
            cells = [str(value).strip() for value in listed if value is not None]
            values_of[str(name)] = list(dict.fromkeys([*values_of.get(str(name), []), *filter(None, cells)]))
        return values_of

    def _ratings(self, record: Record, raw_id: str) -> list[tuple[int, float]]:
        given, (low, high) = record.get("ratings") or {}, self.scale
        if not isinstance(given, Mapping):
            raise InputError(f"the ratings of {self.kind} {raw_id!r} are {given!r}; expected id: stars")
        for name, stars in given.items():
            if isinstance(stars, bool) or not isinstance(stars, int | float | np.number) or not low <= stars <= high:
                raise InputError(
                    f"the rating of {self.kind} {raw_id!r} by or of {name!r} is {stars!r}; the scale is {low:g} to {high:g}"
                )
        others = self.graph.users if self.kind == ITEM else self.graph.items
        index = others.vocabulary.indices([str(name) for name in given])
        return list(zip(index.tolist(), map(float, given.values()), strict=True))


def records_of(given: pd.DataFrame | Iterable[Record], kind: str) -> list[dict[str, Any]]:
    """Return what was given as plain records; raises `InputError` if it is neither a table nor a list of records."""
    rows = table_rows(given)
    if rows is not None:
        return [
            {name: cell for name, cell in row.items() if cell is not None and not (isinstance(cell, str) and not cell)}
            for row in rows
        ]
    if isinstance(given, Mapping | str) or not isinstance(given, Iterable):
        raise InputError(f"expected a list of {kind}s, found a single {type(given).__name__}; put it into a list")
    records = []
    for number, record in enumerate(given, start=1):
        if not isinstance(record, Mapping):
            raise InputError(
                f"{kind} number {number} is {record!r}; expected a record with the fields id, label, text, concepts, ratings",
                line=number,
            )
        records.append({str(name): part for name, part in record.items() if part is not None})
    return records


def _edges(ends: Sequence[tuple[int, int, int]], edge_type: EdgeType, kind: str) -> Edges:
    new, other, line = np.array(ends, dtype=np.int64).T
    index = np.stack([new, other] if edge_type.source == kind else [other, new])
    return Edges(index=index, provenance=np.zeros(len(line), dtype=np.int16), lines=line)
