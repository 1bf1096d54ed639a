"""The check of a graph: the shapes of kgrec, a user's own shapes, and what the build had to leave out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyoxigraph as ox
import pyshacl
import rdflib
from oxrdflib import OxigraphStore
from rdflib import OWL, RDF, RDFS, SDO, SKOS, Literal, URIRef
from rdflib.term import Node

from kg.checks.findings import Finding, in_order, kind_words
from kg.checks.measures import Measure, Neighbour, measures
from kg.checks.shape_results import ShapeResults
from kg.checks.shapes import ShapesFile
from kg.dataset import Dataset
from kg.saved.store import quads
from kg.schema import DEFAULT_NAMESPACE, ITEM, USER, Namespace

__all__ = ["check", "validate"]

_BATCH = 2_000  # nodes a call of pySHACL: its memory grows with them, its fixed costs are spread over them
_LOST = ("not valid", "left out", "replaced", "differ")  # of what a build counts, these are faults of the input
Progress = Callable[[str, int, int, str], None]


def check(
    dataset: Dataset, shapes: ShapesFile | None = None, *, now: float | None = None, progress: Progress | None = None
) -> list[Finding]:
    """Return what is wrong with a graph, errors first.

    Args:
        dataset: Graph and ratings.
        shapes: The user's own shapes, checked beside those of kgrec.
        now: Unix time in seconds after which a rating lies in the future; by default the clock's.
        progress: Called with the nodes checked so far.
    """
    stated = measures(dataset, now=now)
    own = [] if shapes is None else _validate_own(dataset, shapes, stated, progress)
    return in_order([*validate(dataset, stated, progress=progress), *own, *_lost(dataset.report)])


def _lost(report: Mapping[str, Any]) -> Iterator[Finding]:
    for file, account in report.get("files", {}).items():
        examples: dict[str, list[str]] = account.get("examples", {})
        for what, count in {**account.get("dropped", {}), **account.get("counts", {})}.items():
            if any(word in what for word in _LOST):
                shown = next((some for name, some in examples.items() if what.startswith(name)), [])
                yield Finding(
                    check="Build",
                    severity="warning",
                    sentence=f"{file}: {count:,} of {account['rows']:,} rows: {what}"
                    f"{', for example ' + '; '.join(shown) if shown else ''}.",
                    remedy="correct the file, then build again",
                    count=count,
                    total=account["rows"],
                    rows=[{"file": file, "example": example} for example in shown],
                )


def validate(
    dataset: Dataset, stated: list[Measure], *, batch: int = _BATCH, progress: Progress | None = None
) -> list[Finding]:
    """Hold every node against the shapes of kgrec; return findings in the order of the shapes.

    These shapes look at nothing but the node's own label, text, link and measures (`kg.checks.measures`), so that each batch
    is a small graph of its own: time grows with the number of nodes.

    Args:
        dataset: Graph and ratings.
        stated: Its measures.
        batch: Number of nodes a call of pySHACL.
        progress: Called with the nodes checked so far.
    """
    shapes, space = ShapesFile.built_in(), Namespace(DEFAULT_NAMESPACE)
    collected = ShapeResults(shapes=shapes, dataset=dataset, space=space)
    done = 0
    for kind, nodes in dataset.graph.nodes.items():
        for start in range(0, len(nodes), batch):
            indices, part = range(start, min(start + batch, len(nodes))), rdflib.Graph()
            for statement in _own_triples(dataset, kind, indices, stated, space):
                part.add(statement)
            collected.read(_report(part, shapes.graph), part)
            done += len(indices)
            if progress is not None:
                progress("check", done, dataset.graph.num_nodes, kind_words(kind))
    sizes = {
        (shape, kind): len(nodes) for shape in collected.shapes_seen for kind, nodes in dataset.graph.nodes.items()
    }
    return collected.findings(sizes)


def _validate_own(
    dataset: Dataset, shapes: ShapesFile, stated: list[Measure], progress: Progress | None
) -> list[Finding]:
    """Hold a graph against a user's shapes, which may walk through it as far as they like.

    pySHACL is given the nodes that a shape is about in batches, so that its reports stay small. A shape that is about no
    node at all is a note.
    """
    space = Namespace(dataset.namespace)
    data = _whole(dataset, stated, space)
    collected = ShapeResults(shapes=shapes, dataset=dataset, space=space)
    sizes: dict[tuple[Node, str], int] = defaultdict(int)
    idle: list[Finding] = []
    for shape in shapes.with_targets:
        about, name = shapes.focus_nodes(shape, data), shapes.name(shape)
        if not about:
            classes = ", ".join(f"<{space.term(kind)}>" for kind in dataset.graph.nodes)
            sentence = f"The shape {name!r} is about no node of this graph."
            remedy = f"Its classes are {classes} and skos:Concept"
            idle.append(Finding(check=name, severity="note", sentence=sentence, remedy=remedy, count=0, total=0))
        for node in about:
            sizes[shape, collected.place(node)[0]] += 1
        for start in range(0, len(about), _BATCH):
            focus = about[start : start + _BATCH]
            collected.read(_report(data, shapes.about(shape, focus)), data, shape)
            if progress is not None:
                progress("check", start + len(focus), len(about), name)
    return collected.findings(sizes) + idle


def _report(data: rdflib.Graph, shapes: rdflib.Graph) -> rdflib.Graph:
    _, report, problem = pyshacl.validate(data, shacl_graph=shapes, inplace=True)
    if not isinstance(report, rdflib.Graph):
        raise TypeError(f"pySHACL gave no report: {problem}")
    return report


class _Store(OxigraphStore):  # type: ignore[misc]
    """A store that is not written to: pySHACL asks for its length, which is a walk through all of it, at every fault."""

    def __init__(self, store: ox.Store) -> None:
        super().__init__(store=store)
        self._length = len(store)

    def __len__(self, context: rdflib.Graph | None = None) -> int:
        return self._length


def _whole(dataset: Dataset, stated: list[Measure], space: Namespace) -> rdflib.Graph:
    """Return the graph with identifiers and measures beside it, in an Oxigraph store."""
    store = ox.Store()
    store.bulk_extend(ox.Quad(quad.subject, quad.predicate, quad.object) for quad in quads(dataset.graph, space))
    for kind, nodes in dataset.graph.nodes.items():
        store.bulk_extend(
            ox.Quad(
                ox.NamedNode(iri),
                ox.NamedNode(term),
                ox.NamedNode(value) if isinstance(value, URIRef) else ox.Literal(value.toPython()),
            )
            for iri, term, value in _measured(dataset, kind, range(len(nodes)), stated, space)
        )
    return rdflib.Graph(store=_Store(store), identifier=rdflib.graph.DATASET_DEFAULT_GRAPH_ID)


def _measured(
    dataset: Dataset, kind: str, indices: range, stated: list[Measure], space: Namespace
) -> Iterator[tuple[URIRef, URIRef, URIRef | Literal]]:
    """Yield the identifiers and the measures of some nodes."""
    ids = dataset.graph.nodes[kind].vocabulary
    iris = {index: URIRef(space.node(kind, ids.id_of(index))) for index in indices}
    for index, iri in iris.items():
        yield iri, SDO.identifier, Literal(ids.id_of(index))
    for measure in stated:
        for index in measure.values.keys() & iris.keys() if measure.kind == kind else ():
            value = measure.values[index]
            shown = URIRef(space.node(kind, ids.id_of(value.index))) if isinstance(value, Neighbour) else Literal(value)
            yield iris[index], URIRef(space.term(measure.name)), shown


def _own_triples(
    dataset: Dataset, kind: str, indices: range, stated: list[Measure], space: Namespace
) -> Iterator[tuple[Node, Node, Node]]:
    """Yield what is said of some nodes alone, without their edges."""
    nodes = dataset.graph.nodes[kind]
    for index in indices:
        iri = URIRef(space.node(kind, nodes.vocabulary.id_of(index)))
        yield iri, RDF.type, URIRef(space.term(kind))
        if kind not in (USER, ITEM):
            yield iri, RDF.type, SKOS.Concept
        yield iri, RDFS.label, Literal(nodes.labels[index])
        if nodes.texts[index] is not None:
            yield iri, SDO.description, Literal(nodes.texts[index])
        if nodes.iris[index] is not None:
            yield iri, OWL.sameAs, URIRef(nodes.iris[index])
    yield from _measured(dataset, kind, indices, stated, space)
