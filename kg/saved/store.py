"""The RDF side of a graph: an Oxigraph store behind rdflib, SPARQL, and the way back.

Each source of edges is a named graph, so every triple knows where it came from; what is known of the nodes
stands in a named graph of its own. `from_rdf(to_rdf(x))` gives the graph back: node indices are part of the RDF. Only
the lines of edges are not: as RDF 1.2 triple terms they would double the N-Quads (MovieLens 100K with DBpedia: 25.6 to
47.6 MB, packed 1.7 to 2.7 MB), and rdflib could no longer read them. They stand in `edges.parquet`.
"""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
import pyoxigraph as ox

from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType, Namespace
from kg.vocabulary import Vocabulary

if TYPE_CHECKING:
    import rdflib

__all__ = [
    "CONCEPT",
    "LABEL",
    "RDF_TYPE",
    "SAME_AS",
    "TEXT",
    "from_rdf",
    "heading_quads",
    "nodes_graph",
    "quads",
    "rating_quads",
    "source_graph",
    "to_rdf",
]

RDF_TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
LABEL = ox.NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
SAME_AS = ox.NamedNode("http://www.w3.org/2002/07/owl#sameAs")
CONCEPT = ox.NamedNode("http://www.w3.org/2004/02/skos/core#Concept")
TEXT = ox.NamedNode("https://schema.org/description")
_INTEGER = ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer")


def to_rdf(
    graph: KnowledgeGraph,
    *,
    namespace: Namespace | None = None,
    ratings: Ratings | None = None,
    implicit: bool = False,
) -> rdflib.Dataset:
    """Return a graph as RDF that answers SPARQL.

    Args:
        graph: The graph.
        namespace: Where IRIs are minted.
        ratings: Ratings that become a `schema:Rating` each, in a named graph of their own.
        implicit: Whether a rating only says that a user chose an item (`Dataset.implicit`); each then becomes a
            `schema:ChooseAction`, which has no stars.
    """
    # Here, since who only reads or writes graph directories should not wait for them.
    import rdflib
    from oxrdflib import OxigraphStore

    store = ox.Store()
    namespace = namespace or Namespace()
    store.bulk_extend(quads(graph, namespace))
    if ratings is not None:
        store.bulk_extend(rating_quads(graph, ratings, namespace, implicit=implicit))
    return rdflib.Dataset(store=OxigraphStore(store=store), default_union=True)


def quads(graph: KnowledgeGraph, namespace: Namespace) -> Iterator[ox.Quad]:
    """Yield all that a graph holds: itself, its nodes, its edges by source.

    Edges of one type are a set in RDF: an edge that one source states twice is stated once.
    """
    yield from heading_quads(graph, namespace)
    about, index = nodes_graph(namespace), ox.NamedNode(namespace.term("index"))
    iris: dict[str, list[ox.NamedNode]] = {}
    for kind, nodes in graph.nodes.items():
        kind_term = ox.NamedNode(namespace.term(kind))
        iris[kind] = [ox.NamedNode(namespace.node(kind, raw_id)) for raw_id in nodes.vocabulary]
        removed = nodes.vocabulary.removed
        for position, iri in enumerate(iris[kind]):
            if removed[position]:  # a tombstone: nothing but its index, which no other node takes
                yield ox.Quad(iri, RDF_TYPE, ox.NamedNode(namespace.term("Removed")), about)
                yield ox.Quad(iri, index, _number(position), about)
                continue
            yield ox.Quad(iri, RDF_TYPE, kind_term, about)
            if kind not in (USER, ITEM):
                yield ox.Quad(iri, RDF_TYPE, CONCEPT, about)
            yield ox.Quad(iri, index, _number(position), about)
            yield ox.Quad(iri, LABEL, ox.Literal(nodes.labels[position]), about)
            if nodes.texts[position] is not None:
                yield ox.Quad(iri, TEXT, ox.Literal(nodes.texts[position]), about)
            if nodes.iris[position] is not None:
                yield ox.Quad(iri, SAME_AS, ox.NamedNode(nodes.iris[position]), about)
    sources = [source_graph(source, namespace) for source in graph.sources]
    for edge_type, edges in graph.edges.items():
        relation = ox.NamedNode(namespace.term(edge_type.relation))
        starts, ends = iris[edge_type.source], iris[edge_type.target]
        for start, end, source in zip(*edges.index.tolist(), edges.provenance.tolist(), strict=True):
            yield ox.Quad(starts[start], relation, ends[end], sources[source])


def heading_quads(graph: KnowledgeGraph, namespace: Namespace) -> Iterator[ox.Quad]:
    """Yield what a graph says of itself: its name, and its kinds, edge types and sources in their order."""
    about = nodes_graph(namespace)
    this = ox.NamedNode(namespace.base + "graph")
    index = ox.NamedNode(namespace.term("index"))
    yield ox.Quad(this, RDF_TYPE, ox.NamedNode(namespace.term("Graph")), about)
    yield ox.Quad(this, LABEL, ox.Literal(graph.name), about)
    # Kinds, edge types and sources are there even where nothing uses them.
    listed = {
        "kind": list(graph.nodes),
        "edgeType": [" ".join(kinds) for kinds in graph.edges],
        "source": list(graph.sources),
    }
    for what, names in listed.items():
        for position, name in enumerate(names):
            entry = ox.NamedNode(f"{namespace.base}graph/{what}/{position}")
            yield ox.Quad(this, ox.NamedNode(namespace.term(what)), entry, about)
            yield ox.Quad(entry, index, _number(position), about)
            yield ox.Quad(entry, LABEL, ox.Literal(name), about)


def nodes_graph(namespace: Namespace) -> ox.NamedNode:
    """Return the named graph of what is known of the nodes."""
    return ox.NamedNode(namespace.base + "graph/nodes")


def source_graph(source: str, namespace: Namespace) -> ox.NamedNode:
    """Return the named graph of the edges of a source."""
    return ox.NamedNode(f"{namespace.base}graph/from/{quote(source, safe='')}")


def rating_quads(graph: KnowledgeGraph, ratings: Ratings, namespace: Namespace, *, implicit: bool) -> Iterator[ox.Quad]:
    """Yield a `schema:Rating` for each rating, or a `schema:ChooseAction` where feedback is implicit."""
    return (_choice_quads if implicit else _star_quads)(graph, ratings, namespace)


def _star_quads(graph: KnowledgeGraph, ratings: Ratings, namespace: Namespace) -> Iterator[ox.Quad]:
    schema = "https://schema.org/"
    where = ox.NamedNode(namespace.base + "graph/ratings")
    kinds = (
        ox.NamedNode(schema + "Rating"),
        ox.NamedNode(schema + "ratingValue"),
        ox.NamedNode(schema + "author"),
        ox.NamedNode(schema + "itemReviewed"),
    )
    users = [ox.NamedNode(namespace.node("user", raw_id)) for raw_id in graph.users.vocabulary]
    items = [ox.NamedNode(namespace.node("item", raw_id)) for raw_id in graph.items.vocabulary]
    for position, (user, item, value) in enumerate(zip(ratings.user, ratings.item, ratings.value, strict=True)):
        rating = ox.NamedNode(f"{namespace.base}graph/rating/{position}")
        yield ox.Quad(rating, RDF_TYPE, kinds[0], where)
        yield ox.Quad(rating, kinds[1], ox.Literal(float(value)), where)
        yield ox.Quad(rating, kinds[2], users[user], where)
        yield ox.Quad(rating, kinds[3], items[item], where)


def _choice_quads(graph: KnowledgeGraph, ratings: Ratings, namespace: Namespace) -> Iterator[ox.Quad]:
    schema = "https://schema.org/"
    where = ox.NamedNode(namespace.base + "graph/ratings")
    action, agent, chosen = (ox.NamedNode(schema + name) for name in ("ChooseAction", "agent", "object"))
    users = [ox.NamedNode(namespace.node("user", raw_id)) for raw_id in graph.users.vocabulary]
    items = [ox.NamedNode(namespace.node("item", raw_id)) for raw_id in graph.items.vocabulary]
    for position, (user, item) in enumerate(zip(ratings.user, ratings.item, strict=True)):
        choice = ox.NamedNode(f"{namespace.base}graph/choice/{position}")
        yield ox.Quad(choice, RDF_TYPE, action, where)
        yield ox.Quad(choice, agent, users[user], where)
        yield ox.Quad(choice, chosen, items[item], where)


def _number(value: int) -> ox.Literal:
    return ox.Literal(str(value), datatype=_INTEGER)


def from_rdf(source: Path | rdflib.Dataset, *, namespace: Namespace | None = None) -> KnowledgeGraph:
    """Read a graph back from its RDF; edges come in the order of their indices.

    Args:
        source: A file `.nq` or `.nq.gz`, or what `to_rdf` returned.
        namespace: Where its IRIs were minted.

    Raises:
        InputError: If the file is missing or damaged, or is not the RDF of a graph.
    """
    namespace = namespace or Namespace()
    file = source if isinstance(source, Path) else None
    try:
        return _Reader(namespace).read(_quads_of(source))
    except (SyntaxError, KeyError, ValueError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, InputError):
            raise
        line = getattr(error, "lineno", None)
        raise InputError(
            f"expected the RDF of a graph in the namespace {namespace.base}: {error}", file=file, line=line
        ) from None


def _quads_of(source: Path | rdflib.Dataset) -> Iterable[ox.Quad]:
    if isinstance(source, Path):
        content = source.read_bytes()
        return ox.parse(gzip.decompress(content) if source.suffix == ".gz" else content, format=ox.RdfFormat.N_QUADS)
    inner = getattr(source.store, "_inner", None)
    return inner if isinstance(inner, ox.Store) else _quads_of_rdflib(source)


def _quads_of_rdflib(source: rdflib.Dataset) -> Iterator[ox.Quad]:
    """Yield what another rdflib store holds; a graph has no blank nodes, so those of others are left out."""
    import rdflib  # as in `to_rdf`

    for subject, predicate, value, where in source.quads((None, None, None, None)):
        if (
            isinstance(subject, rdflib.URIRef)
            and isinstance(where, rdflib.URIRef)
            and not isinstance(value, rdflib.BNode)
        ):
            target = ox.NamedNode(value) if isinstance(value, rdflib.URIRef) else ox.Literal(str(value))
            yield ox.Quad(ox.NamedNode(subject), ox.NamedNode(str(predicate)), target, ox.NamedNode(where))


class _Reader:
    """Collects quads in any order, then puts the graph together by the indices they carry."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.facts: dict[str, dict[str, str]] = defaultdict(dict)
        self.removed: set[str] = set()
        self.members: dict[str, list[str]] = defaultdict(list)
        self.links: list[tuple[str, str, str, str]] = []

    def read(self, quads: Iterable[ox.Quad]) -> KnowledgeGraph:
        base, term = self.namespace.base, self.namespace.term
        for quad in quads:
            if not (
                isinstance(quad.subject, ox.NamedNode)
                and isinstance(quad.object, ox.NamedNode | ox.Literal)
                and isinstance(quad.graph_name, ox.NamedNode)
            ):
                continue
            subject, predicate, value = quad.subject.value, quad.predicate.value, quad.object.value
            where = quad.graph_name.value
            if where.startswith(base + "graph/from/"):
                self.links.append((subject, predicate, value, unquote(where.removeprefix(base + "graph/from/"))))
            elif where == base + "graph/nodes" and predicate == RDF_TYPE.value:
                if value == term("Removed"):
                    self.removed.add(subject)
            elif where == base + "graph/nodes":
                if subject == base + "graph" and predicate != LABEL.value:
                    self.members[predicate].append(value)
                else:
                    self.facts[subject][predicate] = value
        listed = {what: self._listed(term(what)) for what in ("kind", "edgeType", "source")}
        nodes = self._nodes(listed["kind"])
        edge_types = [EdgeType(*name.split(" ")) for name in listed["edgeType"]]
        return KnowledgeGraph(
            name=self.facts[base + "graph"][LABEL.value],
            nodes=nodes,
            edges=self._edges(edge_types, nodes, listed["source"]),
            sources=tuple(listed["source"]),
        )

    def _listed(self, predicate: str) -> list[str]:
        index = self.namespace.term("index")
        entries = sorted(self.members[predicate], key=lambda entry: int(self.facts[entry][index]))
        return [self.facts.pop(entry)[LABEL.value] for entry in entries]

    def _nodes(self, kinds: list[str]) -> dict[str, Nodes]:
        index = self.namespace.term("index")
        found: dict[str, list[tuple[int, str, dict[str, str], bool]]] = {kind: [] for kind in kinds}
        for iri, facts in self.facts.items():
            if index in facts:
                kind, raw_id = self.namespace.raw_id(iri)
                gone = iri in self.removed
                if gone:
                    facts[LABEL.value] = raw_id
                found[kind].append((int(facts[index]), raw_id, facts, gone))
        nodes = {}
        for kind, members in found.items():
            members.sort(key=lambda member: member[0])
            columns = {
                name: np.array([facts.get(predicate.value) for _, _, facts, _ in members], dtype=object)
                for name, predicate in (("labels", LABEL), ("texts", TEXT), ("iris", SAME_AS))
            }
            vocabulary = Vocabulary(
                kind, [raw_id for _, raw_id, _, _ in members], removed=[gone for _, _, _, gone in members]
            )
            nodes[kind] = Nodes(vocabulary=vocabulary, **columns)
        return nodes

    def _edges(self, edge_types: list[EdgeType], nodes: dict[str, Nodes], sources: list[str]) -> dict[EdgeType, Edges]:
        place = {source: position for position, source in enumerate(sources)}
        relation_of = {self.namespace.term(edge_type.relation): edge_type.relation for edge_type in edge_types}
        found: dict[EdgeType, list[tuple[str, str, int]]] = {edge_type: [] for edge_type in edge_types}
        for subject, predicate, target, source in self.links:
            (start_kind, start), (end_kind, end) = self.namespace.raw_id(subject), self.namespace.raw_id(target)
            found[EdgeType(start_kind, relation_of[predicate], end_kind)].append((start, end, place[source]))
        edges = {}
        for edge_type, rows in found.items():
            starts = nodes[edge_type.source].vocabulary.indices([row[0] for row in rows])
            ends = nodes[edge_type.target].vocabulary.indices([row[1] for row in rows])
            provenance = np.array([row[2] for row in rows], dtype=np.int16)
            order = np.lexsort((provenance, ends, starts))
            edges[edge_type] = Edges(index=np.stack([starts, ends])[:, order], provenance=provenance[order])
        return edges
