"""The command that says what rules do to a graph, and how other commands read a file of rules."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kg.counted import counted
from training.commands.cli_options import Json
from training.commands.cli_query import ask_within

if TYPE_CHECKING:
    from kg.graph import KnowledgeGraph
    from models.lists.rules import AppliedRules

__all__ = ["read_rules", "rules"]

_SECONDS = 30.0  # a query in a rule takes at most


def rules(
    graph: Annotated[Path, typer.Argument(help="Graph directory, from kgrec build.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="YAML file of rules.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Say how many items each rule hides, boosts or keeps, and where rules contradict each other.

    Example: kgrec rules graphs/ml-100k rules.yaml
    """
    import pandas as pd

    from kg.dataset import Dataset
    from training.commands import console

    known = Dataset.load(graph).graph
    applied = read_rules(graph, known, file, quiet=True)
    rows = [
        {"rule": str(rule), "action": rule.action, "stars": rule.stars, "items": int(matches.sum())}
        for rule, matches in zip(applied.rules, applied.matches, strict=True)
    ]
    if as_json:
        console.print_json({"graph": str(graph), "rules": rows, "items_left": applied.num_left, "notes": applied.notes})
        return
    table = [(row["rule"], row["action"], f"{row['items']:,}") for row in rows]
    console.out.print(console.plain_table(f"rules of {file}", pd.DataFrame(table, columns=["rule", "action", "items"])))
    for note in applied.notes:
        console.out.print(f"Note: {note}.")
    console.out.print(f"{applied.num_left:,} of {counted(len(known.items), 'item')} can be listed.")


def read_rules(directory: Path, graph: KnowledgeGraph, file: Path, *, quiet: bool = False) -> AppliedRules:
    """Read a file of rules and find out which items they are about; what contradicts is noted on standard error.

    Args:
        directory: Directory of the graph, whose store answers the queries of rules.
        graph: The graph.
        file: The rules.
        quiet: Note nothing: the caller does.
    """
    from models.lists.rules import apply_rules
    from training.commands import console

    applied = apply_rules(file, graph, ask=partial(ask_within, directory, ratings=False, seconds=_SECONDS))
    for note in () if quiet else applied.notes:
        console.notes.print(f"note: {note}")
    return applied
