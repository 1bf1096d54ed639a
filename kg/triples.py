"""The terms of triples: IRIs, nodes without one, labels."""

from __future__ import annotations

import pyoxigraph as ox

__all__ = ["BLANK", "LABELS", "is_iri"]

BLANK = "_:"  # begins the id of a node without an IRI, followed by its file and its label there
LABELS = (
    "http://www.w3.org/2000/01/rdf-schema#label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://www.w3.org/2004/02/skos/core#prefLabel",
)


def is_iri(text: str) -> bool:
    """Return whether a text is an absolute, valid IRI."""
    try:
        ox.NamedNode(text)
    except ValueError:
        return False
    return True
