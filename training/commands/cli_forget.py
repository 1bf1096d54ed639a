"""The command that removes a person from graphs and runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from kg.counted import counted
from training.commands.cli_options import Json

__all__ = ["forget"]


def forget(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    user: Annotated[list[str], typer.Option(help="Id of the person; may be repeated.", show_default=False)],
    run: Annotated[list[Path] | None, typer.Option(help="Run trained on the graph; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Remove a person from every file of a graph, and of runs, and prove it; updates leave the person out from then on.

    Example: kgrec forget graphs/ml-100k --user 196 --run runs/u1
    """
    from kg.growth.forget import forget_in_graph
    from training.commands import console
    from training.forgetting import RunForgetting

    people = list(dict.fromkeys(user))
    # Everything is read before anything is written: a damaged run stops all.
    runs = [RunForgetting.prepare(directory, people) for directory in run or []]
    of_runs = {str(part.run.directory): part.counts for part in runs}
    # Who only joined a run left nothing in its weights.
    learned = [part for part in runs if not part.joined.issuperset(people)]
    joined = {raw_id for part in runs for raw_id in part.joined}
    found = forget_in_graph(graph, people, [part.run.experiment.dataset for part in runs], joined)
    for prepared in runs:
        prepared.write()
    counts: dict[str, Mapping[str, int]] = {str(graph): found.counts, **of_runs}
    if as_json:
        console.print_json({"forgotten": counts, "traces": 0, "retrain": [str(part.run.directory) for part in learned]})
        return
    for directory, removed in counts.items():
        nouns = {name: "person" if name == "people" else name.removesuffix("s") for name in removed}
        what = ", ".join(counted(number, nouns[name]) for name, number in removed.items())
        told = f"removed {what}" if removed["people"] else "not there (any more)"
        console.out.print(f"{directory}: {told}; all files searched, no trace is left.")
    for part in learned:
        console.out.print(
            f"{part.run.directory}: the weights were learned with these ratings. Their own rows are zero now, but only a new "
            f"training takes the rest away: kgrec train {graph} --out {part.run.directory} --overwrite"
        )
    console.out.print(
        "The source files, copies and backups are yours to clear; an update of this graph leaves these people out."
    )
