from __future__ import annotations

from kg.triples import is_iri


def test_iris() -> None:
    assert is_iri("http://a.example/Ry\u016bz\u014d_(film)")
    assert not any(is_iri(text) for text in ("", "film", "http://a.example/a b", "http://a.example/<x>", "_:b"))
