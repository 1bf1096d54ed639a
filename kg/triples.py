"""RDF sources: which of their triples speak about linked items, and which entities they bring."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyoxigraph as ox

from kg.predicates import HIERARCHY, PredicateChoice, find_predicates
from kg.rdf_file import RELATIVE, rdf_format, statements
from kg.report import FileAccount

__all__ = ["BLANK", "LinkedTriples", "Triples", "is_iri", "link_triples", "literal_frame", "read_triples"]

BLANK = "_:"  # begins the id of a node without an IRI, followed by its file and its label there
_LABELS = (
    "http://www.w3.org/2000/01/rdf-schema#label",
    "https://schema.org/name",
    "http://schema.org/name",
    "http://www.w3.org/2004/02/skos/core#prefLabel",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Triples:
    """Triples between nodes, literals about nodes, and the labels of nodes.

    A node is an IRI, or `_:FILE#LABEL` where the file gives it none; in tables of triples any id.

    Attributes:
        frame: Columns `subject`, `predicate`, `object`, and `line`: the line of the statement counted from 1, 0 where
            the format does not tell; in the order of the file.
        literals: Columns `subject`, `predicate`, `value`, `datatype`, `language` (None without), `line`: the literals asked for.
        labels: Label of a node, English or without language where there is a choice.
        literal_predicates: The predicates of all literals, asked for or not.
    """

    frame: pd.DataFrame
    literals: pd.DataFrame
    labels: Mapping[str, str]
    literal_predicates: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedTriples:
    """What one source says about linked items.

    Attributes:
        edges: Columns `predicate`, `subject_item`, `subject`, `object_item`, `object`, `line`: an end is an item index, or -1 and a node.
        entities: The nodes reached, in order of first mention.
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


def literal_frame(rows: Sequence[tuple[str, str, str, str, str | None, int]]) -> pd.DataFrame:
    """Return the rows as `Triples.literals`."""
    columns = ["subject", "predicate", "value", "datatype", "language", "line"]
    return pd.DataFrame(list(rows), columns=columns, dtype=object).astype({"line": np.int64})


def read_triples(
    file: Path,
    *,
    lenient: bool,
    account: FileAccount,
    form: str | None = None,
    base: str | None = None,
    literals: Sequence[str] = (),
    prefixes: Mapping[str, str] | None = None,
) -> Triples:
    """Read RDF of any common format, plain or packed.

    Args:
        file: Its suffix says how it is written: `.nt`, `.nq`, `.ttl`, `.trig`, `.rdf`, `.xml`, `.owl`, `.jsonld` or
            `.json`, plain or with `.gz`, `.bz2`, `.zst`.
        lenient: Refuse and count invalid lines of N-Triples and N-Quads instead of stopping at the first.
        account: Receives the counts.
        form: Name of the format, where the suffix does not say it.
        base: IRI that relative ones start from; statements with relative IRIs are dropped without it.
        literals: Predicates whose literals are wanted, as `find_predicates` reads them.
        prefixes: Namespaces by prefix.

    Raises:
        InputError: If the file is missing or damaged, or not valid RDF, with the line.
    """
    reader = _Reader(file.name, literals, prefixes or {}, account)
    for line, quad in statements(file, rdf_format(file, form), lenient=lenient, account=account, base=base):
        reader.take(quad, line)
    return reader.triples()


class _Reader:
    """Collects statements; equal texts are held once."""

    def __init__(self, name: str, literals: Sequence[str], prefixes: Mapping[str, str], account: FileAccount) -> None:
        self.name, self.entries, self.prefixes, self.account = name, literals, prefixes, account
        self.texts: dict[str, str] = {}
        self.blanks: dict[str, int] = {}
        self.columns: tuple[list[str], list[str], list[str]] = ([], [], [])
        self.lines = array("q")
        self.literals: list[tuple[str, str, str, str, str | None, int]] = []
        self.labels: dict[str, tuple[int, str]] = {}
        self.wanted: dict[str, bool] = {}

    def take(self, quad: ox.Quad, line: int) -> None:
        self.account.rows += 1
        if not isinstance(quad.graph_name, ox.DefaultGraph):
            self.account.count("statements in named graphs, taken as well", 1)
        target = quad.object
        if isinstance(target, ox.Triple) or isinstance(quad.subject, ox.Triple):
            self.account.drop("a statement about a statement", 1)
            return
        subject, predicate = self._node(quad.subject, line), self._text(quad.predicate.value)
        if isinstance(target, ox.Literal):
            if self._relative(subject, predicate):
                return
            self._literal(subject, predicate, target, line)
            return
        found = self._node(target, line)
        if not self._relative(subject, predicate, found):
            for column, value in zip(self.columns, (subject, predicate, found), strict=True):
                column.append(value)
            self.lines.append(line)

    def _text(self, text: str) -> str:
        return self.texts.setdefault(text, text)

    def _node(self, node: ox.NamedNode | ox.BlankNode, line: int) -> str:
        if isinstance(node, ox.NamedNode):
            return self._text(node.value)
        # Parsers make labels up at random where the file has none, except in formats with one statement a line.
        label = node.value if line else str(self.blanks.setdefault(node.value, len(self.blanks)))
        return self._text(f"{BLANK}{self.name}#{label}")

    def _relative(self, *terms: str) -> bool:
        relative = any(term.startswith(RELATIVE) for term in terms)
        if relative:
            example = next(term for term in terms if term.startswith(RELATIVE)).removeprefix(RELATIVE)
            self.account.drop("a relative IRI; give base: IRI in the description to keep these", 1, [f"<{example}>"])
        return relative

    def _literal(self, subject: str, predicate: str, literal: ox.Literal, line: int) -> None:
        if predicate not in self.wanted:
            self.wanted[predicate] = any(find_predicates(entry, (predicate,), self.prefixes) for entry in self.entries)
        if self.wanted[predicate]:
            self.literals.append(
                (subject, predicate, literal.value, self._text(literal.datatype.value), literal.language, line)
            )
            self.account.count("literals read", 1)
        elif predicate in _LABELS and literal.value.strip():
            self.account.count("labels read", 1)
        else:
            self.account.drop("the object is a literal", 1)
        if predicate in _LABELS and literal.value.strip():
            rank = {"en": 0, None: 1}.get(literal.language, 2)
            if rank < self.labels.get(subject, (9, ""))[0]:
                self.labels[subject] = (rank, literal.value)

    def triples(self) -> Triples:
        frame = pd.DataFrame(
            {
                name: np.array(column, dtype=object)
                for name, column in zip(("subject", "predicate", "object"), self.columns, strict=True)
            }
        )
        return Triples(
            frame=frame.assign(line=np.array(self.lines, dtype=np.int64)),
            literals=literal_frame(self.literals),
            labels={node: " ".join(label.split()) for node, (_, label) in self.labels.items()},
            literal_predicates=list(self.wanted),
        )


def link_triples(
    triples: Triples,
    items_of: Mapping[str, Sequence[int]],
    choice: PredicateChoice,
    file: Path,
    account: FileAccount,
    *,
    min_degree: int = 1,
) -> LinkedTriples:
    """Pick the triples about linked items, and those between the entities that these reach.

    Reached are the nodes in a triple with a linked item, what they are part of (up to the top of the hierarchy), and
    what nodes without an IRI of their own speak of.

    Args:
        triples: The triples of a file.
        items_of: For each linked IRI the items that bear it; a triple counts for each of them.
        choice: Which predicates are kept.
        file: Named in messages.
        account: Receives the counts.
        min_degree: An entity in triples with fewer different items than this is left out, with what hangs on it alone.

    Raises:
        InputError: If a predicate to keep or to drop does not occur in the file at all.
    """
    frame = triples.frame
    wanted = choice.kept(list(frame["predicate"].unique()), file)
    kept = frame["predicate"].isin(wanted)
    account.drop("the predicate is not kept", int((~kept).sum()))
    frame = frame[kept]
    linked = {end: frame[end].isin(items_of).to_numpy(dtype=bool) for end in ("subject", "object")}
    about = linked["subject"] | linked["object"]
    if min_degree > 1:
        rare = _rare_entities(frame[linked["subject"] ^ linked["object"]], items_of, min_degree)
        few = (frame["subject"].isin(rare) | frame["object"].isin(rare)).to_numpy(dtype=bool)
        account.drop(f"an entity of fewer than {min_degree} items", int(few.sum()))
        frame, about = frame[~few], about[~few]
        linked = {end: mask[~few] for end, mask in linked.items()}
    reached = set(frame["subject"][about & ~linked["subject"]]) | set(frame["object"][about & ~linked["object"]])
    onwards = frame[
        ~about & (frame["predicate"].isin(HIERARCHY) | frame["subject"].str.startswith(BLANK)).to_numpy(dtype=bool)
    ]
    ahead: dict[str, list[str]] = defaultdict(list)
    for subject, target in zip(onwards["subject"], onwards["object"], strict=True):
        ahead[subject].append(target)
    waiting = [node for node in reached if node in ahead]
    while waiting:
        new = set(ahead[waiting.pop()]) - reached
        reached |= new
        waiting += [node for node in new if node in ahead]
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
    edges = frame
    for end in ("subject", "object"):
        edges = edges.assign(**{f"{end}_item": edges[end].map(lambda iri: list(items_of.get(iri, ())) or [-1])})
    edges = (
        edges.explode("subject_item").explode("object_item").astype({"subject_item": np.int64, "object_item": np.int64})
    )
    ends = frame[["subject", "object"]].to_numpy(dtype=object).ravel()
    entities = [iri for iri in dict.fromkeys(ends) if iri not in items_of]
    return LinkedTriples(edges=edges.reset_index(drop=True), entities=entities)


def _rare_entities(frame: pd.DataFrame, items_of: Mapping[str, Sequence[int]], min_degree: int) -> set[str]:
    """Return the nodes that stand in triples with fewer than `min_degree` different items."""
    items: dict[str, set[int]] = defaultdict(set)
    for subject, target in zip(frame["subject"], frame["object"], strict=True):
        entity, item = (target, subject) if subject in items_of else (subject, target)
        items[entity].update(items_of[item])
    return {entity for entity, members in items.items() if len(members) < min_degree}
