"""Questions in SPARQL: what they find, what they are refused, and what their mistakes are answered with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.dataset import Dataset
from kg.errors import InputError
from kg.queries.query import Answer, Question, answer
from kg.queries.query_guide import Guide
from kg.queries.query_store import store_of
from kg.queries.sparql import calls_service, names_in, prefixes_of, shorten
from kg.saved.store import quads
from kg.schema import EdgeType, Namespace

PREFIXES = prefixes_of(Namespace(), ["user", "item", "genre", "person", "wiki"])
NAMES = ("kv:genre", "kv:director", "rdfs:label", "schema:description")


@pytest.fixture(scope="module")
def store(small_dataset: Dataset) -> ox.Store:
    made = ox.Store()
    made.bulk_extend(quads(small_dataset.graph, Namespace()))
    return made


def ask(store: ox.Store | Path, text: str, *, limit: int = 1000) -> Answer:
    return answer(store, Question(text=text, prefixes=PREFIXES, limit=limit, vocabulary=NAMES))


def values(found: Answer) -> list[list[str]]:
    return [[row[name]["value"] for name in found.variables if name in row] for row in found.rows]


# Answers


def test_films_by_a_director(store: ox.Store) -> None:
    found = ask(store, 'SELECT ?film { ?item kv:director/rdfs:label "Ann Lee" ; rdfs:label ?film }')
    assert values(found) == [["Alpha (1999)"]]
    assert (found.cut, found.notes) == (False, ())


def test_every_relation_and_concept_is_found_as_the_graph_has_it(store: ox.Store, small_dataset: Dataset) -> None:
    edges = small_dataset.graph.edges[EdgeType("item", "genre", "genre")]
    labels = small_dataset.graph.nodes["genre"].labels
    counts = {labels[index]: int(number) for index, number in enumerate(np.bincount(edges.index[1]))}
    found = ask(
        store,
        "SELECT ?name (COUNT(?item) AS ?n) { ?item kv:genre ?g . ?g rdfs:label ?name } GROUP BY ?name ORDER BY ?name",
    )
    assert {name: int(number) for name, number in values(found)} == counts == {"Drama": 2, "War": 1}


def test_ids_of_any_kind_are_named_by_the_prefix_of_their_kind(store: ox.Store) -> None:
    for written, label in (("item:a%20b", "Alpha (1999)"), ("item:%C3%A9%2F1", "Beta (2001)"), ("item:03", "03")):
        assert values(ask(store, f"SELECT ?label {{ {written} rdfs:label ?label }}")) == [[label]]


def test_the_named_graph_of_a_file_has_its_prefix(store: ox.Store) -> None:
    found = ask(store, "SELECT ?o { GRAPH from:facts\\.nt\\.gz { item:a%20b ?p ?o } }")
    assert values(found) == [["https://kgrec.example/wiki/http%3A%2F%2Fwiki.example%2FBo_Ek"]]


def test_ask_construct_and_describe(store: ox.Store) -> None:
    assert ask(store, "ASK { item:03 rdfs:label '03' }").as_json() == {
        "head": {},
        "boolean": True,
        "cut": False,
        "notes": [],
    }
    assert ask(store, "ASK { item:03 schema:description ?text }").boolean is False
    made = ask(store, "CONSTRUCT { ?i skos:related genre:drama } WHERE { ?i kv:genre genre:drama }")
    assert made.variables == ("subject", "predicate", "object")
    assert sorted(row[0] for row in values(made)) == [PREFIXES["item"] + "%C3%A9%2F1", PREFIXES["item"] + "a%20b"]
    assert made.notes == ()  # skos:related is new, and meant to be
    described = ask(store, "DESCRIBE item:03")
    assert ["03"] in [row[2:] for row in values(described)]


def test_rows_are_w3c_json_results_and_unbound_variables_are_left_out(store: ox.Store) -> None:
    text = (
        'SELECT ?a ?b ?c ?d { BIND("x"@de AS ?a) BIND(1 AS ?b) BIND(genre:war AS ?c) OPTIONAL { genre:war kv:no ?d } }'
    )
    found = ask(store, text).as_json()
    assert found["head"] == {"vars": ["a", "b", "c", "d"]}
    (row,) = found["results"]["bindings"]
    assert row == {
        "a": {"type": "literal", "value": "x", "xml:lang": "de"},
        "b": {"type": "literal", "value": "1", "datatype": "http://www.w3.org/2001/XMLSchema#integer"},
        "c": {"type": "uri", "value": "https://kgrec.example/genre/war"},
    }
    reference = json.loads(store.query(text, prefixes=PREFIXES).serialize(format=ox.QueryResultsFormat.JSON) or b"")
    assert row == reference["results"]["bindings"][0]
    assert ask(store, text).as_table(PREFIXES) == [["x", "1", "genre:war", ""]]


@pytest.mark.parametrize(("limit", "rows", "cut"), [(1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False)])
def test_no_more_rows_than_the_limit_and_it_says_when_there_are_more(
    store: ox.Store, limit: int, rows: int, cut: bool
) -> None:
    for text in ("SELECT ?i { ?i a kv:item }", "CONSTRUCT { ?i a kv:item } WHERE { ?i a kv:item }"):
        found = ask(store, text, limit=limit)
        assert (len(found.rows), found.cut) == (rows, cut)


def test_a_limit_below_one_is_refused(store: ox.Store) -> None:
    with pytest.raises(InputError, match="a limit of at least 1 row, got 0"):
        ask(store, "ASK {}", limit=0)


# Mistakes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT ?x {\n ?x a gnre:drama }", "the prefix 'gnre:' in line 2 is not known.*Did you mean 'genre'"),
        ("SELECT ?x {\n ?x a kv:item ", r"not valid SPARQL in line 2, column \d+: expected"),
        ("SELECT ?x { ?x a 'kv:item }", "not valid SPARQL in line 1, column"),
        ("SELEKT ?x { ?x a kv:item }", "expected SELECT, ASK, CONSTRUCT or DESCRIBE"),
        ("", "line 1, column 1: expected SELECT"),
        ("DELETE WHERE { ?x a kv:item }", "DELETE changes data, and a query only reads"),
        ("PREFIX x: <http://x/> INSERT DATA { x:a x:b x:c }", "INSERT changes data"),
        ("LOAD <http://127.0.0.1:1/x.nt>", "LOAD changes data"),
        ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?a ?b ?c } }", "no other server: SERVICE is refused"),
    ],
)
def test_each_mistake_has_its_sentence(store: ox.Store, text: str, sentence: str) -> None:
    before = len(store)
    with pytest.raises(InputError, match=sentence):
        ask(store, text)
    assert len(store) == before


def test_a_mistake_in_a_file_names_the_file(store: ox.Store) -> None:
    with pytest.raises(InputError, match=r"^q\.rq: the query is not valid SPARQL in line 1"):
        answer(store, Question(text="SELECT ?x {", prefixes=PREFIXES, file="q.rq"))


def test_a_name_that_never_occurs_is_a_note(store: ox.Store) -> None:
    found = ask(store, "SELECT ?x { ?x kv:directr ?y ; rdfs:label ?label . ?y a schema:Movie }")
    assert found.rows == ()
    assert found.notes == (
        "kv:directr occurs nowhere in this graph. Did you mean 'kv:director'?",
        "schema:Movie occurs nowhere in this graph.",
    )
    assert ask(store, "SELECT ?x { ?x kv:director item:9999 }").notes == ("item:9999 occurs nowhere in this graph.",)


def test_names_are_read_past_texts_comments_and_declarations() -> None:
    text = """BASE <http://base/> PREFIX w: <http://w.example/>  # kv:comment <http://no/>
    SELECT ?a { ?a w:p <http://full.example/x> ; kv:genre "kv:text <http://no/>" ; item:a\\/b 'it''s' .
      FILTER(xsd:integer(?a) < 3 && ?a > 1) }"""
    assert names_in(text, PREFIXES) == {
        "w:p": "http://w.example/p",
        "<http://full.example/x>": "http://full.example/x",
        "kv:genre": PREFIXES["kv"] + "genre",
        "item:a\\/b": PREFIXES["item"] + "a/b",
    }


@given(iri=st.one_of(st.text(), st.text().map(lambda name: PREFIXES["item"] + name)))
def test_short_names_mean_the_same_iri(iri: str) -> None:
    short = shorten(iri, PREFIXES)
    if short.startswith("<"):
        assert short == f"<{iri}>"
    else:
        assert names_in(f"DESCRIBE {short}", PREFIXES) == ({} if iri.startswith(PREFIXES["xsd"]) else {short: iri})
        list(ox.Store().query(f"DESCRIBE {short}", prefixes=PREFIXES))


# No other server

SERVICE_FORMS = [
    "SERVICE <http://127.0.0.1:9/> { ?s ?p ?o }",
    "service<http://127.0.0.1:9/>{ ?s ?p ?o }",
    "SERVICE SILENT <http://127.0.0.1:9/> { ?s ?p ?o }",
    "SERVICEitem:x{ ?s ?p ?o }",
    "SERVICE ?s { ?s ?p ?o }",
]
AROUND = st.sampled_from(
    ["?s ?p ?o .", "?s ?p 1", "?s ?p item:a.", "?s ?p 'a'.", '?s ?p "b\\"".', "# don't \"\n", '# """\n', "# '''\n", "{}",
     "FILTER(?o<'x>y')", "FILTER(?o<3)", "FILTER(?o='z')", "FILTER(?o>'>')", "?s ?p <http://x/a'b>.", "?s ?p '''a'b'''.",
     '?s ?p """a"b""".', "?s ?p <http://x/#>.", "\\u0023"]
)  # fmt: skip


@given(before=st.lists(AROUND, max_size=4), form=st.sampled_from(SERVICE_FORMS), after=st.lists(AROUND, max_size=4))
def test_a_call_of_another_server_never_hides(before: list[str], form: str, after: list[str]) -> None:
    assert calls_service("SELECT * {" + " ".join([*before, form, *after]) + "}")


def test_the_word_service_may_be_part_of_names_and_texts(store: ox.Store) -> None:
    for text in (
        'SELECT ?x { ?x rdfs:label "customer service" }',
        "SELECT ?service { ?service a kv:item }",
        "SELECT ?x { ?x a <https://schema.org/Service> }",
        "SELECT ?x { ?x a schema:Service }",
    ):
        assert not calls_service(text)
        ask(store, text)


# The guide


def test_every_example_of_the_guide_finds_something(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    guide = Guide.of(tmp_path / "graph")
    assert len(guide.examples) == 5
    with store_of(tmp_path / "graph", ratings=True) as store:
        for text in guide.examples.values():
            found = answer(store, guide.question(text, file=None, limit=10))
            assert (bool(found.rows), found.notes) == (True, ())
    assert set(guide.as_json()) == {"prefixes", "names", "examples"}
    assert {"kv:director", "kv:wiki%3Astarring"} <= set(guide.names)


def test_a_query_is_read_from_a_file(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    guide = Guide.of(tmp_path / "graph")
    (tmp_path / "q.rq").write_text("ASK { ?x a kv:item }")
    assert guide.question(None, file=tmp_path / "q.rq", limit=1).text == "ASK { ?x a kv:item }"
    with pytest.raises(InputError, match=r"none\.rq: this file cannot be read"):
        guide.question(None, file=tmp_path / "none.rq", limit=1)
    (tmp_path / "q.rq").write_bytes(b"ASK {\xff}")
    with pytest.raises(InputError, match="expected UTF-8"):
        guide.question(None, file=tmp_path / "q.rq", limit=1)
