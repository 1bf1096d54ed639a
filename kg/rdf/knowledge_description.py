"""The part of a description that names a source of knowledge: RDF files, tables of triples, SPARQL endpoints."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from kg.rdf.endpoint import Endpoint
from kg.rdf.predicates import PredicateChoice, local_name
from kg.tabular.entity_description import Concept, Link
from kg.tabular.table_format import FileName, Name, Part, Pattern, TableFormat, Text

__all__ = ["Knowledge", "LinkTable", "LiteralUse", "TripleTable"]

RdfFormat = Literal["turtle", "n-triples", "n-quads", "trig", "rdf-xml", "json-ld"]
IRI_PATTERN = r"^[a-z][a-z0-9+.\-]*:[^\s<>\"{}|\\^`]*$"


def _as_endpoint(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


class LinkTable(Part):
    """A table that says which node of an RDF source an item is."""

    file: FileName
    """The table, relative to the description or to `--data`."""
    format: TableFormat = TableFormat()
    """How it is split."""
    item: Text
    """Column with the item id."""
    iri: Text | Link
    """Column with the IRI, or with the id in a table of triples; or a template or a prefix, as in `same_as`."""
    missing: tuple[Text, ...] = ("",)
    """Values that mean unknown."""


class TripleTable(TableFormat):
    """The form of a table of triples, and its columns; ids need not be IRIs."""

    head: Text = "head"
    """Column with the subject."""
    relation: Text = "relation"
    """Column with the predicate."""
    tail: Text = "tail"
    """Column with the object."""
    namespace: str | None = None
    """Beginning that makes IRIs of the ids, in this table and in its links."""


class LiteralUse(Part):
    """The use of the literals of one predicate: concepts of the item they are about, or text."""

    kind: Name | None = None
    """Node kind of the concepts; by default the name of the predicate, `release_date` for `dbo:releaseDate`."""
    pattern: Pattern | None = None
    """Regular expression with one group that picks the value out of the literal."""
    bins: tuple[float, ...] | None = Field(default=None, min_length=1)
    """Borders that turn a number into a range: 90 and 120 give `under 90`, `90-119`, `120+`."""
    wording: str = "{}"
    """The name of the concept, with `{}` for the value."""
    text: bool = False
    """Instead of concepts: the literal is text that the language model reads, English where there is a choice."""

    @model_validator(mode="after")
    def _check(self) -> LiteralUse:
        if self.text and self.model_fields_set - {"text"}:
            raise ValueError("a literal is either text or a concept; leave out the other keys beside text")
        if not self.text:
            self.concept()
        return self

    def concept(self) -> Concept:
        """Return how the literals are read, as if they were the column `value` of a table."""
        return Concept(column="value", pattern=self.pattern, bins=self.bins, wording=self.wording)


class Knowledge(Part):
    """An RDF file, a table of triples or a SPARQL endpoint, whose triples about linked items join the graph."""

    file: FileName | None = None
    """RDF: Turtle (.ttl), N-Triples (.nt), N-Quads (.nq), TriG (.trig), RDF/XML (.rdf, .xml, .owl) or JSON-LD (.jsonld,
    .json); plain or .gz, .bz2, .zst."""
    format: RdfFormat | TripleTable | None = None
    """Name of the format where the suffix does not say it, or how a table of triples is split."""
    endpoint: Annotated[Endpoint, BeforeValidator(_as_endpoint)] | None = None
    """Address of a SPARQL endpoint, or how it is asked. Beside a file: it is asked where the file is absent."""
    source: Name
    """Name of the source: node kind of its entities and prefix of its relations."""
    base: str | None = Field(default=None, pattern=IRI_PATTERN)
    """IRI that relative ones start from."""
    prefixes: dict[str, str] = Field(default_factory=dict)
    """Namespaces by prefix, for keep, drop and literals; well-known ones such as `dbo` and `skos` are there."""
    keep: tuple[str, ...] | None = None
    """Predicates to keep, by default all: `starring`, `dbo:starring`, a whole IRI, or a beginning such as `dbo:*`."""
    drop: tuple[str, ...] = ()
    """Predicates to leave out, written in the same ways."""
    min_degree: int = Field(default=1, ge=1)
    """An entity that fewer different items reach is left out."""
    literals: dict[str, LiteralUse] = Field(default_factory=dict)
    """The use of literals, by predicate; others are left out."""
    links: LinkTable | None = None
    """A table that links the items to this source; columns `same_as` of items and `owl:sameAs` count as well."""
    lenient: bool = True
    """Refuse and count invalid lines of N-Triples and N-Quads, instead of stopping at the first."""
    optional: bool = False
    """Whether the file may be absent, or the endpoint out of reach; the report then says so."""

    @model_validator(mode="after")
    def _check(self) -> Knowledge:
        if self.file is None and self.endpoint is None:
            raise ValueError("give a file or an endpoint")
        if self.format is not None and self.endpoint is not None:
            raise ValueError("an endpoint answers in a format of its own; leave out format")
        if isinstance(self.format, TripleTable) and self.literals:
            raise ValueError("a table of triples has no literals; leave out literals")
        for predicate in self.literals:
            self.literal_kind(predicate)
        return self

    @property
    def choice(self) -> PredicateChoice:
        """The predicates that are kept."""
        return PredicateChoice(keep=self.keep, drop=self.drop, prefixes=self.prefixes)

    def literal_kind(self, predicate: str) -> str | None:
        """Return the node kind that literals of a predicate become, or None where they become text."""
        use = self.literals[predicate]
        if use.text or use.kind is not None:
            return use.kind
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", local_name(predicate).rpartition(":")[2])
        kind = re.sub(r"[^a-z0-9_]", "_", name.lower())
        if not kind[:1].isalpha():
            raise ValueError(f"the predicate {predicate!r} gives no name; give kind: NAME below it")
        return kind
