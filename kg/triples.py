"""RDF sources: which of their triples speak about linked items, and which entities they bring."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyoxigraph as ox

from kg.errors import InputError, did_you_mean
from kg.report import FileAccount
from kg.tables import read_bytes

__all__ = ["LinkedTriples", "Triples", "is_iri", "link_triples", "local_name", "read_triples"]

_LABELS = (
    "http://www.w3.org/2000/01/rdf-schema#label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://www.w3.org/2004/02/skos/core#prefLabel",
)
_BROADER = "http://www.w3.org/2004/02/skos/core#broader"


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """Triples between IRIs, and the labels of IRIs.

    Attributes:
        frame: Columns `subject`, `predicate`, `object`, each an IRI, in the order of the file.
        labels: Label of an IRI, English or without language where there is a choice.
    """

    frame: pd.DataFrame
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedTriples:
    """What one source says about linked items.

    Attributes:
        edges: Columns `predicate`, `subject_item`, `subject`, `object_item`, `object`, `line`: an end is an item index, or
            -1 and an IRI; the line of the file is 0 where unknown.
        entities: IRIs of the entities reached, in order of first mention.
    """

    edges: pd.DataFrame
    entities: Sequence[str]


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
            if predicate in _LABELS and isinstance(subject, ox.NamedNode) and target.value.strip():
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


def link_triples(
    triples: Triples,
    items_of: Mapping[str, Sequence[int]],
    keep: Sequence[str] | None,
    file: Path,
    account: FileAccount,
) -> LinkedTriples:
    """Pick the triples about linked items, and those between the entities that these reach.

    Args:
        triples: The triples of a file.
        items_of: For each linked IRI the items that bear it; a triple counts for each of them.
        keep: Predicates to keep, as local names or whole IRIs; None keeps all.
        file: Named in messages.
        account: Receives the counts.

    Raises:
        InputError: If a predicate to keep does not occur in the file at all: most likely it is misspelt.
    """
    frame = triples.frame
    if keep is not None:
        predicates = frame["predicate"].unique()
        known = {name for predicate in predicates for name in (predicate, local_name(predicate))}
        absent = [name for name in keep if name not in known]
        if absent and len(frame):
            names = sorted({local_name(predicate) for predicate in predicates})
            raise InputError(
                f"no triple has the predicate {absent[0]!r} that the description keeps; the file has "
                f"{', '.join(names[:20])}.{did_you_mean(absent[0], names)}",
                file=file,
            )
        wanted = {predicate for predicate in predicates if predicate in keep or local_name(predicate) in keep} | {
            _BROADER
        }
        kept = frame["predicate"].isin(wanted)
        account.drop("the predicate is not kept", int((~kept).sum()))
        frame = frame[kept]
    linked = {end: frame[end].isin(items_of).to_numpy(dtype=bool) for end in ("subject", "object")}
    about = linked["subject"] | linked["object"]
    reached = set(frame["subject"][about & ~linked["subject"]]) | set(frame["object"][about & ~linked["object"]])
    # A hierarchy is followed upwards: what a reached concept is part of is reached as well.
    broader = frame[(frame["predicate"] == _BROADER).to_numpy(dtype=bool) & ~about]
    while above := set(broader["object"][broader["subject"].isin(reached)]) - reached:
        reached |= above
    between = (
        ~about
        & frame["subject"].isin(reached).to_numpy(dtype=bool)
        & frame["object"].isin(reached).to_numpy(dtype=bool)
    )
    account.drop("neither end is a linked item or reached from one", int((~(about | between)).sum()))
    frame = frame[about | between]
    repeated = frame.duplicated(["subject", "predicate", "object"])
    account.drop("stated twice", int(repeated.sum()))
    frame = frame[~repeated]
    account.kept += len(frame)
    edges = frame.assign(line=frame.get("line", 0))
    for end in ("subject", "object"):
        edges = edges.assign(**{f"{end}_item": edges[end].map(lambda iri: list(items_of.get(iri, ())) or [-1])})
    edges = (
        edges.explode("subject_item").explode("object_item").astype({"subject_item": np.int64, "object_item": np.int64})
    )
    ends = frame[["subject", "object"]].to_numpy(dtype=object).ravel()
    entities = [iri for iri in dict.fromkeys(ends) if iri not in items_of]
    return LinkedTriples(edges=edges.reset_index(drop=True), entities=entities)
