"""RDF files: their triples between IRIs, and the labels of IRIs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyoxigraph as ox

from kg.errors import InputError
from kg.report import FileAccount
from kg.tables import read_bytes

__all__ = ["BROADER", "LABELS", "Triples", "is_iri", "local_name", "read_triples"]

LABELS = (
    "http://www.w3.org/2000/01/rdf-schema#label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://www.w3.org/2004/02/skos/core#prefLabel",
)
BROADER = "http://www.w3.org/2004/02/skos/core#broader"


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """Triples between IRIs, and the labels of IRIs.

    Attributes:
        frame: Columns `subject`, `predicate`, `object`, each an IRI, in the order of the file.
        labels: Label of an IRI, English or without language where there is a choice.
    """

    frame: pd.DataFrame
    labels: Mapping[str, str]


def is_iri(text: str) -> bool:
    """Return whether a text is an absolute, valid IRI."""
    try:
        ox.NamedNode(text)
    except ValueError:
        return False
    return True


def local_name(iri: str) -> str:
    """Return the last part of an IRI, unquoted: `http://dbpedia.org/ontology/starring` -> `starring`."""
    return unquote(re.split(r"[/#]", iri.rstrip("/#"))[-1]) or iri


def read_triples(file: Path, *, lenient: bool, account: FileAccount) -> Triples:
    """Read N-Triples or Turtle.

    Args:
        file: `.nt` or `.ttl`, plain or `.gz`.
        lenient: Refuse and count invalid lines of N-Triples instead of stopping at the first.
        account: Receives the counts.

    Raises:
        InputError: If the file is missing or damaged, or not valid RDF, with the line.
    """
    suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    formats = {".nt": ox.RdfFormat.N_TRIPLES, ".ttl": ox.RdfFormat.TURTLE}
    if suffix not in formats:
        raise InputError(
            f"expected N-Triples (.nt) or Turtle (.ttl), plain or .gz, found the suffix {suffix!r}", file=file
        )
    content = read_bytes(file)
    rows: list[tuple[str, str, str]] = []
    labels: dict[str, tuple[int, str]] = {}
    for triple in _parse(content, formats[suffix], file, lenient=lenient, account=account):
        account.rows += 1
        subject, predicate, target = triple.subject, triple.predicate.value, triple.object
        if isinstance(subject, ox.NamedNode) and isinstance(target, ox.NamedNode):
            rows.append((subject.value, predicate, target.value))
        elif isinstance(target, ox.Literal):
            if predicate in LABELS and isinstance(subject, ox.NamedNode) and target.value.strip():
                rank = {"en": 0, None: 1}.get(target.language, 2)
                labels[subject.value] = min(
                    labels.get(subject.value, (9, "")), (rank, target.value), key=lambda pair: pair[0]
                )
                account.counts["labels read"] = account.counts.get("labels read", 0) + 1
            else:
                account.drop("the object is a literal", 1)
        else:
            account.drop("a blank node", 1)
    return Triples(
        frame=pd.DataFrame(rows, columns=["subject", "predicate", "object"], dtype=object),
        labels={iri: " ".join(label.split()) for iri, (_, label) in labels.items()},
    )


def _parse(
    content: bytes, rdf_format: ox.RdfFormat, file: Path, *, lenient: bool, account: FileAccount
) -> Iterator[ox.Triple]:
    skipped = 0
    while True:
        try:
            for quad in ox.parse(content, format=rdf_format, base_iri=None):
                yield quad.triple
        except (SyntaxError, ValueError, OSError) as error:
            lineno = getattr(error, "lineno", None)
            line = skipped + lineno if lineno else None
            if not lenient or rdf_format != ox.RdfFormat.N_TRIPLES or lineno is None:
                kind = "N-Triples" if rdf_format == ox.RdfFormat.N_TRIPLES else "Turtle"
                problem = getattr(error, "msg", None) or str(error)
                raise InputError(f"expected valid {kind}, found an error: {problem}", file=file, line=line) from None
            account.rows += 1
            account.drop("the line is not valid N-Triples", 1, [f"line {line}"])
            # A line of N-Triples stands alone, so reading goes on with the next one. The parser may have read
            # ahead but yields in order: everything before the bad line has been taken.
            content = content.split(b"\n", lineno)[-1] if content.count(b"\n") >= lineno else b""
            skipped += lineno
        else:
            return
