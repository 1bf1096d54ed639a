from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kg.errors import InputError
from kg.predicates import PredicateChoice, local_name
from kg.report import FileAccount
from kg.triples import Triples, is_iri, link_triples, read_triples

A = "http://a.example/"


def read(tmp_path: Path, text: str, name: str = "t.ttl") -> tuple[Triples, FileAccount]:
    account = FileAccount()
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return read_triples(tmp_path / name, lenient=True, account=account), account


def test_turtle_with_labels_literals_and_blank_nodes(tmp_path: Path) -> None:
    text = (
        "@prefix : <http://a.example/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
        ':x :likes :y , "text" , [ :of :z ] ; rdfs:label "Iks"@de , "Ex"@en , "X" .'
    )
    triples, account = read(tmp_path, text, "t.ttl.gz")
    blank = "_:t.ttl.gz#0"
    expected = {(A + "x", A + "likes", A + "y"), (A + "x", A + "likes", blank), (blank, A + "of", A + "z")}
    assert set(triples.frame[["subject", "predicate", "object"]].itertuples(index=False, name=None)) == expected
    assert triples.labels == {A + "x": "Ex"}
    assert account.dropped == {"the object is a literal": 1}
    assert account.counts == {"labels read": 3}
    assert account.rows == 7


def test_every_bad_line_is_named_and_every_good_one_read(tmp_path: Path) -> None:
    good = [f"<{A}{number}> <{A}p> <{A}o> ." for number in range(50)]
    lines = list(good)
    for place in (0, 7, 8, 30, 53):
        lines.insert(place, f"<{A}bad iri> <{A}p> <{A}o> .")
    triples, account = read(tmp_path, "\n".join(lines), "t.nt")
    assert triples.frame["subject"].tolist() == [f"{A}{number}" for number in range(50)]
    assert account.dropped == {"the line is not valid N-Triples": 5}
    assert account.examples == {"the line is not valid N-Triples": ["line 1", "line 8", "line 9"]}
    assert account.rows == 55


def test_links_count_for_every_item_that_bears_the_iri(tmp_path: Path) -> None:
    text = f"<{A}x> <{A}p> <{A}e> .\n<{A}x> <{A}p> <{A}e> .\n<{A}f> <{A}q> <{A}y> .\n<{A}f> <{A}p> <{A}g> .\n"
    triples, account = read(tmp_path, text, "t.nt")
    linked = link_triples(triples, {A + "x": [0, 2], A + "y": [1]}, PredicateChoice(), tmp_path / "t.nt", account)
    assert linked.edges[["subject_item", "object_item"]].to_numpy().tolist() == [[0, -1], [2, -1], [-1, 1]]
    assert linked.entities == [A + "e", A + "f"]
    assert account.dropped == {"neither end is a linked item or reached from one": 1, "stated twice": 1}
    assert account.rows == account.kept + sum(account.dropped.values())


def test_predicates_are_kept_by_local_name_or_whole_iri_and_broader_always(tmp_path: Path) -> None:
    broader = "http://www.w3.org/2004/02/skos/core#broader"
    text = "".join(f"<{A}x> <{A}{name}> <{A}{name}o> .\n" for name in "pqr") + f"<{A}po> <{broader}> <{A}qo> .\n"
    triples, account = read(tmp_path, text, "t.nt")
    linked = link_triples(triples, {A + "x": [0]}, PredicateChoice(keep=["p", A + "q"]), tmp_path / "t.nt", account)
    assert linked.edges["predicate"].tolist() == [A + "p", A + "q", broader]
    assert account.dropped == {"the predicate is not kept": 1}


def test_an_unknown_suffix_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one of \.ttl.*Did you mean '\.ttl'"):
        read(tmp_path, "", "t.ttx")


def test_iris_and_local_names() -> None:
    assert is_iri("http://a.example/Ry\u016bz\u014d_(film)")
    assert not any(is_iri(text) for text in ("", "film", "http://a.example/a b", "http://a.example/<x>"))
    assert local_name("http://a.example/onto#starring") == "starring"
    assert local_name("http://a.example/Caf%C3%A9/") == "Caf\u00e9"


def test_a_hierarchy_is_followed_upwards_to_its_top(tmp_path: Path) -> None:
    broader = "http://www.w3.org/2004/02/skos/core#broader"
    chain = "".join(f"<{A}c{step}> <{broader}> <{A}c{step + 1}> .\n" for step in range(4))
    aside = f"<{A}other> <{broader}> <{A}c2> .\n"  # narrower than a reached concept, but itself not reached
    triples, account = read(tmp_path, f"<{A}x> <{A}p> <{A}c0> .\n" + chain + aside, "t.nt")
    linked = link_triples(triples, {A + "x": [0]}, PredicateChoice(keep=["p"]), tmp_path / "t.nt", account)
    assert linked.entities == [f"{A}c{step}" for step in range(5)]
    assert account.dropped == {"neither end is a linked item or reached from one": 1}
