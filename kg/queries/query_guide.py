"""A guide to the queries of a graph: its prefixes, its names, and examples that fit it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyoxigraph as ox

from kg.dataset import Dataset, read_manifest
from kg.errors import InputError
from kg.queries.query import Question
from kg.queries.sparql import prefixes_of, shorten
from kg.schema import ITEM, USER, EdgeType, Namespace

__all__ = ["Guide"]

_COMMON = ("rdf:type", "rdfs:label", "owl:sameAs", "schema:description", "skos:Concept")
_STARS = ("schema:Rating", "schema:ratingValue", "schema:author", "schema:itemReviewed")
_CHOICES = ("schema:ChooseAction", "schema:agent", "schema:object")


@dataclass(frozen=True, kw_only=True)
class Guide:
    """Names and examples for queries of one graph.

    Attributes:
        directory: The graph directory.
        prefixes: Prefix -> beginning of IRIs; none needs to be declared.
        names: Classes and properties, as a query writes them.
    """

    directory: Path
    prefixes: dict[str, str]
    names: tuple[str, ...]

    @classmethod
    def of(cls, directory: Path) -> Guide:
        """Return the guide to a graph directory; raises `InputError` if it is none."""
        manifest = read_manifest(directory)
        kinds, (low, high) = manifest["kinds"], manifest["scale"]
        own = dict.fromkeys((*kinds, *(relation for _, relation, _, _ in manifest["edge_types"])))
        return cls(
            directory=directory,
            prefixes=prefixes_of(Namespace(manifest["namespace"]), kinds),
            names=(*map(_own, own), *_COMMON, *(_CHOICES if low == high else _STARS)),
        )

    @cached_property
    def examples(self) -> dict[str, str]:
        """Example queries with names of the graph itself, by their titles."""
        return _examples(Dataset.load(self.directory))

    def question(self, text: str | None, *, file: Path | None, limit: int) -> Question:
        """Return a query with its bounds.

        Args:
            text: The query, or None to read it from `file`.
            file: UTF-8 text.
            limit: Most rows.

        Raises:
            InputError: If the file cannot be read.
        """
        if text is None:
            assert file is not None
            try:
                text = file.read_bytes().decode()
            except OSError as error:
                raise InputError(f"this file cannot be read: {error.strerror}", file=file) from None
            except UnicodeDecodeError:
                raise InputError("expected UTF-8, found bytes that are not", file=file) from None
        return Question(
            text=text,
            prefixes=self.prefixes,
            limit=limit,
            vocabulary=self.names,
            file=None if file is None else str(file),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the guide as JSON values."""
        return {"prefixes": self.prefixes, "names": list(self.names), "examples": self.examples}

    def lines(self) -> list[str]:
        """Return the guide as lines for the terminal."""
        prefixes = [f"  {prefix}:  {base}" for prefix, base in self.prefixes.items()]
        examples = [f"\n# {title}\n{query}" for title, query in self.examples.items()]
        return ["Prefixes:", *prefixes, "Names: " + ", ".join(self.names), *examples]


def _own(name: str) -> str:
    return "kv:" + quote(name, safe="")


def _examples(dataset: Dataset) -> dict[str, str]:
    graph, namespace = dataset.graph, Namespace(dataset.namespace)
    examples = {
        "items without a text": "SELECT ?item ?label { ?item a kv:item ; rdfs:label ?label "
        "FILTER NOT EXISTS { ?item schema:description ?text } } ORDER BY ?label",
        "how much each source states": "SELECT ?source (COUNT(*) AS ?triples) { GRAPH ?source { ?from ?relation ?to } } "
        "GROUP BY ?source ORDER BY DESC(?triples)",
    }
    concepts = {edge_type: edges for edge_type, edges in graph.edges.items() if _about_items(edge_type) and len(edges)}
    if concepts:
        edge_type = max(concepts, key=lambda known: len(concepts[known]))
        relation = _own(edge_type.relation)
        common = int(np.bincount(concepts[edge_type].index[1]).argmax())
        label = ox.Literal(graph.nodes[edge_type.target].labels[common])
        examples[f"the most frequent concepts of {edge_type.relation}"] = (
            f"SELECT ?concept (COUNT(?item) AS ?items) {{ ?item {relation} ?node . ?node rdfs:label ?concept }} "
            "GROUP BY ?node ?concept ORDER BY DESC(?items) LIMIT 20"
        )
        examples[f"items of one {edge_type.relation}"] = (
            f"SELECT ?item ?label {{ ?item {relation}/rdfs:label {label} ; rdfs:label ?label }} ORDER BY ?label"
        )
    if len(dataset.ratings):
        raw_id = graph.users.vocabulary.id_of(int(dataset.ratings.user[0]))
        user = shorten(namespace.node(USER, raw_id), prefixes_of(namespace, graph.nodes))
        examples[
            "what a user chose (needs --ratings)" if dataset.implicit else "a user's ratings (needs --ratings)"
        ] = (
            f"SELECT ?label {{ ?choice schema:agent {user} ; schema:object/rdfs:label ?label }} ORDER BY ?label"
            if dataset.implicit
            else f"SELECT ?label ?stars {{ ?rating schema:author {user} ; schema:ratingValue ?stars ; "
            "schema:itemReviewed/rdfs:label ?label } ORDER BY DESC(?stars) ?label"
        )
    return examples


def _about_items(edge_type: EdgeType) -> bool:
    return edge_type.source == ITEM and edge_type.target not in (ITEM, USER)
