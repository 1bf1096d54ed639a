"""The closed vocabulary of a graph: node kinds, relations, and the IRIs that stand for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from kg.errors import InputError, UnknownNameError, did_you_mean

__all__ = ["DEFAULT_NAMESPACE", "ITEM", "RATED", "USER", "EdgeType", "Namespace", "Schema"]

USER = "user"
ITEM = "item"
# The relation of an edge that stands for a rating; capitals, so that no relation of a description can be called so.
RATED = "RATED"
DEFAULT_NAMESPACE = "https://kgrec.example/"
_NAME = re.compile(r"[a-z][a-z0-9_]*(:[A-Za-z0-9_.\-]+)?")


class EdgeType(NamedTuple):
    """`(source kind, relation, target kind)`, the triple that PyG calls an edge type."""

    source: str
    relation: str
    target: str


@dataclass(frozen=True)
class Schema:
    """The node kinds and relations of a graph; a misspelt name raises.

    Attributes:
        kinds: Node kinds; `user` and `item` are always there.
        edge_types: One triple a relation. A relation of a table is named as in the description
            (`director`), a relation of an RDF source is `source:predicate` (`dbpedia:starring`).
    """

    kinds: tuple[str, ...]
    edge_types: tuple[EdgeType, ...]

    def __post_init__(self) -> None:
        for name in (*self.kinds, *(edge_type.relation for edge_type in self.edge_types)):
            if not _NAME.fullmatch(name):
                raise InputError(
                    f"the name {name!r} cannot be a node kind or relation; use lower-case letters, digits and '_', starting with a letter"
                )
        for edge_type in self.edge_types:
            self.kind(edge_type.source)
            self.kind(edge_type.target)

    def kind(self, name: str) -> str:
        """Return `name` if it is a node kind of this graph, else raise `UnknownNameError`."""
        if name not in self.kinds:
            known = ", ".join(self.kinds)
            raise UnknownNameError(
                f"{name!r} is no node kind of this graph; it has {known}.{did_you_mean(name, self.kinds)}"
            )
        return name

    def relation(self, name: str) -> tuple[EdgeType, ...]:
        """Return the edge types of a relation, else raise `UnknownNameError`."""
        matching = tuple(edge_type for edge_type in self.edge_types if edge_type.relation == name)
        if not matching:
            known = sorted({edge_type.relation for edge_type in self.edge_types})
            raise UnknownNameError(
                f"{name!r} is no relation of this graph; it has {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
            )
        return matching


@dataclass(frozen=True)
class Namespace:
    """Mints IRIs from raw ids and reads them back: `base + kind + "/" + percent-encoded id`."""

    base: str = DEFAULT_NAMESPACE

    def node(self, kind: str, raw_id: str) -> str:
        """Return the IRI of a node; every character outside `A-Z a-z 0-9 - . _ ~` is percent-encoded."""
        return f"{self.base}{kind}/{quote(raw_id, safe='')}"

    def raw_id(self, iri: str) -> tuple[str, str]:
        """Return `(kind, raw id)` of an IRI that `node` minted; raises `ValueError` for any other."""
        kind, slash, encoded = iri.removeprefix(self.base).partition("/")
        if not iri.startswith(self.base) or not slash:
            raise ValueError(f"{iri!r} was not minted in the namespace {self.base!r}")
        return kind, unquote(encoded)

    def term(self, name: str) -> str:
        """Return the IRI of a class, property or relation of our own small vocabulary."""
        return f"{self.base}vocabulary#{quote(name, safe='')}"
