"""The command `kgrec compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training.commands.cli_options import Json, Overwrite

__all__ = ["compare"]


def compare(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    split: Annotated[str | None, typer.Option(help="As for train.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of trainings of our model.", min=1)] = 1,
    recipe: Annotated[str | None, typer.Option(help="standard (default), quick or adamw.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, e.g. training.epochs=800; may be repeated.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Only other people's models whose names begin so, e.g. myFM; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; runs/compare/GRAPH by default.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Further lengths at which lists are measured, beside 20: 5,10.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare our model with baselines and other people's models on your own graph: one split, intervals, paired tests.

    Other people's models are myFM, Surprise, implicit ALS and LightFM, those that are installed: pip install -e '.\\[peers]'.
    Every model is fitted on one thread in a process of its own. What was measured before is kept.

    Example: kgrec compare graphs/ml-100k --split u1 --seeds 3
    """
    from kg.storage.kept import kept
    from kg.storage.outputs import claim_folder
    from training.commands import console
    from training.commands.cli_runs import configuration, list_lengths
    from training.comparison.compare import FILES
    from training.comparison.compare import compare as measured

    config, lengths = configuration(graph, None, recipe, {"split.name": split}, assign or []), list_lengths(at)
    folder = out or Path("runs") / "compare" / graph.resolve().name
    claim_folder(folder, FILES, key="protocol", overwrite=overwrite)
    with kept(f"what was measured is kept in {folder}"), console.progress_bar() as progress:
        found = measured(graph, config, folder, seeds=seeds, peers=peer or (), at=lengths, progress=progress)
    if as_json:
        console.print_json(found.as_json())
        return
    console.out.print(found.split)
    for part in dict.fromkeys(row["part"] for row in found.rows):
        console.out.print(console.comparison_table(part, found.table(part)))
        for length in lengths:
            console.out.print(console.comparison_table(f"{part}: lists of {length}", found.table(part, length)))
    console.out.print(
        "Below each figure: its 95 % bootstrap interval over users; p is that of a paired bootstrap over users against "
        "kgrec; seconds are those of the fit, on one thread."
    )
    for note in found.notes:
        console.out.print(note)  # a line to copy stays a line
    console.out.print(f"Written to {folder}.")
