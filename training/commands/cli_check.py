"""The command that checks a graph, and what a split of it would leak."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import Json

if TYPE_CHECKING:
    from kg.checks.findings import Finding

__all__ = ["check"]


def check(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    shapes: Annotated[Path | None, typer.Option(help="Turtle file with SHACL shapes of your own.")] = None,
    leaks: Annotated[
        bool, typer.Option("--leaks", help="Look for held-out ratings that the graph gives away.")
    ] = False,
    split: Annotated[str | None, typer.Option(help="With --leaks: the split, as for train; random by default.")] = None,
    test_share: Annotated[float, typer.Option(help="With --leaks: as split.test_share of train.")] = 0.1,
    seed: Annotated[int, typer.Option(help="With --leaks: as split.seed of train.")] = 0,
    as_json: Json = False,
) -> None:
    """Say in plain sentences what is wrong with a graph; exit code 1 where something cannot be true.

    With --leaks: what of the held-out ratings of a split the graph gives away; exit code 1 where it does.

    Example: kgrec check graphs/ml-100k
    Example: kgrec check graphs/ml-100k --leaks --split u1
    """
    from kg.check import check as check_graph
    from kg.checks.shapes import ShapesFile
    from kg.dataset import Dataset
    from training.audit.leaks import audit
    from training.commands import console
    from training.splits import make_split

    if leaks and shapes is not None:
        raise InputError("give --shapes or --leaks, not both: shapes look at the graph alone")
    if split is not None and not leaks:
        raise InputError("--split says what is held out; give --leaks with it")
    own = None if shapes is None else ShapesFile.load(shapes)
    dataset = Dataset.load(graph)
    if leaks:
        held_out = make_split(dataset, split or "random", test_share=test_share, seed=seed)
        findings, head = audit(dataset, held_out), held_out.sentence
    else:
        with console.progress_bar() as progress:
            findings = check_graph(dataset, own, progress=progress)
        head = f"{dataset.graph.name}: {counted(dataset.graph.num_nodes, 'node checked')}."
    ok = not any(finding.severity == "error" for finding in findings)
    if as_json:
        what = {"split": split or "random"} if leaks else {}
        console.print_json({"graph": str(graph), **what, "ok": ok, "findings": [found.as_json() for found in findings]})
    else:
        console.out.print(head)
        _tell(findings, leaks=leaks)
    if not ok:
        raise typer.Exit(1)


def _tell(findings: Sequence[Finding], *, leaks: bool) -> None:
    from training.commands import console

    for finding in findings:
        remedy = f" Remedy: {finding.remedy}." if finding.remedy else ""
        console.out.print(f"{finding.severity}: {finding.sentence}{remedy}")
    counts = {name: sum(found.severity == name for found in findings) for name in ("error", "warning", "note")}
    said = ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in counts.items() if number)
    nothing = "Nothing leaks." if leaks else "Nothing is wrong."
    console.out.print(f"{said}." if said else nothing)
    if said and leaks and not counts["error"]:
        console.out.print(nothing)
