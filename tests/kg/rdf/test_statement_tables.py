"""Statements of files in tables of an engine: what is taken, what is counted, and on which lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kg.errors import InputError

A = "http://a.example/"
PLAIN = f"<{A}x> <{A}p> <{A}y>"


def test_named_graphs_and_statements_about_statements_are_counted(read_rdf: Callable[..., Any], tmp_path: Path) -> None:
    quoted = f"<{A}x> <{A}says> <<( {PLAIN} )>> .\n"
    text = f'{PLAIN} <{A}g> .\n{quoted}{PLAIN} _:g .\n{PLAIN} .\n<{A}x> <{A}p> "a" <{A}g> .\n'
    found = read_rdf(tmp_path / "t.nq", text, literals=["p"])
    assert [triple[3] for triple in found.triples] == [1, 3, 4]
    assert [literal[5] for literal in found.literals] == [5]
    assert found.account.counts == {"statements in named graphs, taken as well": 3, "literals read": 1}
    assert found.account.dropped == {"a statement about a statement": 1}
    assert found.account.rows == 5


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
