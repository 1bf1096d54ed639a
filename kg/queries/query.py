"""SPARQL questions to a store: bounded, read-only, and answered in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyoxigraph as ox

from kg.errors import InputError, did_you_mean
from kg.queries.sparql import XSD, calls_service, names_in, shorten, syntax_error
from kg.triples import is_iri

__all__ = ["Answer", "Question", "answer"]

_OF_TRIPLES = ("subject", "predicate", "object")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query and its bounds.

    Attributes:
        text: SPARQL 1.1: SELECT, ASK, CONSTRUCT or DESCRIBE. Without GRAPH it reads all named graphs as one.
        prefixes: Prefixes that it need not declare.
        limit: Most rows of the answer.
        vocabulary: Names that people may have meant where they wrote one that does not occur.
        file: Where the text was read, for messages.
    """

    text: str
    prefixes: Mapping[str, str]
    limit: int = 1000
    vocabulary: tuple[str, ...] = ()
    file: str | None = None

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise InputError(f"expected a limit of at least 1 row, got {self.limit}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a query.

    Attributes:
        variables: Names of the columns; `subject`, `predicate` and `object` for CONSTRUCT and DESCRIBE.
        rows: For each row the terms by variable, in the words of the SPARQL 1.1 JSON results format; a variable
            without a value is left out.
        boolean: Answer to ASK, else None.
        cut: Whether there are more rows than the limit.
        notes: Sentences about names that occur nowhere in the graph.
    """

    variables: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    boolean: bool | None = None
    cut: bool = False
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the SPARQL 1.1 JSON results, with `cut` and `notes` beside them."""
        own = {"cut": self.cut, "notes": list(self.notes)}
        if self.boolean is not None:
            return {"head": {}, "boolean": self.boolean, **own}
        return {"head": {"vars": list(self.variables)}, "results": {"bindings": list(self.rows)}, **own}

    def as_table(self, prefixes: Mapping[str, str]) -> list[list[str]]:
        """Return the rows as people read them: IRIs by their prefixes, literals as their text."""
        return [[_readable(row[name], prefixes) if name in row else "" for name in self.variables] for row in self.rows]


def answer(store: ox.Store | Path, question: Question) -> Answer:
    """Answer a query.

    Time is not bounded here: the engine cannot be interrupted, so who needs a limit runs this in a process of its own.

    Args:
        store: A store, or the directory of one, which is opened read-only.
        question: The query and its bounds.

    Raises:
        InputError: If the query is not valid, changes data, asks another server, or fails.
    """
    text, prefixes = question.text, dict(question.prefixes)
    if calls_service(text):
        raise InputError(
            "a query asks this graph only, and no other server: SERVICE is refused (write the word in double quotes if "
            "it is part of a text); name the server as `endpoint` under knowledge in the description instead",
            file=question.file,
        )
    try:
        opened = store if isinstance(store, ox.Store) else ox.Store.read_only(str(store))
        result = opened.query(text, prefixes=prefixes, use_default_graph_as_union=True)
        answered = _taken(result, question.limit)
    except SyntaxError as error:
        raise syntax_error(text, str(error), prefixes, file=question.file) from None
    except (OSError, ValueError, RuntimeError) as error:
        damaged = isinstance(store, Path) and "Corruption" in str(error)
        remedy = f"; delete {store}, which is made anew by the next query" if damaged else ""
        raise InputError(f"the query cannot be answered: {error}{remedy}", file=question.file) from None
    templates = isinstance(result, ox.QueryTriples)  # may name what is yet to be
    notes = () if templates and answered.rows else _notes(opened, question)
    return replace(answered, notes=notes)


def _taken(result: ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples, limit: int) -> Answer:
    if isinstance(result, ox.QueryBoolean):
        return Answer(boolean=bool(result))
    names = (
        _OF_TRIPLES if isinstance(result, ox.QueryTriples) else tuple(variable.value for variable in result.variables)
    )
    rows = []
    for row in islice(result, limit + 1):
        values = {name: getattr(row, name) if isinstance(row, ox.Triple) else row[name] for name in names}
        rows.append({name: _term(value) for name, value in values.items() if value is not None})
    return Answer(variables=names, rows=tuple(rows[:limit]), cut=len(rows) > limit)


def _term(value: object) -> dict[str, Any]:
    if isinstance(value, ox.NamedNode | ox.BlankNode):
        return {"type": "uri" if isinstance(value, ox.NamedNode) else "bnode", "value": value.value}
    if isinstance(value, ox.Triple):
        return {"type": "triple", "value": {name: _term(getattr(value, name)) for name in _OF_TRIPLES}}
    assert isinstance(value, ox.Literal)
    term = {"type": "literal", "value": value.value}
    if value.language is not None:
        return {**term, "xml:lang": value.language}
    return term if value.datatype.value == XSD + "string" else {**term, "datatype": value.datatype.value}


def _readable(term: Mapping[str, Any], prefixes: Mapping[str, str]) -> str:
    if term["type"] == "uri":
        return shorten(term["value"], prefixes)
    if term["type"] == "bnode":
        return f"_:{term['value']}"
    if term["type"] == "triple":
        return " ".join(_readable(part, prefixes) for part in term["value"].values())
    return str(term["value"])


def _notes(store: ox.Store, question: Question) -> tuple[str, ...]:
    """Say which names of a query occur nowhere: most likely they are misspelt."""
    names = names_in(question.text, question.prefixes)
    return tuple(
        f"{written} occurs nowhere in this graph.{did_you_mean(written, question.vocabulary)}"
        for written, iri in names.items()
        if not _occurs(store, iri)
    )


def _occurs(store: ox.Store, iri: str) -> bool:
    if not is_iri(iri):
        return False
    places: list[list[Any]] = [[None] * 4 for _ in range(4)]
    for number, pattern in enumerate(places):
        pattern[number] = ox.NamedNode(iri)
    return any(next(iter(store.quads_for_pattern(*pattern)), None) is not None for pattern in places)
