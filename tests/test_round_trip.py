"""Any RDF that comes in leaves as RDF of the same graph: random sources with language tags, types and blank nodes."""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pyoxigraph as ox
import rdflib
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.graph import KnowledgeGraph
from kg.store import from_rdf, to_rdf

LINKS = [f"http://a.example/{name}" for name in ("x", "é_(film)", "%20?q=1#top", "日本")]
NODES = st.one_of(
    st.sampled_from([ox.NamedNode(iri) for iri in (*LINKS, "urn:isbn:1", "http://b.example/\u202e\u05d0#")]),
    st.sampled_from([ox.BlankNode("b0"), ox.BlankNode("b1")]),
)
PREDICATES = st.sampled_from(
    [
        ox.NamedNode(iri)
        for iri in (
            "http://a.example/o/knows",
            "http://a.example/o#über",
            "http://www.w3.org/2000/01/rdf-schema#label",
            "http://www.w3.org/2004/02/skos/core#broader",
            "https://kgrec.example/vocabulary#index",  # a source may even use our own words
        )
    ]
)
TEXTS = st.one_of(st.text(max_size=6), st.sampled_from(['"\n\r\t\\', "\x00\x1b\x7f", '"x"@en', "🎬\u202e", " "]))
LITERALS = st.one_of(
    TEXTS.map(ox.Literal),
    st.builds(lambda text, tag: ox.Literal(text, language=tag), TEXTS, st.sampled_from(["en", "de-at", "he"])),
    st.builds(
        lambda text, name: ox.Literal(text, datatype=ox.NamedNode("http://www.w3.org/2001/XMLSchema#" + name)),
        st.one_of(TEXTS, st.sampled_from(["007", "1e400", "2020-02-30"])),
        st.sampled_from(["integer", "double", "date", "string", "nonesuch"]),
    ),
)
TRIPLES = st.lists(st.builds(ox.Triple, NODES, PREDICATES, st.one_of(NODES, LITERALS)), max_size=12)
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=5)


def contents(graph: KnowledgeGraph) -> object:
    """All that RDF keeps of a graph, as plain values that compare."""
    return (
        graph.name,
        graph.sources,
        [
            (kind, list(nodes.vocabulary), nodes.labels.tolist(), nodes.texts.tolist(), nodes.iris.tolist())
            for kind, nodes in graph.nodes.items()
        ],
        [(edge_type, edges.index.tolist(), edges.provenance.tolist()) for edge_type, edges in graph.edges.items()],
    )


def small_graph(folder: Path, triples: list[ox.Triple], cells: list[tuple[str, str, str]]) -> Dataset:
    """Build a graph of three linked items from a table and two RDF sources, one of them Turtle."""
    rows = [(f"i{number}", *row, LINKS[number]) for number, row in enumerate(cells)]
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [("id", "title", "text", "genre", "link"), *rows]
        )
    (folder / "ratings.csv").write_text("user,item,rating\nu,i0,3\n")
    ox.serialize(triples, folder / "a.nt", format=ox.RdfFormat.N_TRIPLES)
    ox.serialize(triples[::2], folder / "b.ttl", format=ox.RdfFormat.TURTLE)
    description = {
        "name": "round trip",
        "ratings": {"file": "ratings.csv"},
        "items": [
            {
                "file": "items.csv",
                "id": "id",
                "label": "title",
                "text": "{text}",
                "same_as": "link",
                "concepts": {"genre": {"column": "genre", "split": "|"}},
            }
        ],
        "knowledge": [{"file": "a.nt", "source": "facts"}, {"file": "b.ttl", "source": "more"}],
    }
    return build(Description.model_validate(description), data=folder)


@settings(max_examples=60)
@given(triples=TRIPLES, cells=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=3, max_size=3))
def test_from_rdf_to_graph_to_rdf_to_graph(triples: list[ox.Triple], cells: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        dataset = small_graph(folder, triples, cells)
        expected = contents(dataset.graph)
        dataset.save(folder / "graph")
        loaded = Dataset.load(folder / "graph").graph
        assert contents(loaded) == expected
        assert [edges.lines.tolist() for edges in loaded.edges.values()] == [
            edges.lines.tolist() for edges in dataset.graph.edges.values()
        ]
        assert contents(from_rdf(folder / "graph" / "kg.nq.gz")) == expected
        rdf = to_rdf(dataset.graph, ratings=dataset.ratings)
        assert contents(from_rdf(rdf)) == expected
        # What others add to the store is not part of the graph and does not disturb it.
        other = rdf.graph(rdflib.URIRef("http://other.example/"))
        other.add((rdflib.BNode(), rdflib.RDFS.label, rdflib.Literal("x", lang="en")))
        other.add((rdflib.URIRef(LINKS[0]), rdflib.RDFS.label, rdflib.Literal(7)))
        assert contents(from_rdf(rdf)) == expected


@settings(max_examples=30)
@given(triples=TRIPLES, cells=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=3, max_size=3))
def test_a_plain_rdflib_store_gives_the_graph_back(triples: list[ox.Triple], cells: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as name:
        graph = small_graph(Path(name), triples, cells).graph
        plain = rdflib.Dataset()
        for subject, predicate, target, where in to_rdf(graph).quads():
            plain.graph(where).add((subject, predicate, target))
        assert contents(from_rdf(plain)) == contents(graph)
