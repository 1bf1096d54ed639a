"""Shapes held against a graph by pySHACL, in batches of nodes, and told in plain sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import pyoxigraph as ox
import pyshacl
import rdflib
from oxrdflib import OxigraphStore
from rdflib import OWL, RDF, RDFS, SDO, SKOS, Literal, URIRef
from rdflib.term import Node

from kg.checks.findings import Finding, kind_words
from kg.checks.measures import Measure, Neighbour, Value, measures
from kg.checks.shape_results import ShapeResults
from kg.checks.shapes import ShapesFile
from kg.dataset import Dataset
from kg.saved.store import quads
from kg.schema import DEFAULT_NAMESPACE, ITEM, USER, Namespace

__all__ = ["BATCH", "validate", "validate_own"]

BATCH = 2_000  # nodes a call of pySHACL: its memory grows with them, its fixed costs are spread over them
Progress = Callable[[str, int, int, str], None]


def validate(
    dataset: Dataset, *, stated: list[Measure] | None = None, batch: int = BATCH, progress: Progress | None = None
) -> list[Finding]:
    """Hold every node against the shapes of kgrec.

    These shapes look at nothing but the node's own label, text, link and measures (`kg.checks.measures`), so that each batch
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
    collected = ShapeResults(shapes=shapes, dataset=dataset, space=space)
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
    collected = ShapeResults(shapes=shapes, dataset=dataset, space=space)
    sizes: dict[tuple[Node, str], int] = defaultdict(int)
    idle: list[Finding] = []
    for shape in shapes.with_targets:
        about, name = shapes.focus_nodes(shape, data), shapes.name(shape)
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
    for subject, term, value in _measured(dataset, kind, indices, stated, space):
        yield URIRef(subject), URIRef(term), value if isinstance(value, URIRef) else Literal(value)


def _measured(
    dataset: Dataset, kind: str, indices: range, stated: list[Measure], space: Namespace
) -> Iterator[tuple[str, str, Value | URIRef]]:
    """Yield subject, property and value of what is stated of nodes beside their own statements; an IRI is a `URIRef`."""
    ids = dataset.graph.nodes[kind].vocabulary
    iris = {index: space.node(kind, ids.id_of(index)) for index in indices}
    for index, iri in iris.items():
        yield iri, str(SDO.identifier), ids.id_of(index)
    for measure in stated:
        if measure.kind == kind:
            term = space.term(measure.name)
            for index, iri in iris.items():
                value = measure.values.get(index)
                if isinstance(value, Neighbour):
                    yield iri, term, URIRef(space.node(kind, ids.id_of(value.index)))
                elif value is not None:
                    yield iri, term, value


class _Store(OxigraphStore):  # type: ignore[misc]
    """A store that is not written to: pySHACL asks for its length, which is a walk through all of it, at every fault."""

    def __init__(self, store: ox.Store) -> None:
        super().__init__(store=store)
        self._length = len(store)

    def __len__(self, context: rdflib.Graph | None = None) -> int:
        return self._length


def _whole(dataset: Dataset, stated: list[Measure], space: Namespace) -> rdflib.Graph:
    store = ox.Store()
    store.bulk_extend(ox.Quad(quad.subject, quad.predicate, quad.object) for quad in quads(dataset.graph, space))
    for kind, nodes in dataset.graph.nodes.items():
        store.bulk_extend(
            ox.Quad(
                ox.NamedNode(iri),
                ox.NamedNode(term),
                ox.NamedNode(value) if isinstance(value, URIRef) else ox.Literal(value),  # type: ignore[arg-type]
            )
            for iri, term, value in _measured(dataset, kind, range(len(nodes)), stated, space)
        )
    return rdflib.Graph(store=_Store(store), identifier=rdflib.graph.DATASET_DEFAULT_GRAPH_ID)
