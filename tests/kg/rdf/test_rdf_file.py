"""RDF of every format and packing gives the same triples; what is not valid is one sentence or a counted line."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import InputError
from kg.rdf.rdf_file import FORMATS, rdf_format

A = "http://a.example/"
SUFFIXES = {
    "turtle": ".ttl",
    "n-triples": ".nt",
    "n-quads": ".nq",
    "trig": ".trig",
    "rdf-xml": ".rdf",
    "json-ld": ".jsonld",
}
# Letters of a name: RDF/XML can only write predicates that end in one.
NAMES = st.text(string.ascii_letters, min_size=1, max_size=3)
IRIS = st.builds(
    lambda name: A + name,
    st.lists(st.sampled_from([*"aé世~:;@!$&'()*+,=-._/?", "%41"]), min_size=1, max_size=6).map("".join),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\t"\\<>&\n'), max_size=8)
LITERALS = st.one_of(
    st.builds(ox.Literal, TEXTS),
    st.builds(
        lambda text, language: ox.Literal(text, language=language), TEXTS, st.sampled_from(["en", "de-at", "zh"])
    ),
    st.builds(lambda number: ox.Literal(str(number), datatype=ox.NamedNode(A + "unit#minute")), st.integers()),
)
TRIPLES = st.lists(
    st.builds(
        lambda subject, name, target: ox.Triple(ox.NamedNode(subject), ox.NamedNode(A + "p/" + name), target),
        IRIS,
        NAMES,
        st.builds(ox.NamedNode, IRIS) | LITERALS,
    ),
    min_size=1,
    max_size=15,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rdf")


@settings(max_examples=12)
@given(triples=TRIPLES)
def test_the_same_triples_in_every_format_and_packing_are_the_same(
    read_rdf: Callable[..., Any], folder: Path, packings: dict[str, Callable[[bytes], bytes]], triples: list[ox.Triple]
) -> None:
    between = {
        (triple.subject.value, triple.predicate.value, triple.object.value)
        for triple in triples
        if isinstance(triple.object, ox.NamedNode)
    }
    about = {
        (triple.subject.value, triple.predicate.value, literal.value, literal.datatype.value, literal.language)
        for triple in triples
        if isinstance(literal := triple.object, ox.Literal)
    }
    for number, (name, suffix) in enumerate(SUFFIXES.items()):
        content = ox.serialize(triples, format=FORMATS[name])
        assert content is not None
        packing = list(packings)[(number + len(triples)) % len(packings)]
        found = read_rdf(folder / f"t{suffix}{packing}", packings[packing](content), literals=["http://*"])
        assert {triple[:3] for triple in found.triples} == between
        assert {literal[:5] for literal in found.literals} == about
        assert not found.account.dropped
        assert found.account.rows == len(found.triples) + len(found.literals)


def test_lines_count_on_over_many_blocks(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    lines = [f"<{A}{number}> <{A}p> <{A}o> ." for number in range(60_000)]
    lines[30_000] = "rubbish"
    found = read_rdf(tmp_path / "t.nt", "\n".join(lines))
    numbers = [int(triple[0].removeprefix(A)) for triple in found.triples]
    assert [number + 1 for number in numbers] == [triple[3] for triple in found.triples]
    assert len(numbers) == 59_999
    assert found.account.examples == {"the line is not valid N-Triples": ["line 30001"]}


def test_named_graphs_are_taken_and_counted(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    found = read_rdf(tmp_path / "t.trig", f"<{A}g> {{ <{A}x> <{A}p> <{A}y> }} <{A}x> <{A}p> <{A}z> .")
    assert {triple[2] for triple in found.triples} == {A + "y", A + "z"}
    assert found.account.counts == {"statements in named graphs, taken as well": 1}


def test_statements_about_statements_are_counted(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    found = read_rdf(tmp_path / "t.nt", f"<{A}x> <{A}says> <<( <{A}a> <{A}p> <{A}b> )>> .\n")
    assert (len(found.triples), found.account.dropped) == (0, {"a statement about a statement": 1})


def test_nodes_without_iri_have_the_same_names_in_every_reading(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    text = f"<{A}x> <{A}p> [ <{A}q> <{A}y> ; <{A}r> [ <{A}q> <{A}z> ] ] ."
    first = read_rdf(tmp_path / "t.ttl", text)
    again = read_rdf(tmp_path / "t.ttl", text)
    assert first.triples == again.triples
    assert {triple[2] for triple in first.triples if triple[2].startswith("_:")} == {"_:t.ttl#0", "_:t.ttl#1"}
    lines = read_rdf(tmp_path / "t.nt", f"<{A}x> <{A}p> _:me .")
    assert lines.triples == [(A + "x", A + "p", "_:t.nt#me", 1)]


@pytest.mark.parametrize("suffix", [".ttl", ".rdf", ".jsonld"])
def test_relative_iris_start_from_the_base_or_are_counted(
    read_rdf: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    text = {
        ".ttl": f"<x> <{A}p> <y> .",
        ".rdf": f'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="{A}"><r:Description r:about="x">'
        '<a:p r:resource="y"/></r:Description></r:RDF>',
        ".jsonld": f'{{"@id": "x", "{A}p": {{"@id": "y"}}}}',
    }[suffix]
    found = read_rdf(tmp_path / f"t{suffix}", text)
    assert len(found.triples) == 0
    assert found.account.dropped == {"a relative IRI; give base: IRI in the description to keep these": 1}
    assert found.account.examples == {"a relative IRI; give base: IRI in the description to keep these": ["<x>"]}
    found = read_rdf(tmp_path / f"t{suffix}", text, base="http://b.example/")
    assert found.triples == [("http://b.example/x", A + "p", "http://b.example/y", 0)]


XML = '<?xml version="1.0"?>\n{}<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://a.example/">\n{}\n</r:RDF>\n'
BAD = {
    "remote context": ("t.jsonld", '{"@context": "https://schema.org/", "name": "x"}', None, "nothing is fetched"),
    "remote context among others": ("t.jsonld", f'{{"@context": [{{"p": "{A}p"}}, "https://b.example/"], "@id": "{A}x"}}', None, "nothing is fetched"),
    "plain JSON": ("t.json", '{"name": "x"}', None, "found none; without an @context"),
    "broken JSON": ("t.jsonld", '{\n"@id": "x",\n}', 3, "expected valid JSON-LD"),
    "empty JSON": ("t.jsonld", "", 1, "expected valid JSON-LD"),
    "deep JSON": ("t.jsonld", "[" * 100_000, 1, "expected valid JSON-LD"),
    "broken XML": ("t.rdf", XML.format("", '<r:Description r:about="http://a.example/x">\n<a:p></r:Description>'), 4, "expected valid RDF/XML"),
    "no RDF": ("t.xml", "<html>\n<body/></html>", None, "expected valid RDF/XML"),
    "broken Turtle": ("t.ttl", f"<{A}x> <{A}p> <{A}y> .\n<{A}x> <{A}p>\n", 3, "expected valid Turtle"),
    "broken TriG": ("t.trig", f"<{A}g> {{\n<{A}x> .\n}}", 2, "expected valid TriG"),
    "broken N-Quads, strict": ("t.nq", f"<{A}x> <{A}p> <{A}y> <{A}g> .\n<{A}x>\n", 2, "expected valid N-Quads"),
    "bad bytes": ("t.ttl", b'<http://a.example/x> <http://a.example/p>\n"\xff" .', 2, "expected valid Turtle"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_valid_is_one_sentence_with_its_line(
    read_rdf: Callable[..., Any], tmp_path: Path, case: str
) -> None:
    name, content, line, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read_rdf(tmp_path / name, content, lenient=False)
    assert caught.value.line == line
    assert caught.value.file == str(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "Parser error at line" not in str(caught.value)


def test_short_entities_are_read_rdf(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    entity = '<!DOCTYPE r [<!ENTITY e "http://a.example/">]>\n'
    found = read_rdf(
        tmp_path / "t.owl", XML.format(entity, '<r:Description r:about="&e;x"><a:p r:resource="&e;y"/></r:Description>')
    )
    assert found.triples == [(A + "x", A + "p", A + "y", 0)]


def test_a_line_without_end_is_refused(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a line of more than 64 MB"):
        read_rdf(tmp_path / "t.nt", b"a" * (100 << 20))


def test_the_format_may_be_named(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    found = read_rdf(tmp_path / "t.txt", f"<{A}x> <{A}p> <{A}y> .", form="turtle")
    assert len(found.triples) == 1
    with pytest.raises(InputError, match=r"\.txt.* is of no RDF format.*format: NAME"):
        rdf_format(tmp_path / "t.txt")
