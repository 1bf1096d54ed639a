"""The choice of predicates: every way to write one, and an entry that never occurs."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg.errors import InputError
from kg.rdf.predicates import HIERARCHY, PREFIXES, PredicateChoice, local_name, relation_name

DBO = PREFIXES["dbo"]
FILE = Path("facts.nt")
ALL = [DBO + "starring", DBO + "director", "http://a.example/x#starring", "urn:x:y", HIERARCHY[0], HIERARCHY[1]]


def kept(**choice: object) -> set[str]:
    return set(PredicateChoice(**choice).kept(ALL, FILE))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("starring", {DBO + "starring", "http://a.example/x#starring"}),
        ("dbo:starring", {DBO + "starring"}),
        ("mine:starring", {"http://a.example/x#starring"}),
        (DBO + "director", {DBO + "director"}),
        ("dbo:*", {DBO + "starring", DBO + "director"}),
        (DBO + "dir*", {DBO + "director"}),
        ("urn:x:y", {"urn:x:y"}),
    ],
)
def test_an_entry_may_be_written_in_several_ways(entry: str, expected: set[str]) -> None:
    prefixes = {"mine": "http://a.example/x#"}
    assert kept(keep=[entry], prefixes=prefixes) == expected | set(HIERARCHY)
    assert kept(drop=[entry], prefixes=prefixes) == set(ALL) - expected


def test_all_is_kept_by_default_and_drop_goes_last() -> None:
    assert kept() == set(ALL)
    assert kept(keep=["dbo:*"], drop=["director", "skos:broader", "subClassOf"]) == {DBO + "starring"}
    assert kept(keep=[]) == set(HIERARCHY)


def test_own_prefixes_go_before_well_known_ones() -> None:
    assert kept(keep=["dbo:y"], prefixes={"dbo": "urn:x:"}) == {"urn:x:y", *HIERARCHY}


@pytest.mark.parametrize("verb", ["keep", "drop"])
@pytest.mark.parametrize("entry", ["staring", "dbo:staring", DBO + "staring", "foaf:*"])
def test_an_entry_that_never_occurs_is_an_error(verb: str, entry: str) -> None:
    with pytest.raises(InputError, match=f"no triple has the predicate '.*' that the description {verb}s") as caught:
        kept(**{verb: [entry]})
    assert ("Did you mean 'starring'" in str(caught.value)) == entry.endswith("staring")


def test_without_triples_nothing_is_asked() -> None:
    assert PredicateChoice(keep=["anything"]).kept([], FILE) == frozenset()


def test_names() -> None:
    assert local_name("http://a.example/onto#starring") == "starring"
    assert relation_name("wiki", "http://a.example/Caf%C3%A9-1/") == "wiki:Caf_-1"
    assert relation_name("freebase", "http://rdf.freebase.com/ns/film.film.actor") == "freebase:film.film.actor"
