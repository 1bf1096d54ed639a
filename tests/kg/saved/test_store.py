from __future__ import annotations

import gzip
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.dataset import Dataset
from kg.errors import InputError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.saved import nquads
from kg.saved.nquads import write_nquads
from kg.saved.store import from_rdf, quads, to_rdf
from kg.schema import EdgeType, Namespace
from kg.vocabulary import Vocabulary

IDS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "007",
            "a/b",
            "a b",
            "🎬",
            "9223372036854775808",
            "#",
            "%2F",
            "?q=1",
            "..",
            "\n",
            "<>",
            '"',
            "\u00e9",
            "e\u0301",
            "\u202e\u05e9\u05dc\u05d5\u05dd",
            "\ufeff\u200b",
            "http://a.example/x?y=z&q=%41#f",
            "_:b0",
            "very long " * 1000,
        ]
    ),
)
TEXTS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.sampled_from(['"\n\r\t\\', "🎬\x00\x1b\x7f\ufffe", '"x"@en', '"1"^^<http://a/b>', "<!-- ]]>", " "]),
)
LINKS = st.sampled_from(
    [None, "http://a.example/x", "http://a.example/é_(film)", "urn:b", "http://a.example/%20?q=ß#日本"]
)
RELATIONS = st.sampled_from(["knows", "wiki:star.ring", "index", "kind", "source"])


@st.composite
def graphs(draw: st.DrawFn) -> KnowledgeGraph:
    """Graphs of hostile names, with kinds, relations and nodes that nothing uses; edges in canonical order."""
    nodes = {}
    for kind in ("user", "item", *draw(st.lists(st.sampled_from(["genre", "wiki", "graph", "rating"]), unique=True))):
        ids = draw(st.lists(IDS, unique=True, max_size=4))
        columns = [
            draw(st.lists(what, min_size=len(ids), max_size=len(ids))) for what in (st.text(max_size=5), TEXTS, LINKS)
        ]
        labels, texts, iris = (np.array([*column, None], dtype=object)[:-1] for column in columns)
        nodes[kind] = Nodes(vocabulary=Vocabulary(kind, ids), labels=labels, texts=texts, iris=iris)
    sources = tuple(draw(st.lists(IDS, unique=True, min_size=1, max_size=3)))
    kinds = st.sampled_from(list(nodes))
    edges = {}
    for edge_type in draw(st.lists(st.tuples(kinds, RELATIONS, kinds), unique=True, max_size=3)):
        sizes = len(nodes[edge_type[0]]), len(nodes[edge_type[2]]), len(sources)
        triple = st.tuples(*(st.integers(0, max(size - 1, 0)) for size in sizes))
        rows = sorted(draw(st.sets(triple, max_size=5))) if min(sizes) else []
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        lines = draw(st.lists(st.integers(0, 2**63 - 1), min_size=len(rows), max_size=len(rows)))
        edges[EdgeType(*edge_type)] = Edges(
            index=table[:, :2].T, provenance=table[:, 2].astype(np.int16), lines=np.array(lines, dtype=np.int64)
        )
    return KnowledgeGraph(name=draw(st.text(max_size=5)), nodes=nodes, edges=edges, sources=sources)


def contents(graph: KnowledgeGraph) -> object:
    """All that a graph holds, as plain values that compare."""
    return (
        graph.name,
        graph.sources,
        [
            (kind, list(nodes.vocabulary), nodes.labels.tolist(), nodes.texts.tolist(), nodes.iris.tolist())
            for kind, nodes in graph.nodes.items()
        ],
        [(edge_type, edges.index.tolist(), edges.provenance.tolist()) for edge_type, edges in graph.edges.items()],
    )


def lines_of(graph: KnowledgeGraph) -> object:
    """Where each edge stands in its source: what Parquet keeps and RDF does not."""
    return [edges.lines.tolist() for edges in graph.edges.values()]


def as_dataset(graph: KnowledgeGraph) -> Dataset:
    ratings = Ratings(user=[], item=[], value=[], num_users=len(graph.users), num_items=len(graph.items))
    return Dataset(graph=graph, ratings=ratings, scale=(1, 5))


@settings(max_examples=40)
@given(
    graph=graphs(),
    run=st.sampled_from([1, 10, 1 << 17]),
    namespace=st.sampled_from([Namespace(), Namespace("http://a.example/")]),  # after skos:Concept, and before it
)
def test_any_graph_survives_n_quads(graph: KnowledgeGraph, run: int, namespace: Namespace) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(nquads, "_RUN", run)
        path = Path(folder) / "kg.nq.gz"
        write_nquads(graph, path, namespace)
        first = path.read_bytes()
        lines = ox.serialize(quads(graph, namespace), format=ox.RdfFormat.N_QUADS)
        assert lines is not None
        assert gzip.decompress(first) == b"".join(sorted(lines.splitlines(keepends=True)))
        assert contents(from_rdf(path, namespace=namespace)) == contents(graph)
        assert os.listdir(folder) == [path.name]
        write_nquads(from_rdf(path, namespace=namespace), path, namespace)
        assert path.read_bytes() == first


@given(graph=graphs())
def test_any_graph_survives_the_rdf_store(graph: KnowledgeGraph) -> None:
    assert contents(from_rdf(to_rdf(graph))) == contents(graph)


@settings(max_examples=40)  # each example flushes seven files to disk
@given(graph=graphs())
def test_any_graph_survives_parquet(graph: KnowledgeGraph) -> None:
    with TemporaryDirectory() as folder:
        as_dataset(graph).save(Path(folder) / "graph")
        loaded = Dataset.load(Path(folder) / "graph").graph
        assert (contents(loaded), lines_of(loaded)) == (contents(graph), lines_of(graph))


def test_another_namespace_round_trips(small_dataset: Dataset, tmp_path: Path) -> None:
    namespace = Namespace("https://films.example/kg/")
    write_nquads(small_dataset.graph, tmp_path / "kg.nq.gz", namespace)
    assert contents(from_rdf(tmp_path / "kg.nq.gz", namespace=namespace)) == contents(small_dataset.graph)
    with pytest.raises(InputError, match=r"in the namespace https://kgrec\.example/"):
        from_rdf(tmp_path / "kg.nq.gz")


def test_sparql_answers_and_knows_where_a_triple_came_from(small_dataset: Dataset) -> None:
    rdf = to_rdf(small_dataset.graph)
    rows = rdf.query(
        """SELECT ?label ?where WHERE {
             GRAPH ?where { ?item <https://kgrec.example/vocabulary#actor> ?person }
             ?item <http://www.w3.org/2000/01/rdf-schema#label> ?label .
             ?person <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek" } ORDER BY ?label"""
    )
    where = "https://kgrec.example/graph/from/items.csv"
    assert [(str(label), str(graph)) for label, graph in rows] == [("Alpha (1999)", where), ("Beta (2001)", where)]


def test_ratings_join_the_rdf_on_request_and_do_not_disturb_the_graph(small_dataset: Dataset) -> None:
    query = "SELECT ?r ?v WHERE { ?r a <https://schema.org/Rating> ; <https://schema.org/ratingValue> ?v }"
    assert len(to_rdf(small_dataset.graph).query(query)) == 0
    with_ratings = to_rdf(small_dataset.graph, ratings=small_dataset.ratings)
    assert sorted(float(value) for _, value in with_ratings.query(query)) == [1.5, 3, 4, 5]
    assert contents(from_rdf(with_ratings)) == contents(small_dataset.graph)


def test_lines_are_sorted_and_carry_no_time(small_dataset: Dataset, tmp_path: Path) -> None:
    write_nquads(small_dataset.graph, tmp_path / "kg.nq.gz", Namespace())
    content = (tmp_path / "kg.nq.gz").read_bytes()
    assert content[4:8] == bytes(4)
    lines = gzip.decompress(content).splitlines()
    assert lines == sorted(lines)


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b"<a> <b>", mtime=0), gzip.compress(b"", mtime=0)])
def test_a_file_that_is_no_graph_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kg.nq.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"kg\.nq\.gz.*expected the RDF of a graph"):
        from_rdf(tmp_path / "kg.nq.gz")
