"""The part of a description that names a SPARQL endpoint, and the queries that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pyoxigraph as ox
from pydantic import Field, field_validator

from kg.tabular.table_format import Part

__all__ = ["Endpoint"]

_IRIS = "$iris"
_FORM = re.compile(r"\b(select|ask|construct|describe|insert|delete|load|clear)\b", re.IGNORECASE)
_READABLE = '(lang(?object) = "" || langMatches(lang(?object), "en"))'
_TRIPLES = (
    "CONSTRUCT { ?subject ?predicate ?object } WHERE { VALUES ?subject { $iris } ?subject ?predicate ?object "
    f"FILTER(isIRI(?object) || (isLiteral(?object) && {_READABLE})) }} ORDER BY ?subject ?predicate ?object"
)
_LABELS = (
    "CONSTRUCT { ?subject ?predicate ?object } WHERE { VALUES ?subject { $iris } "
    "VALUES ?predicate { <http://www.w3.org/2000/01/rdf-schema#label> <http://www.w3.org/2004/02/skos/core#prefLabel> "
    "<https://schema.org/name> <http://schema.org/name> } ?subject ?predicate ?object "
    f"FILTER({_READABLE}) }} ORDER BY ?subject ?predicate ?object"
)


class Endpoint(Part):
    """A SPARQL endpoint that is asked about the linked items."""

    url: str
    """Address of the endpoint, as the SPARQL protocol wants it: `https://dbpedia.org/sparql`."""
    query: str | None = None
    """CONSTRUCT or DESCRIBE query; `$iris` stands for the IRIs of linked items, in batches. By default: all that the
    items are subjects of, and the labels of what is reached so; texts without language or in English."""
    batch: int = Field(default=200, ge=1, le=10_000)
    """IRIs in one request."""
    page_size: int = Field(default=10_000, ge=1)
    """Triples in one answer: LIMIT and OFFSET are added, until an answer brings nothing new. A query of your own is sent
    as it stands; a smaller batch keeps its answers small."""
    timeout: float = Field(default=60.0, gt=0, le=3600)
    """Seconds to wait for one answer."""
    retries: int = Field(default=4, ge=0, le=20)
    """How often a request is sent again when the server is busy or cannot be reached."""
    pause: float = Field(default=1.0, ge=0, le=60)
    """Seconds before the second repetition; they double with each."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s/]\S*", url):
            raise ValueError("give an address that starts with http:// or https://")
        return url

    @field_validator("query")
    @classmethod
    def _reads(cls, query: str | None) -> str | None:
        form = None if query is None else _FORM.search(re.sub(r"<[^<>\s]*>", " ", query))
        if query is not None and (form is None or form[0].lower() not in ("construct", "describe")):
            raise ValueError("query must be CONSTRUCT or DESCRIBE, which answer with triples")
        return query

    @property
    def asks_about_items(self) -> bool:
        """Whether the query names the linked items; if not, it is asked once as it stands."""
        return self.query is None or _IRIS in self.query

    def queries(self, iris: Iterable[str], *, labels: bool = False) -> Iterator[str]:
        """Yield the queries about items, a batch each, without LIMIT and OFFSET.

        Args:
            iris: Valid IRIs; they are asked about in the order of their code points, each once.
            labels: Ask for labels alone.
        """
        template = _LABELS if labels else self.query or _TRIPLES
        if not self.asks_about_items:
            yield template
            return
        ordered = sorted(set(iris))
        for start in range(0, len(ordered), self.batch):
            nodes = (str(ox.NamedNode(iri)) for iri in ordered[start : start + self.batch])
            yield template.replace(_IRIS, " ".join(nodes))
