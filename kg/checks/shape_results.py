"""Reports of pySHACL over many batches, gathered by shape and kind of node, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import rdflib
from rdflib import SH, Literal, URIRef
from rdflib.term import Node

from kg.checks.findings import EXAMPLES, Finding, agree, kind_words, shorten
from kg.checks.shapes import ShapesFile, severity_of
from kg.dataset import Dataset
from kg.schema import DEFAULT_NAMESPACE, Namespace

__all__ = ["ShapeResults"]


@dataclass(kw_only=True)
class _Group:
    """All results of one constraint on nodes of one kind: values by node, in index order at the end."""

    component: Node
    severity: Node | None
    message: str
    values: dict[str, Node | None] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class ShapeResults:
    """Results of pySHACL over all batches, by the shape that has the target, the constraint, and the kind of node."""

    shapes: ShapesFile
    dataset: Dataset
    space: Namespace
    groups: dict[tuple[Node, Node, Node, str], _Group] = field(default_factory=dict)

    @property
    def shapes_seen(self) -> set[Node]:
        """The shapes that something does not fit."""
        return {holder for holder, *_ in self.groups}

    def place(self, node: Node) -> tuple[str, str]:
        """Return kind and raw id of a node; a node that is not one of the graph's has the kind ``."""
        try:
            kind, raw_id = self.space.raw_id(str(node))
        except ValueError:
            return "", str(node)
        return (kind, raw_id) if kind in self.dataset.graph.nodes else ("", str(node))

    def read(self, report: rdflib.Graph, data: rdflib.Graph, holder: Node | None = None) -> None:
        """Take in the report on one batch; `holder` is the shape that it was about, if only one was."""
        for result in report.objects(None, SH.result):
            facts = dict(report.predicate_objects(result))
            focus, shape, component = facts[SH.focusNode], facts[SH.sourceShape], facts[SH.sourceConstraintComponent]
            kind, raw_id = self.place(focus)
            value, path = facts.get(SH.value), facts.get(SH.resultPath)
            if value is None and isinstance(path, URIRef):
                value = min(data.objects(focus, path), key=str, default=None)
            key = (holder or shape, shape, component, kind)
            group = self.groups.setdefault(
                key,
                _Group(
                    component=component,
                    severity=facts.get(SH.resultSeverity),
                    message=str(facts.get(SH.resultMessage, "")),
                ),
            )
            group.values.setdefault(raw_id, value)

    def findings(self, sizes: Mapping[tuple[Node, str], int]) -> list[Finding]:
        """Return a finding for each constraint and kind, in the order of the shapes.

        Args:
            sizes: Number of nodes of each kind that a shape is about.
        """
        order = {kind: number for number, kind in enumerate(("", *self.dataset.graph.nodes))}

        def place(key: tuple[Node, Node, Node, str]) -> tuple[float, str, str, int]:
            return (float(self.shapes.text(key[1], SH.order) or 0), str(key[1]), str(key[2]), order[key[3]])

        return [self._finding(key, self.groups[key], sizes[key[0], key[3]]) for key in sorted(self.groups, key=place)]

    def _finding(self, key: tuple[Node, Node, Node, str], group: _Group, total: int) -> Finding:
        _, shape, component, kind = key
        built_in, count = self.shapes.file is None, len(group.values)
        message = self.shapes.text(shape, SH.message) or self.shapes.wording(shape, component) or group.message
        ids = self._sorted(kind, list(group.values))
        what = kind_words(kind) if kind else "other nodes"
        if built_in:
            total_of_values = sum(int(str(value)) for value in group.values.values()) if "{sum}" in message else 0
            words = " " + agree(message, count).replace("{sum}", f"{total_of_values:,}")
        else:
            words = ": " + " ".join(message.split()).rstrip(".")
        examples = self._examples(kind, ids, group, self.shapes.text(shape, self._term("example")))
        return Finding(
            check=self.shapes.name(shape),
            severity=severity_of(group.severity),
            sentence=f"{count:,} of {total:,} {what}{words}, for example {'; '.join(examples)}.",
            remedy=self.shapes.text(shape, self._term("remedy")) or "",
            count=count,
            total=total,
            kind=kind or None,
            rows=[{"id": raw_id, **self._value(group.values[raw_id])} for raw_id in ids],
        )

    def _term(self, name: str) -> URIRef:
        return URIRef(Namespace(DEFAULT_NAMESPACE).term(name))

    def _sorted(self, kind: str, ids: list[str]) -> list[str]:
        if not kind:
            return sorted(ids)
        vocabulary = self.dataset.graph.nodes[kind].vocabulary
        return [raw_id for _, raw_id in sorted(zip(vocabulary.indices(ids).tolist(), ids, strict=True))]

    def _value(self, value: Node | None) -> dict[str, str]:
        if value is None:
            return {}
        kind, raw_id = self.place(value) if isinstance(value, URIRef) else ("", str(value))
        return {"other": raw_id} if kind else {"value": raw_id}

    def _examples(self, kind: str, ids: list[str], group: _Group, pattern: str | None) -> list[str]:
        examples: list[str] = []
        named: set[str] = set()
        for raw_id in ids:
            value = group.values[raw_id]
            if raw_id in named:
                continue  # stands in an example already, as the other of two
            other = self.place(value) if isinstance(value, URIRef) else ("", "")
            named |= {raw_id, other[1]}
            shown = self._named(*other) if other[0] else shorten(_short(value))
            examples.append(
                (pattern or "{node}").replace("{node}", self._named(kind, raw_id)).replace("{value}", shown)
            )
            if len(examples) == EXAMPLES:
                break
        return examples

    def _named(self, kind: str, raw_id: str) -> str:
        if not kind:
            return raw_id
        nodes = self.dataset.graph.nodes[kind]
        label = str(nodes.labels[nodes.vocabulary.index_of(raw_id)])
        blank = raw_id != raw_id.strip()
        name = repr(raw_id) if blank else shorten(raw_id)
        return name if label in (raw_id, raw_id.strip()) else f"{name} {shorten(label)!r}"


def _short(value: Node | None) -> str:
    """Return a value as people read it: a share as `0.97`."""
    if isinstance(value, Literal) and isinstance(value.value, float):
        return f"{value.value:.2f}"
    return str(value)
