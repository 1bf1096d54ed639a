"""A SPARQL endpoint as a source of knowledge, played by a server that answers from a store in this process."""

from __future__ import annotations

import gzip
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyoxigraph as ox
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.rdf.endpoint import Endpoint
from kg.rdf.endpoint_snapshot import snapshot_of
from kg.schema import EdgeType

W = "http://wiki.example/"
FACTS = f"""<{W}Alpha> <{W}o/starring> <{W}Bo_Ek> ; <{W}o/seenBy> <{W}Cat> ; <{W}o/budget> "12" .
<{W}Beta> <{W}o/follows> <{W}Alpha> .
<{W}Book> <{W}o/basedOn> <{W}Bo_Ek> ; <{W}o/follows> <{W}Alpha> .
<{W}Gamma> <{W}o/starring> <{W}Bo_Ek> .
<{W}Bo_Ek> <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek, actor"@en .
<{W}Alpha> <{W}o/tagline> "Slow"@en , "Langsam"@de .
<{W}Alpha> <{W}o/filmedIn> [ <{W}o/city> <{W}Oslo> ] .
<{W}Cat> <http://www.w3.org/2000/01/rdf-schema#label> "Cat"@en , "Katze"@de .
"""
FORMATS = {
    "application/n-triples": ox.RdfFormat.N_TRIPLES,
    "text/turtle": ox.RdfFormat.TURTLE,
    "application/rdf+xml": ox.RdfFormat.RDF_XML,
}


class Server(ThreadingHTTPServer):
    """Answers SPARQL from a store; the attributes say how badly it does so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = ox.Store()
        self.store.load(FACTS.encode(), format=ox.RdfFormat.TURTLE)
        self.kind = "application/n-triples"
        self.queries: list[str] = []
        self.failures: list[str] = []  # what goes wrong with the next requests, in order
        self.most = 10**9  # triples in one answer, whatever the query says
        self.url = f"http://127.0.0.1:{self.server_address[1]}/sparql"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(body)["query"][0]
        self.server.queries.append(query)
        failure = self.server.failures.pop(0) if self.server.failures else ""
        if failure == "busy":
            self.say(503, b"later", "text/plain", {"Retry-After": "0"})
        elif failure == "hang":
            time.sleep(2)
        elif failure == "hang up":
            self.close_connection = True
        elif failure == "web page":
            self.say(200, b"<html>", "text/html")
        elif failure == "not RDF":
            self.say(200, b"<a> <b", "text/turtle")
        elif failure == "cut off":
            self.say(200, b"<http://a> <htt", self.server.kind, {"Content-Length": "1000"})
        else:
            self.answer(query)

    def answer(self, query: str) -> None:
        try:
            found = self.server.store.query(query)
        except SyntaxError as error:
            self.say(400, f"line 1: {error}".encode(), "text/plain")
            return
        assert isinstance(found, ox.QueryTriples)
        triples = list(found)[: self.server.most]
        content = ox.serialize(triples, format=FORMATS[self.server.kind])
        assert content is not None
        self.say(200, content, f"{self.server.kind}; charset=utf-8")

    def say(self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("KGREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def endpoint(server: Server, **fields: Any) -> Endpoint:
    return Endpoint(url=server.url, **{"pause": 0.0, "retries": 2, **fields})


def lines_of(snapshot: Path) -> list[str]:
    return gzip.decompress(snapshot.read_bytes()).decode().splitlines()


def describe(folder: Path, endpoint: str, *more: str) -> Description:
    """Let the small world take its knowledge from an endpoint instead of a file."""
    text = (folder / "description.yaml").read_text()
    entry = f"{{{', '.join([f'endpoint: {endpoint}', 'source: wiki', 'keep: [starring, follows]', *more])}}}"
    (folder / "description.yaml").write_text(re.sub(r"(?<=knowledge:\n  - )\{.*\}", lambda _: entry, text))
    return Description.load(folder / "description.yaml")


# What comes


def test_all_about_the_items_and_the_names_of_what_they_reach(server: Server) -> None:
    found = lines_of(snapshot_of(endpoint(server), [W + "Alpha", W + "Beta"]))
    assert found == sorted(found)
    assert set(found) == {
        f"<{W}Alpha> <{W}o/starring> <{W}Bo_Ek> .",
        f"<{W}Alpha> <{W}o/seenBy> <{W}Cat> .",
        f'<{W}Alpha> <{W}o/budget> "12" .',
        f'<{W}Alpha> <{W}o/tagline> "Slow"@en .',
        f"<{W}Beta> <{W}o/follows> <{W}Alpha> .",
        f'<{W}Bo_Ek> <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek, actor"@en .',
        f'<{W}Cat> <http://www.w3.org/2000/01/rdf-schema#label> "Cat"@en .',
    }


@pytest.mark.parametrize("keep", [["starring"], [W + "o/starring"], ["o:starring"]])
def test_names_are_asked_only_of_what_is_kept(server: Server, keep: list[str]) -> None:
    found = lines_of(snapshot_of(endpoint(server), [W + "Alpha"], keep=keep))
    assert [line for line in found if "label" in line] == [
        f'<{W}Bo_Ek> <http://www.w3.org/2000/01/rdf-schema#label> "Bo Ek, actor"@en .'
    ]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_formats_batches_and_pages_change_nothing(server: Server, kind: str, batch: int, page_size: int) -> None:
    iris = [W + name for name in ("Alpha", "Beta", "Gamma", "Nothing")]
    whole = lines_of(snapshot_of(endpoint(server), iris))
    server.kind = kind
    assert lines_of(snapshot_of(endpoint(server, batch=batch, page_size=page_size), iris)) == whole


def test_a_server_that_gives_less_than_it_is_asked_for_is_asked_on(server: Server) -> None:
    iris = [W + "Alpha", W + "Beta"]
    whole = lines_of(snapshot_of(endpoint(server), iris))
    server.most = 2
    assert lines_of(snapshot_of(endpoint(server), iris, refresh=True)) == whole


def test_a_query_of_ones_own(server: Server) -> None:
    query = "CONSTRUCT { ?film <http://wiki.example/o/with> ?who } WHERE { VALUES ?who { $iris } ?film ?by ?who }"
    found = lines_of(snapshot_of(endpoint(server, query=query, batch=1), [W + "Bo_Ek", W + "Cat"]))
    assert found == [f"<{W}{name}> <{W}o/with> <{W}{who}> ." for name, who in
                     (("Alpha", "Bo_Ek"), ("Alpha", "Cat"), ("Book", "Bo_Ek"), ("Gamma", "Bo_Ek"))]  # fmt: skip
    assert len(server.queries) == 2  # no pages, and no labels
    whole = "CONSTRUCT { ?a <http://p/> ?b . ?b <http://q/> ?a } WHERE { ?a ?p ?b FILTER(isIRI(?a) && isIRI(?b)) } ORDER BY ?a ?p ?b"
    once = lines_of(snapshot_of(endpoint(server, query=whole), []))
    assert len(once) == 12


def test_blank_nodes_of_different_answers_stay_apart(server: Server) -> None:
    query = f"CONSTRUCT {{ ?x <{W}o/in> _:place . _:place <{W}o/of> ?x }} WHERE {{ VALUES ?x {{ $iris }} ?x ?p ?o }}"
    found = lines_of(snapshot_of(endpoint(server, query=query, batch=1), [W + "Beta", W + "Gamma"]))
    places = {
        name: {line.split()[2] for line in found if line.startswith(f"<{W}{name}>")} for name in ("Beta", "Gamma")
    }
    assert all(places.values())
    assert not places["Beta"] & places["Gamma"]


# Once is enough


def test_a_second_build_asks_nobody_unless_told_to(server: Server, small_world: Path) -> None:
    description = describe(small_world, server.url)
    first = build(description)
    asked = len(server.queries)
    server.store.add(ox.Quad(*(ox.NamedNode(W + name) for name in ("Beta", "o/starring", "New"))))
    assert build(description).fingerprint == first.fingerprint
    assert len(server.queries) == asked
    again = build(description, refresh=True)
    assert len(server.queries) > asked
    assert W + "New" in again.graph.nodes["wiki"].vocabulary


def test_an_interrupted_fetch_goes_on_where_it_stopped(server: Server) -> None:
    iris = [W + name for name in ("Alpha", "Beta", "Gamma")]
    server.failures = ["", "", "", "", "web page"]
    with pytest.raises(InputError, match="answers with text/html"):
        snapshot_of(endpoint(server, batch=1), iris)
    kept = server.queries[:4]
    found = lines_of(snapshot_of(endpoint(server, batch=1), iris))
    assert all(server.queries.count(query) == 1 for query in kept)
    assert found == lines_of(snapshot_of(endpoint(server), iris))


def test_the_graph_is_that_of_the_same_triples_in_a_file(server: Server, small_world: Path, tmp_path: Path) -> None:
    from_endpoint = build(describe(small_world, server.url), snapshots=tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["wiki.nt.gz"]
    (small_world / "wiki.nt.gz").write_bytes((tmp_path / "kept" / "wiki.nt.gz").read_bytes())
    asked = len(server.queries)
    # With a file beside the endpoint the file is read, and the endpoint left alone.
    from_file = build(describe(small_world, server.url, "file: wiki.nt.gz"))
    assert len(server.queries) == asked
    assert list(from_file.graph.nodes["wiki"].vocabulary) == list(from_endpoint.graph.nodes["wiki"].vocabulary)
    assert from_endpoint.graph.nodes["wiki"].labels.tolist() == ["Bo Ek, actor"]
    starring = EdgeType("item", "wiki:starring", "wiki")
    for dataset, source in ((from_endpoint, server.url), (from_file, "wiki.nt.gz")):
        assert dataset.graph.edges[starring].index.tolist() == [[0], [0]]
        assert dataset.graph.sources[int(dataset.graph.edges[starring].provenance[0])] == source
    assert from_endpoint.report["files"][server.url] == from_file.report["files"]["wiki.nt.gz"]
    assert from_endpoint.report["inputs"][server.url] == from_file.report["inputs"]["wiki.nt.gz"]


def test_where_the_file_is_absent_the_endpoint_is_asked(server: Server, small_world: Path) -> None:
    dataset = build(describe(small_world, server.url, "file: later.nt.gz"))
    assert dataset.graph.sources[-1] == server.url
    assert not (small_world / "later.nt.gz").exists()


def test_snapshots_never_replace_something_else(server: Server, small_world: Path, tmp_path: Path) -> None:
    (tmp_path / "wiki.nt.gz").write_bytes(b"mine")
    description = describe(small_world, server.url)
    with pytest.raises(InputError, match=r"wiki\.nt\.gz: another file of this name is there"):
        build(description, snapshots=tmp_path)
    assert (tmp_path / "wiki.nt.gz").read_bytes() == b"mine"
    for _ in range(2):  # the same content may be there already
        build(description, snapshots=tmp_path / "other")


def test_two_questions_to_one_server_are_two_sources(server: Server, small_world: Path) -> None:
    query = f"CONSTRUCT {{ ?a <{W}o/near> ?b }} WHERE {{ ?a <{W}o/starring> ?b }}"
    text = (small_world / "description.yaml").read_text()
    entries = f"  - {{endpoint: '{server.url}', source: wiki}}\n  - {{endpoint: {{url: '{server.url}', query: '{query}'}}, source: wiki}}"
    (small_world / "description.yaml").write_text(re.sub(r"  - \{file: facts\.nt\.gz.*\}", lambda _: entries, text))
    graph = build(Description.load(small_world / "description.yaml")).graph
    assert graph.sources[-2:] == (server.url, f"{server.url} (2)")


# What goes wrong


@pytest.mark.parametrize("failure", ["busy", "hang up", "cut off"])
def test_a_request_is_sent_again(server: Server, failure: str) -> None:
    whole = lines_of(snapshot_of(endpoint(server), [W + "Alpha"]))
    server.failures = [failure, failure]
    assert lines_of(snapshot_of(endpoint(server), [W + "Alpha"], refresh=True)) == whole


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        (["busy"] * 3, r"sparql answers 503 .*later"),
        (["hang up"] * 3, r"sparql cannot be asked"),
        (["hang"] * 3, r"sparql cannot be asked \(ReadTimeoutError.*give more timeout"),
        (["not RDF"], r"answers with text/turtle that is not valid"),
        (["web page"], r"answers with text/html; expected RDF .*is this the address"),
    ],
)
def test_each_failure_has_its_sentence(server: Server, failures: list[str], sentence: str) -> None:
    server.failures = failures
    with pytest.raises(InputError, match=sentence):
        snapshot_of(endpoint(server, timeout=0.3), [W + "Alpha"])


def test_what_the_server_says_of_a_query_reaches_the_user(server: Server) -> None:
    with pytest.raises(InputError, match=r"answers 400 .*line 1: error at"):
        snapshot_of(endpoint(server, query="CONSTRUCT { ?a ?b ?c "), [W + "Alpha"])


def test_an_endpoint_out_of_reach_is_an_error_or_a_note(
    small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/sparql"
        given = f"{{url: '{url}', retries: 0}}"
        with pytest.raises(InputError, match=r"cannot be asked .*check the address and the network"):
            build(describe(small_world, given))
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(text.replace("source: wiki,", "source: wiki, optional: true,"))
    dataset = build(Description.load(small_world / "description.yaml"))
    assert "wiki" not in dataset.graph.nodes
    assert any(note.startswith(f"The graph goes without triples of wiki: {url}") for note in dataset.report["notes"])


def test_without_links_nobody_is_asked(server: Server, small_world: Path) -> None:
    describe(small_world, server.url)
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(text.replace("    same_as: link\n", ""))
    dataset = build(Description.load(small_world / "description.yaml"))
    assert server.queries == []
    assert dataset.report["notes"] == [f"{server.url} is not asked, as no item has a link (same_as)."]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{source: wiki}", "give a file or an endpoint"),
        ("{source: wiki, endpoint: ftp://x.example/}", "an address that starts with http:// or https://"),
        (
            "{source: wiki, endpoint: {url: 'http://x.example/', query: 'SELECT * {}'}}",
            "query must be CONSTRUCT or DESCRIBE",
        ),
        ("{source: wiki, endpoint: {url: 'http://x.example/', query: 'INSERT DATA {}'}}", "query must be CONSTRUCT"),
        ("{source: wiki, endpoint: {uri: 'http://x.example/'}}", "uri.*Did you mean 'url'"),
    ],
)
def test_a_description_of_an_endpoint_is_checked(small_world: Path, entry: str, sentence: str) -> None:
    text = (small_world / "description.yaml").read_text()
    (small_world / "description.yaml").write_text(re.sub(r"\{file: facts\.nt\.gz.*\}", lambda _: entry, text))
    with pytest.raises(InputError, match=sentence):
        Description.load(small_world / "description.yaml")


def test_the_answers_survive_saving(server: Server, small_world: Path, tmp_path: Path) -> None:
    dataset = build(describe(small_world, server.url))
    dataset.save(tmp_path / "graph")
    loaded = Dataset.load(tmp_path / "graph")
    assert loaded.graph.sources == dataset.graph.sources
    assert server.url in loaded.report["inputs"]
