from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError, UnknownNameError
from kg.schema import EdgeType, Namespace, Schema

SCHEMA = Schema(
    kinds=("user", "item", "person"),
    edge_types=(EdgeType("item", "director", "person"), EdgeType("item", "wiki:star", "person")),
)


@given(
    raw_id=st.text(), base=st.sampled_from(["https://a.example/", "https://b.example/kg/", "https://kgrec.example/"])
)
def test_any_id_round_trips_through_its_iri(raw_id: str, base: str) -> None:
    namespace = Namespace(base)
    iri = namespace.node("item", raw_id)
    assert namespace.raw_id(iri) == ("item", raw_id)
    assert iri.isascii()
    assert not set(iri.removeprefix(base + "item/")) & set(' /#?<>"{}|\\^`\n')


def test_ids_that_look_alike_get_iris_of_their_own() -> None:
    ids = ["a/b", "a%2Fb", "a b", "a+b", "007", "7", "\u00e9", "e\u0301"]
    assert len({Namespace().node("item", raw_id) for raw_id in ids}) == len(ids)


@pytest.mark.parametrize("iri", ["http://elsewhere.example/item/1", "https://kgrec.example/item"])
def test_foreign_iris_are_refused(iri: str) -> None:
    with pytest.raises(ValueError, match="was not minted"):
        Namespace().raw_id(iri)


def test_a_misspelt_name_raises() -> None:
    assert SCHEMA.kind("person") == "person"
    assert SCHEMA.relation("director") == (EdgeType("item", "director", "person"),)
    with pytest.raises(UnknownNameError, match="Did you mean 'person'"):
        SCHEMA.kind("persons")
    with pytest.raises(UnknownNameError, match="Did you mean 'director'"):
        SCHEMA.relation("directer")


@pytest.mark.parametrize("name", ["", "Actor", "two words", "1st", "a:b:c"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a node kind or relation"):
        Schema(kinds=("user", "item", name), edge_types=())


def test_edge_types_need_their_kinds() -> None:
    with pytest.raises(UnknownNameError):
        Schema(kinds=("user", "item"), edge_types=(EdgeType("item", "director", "person"),))
