"""The command that asks a graph in SPARQL."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from kg.errors import InputError
from kg.queries.query import Answer, Question, answer
from training.commands.cli_options import Json
from training.progress import Progress

__all__ = ["ask_within", "query"]


def query(
    graph: Annotated[Path, typer.Argument(help="Graph directory, from kgrec build.")],
    sparql: Annotated[
        str | None, typer.Argument(help="SELECT, ASK, CONSTRUCT or DESCRIBE; without it you see what can be asked.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read the query from a file instead.")] = None,
    ratings: Annotated[bool, typer.Option("--ratings", help="The ratings can be asked for as well.")] = False,
    limit: Annotated[int, typer.Option(help="Most rows.")] = 1000,
    seconds: Annotated[float, typer.Option(help="Most seconds.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Ask a graph in SPARQL; it only reads, and no prefix of the graph needs to be declared.

    kv: is the graph's own vocabulary, item:50 the item with the id 50, genre:drama the genre, and so on; from:FILE is
    the named graph of what FILE states. The command without a query lists all names and gives examples.

    Example: kgrec query graphs/ml-100k 'SELECT ?film { ?item kv:director/rdfs:label "George Lucas" ; rdfs:label ?film }'
    """
    from kg.queries.query_guide import Guide
    from training.commands import console

    if seconds <= 0:
        raise InputError(f"expected a time limit above 0 seconds, got {seconds:g}")
    if sparql is not None and file is not None:
        raise InputError("give the query itself or --file, not both")
    guide = Guide.of(graph)
    if sparql is None and file is None:
        if as_json:
            console.print_json(guide.as_json())
        else:
            for part in guide.lines():
                for line in part.split("\n"):
                    console.out.print(line)
        return
    question = guide.question(sparql, file=file, limit=limit)
    answered = ask_within(graph, question, ratings=ratings, seconds=seconds)
    if as_json:
        console.print_json(answered.as_json())
    else:
        console.print_answer(answered, question.prefixes)


def ask_within(graph: Path, question: Question, *, ratings: bool, seconds: float) -> Answer:
    """Answer a question in a process of its own, the only way to stop the engine in the middle of one."""
    from kg.queries.query_store import store_of
    from training.isolation import ChildError, ChildTimeoutError, in_child

    with store_of(graph, ratings=ratings) as store:
        try:
            return in_child(partial(_answer, store, question), seconds=seconds)
        except ChildTimeoutError:
            raise InputError(
                f"the query was stopped after {seconds:g} seconds; make it narrower, or allow more with --seconds"
            ) from None
        except ChildError as error:
            raise InputError(f"the query failed: {error}; make it narrower") from None


def _answer(store: Path, question: Question, _: Progress) -> Answer:
    return answer(store, question)
