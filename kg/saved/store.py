"""The RDF side of a graph: its quads, an Oxigraph store behind rdflib that answers SPARQL, and the way back.

Each source of edges is a named graph, so every triple knows where it came from; what is known of the nodes
stands in a named graph of its own. `from_rdf(to_rdf(x))` gives the graph back: node indices are part of the RDF. Only
the lines of edges are not: as RDF 1.2 triple terms they would double the N-Quads (MovieLens 100K with DBpedia: 25.6 to
47.6 MB, packed 1.7 to 2.7 MB), and rdflib could no longer read them. They stand in `edges.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pyoxigraph as ox

from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER, EdgeType, Namespace
from kg.storage.packed import read_bytes
from kg.vocabulary import Vocabulary

if TYPE_CHECKING:
    import rdflib

__all__ = ["from_rdf", "quads", "rating_quads", "to_rdf"]

_TYPE = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
_LABEL = ox.NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
_SAME_AS = ox.NamedNode("http://www.w3.org/2002/07/owl#sameAs")
_CONCEPT = ox.NamedNode("http://www.w3.org/2004/02/skos/core#Concept")
_INTEGER = ox.NamedNode("http://www.w3.org/2001/XMLSchema#integer")
_SCHEMA = "https://schema.org/"
_TEXT = ox.NamedNode(_SCHEMA + "description")


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
    yield from _heading(graph, namespace)
    about, index = _nodes_graph(namespace), ox.NamedNode(namespace.term("index"))
    iris: dict[str, list[ox.NamedNode]] = {}
    for kind, nodes in graph.nodes.items():
        kind_term = ox.NamedNode(namespace.term(kind))
        iris[kind] = [ox.NamedNode(namespace.node(kind, raw_id)) for raw_id in nodes.vocabulary]
        removed = nodes.vocabulary.removed
        for position, iri in enumerate(iris[kind]):
            yield ox.Quad(iri, index, _number(position), about)
            if removed[position]:  # a tombstone: nothing but its index, which no other node takes
                yield ox.Quad(iri, _TYPE, ox.NamedNode(namespace.term("Removed")), about)
                continue
            yield ox.Quad(iri, _TYPE, kind_term, about)
            if kind not in (USER, ITEM):
                yield ox.Quad(iri, _TYPE, _CONCEPT, about)
            yield ox.Quad(iri, _LABEL, ox.Literal(nodes.labels[position]), about)
            if nodes.texts[position] is not None:
                yield ox.Quad(iri, _TEXT, ox.Literal(nodes.texts[position]), about)
            if nodes.iris[position] is not None:
                yield ox.Quad(iri, _SAME_AS, ox.NamedNode(nodes.iris[position]), about)
    sources = [_source_graph(source, namespace) for source in graph.sources]
    for edge_type, edges in graph.edges.items():
        relation = ox.NamedNode(namespace.term(edge_type.relation))
        starts, ends = iris[edge_type.source], iris[edge_type.target]
        for start, end, source in zip(*edges.index.tolist(), edges.provenance.tolist(), strict=True):
            yield ox.Quad(starts[start], relation, ends[end], sources[source])


def _heading(graph: KnowledgeGraph, namespace: Namespace) -> Iterator[ox.Quad]:
    """Yield what a graph says of itself: its name, and its kinds, edge types and sources in their order."""
    about, index = _nodes_graph(namespace), ox.NamedNode(namespace.term("index"))
    this = ox.NamedNode(namespace.base + "graph")
    yield ox.Quad(this, _TYPE, ox.NamedNode(namespace.term("Graph")), about)
    yield ox.Quad(this, _LABEL, ox.Literal(graph.name), about)
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
            yield ox.Quad(entry, _LABEL, ox.Literal(name), about)


def rating_quads(graph: KnowledgeGraph, ratings: Ratings, namespace: Namespace, *, implicit: bool) -> Iterator[ox.Quad]:
    """Yield a `schema:Rating` for each rating, or a `schema:ChooseAction` where feedback is implicit."""
    where = ox.NamedNode(namespace.base + "graph/ratings")
    names = ("ChooseAction", "agent", "object") if implicit else ("Rating", "author", "itemReviewed")
    kind, by, of = (ox.NamedNode(_SCHEMA + name) for name in names)
    stars = ox.NamedNode(_SCHEMA + "ratingValue")
    users, items = (
        [ox.NamedNode(namespace.node(nodes.vocabulary.kind, raw_id)) for raw_id in nodes.vocabulary]
        for nodes in (graph.users, graph.items)
    )
    for position, (user, item, value) in enumerate(zip(ratings.user, ratings.item, ratings.value, strict=True)):
        rating = ox.NamedNode(f"{namespace.base}graph/{'choice' if implicit else 'rating'}/{position}")
        yield ox.Quad(rating, _TYPE, kind, where)
        yield ox.Quad(rating, by, users[user], where)
        yield ox.Quad(rating, of, items[item], where)
        if not implicit:
            yield ox.Quad(rating, stars, ox.Literal(float(value)), where)


def _nodes_graph(namespace: Namespace) -> ox.NamedNode:
    return ox.NamedNode(namespace.base + "graph/nodes")


def _source_graph(source: str, namespace: Namespace) -> ox.NamedNode:
    return ox.NamedNode(f"{namespace.base}graph/from/{quote(source, safe='')}")


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
        if isinstance(source, Path):
            store = ox.Store()
            store.bulk_load(read_bytes(source), format=ox.RdfFormat.N_QUADS)
        else:
            store = source.store._inner  # type: ignore[attr-defined]
        return _graph_of(store, namespace)
    except (SyntaxError, ValueError) as error:
        raise InputError(
            f"expected the RDF of a graph in the namespace {namespace.base}: {error}",
            file=file,
            line=getattr(error, "lineno", None),
        ) from None


def _graph_of(store: ox.Store, namespace: Namespace) -> KnowledgeGraph:
    this, index = f"<{namespace.base}graph>", f"<{namespace.term('index')}>"

    def rows(columns: str, pattern: str) -> list[list[Any]]:
        """Return what the graph of nodes states, as text or None, by index."""
        query = f"SELECT {columns} {{ GRAPH {_nodes_graph(namespace)} {{ {pattern} }} }} ORDER BY ?index"
        return [[None if term is None else term.value for term in row] for row in store.query(query)]  # type: ignore[union-attr]

    def listed(what: str) -> list[str]:
        entries = rows("?name", f"{this} <{namespace.term(what)}> ?entry . ?entry {index} ?index ; {_LABEL} ?name")
        return [name for (name,) in entries]

    members: dict[str, list[list[Any]]] = {kind: [] for kind in listed("kind")}
    known = f"?node {index} ?index FILTER NOT EXISTS {{ {this} ?what ?node }}"
    facts = [f"OPTIONAL {{ ?node {term} ?fact{number} }}" for number, term in enumerate((_LABEL, _TEXT, _SAME_AS))]
    for iri, *texts in rows("?node ?fact0 ?fact1 ?fact2", " ".join([known, *facts])):
        kind, raw_id = namespace.raw_id(iri)
        members[kind].append([raw_id, *texts])
    nodes = {}
    for kind, rows_of in members.items():
        ids, labels, text, iris = np.array(rows_of, dtype=object).reshape(-1, 4).T
        removed = np.array([label is None for label in labels], dtype=bool)
        labels[removed] = ids[removed]
        vocabulary = Vocabulary(kind, ids, removed=removed)
        nodes[kind] = Nodes(vocabulary=vocabulary, labels=labels, texts=text, iris=iris)
    sources = listed("source")
    relation_of = {namespace.term(relation): relation for _, relation, _ in map(str.split, listed("edgeType"))}
    ends: dict[EdgeType, list[tuple[str, str, int]]] = {EdgeType(*name.split()): [] for name in listed("edgeType")}
    for place, name in enumerate(sources):
        for quad in store.quads_for_pattern(None, None, None, _source_graph(name, namespace)):
            start_kind, start = namespace.raw_id(quad.subject.value)  # type: ignore[union-attr]
            end_kind, end = namespace.raw_id(quad.object.value)  # type: ignore[union-attr]
            ends[EdgeType(start_kind, relation_of[quad.predicate.value], end_kind)].append((start, end, place))
    names = rows("?name", f"{this} {_LABEL} ?name . {this} {_TYPE} ?index")
    if not names:
        raise ValueError("nothing there is a graph")
    edges = {edge_type: _edges(edge_type, pairs, nodes) for edge_type, pairs in ends.items()}
    return KnowledgeGraph(name=names[0][0], nodes=nodes, edges=edges, sources=tuple(sources))


def _edges(edge_type: EdgeType, ends: list[tuple[str, str, int]], nodes: dict[str, Nodes]) -> Edges:
    start = nodes[edge_type.source].vocabulary.indices([one for one, _, _ in ends])
    end = nodes[edge_type.target].vocabulary.indices([other for _, other, _ in ends])
    provenance = np.array([source for _, _, source in ends], dtype=np.int16)
    order = np.lexsort((provenance, end, start))
    return Edges(index=np.stack([start, end])[:, order], provenance=provenance[order])
