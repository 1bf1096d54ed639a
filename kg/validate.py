"""Shapes held against a graph by pySHACL, in batches of nodes, and told in plain sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyoxigraph as ox
import pyshacl
import rdflib
from oxrdflib import OxigraphStore
from rdflib import OWL, RDF, RDFS, SDO, SH, SKOS, Literal, URIRef
from rdflib.term import Node

from kg.dataset import Dataset
from kg.findings import EXAMPLES, Finding, agree, kind_words, shorten
from kg.measures import Measure, Neighbour, measures
from kg.schema import DEFAULT_NAMESPACE, ITEM, USER, Namespace
from kg.shapes import ShapesFile, severity_of, targets
from kg.store import quads

__all__ = ["BATCH", "validate", "validate_own"]

BATCH = 2_000  # nodes a call of pySHACL: its memory grows with them, its fixed costs are spread over them
Progress = Callable[[str, int, int, str], None]


def validate(
    dataset: Dataset, *, stated: list[Measure] | None = None, batch: int = BATCH, progress: Progress | None = None
) -> list[Finding]:
    """Hold every node against the shapes of kgrec.

    These shapes look at nothing but the node's own label, text, link and measures (`kg.measures`), so that each batch
    is a small graph of its own: time grows with the number of nodes, and memory with `batch` alone.

    Args:
        dataset: Graph and ratings.
        stated: Its measures, if they are known already.
        batch: Number of nodes a call of pySHACL.
        progress: Called with the nodes checked so far.

    Returns:
        Findings in the order of the shapes.
    """
    shapes, space = ShapesFile.built_in(), Namespace(DEFAULT_NAMESPACE)
    stated = measures(dataset) if stated is None else stated
    collected = _Collected(shapes=shapes, dataset=dataset, space=space)
    total, done = dataset.graph.num_nodes, 0
    for kind, nodes in dataset.graph.nodes.items():
        for start in range(0, len(nodes), batch):
            stop = min(start + batch, len(nodes))
            data = rdflib.Graph()
            for triple in _own_triples(dataset, kind, range(start, stop), stated, space):
                data.add(triple)
            collected.read(_report(data, shapes.graph), data)
            done += stop - start
            if progress is not None:
                progress("check", done, total, kind_words(kind))
    sizes = {
        (shape, kind): len(nodes) for shape in collected.shapes_seen for kind, nodes in dataset.graph.nodes.items()
    }
    return collected.findings(sizes)


def validate_own(
    dataset: Dataset,
    shapes: ShapesFile,
    *,
    stated: list[Measure] | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> list[Finding]:
    """Hold a graph against a user's shapes, which may walk through it as far as they like.

    The whole graph stands in an Oxigraph store, with the measures beside it; pySHACL is given the nodes that a shape is
    about in batches, so that its reports stay small. A shape that is about no node at all is a note.

    Args:
        dataset: Graph and ratings.
        shapes: The user's shapes.
        stated: The measures, if they are known already.
        batch: Number of nodes a call of pySHACL.
        progress: Called with the nodes checked so far of each shape.
    """
    space = Namespace(dataset.namespace)
    data = _whole(dataset, measures(dataset) if stated is None else stated, space)
    collected = _Collected(shapes=shapes, dataset=dataset, space=space)
    sizes: dict[tuple[Node, str], int] = defaultdict(int)
    idle: list[Finding] = []
    for shape in shapes.with_targets:
        found = targets(shapes.graph, shape, data)
        about = sorted(node for node in found if isinstance(node, URIRef))
        name = shapes.name(shape)
        if not about:
            sentence = f"The shape {name!r} is about no node of this graph"
            idle.append(
                Finding(
                    check=name,
                    severity="note",
                    sentence=sentence + ".",
                    remedy=_known_classes(dataset),
                    count=0,
                    total=0,
                )
            )
        for node in about:
            sizes[shape, collected.place(node)[0]] += 1
        for start in range(0, len(about), batch):
            focus = about[start : start + batch]
            collected.read(_report(data, shapes.about(shape, focus)), data, shape)
            if progress is not None:
                progress("check", start + len(focus), len(about), name)
    return collected.findings(sizes) + idle


def _known_classes(dataset: Dataset) -> str:
    space = Namespace(dataset.namespace)
    return f"Its classes are {', '.join(f'<{space.term(kind)}>' for kind in dataset.graph.nodes)} and skos:Concept"


def _report(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    _, report, problem = pyshacl.validate(data, shacl_graph=shapes, inplace=True)
    if not isinstance(report, rdflib.Graph):
        raise TypeError(f"pySHACL gave no report: {problem}")
    return report


def _own_triples(
    dataset: Dataset, kind: str, indices: range, stated: list[Measure], space: Namespace
) -> Iterator[tuple[Node, Node, Node]]:
    nodes = dataset.graph.nodes[kind]
    iris = {index: URIRef(space.node(kind, nodes.vocabulary.id_of(index))) for index in indices}
    classes = [URIRef(space.term(kind))] + ([] if kind in (USER, ITEM) else [SKOS.Concept])
    for index, iri in iris.items():
        for class_ in classes:
            yield iri, RDF.type, class_
        yield iri, RDFS.label, Literal(nodes.labels[index])
        if nodes.texts[index] is not None:
            yield iri, SDO.description, Literal(nodes.texts[index])
        if nodes.iris[index] is not None:
            yield iri, OWL.sameAs, URIRef(nodes.iris[index])
    yield from _measured(dataset, kind, indices, stated, space)


def _measured(
    dataset: Dataset, kind: str, indices: range, stated: list[Measure], space: Namespace
) -> Iterator[tuple[Node, Node, Node]]:
    ids = dataset.graph.nodes[kind].vocabulary
    for index in indices:
        yield URIRef(space.node(kind, ids.id_of(index))), SDO.identifier, Literal(ids.id_of(index))
    for measure in stated:
        if measure.kind == kind:
            term = URIRef(space.term(measure.name))
            for index in indices:
                value = measure.values.get(index)
                if value is not None:
                    node = URIRef(space.node(kind, ids.id_of(index)))
                    other = URIRef(space.node(kind, ids.id_of(value.index))) if isinstance(value, Neighbour) else None
                    yield node, term, other or Literal(value)


def _whole(dataset: Dataset, stated: list[Measure], space: Namespace) -> rdflib.Graph:
    store = ox.Store()
    store.bulk_extend(ox.Quad(quad.subject, quad.predicate, quad.object) for quad in quads(dataset.graph, space))
    data = rdflib.Graph(store=OxigraphStore(store=store), identifier=rdflib.graph.DATASET_DEFAULT_GRAPH_ID)
    for kind, nodes in dataset.graph.nodes.items():
        for triple in _measured(dataset, kind, range(len(nodes)), stated, space):
            data.add(triple)
    return data


@dataclass(kw_only=True)
class _Group:
    """All results of one constraint on nodes of one kind: values by node, in index order at the end."""

    component: Node
    severity: Node | None
    message: str
    values: dict[str, Node | None] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class _Collected:
    """Results of pySHACL over all batches, by the shape that has the target, the constraint, and the kind of node."""

    shapes: ShapesFile
    dataset: Dataset
    space: Namespace
    groups: dict[tuple[Node, Node, Node, str], _Group] = field(default_factory=dict)

    @property
    def shapes_seen(self) -> set[Node]:
        return {holder for holder, *_ in self.groups}

    def place(self, node: Node) -> tuple[str, str]:
        """Return kind and raw id of a node; a node that is not one of the graph's has the kind ``."""
        try:
            kind, raw_id = self.space.raw_id(str(node))
        except ValueError:
            return "", str(node)
        return (kind, raw_id) if kind in self.dataset.graph.nodes else ("", str(node))

    def read(self, report: rdflib.Graph, data: rdflib.Graph, holder: Node | None = None) -> None:
        for result in report.objects(None, SH.result):
            said = dict(report.predicate_objects(result))
            focus, shape, component = said[SH.focusNode], said[SH.sourceShape], said[SH.sourceConstraintComponent]
            kind, raw_id = self.place(focus)
            value, path = said.get(SH.value), said.get(SH.resultPath)
            if value is None and isinstance(path, URIRef):
                value = min(data.objects(focus, path), key=str, default=None)
            key = (holder or shape, shape, component, kind)
            group = self.groups.setdefault(
                key,
                _Group(
                    component=component,
                    severity=said.get(SH.resultSeverity),
                    message=str(said.get(SH.resultMessage, "")),
                ),
            )
            group.values.setdefault(raw_id, value)

    def findings(self, sizes: Mapping[tuple[Node, str], int]) -> list[Finding]:
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
            said = " " + agree(message, count).replace("{sum}", f"{total_of_values:,}")
        else:
            said = ": " + " ".join(message.split()).rstrip(".")
        examples = self._examples(kind, ids, group, self.shapes.text(shape, self._term("example")))
        return Finding(
            check=self.shapes.name(shape),
            severity=severity_of(group.severity),
            sentence=f"{count:,} of {total:,} {what}{said}, for example {'; '.join(examples)}.",
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
