"""The choice of predicates of an RDF source, as people write it in a description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from kg.errors import InputError, did_you_mean

__all__ = [
    "HIERARCHY",
    "PREFIXES",
    "PredicateChoice",
    "find_predicates",
    "local_name",
    "meant_predicates",
    "relation_name",
]

PREFIXES = {
    "dbo": "http://dbpedia.org/ontology/",
    "dbp": "http://dbpedia.org/property/",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "wdt": "http://www.wikidata.org/prop/direct/",
}
HIERARCHY = (PREFIXES["skos"] + "broader", PREFIXES["rdfs"] + "subClassOf")
_SHOWN = 20


def local_name(iri: str) -> str:
    """Return the last part of an IRI, unquoted: `http://dbpedia.org/ontology/starring` -> `starring`."""
    return unquote(iri.rstrip("/#").rpartition("/")[2].rpartition("#")[2]) or iri


def relation_name(source: str, predicate: str) -> str:
    """Return `source:localname`; a character that names may not have becomes `_`."""
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "_.-") else "_"
        for letter in local_name(predicate)
    )
    return f"{source}:{name}"


def find_predicates(entry: str, predicates: Iterable[str], prefixes: Mapping[str, str]) -> frozenset[str]:
    """Return those predicates that an entry of a description means.

    Args:
        entry: `starring` (a local name), `dbo:starring`, a whole IRI, or a beginning such as `dbo:*`.
        predicates: IRIs of predicates.
        prefixes: Namespaces by prefix, beside the well-known ones of `PREFIXES`, before which they go.
    """
    prefix, colon, name = entry.partition(":")
    namespace = {**PREFIXES, **prefixes}.get(prefix) if colon else None
    whole = entry if namespace is None else namespace + name
    if entry.endswith("*"):
        return frozenset(predicate for predicate in predicates if predicate.startswith(whole[:-1]))
    return frozenset(
        predicate for predicate in predicates if predicate in (entry, whole) or local_name(predicate) == entry
    )


def meant_predicates(
    entry: str, predicates: Sequence[str], prefixes: Mapping[str, str], *, noun: str, verb: str, file: Path
) -> frozenset[str]:
    """Return what `find_predicates` does; raises `InputError`, about what the description wants, if that is nothing."""
    meant = find_predicates(entry, predicates, prefixes)
    if not meant:
        names = sorted({local_name(predicate) for predicate in predicates})
        others = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        raise InputError(
            f"no {noun} has the predicate {entry!r} that the description {verb}; those of the file have "
            f"{', '.join(names[:_SHOWN])}{others}.{did_you_mean(local_name(entry.rpartition(':')[2]), names)}",
            file=file,
        )
    return meant


@dataclass(frozen=True, kw_only=True)
class PredicateChoice:
    """The choice of predicates of one source.

    Attributes:
        keep: Predicates to keep, as `find_predicates` reads them; None keeps all.
        drop: Predicates to leave out of those.
        prefixes: Namespaces by prefix.
    """

    keep: Sequence[str] | None = None
    drop: Sequence[str] = ()
    prefixes: Mapping[str, str] = field(default_factory=dict)

    def kept(self, predicates: Sequence[str], file: Path) -> frozenset[str]:
        """Return those of the distinct predicates that are kept.

        The steps of hierarchies (`skos:broader`, `rdfs:subClassOf`) are kept whatever `keep` says; only `drop` leaves
        them out.

        Args:
            predicates: The distinct predicates of the source; where there are none, nothing is asked of the entries.
            file: Named in messages.

        Raises:
            InputError: If a predicate to keep or to drop does not occur: most likely it is misspelt.
        """
        if not predicates:
            return frozenset()
        chosen = frozenset(predicates)
        if self.keep is not None:
            chosen = chosen.intersection(HIERARCHY).union(
                *(self._meant(entry, predicates, "keeps", file) for entry in self.keep)
            )
        return chosen.difference(*(self._meant(entry, predicates, "drops", file) for entry in self.drop))

    def _meant(self, entry: str, predicates: Sequence[str], verb: str, file: Path) -> frozenset[str]:
        return meant_predicates(entry, predicates, self.prefixes, noun="triple", verb=verb, file=file)
