"""Hostile RDF: what nests without end, or grows without end, is one sentence and harms nobody."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from kg.rdf import rdf_file
from kg.rdf.rdf_file import write_as_nquads

A = "http://a.example/"
DEEP = 20_000
XML = '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:a="http://a.example/">{}</r:RDF>'
QUOTED = f"<{A}x> <{A}p> " + f"<<( <{A}x> <{A}p> " * DEEP + f"<{A}y>" + " )>>" * DEEP + " .\n"


def nested_json(depth: int) -> str:
    return f'{{"@id":"{A}x","{A}p":' * depth + f'{{"@id":"{A}y"}}' + "}" * depth


def test_nested_json_ld_is_refused(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    """20,000 objects within each other, 1 MB, took 9.8 GB and then ended the process by a fault."""
    with pytest.raises(InputError, match=r"parsing this takes far more memory than its size explains.*N-Triples"):
        read_rdf(tmp_path / "t.jsonld", nested_json(DEEP))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # KB


def test_json_ld_as_people_write_it_is_read(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    assert len(read_rdf(tmp_path / "t.jsonld", nested_json(100)).triples) == 100


@pytest.mark.parametrize("suffix", [".ttl", ".trig"])
def test_nested_statements_about_statements_are_refused(
    read_rdf: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    """The parser goes down by recursion: they ended the process by a fault."""
    with pytest.raises(InputError, match="nested"):
        read_rdf(tmp_path / f"t{suffix}", QUOTED)


@pytest.mark.parametrize("lenient", [True, False])
def test_lines_that_are_nested_are_counted(read_rdf: Callable[..., Any], tmp_path: Path, lenient: bool) -> None:
    many = "<< " * 50
    found = read_rdf(
        tmp_path / "t.nt",
        f'{QUOTED}<{A}x> <{A}says> "{many}\\n" .\n<{A}x> <{A}p> <{A}y> .\n',
        literals=["http://*"],
        lenient=lenient,
    )
    assert found.account.dropped == {"a statement about a statement": 1}
    assert [literal[2] for literal in found.literals] == [many + "\n"]
    assert len(found.triples) == 1


@pytest.mark.parametrize(
    ("name", "content", "number"),
    [
        ("t.ttl", f"<{A}x> <{A}p> " + f"[ <{A}p> " * DEEP + f"<{A}y>" + " ]" * DEEP + " .", DEEP + 1),
        ("t.ttl", f"<{A}x> <{A}p> " + "( " * DEEP + ")" * DEEP + " .", 2 * DEEP - 1),
        ("t.rdf", XML.format("<r:Description><a:p>" * 500 + "<r:Description/>" + "</a:p></r:Description>" * 500), 500),
    ],
)
def test_what_the_parser_holds_in_bounded_memory_is_read(
    read_rdf: Callable[..., Any], tmp_path: Path, name: str, content: str, number: int
) -> None:
    assert read_rdf(tmp_path / name, content).account.rows == number


def test_time_is_bounded(read_rdf: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements within each other take the parser of RDF/XML time that grows with the square of their number."""
    monkeypatch.setattr(rdf_file, "_SECONDS", 1)
    monkeypatch.setattr(rdf_file, "_SECONDS_PER_MB", 0)
    with pytest.raises(InputError, match="far more time than its size explains"):
        read_rdf(tmp_path / "t.rdf", XML.format("<r:Description><a:p>" * 100_000))


def test_entities_that_fill_the_memory_are_refused(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE r [<!ENTITY e0 "{"x" * 100}">{entities}]>' + XML.format(
        "<r:Description><a:p>&e11;</a:p></r:Description>"
    )
    with pytest.raises(InputError, match=r"far more (memory|time) than its size explains"):
        read_rdf(tmp_path / "t.rdf", bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


def test_statements_are_those_of_the_parser_itself(tmp_path: Path) -> None:
    content = f'@prefix a: <{A}> . a:x a:p "1"@en, a:y, [ a:q "\\n" ] . <rel> a:p a:z .'.encode()
    for form, text in ((ox.RdfFormat.TURTLE, content), (ox.RdfFormat.TRIG, b"<urn:g> { <urn:a> <urn:b> 1.50 }")):
        (tmp_path / "t").write_bytes(text)
        write_as_nquads(tmp_path / "t", form, tmp_path / "t.nq", base=A)
        ours = ox.Dataset(ox.parse((tmp_path / "t.nq").read_bytes(), format=ox.RdfFormat.N_QUADS))
        theirs = ox.Dataset(ox.parse(text, format=form, base_iri=A))
        for dataset in (ours, theirs):
            dataset.canonicalize(ox.CanonicalizationAlgorithm.UNSTABLE)
        assert ours == theirs


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "expected statements, found none"),
        ("# only a comment\n\n", "expected statements, found none"),
        (
            "rubbish\nmore rubbish\n",
            r"not one of 2 statements can be used \(the line is not valid N-Triples, the first: line 1\)",
        ),
        (f'<{A}x> <{A}budget> "12" .\n', r"not one of 1 statements can be used \(the object is a literal\)"),
    ],
)
def test_a_file_that_states_nothing_is_an_error(small_world: Path, content: str, sentence: str) -> None:
    text = (small_world / "description.yaml").read_text().replace("facts.nt.gz", "facts.nt")
    (small_world / "description.yaml").write_text(text)
    (small_world / "facts.nt").write_text(content)
    with pytest.raises(InputError, match=rf"facts\.nt: {sentence}"):
        build(Description.load(small_world / "description.yaml"))


def test_an_empty_turtle_file_is_an_error(small_world: Path) -> None:
    text = (small_world / "description.yaml").read_text().replace("facts.nt.gz", "facts.ttl")
    (small_world / "description.yaml").write_text(text)
    (small_world / "facts.ttl").write_text("@prefix a: <http://a.example/> .\n")
    with pytest.raises(InputError, match=r"facts\.ttl: expected statements, found none"):
        build(Description.load(small_world / "description.yaml"))
