"""SHACL shapes: the ones that come with kgrec, and a user's own file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import rdflib
from pyshacl.shapes_graph import ShapesGraph
from rdflib import RDF, RDFS, SH, XSD, BNode, Literal, URIRef
from rdflib.collection import Collection
from rdflib.compare import to_canonical_graph
from rdflib.term import Node

from kg.checks.findings import Severity
from kg.errors import InputError

__all__ = ["ShapesFile", "severity_of"]

_SEVERITIES: dict[Node, Severity] = {SH.Violation: "error", SH.Warning: "warning", SH.Info: "note"}
_TARGETS = (SH.targetClass, SH.targetNode, SH.targetSubjectsOf, SH.targetObjectsOf)
_UNNAMED = "urn:kgrec:unnamed-shape:"


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapesFile:
    """A file of shapes, read and checked.

    Attributes:
        graph: The shapes; those that were blank nodes have become IRIs, so that each can be called by name.
        file: Where they come from; None for those of kgrec.
    """

    graph: rdflib.Graph
    file: Path | None

    @classmethod
    def built_in(cls) -> ShapesFile:
        """Return the shapes that come with kgrec."""
        return cls(graph=rdflib.Graph().parse(str(files("kg") / "shapes.ttl"), format="turtle"), file=None)

    @classmethod
    def load(cls, file: Path) -> ShapesFile:
        """Read a user's shapes.

        Raises:
            InputError: If the file is missing, is not Turtle, or holds no shape with a target.
        """
        try:
            content = file.read_bytes().decode()
        except FileNotFoundError:
            raise InputError("expected a Turtle file with SHACL shapes, found no such file", file=file) from None
        except UnicodeDecodeError as error:
            raise InputError(
                f"expected Turtle in UTF-8, found other bytes at position {error.start}; save it as UTF-8", file=file
            ) from None
        try:
            graph = rdflib.Graph().parse(data=content, format="turtle", publicID=file.resolve().as_uri())
        except Exception as error:  # the parser raises errors of many classes on broken input
            line = getattr(error, "lines", None)
            problem = " ".join(str(getattr(error, "_why", None) or error).split())
            raise InputError(
                f"expected valid Turtle, found an error: {problem}",
                file=file,
                line=None if line is None else int(line) + 1,
            ) from None
        shapes = cls(graph=_named(graph), file=file)
        if not shapes.with_targets:
            hint = (
                "its shapes have no target; give one, for example sh:targetClass"
                if set(graph.subjects(SH.path)) or set(graph.subjects(RDF.type, SH.NodeShape))
                else "found none; write at least one sh:NodeShape with sh:targetClass"
            )
            raise InputError(f"expected SHACL shapes that say which nodes they are about, {hint}", file=file)
        return shapes

    @property
    def with_targets(self) -> list[URIRef]:
        """The shapes that say which nodes they are about, in alphabetical order."""
        shapes = {shape for target in _TARGETS for shape in self.graph.subjects(target)}
        shapes |= {*self.graph.subjects(RDF.type, RDFS.Class)} & {*self.graph.subjects(RDF.type, SH.NodeShape)}
        shapes -= {*self.graph.subjects(SH.deactivated, Literal(True))}
        return sorted(shape for shape in shapes if isinstance(shape, URIRef))

    def focus_nodes(self, shape: URIRef, data: rdflib.Graph) -> list[URIRef]:
        """Return the nodes with an IRI that a shape is about, in alphabetical order."""
        known = next(known for known in ShapesGraph(self.graph).shapes if known.node == shape)
        return sorted(node for node in known.focus_nodes(data) if isinstance(node, URIRef))

    def about(self, shape: URIRef, nodes: Iterable[URIRef]) -> rdflib.Graph:
        """Return the shapes with all targets taken away, and these nodes given to one shape instead."""
        graph = rdflib.Graph()
        for statement in self.graph:
            if statement[1] not in _TARGETS and statement[1:] != (RDF.type, RDFS.Class):
                graph.add(statement)
        for node in nodes:
            graph.add((shape, SH.targetNode, node))
        return graph

    def name(self, shape: Node) -> str:
        """Return the local name of a shape, or of the shape that holds it where it has none of its own."""
        while str(shape).startswith(_UNNAMED):
            holder = self.graph.value(None, SH.property, shape) or self.graph.value(None, SH.node, shape)
            if holder is None:
                return "a shape without a name"
            shape = holder
        return _local(shape)

    def text(self, shape: Node, predicate: URIRef) -> str | None:
        """Return a text that a shape states, English or without language where there is a choice."""
        texts = [value for value in self.graph.objects(shape, predicate) if isinstance(value, Literal)]
        ranked = sorted(texts, key=lambda value: ({"en": 0, None: 1}.get(value.language, 2), str(value)))
        return str(ranked[0]) if ranked else None

    def wording(self, shape: Node, component: Node) -> str | None:
        """Return what a constraint expects, in the words of SHACL: `expected minInclusive 2 of numRatings`."""
        parameter = str(component).rpartition("#")[2].removesuffix("ConstraintComponent")
        name = parameter[:1].lower() + parameter[1:]
        value = self.graph.value(shape, SH[name], any=True)
        if value is None or isinstance(value, BNode):
            return None
        return f"expected {name} {_local(value)} of {self._path(shape)}"

    def _path(self, shape: Node) -> str:
        path = self.graph.value(shape, SH.path)
        if path is None:
            return "the node itself"
        if (path, RDF.first, None) in self.graph:
            return " / ".join(_local(step) for step in Collection(self.graph, path))
        inverse = self.graph.value(path, SH.inversePath)
        return _local(path) if inverse is None else f"{_local(inverse)} backwards"


def _named(graph: rdflib.Graph) -> rdflib.Graph:
    """Return shapes in which those without a name have one: IRIs that are the same for the same file."""
    graph = to_canonical_graph(graph)
    nameless = {node for edge in (SH.path, *_TARGETS) for node in graph.subjects(edge) if isinstance(node, BNode)}
    names: dict[Node, Node] = {node: URIRef(f"{_UNNAMED}{number}") for number, node in enumerate(sorted(nameless))}
    named = rdflib.Graph()
    for subject, predicate, value in graph:
        # The store gives every plain text its datatype, and rdflib holds the two apart where values are compared.
        plain = isinstance(value, Literal) and value.datatype is None and value.language is None
        if plain and predicate in (SH.hasValue, RDF.first):
            value = Literal(str(value), datatype=XSD.string)
        named.add((names.get(subject, subject), predicate, names.get(value, value)))
    return named


def severity_of(value: Node | None) -> Severity:
    """Return our word for a SHACL severity; one that SHACL does not know counts as an error."""
    return _SEVERITIES.get(value, "error") if value is not None else "error"


def _local(node: Node | None) -> str:
    text = str(node)
    return text[max(text.rfind("#"), text.rfind("/")) + 1 :] or text
