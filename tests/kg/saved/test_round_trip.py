"""RDF in, a graph, RDF out, and the graph again: nothing is lost of hostile ids, languages, datatypes and nodes without IRI."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyoxigraph as ox
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.graph import KnowledgeGraph
from kg.saved.nquads import write_nquads
from kg.saved.store import from_rdf, to_rdf
from kg.schema import Namespace

A = "http://a.example/"
LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
IDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=4
) | st.sampled_from(["007", "a/b", "🎬", "%2F", "?q=1", "..", "<>", "e\u0301", "\u202eש", "_:b0", "http://a.example/x"])
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\t"\\\n'), max_size=6)
NAMES = st.sampled_from(["x", "é", "a%20b", "世", "x#y", "(film)", "x?y=z"])
IRIS = st.builds(lambda name: ox.NamedNode(A + name), NAMES)
BLANKS = st.builds(ox.BlankNode, st.sampled_from(["b0", "b1", "x"]))
TAGS = st.sampled_from(["en", "de-AT", "zh"])
TYPES = st.builds(lambda name: ox.NamedNode(A + "type/" + name), st.sampled_from(["a", "b"]))
LITERALS = st.one_of(
    st.builds(ox.Literal, TEXTS),
    st.builds(lambda text, tag: ox.Literal(text, language=tag), TEXTS, TAGS),
    st.builds(lambda text, kind: ox.Literal(text, datatype=kind), TEXTS, TYPES),
)
LINKED = [A + "x", A + "é", A + "世"]
KIND, WORDS = ox.NamedNode(A + "p/kind"), ox.NamedNode(A + "p/words")
PREDICATES = st.sampled_from(
    [ox.NamedNode(A + "p/" + name) for name in ("of", "kind", "words")] + [ox.NamedNode(LABEL)]
)
TRIPLES = st.lists(st.builds(ox.Triple, IRIS | BLANKS, PREDICATES, IRIS | BLANKS | LITERALS), min_size=1, max_size=12)
DESCRIPTION = """name: any
ratings: {file: ratings.json}
items: [{file: items.json, id: id, label: id, same_as: iri}]
knowledge:
  - file: facts.FORMAT
    source: facts
    literals: {"http://a.example/p/kind": {}, "http://a.example/p/words": {text: true}}
"""


FORMATS = {"nt": ox.RdfFormat.N_TRIPLES, "ttl": ox.RdfFormat.TURTLE}


def contents(graph: KnowledgeGraph) -> object:
    return (
        graph.name,
        graph.sources,
        [
            (kind, list(nodes.vocabulary), nodes.labels.tolist(), nodes.texts.tolist(), nodes.iris.tolist())
            for kind, nodes in graph.nodes.items()
        ],
        [(edge_type, edges.index.tolist(), edges.provenance.tolist()) for edge_type, edges in graph.edges.items()],
    )


def built(folder: Path, ids: list[str], triples: list[ox.Triple], form: str) -> Dataset:
    """Build a graph of items that are linked to the first of the names, one each."""
    items = [{"id": raw_id, "iri": name} for raw_id, name in zip(ids, LINKED, strict=True)]
    rows = [{"user": "u", "item": raw_id, "rating": 1} for raw_id in ids]
    content = ox.serialize(triples, format=FORMATS[form])
    assert content is not None
    (folder / f"facts.{form}").write_bytes(content)
    (folder / "items.json").write_text(json.dumps(items))
    (folder / "ratings.json").write_text(json.dumps(rows))
    (folder / "d.yaml").write_text(DESCRIPTION.replace("FORMAT", form))
    return build(Description.load(folder / "d.yaml"))


def text_of(name: str, triples: list[ox.Triple]) -> str | None:
    """Return the first English text of a node, else the first without language, else the first."""
    said = [
        triple.object
        for triple in triples
        if triple.subject == ox.NamedNode(name) and triple.predicate == WORDS and isinstance(triple.object, ox.Literal)
    ]
    ranked = sorted(said, key=lambda literal: {"en": 0, None: 1}.get(literal.language, 2))
    return " ".join(ranked[0].value.split()) or None if ranked else None


@settings(max_examples=25)
@given(ids=st.lists(IDS, unique=True, min_size=3, max_size=3), triples=TRIPLES, form=st.sampled_from(sorted(FORMATS)))
def test_what_any_source_gives_survives_rdf(ids: list[str], triples: list[ox.Triple], form: str) -> None:
    # A predicate that is read from literals must have some.
    triples = [*triples, *(ox.Triple(ox.NamedNode(A + "q"), name, ox.Literal("q")) for name in (KIND, WORDS))]
    with TemporaryDirectory() as name:
        folder = Path(name)
        dataset = built(folder, ids, triples, form)
        graph = dataset.graph
        account = dataset.report["files"][f"facts.{form}"]  # type: ignore[index]
        assert account["rows"] == len(triples)
        assert list(graph.items.vocabulary) == ids
        assert graph.items.texts.tolist() == [text_of(link, triples) for link in LINKED]
        assert contents(from_rdf(to_rdf(graph))) == contents(graph)
        write_nquads(graph, folder / "kg.nq.gz", Namespace())
        assert contents(from_rdf(folder / "kg.nq.gz")) == contents(graph)


def test_a_node_without_iri_and_values_of_every_kind_survive_rdf(tmp_path: Path) -> None:
    x, blank = ox.NamedNode(LINKED[0]), ox.BlankNode("b0")
    of = ox.NamedNode(A + "p/of")
    values = [
        ox.Literal("plain"),
        ox.Literal("Wort", language="de-AT"),
        ox.Literal("12", datatype=ox.NamedNode(A + "type/minute")),
        ox.Literal('a "quoted" \\ 🎬'),
    ]
    triples = [*(ox.Triple(x, KIND, value) for value in values), ox.Triple(x, of, blank)]
    triples += [ox.Triple(x, WORDS, ox.Literal("Ein Text.", language="de"))]
    triples += [ox.Triple(blank, of, ox.NamedNode(A + "z")), ox.Triple(blank, ox.NamedNode(LABEL), ox.Literal("B"))]
    graph = built(tmp_path, ["_:b0", "a/b", "🎬"], triples, "nt").graph
    assert graph.nodes["kind"].labels.tolist() == [value.value for value in values]
    assert list(graph.nodes["facts"].vocabulary) == ["_:facts.nt#b0", A + "z"]
    assert graph.items.texts.tolist() == ["Ein Text.", None, None]
    assert graph.nodes["facts"].labels.tolist() == ["B", "z"]
    assert graph.nodes["facts"].iris.tolist() == [None, A + "z"]
    assert contents(from_rdf(to_rdf(graph))) == contents(graph)
