"""Statements of files in tables of an engine: what is taken, what is counted, and on which lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import InputError

A = "http://a.example/"
PLAIN = f"<{A}x> <{A}p> <{A}y>"
HOSTILE = [
    f"{PLAIN} .",
    f"{PLAIN}.",
    f"\t{PLAIN}\t.\t",
    f"{PLAIN} . # said",
    f"<{A}\\u0041> <{A}p> <{A}y> .",
    f'<{A}x> <{A}p> "a" .',
    f'<{A}x> <{A}p> "a\\"b\\nc" .',
    f'<{A}x> <{A}p> "a"@en .',
    f'<{A}x> <{A}p> "a"@en-GB .',
    f'<{A}x> <{A}p> "7"^^<http://www.w3.org/2001/XMLSchema#int> .',
    f'<{A}x> <{A}p> "two  blanks\té\u2028" .',
    f"_:b <{A}p> <{A}y> .",
    f'_:b <{A}p> "a" .',
    f"<{A}x> <{A}p> _:b .",
    f"<{A}x> <{A}p> <<( <{A}a> <{A}p> <{A}b> )>> .",
    "<urn:x> <mailto:y@z> <x:> .",
    "",
    "  # a comment",
    f"<{A}x y> <{A}p> <{A}z> .",
    f"<{A}x%zz> <{A}p> <{A}z> .",
    f"<{A}x> <{A}p> <{A}y> . <{A}x> <{A}p> <{A}z> .",
    f"<{A}x> <{A}p>",
    f"<{A}x> {PLAIN} .",
    "<relative> <{A}p> <y> .",
    '"a" <{A}p> <y> .',
    "rubbish",
    "\ufeff",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statements")


@settings(max_examples=25)
@given(
    lines=st.lists(st.sampled_from(HOSTILE), max_size=40),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    graph=st.sampled_from(["", f" <{A}g>", " _:g"]),
)
def test_every_line_stands_alone_as_the_full_parser_reads_it(
    read_rdf: Callable[..., Any], folder: Path, lines: list[str], end: str, graph: str
) -> None:
    name, form = ("t.nq", ox.RdfFormat.N_QUADS) if graph else ("t.nt", ox.RdfFormat.N_TRIPLES)
    lines = ["", *(line.replace(" .", f"{graph} .") for line in lines)]
    found = read_rdf(folder / name, end.join(lines), literals=["http://*", "mailto:*"])
    triples, literals, bad, quoted, named = [], [], 0, 0, 0
    for number, line in enumerate(lines, 1):
        try:
            quads = list(ox.parse(line, format=form))
        except SyntaxError:
            bad += 1
            continue
        for quad in quads:
            named += not isinstance(quad.graph_name, ox.DefaultGraph)
            subject, predicate, target = (
                f"_:{name}#{term.value}" if isinstance(term, ox.BlankNode) else getattr(term, "value", "")
                for term in quad.triple
            )
            if isinstance(quad.object, ox.Literal):
                language = quad.object.language
                literals.append((subject, predicate, target, quad.object.datatype.value, language, number))
            elif isinstance(quad.object, ox.Triple):
                quoted += 1
            else:
                triples.append((subject, predicate, target, number))
    assert found.triples == triples
    assert found.literals == literals
    account = found.account
    assert account.dropped.get(f"the line is not valid {form.name}", 0) == bad
    assert account.dropped.get("a statement about a statement", 0) == quoted
    assert account.counts.get("statements in named graphs, taken as well", 0) == named
    assert account.rows == len(triples) + len(literals) + bad + quoted


def test_turtle_with_labels_literals_and_blank_nodes(
    read_rdf: Callable[..., Any], packings: dict[str, Callable[[bytes], bytes]], tmp_path: Path
) -> None:
    text = (
        "@prefix : <http://a.example/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        ':x :likes :y , "text" , [ :of :z ] ; rdfs:label "Iks"@de , "Ex"@en , "X" .'
    )
    found = read_rdf(tmp_path / "t.ttl.gz", packings[".gz"](text.encode()))
    blank = "_:t.ttl.gz#0"
    expected = {(A + "x", A + "likes", A + "y", 0), (A + "x", A + "likes", blank, 0), (blank, A + "of", A + "z", 0)}
    assert set(found.triples) == expected
    assert found.labels == {A + "x": "Ex"}
    assert found.account.dropped == {"the object is a literal": 1}
    assert found.account.counts == {"labels read": 3}
    assert found.account.rows == 7


def test_every_bad_line_is_named_and_every_good_one_read(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    good = [f"<{A}{number}> <{A}p> <{A}o> ." for number in range(50)]
    lines = list(good)
    for place in (0, 7, 8, 30, 53):
        lines.insert(place, f"<{A}bad iri> <{A}p> <{A}o> .")
    found = read_rdf(tmp_path / "t.nt", "\n".join(lines))
    assert [triple[0] for triple in found.triples] == [f"{A}{number}" for number in range(50)]
    assert found.account.dropped == {"the line is not valid N-Triples": 5}
    assert found.account.examples == {"the line is not valid N-Triples": ["line 1", "line 8", "line 9"]}
    assert found.account.rows == 55


def test_bytes_that_are_no_text_spoil_their_line_only(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    found = read_rdf(
        tmp_path / "t.nt", f"{PLAIN} .\n".encode() + b'<http://a> <http://b> "\xff" .\n' + f"{PLAIN} .".encode()
    )
    assert [triple[3] for triple in found.triples] == [1, 3]
    assert found.account.examples == {"the line is not valid N-Triples": ["line 2"]}


def test_many_statements_of_a_format_without_lines_keep_their_order(
    read_rdf: Callable[..., Any], tmp_path: Path
) -> None:
    number = 150_000
    found = read_rdf(tmp_path / "t.ttl", "".join(f"<{A}{n}> <{A}p> <{A}o> .\n" for n in range(number)))
    assert [triple[0] for triple in found.triples] == [f"{A}{n}" for n in range(number)]


def test_an_unknown_suffix_is_an_input_error(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one of \.ttl.*Did you mean '\.ttl'"):
        read_rdf(tmp_path / "t.ttx", "")
