"""The command `kgrec sentences`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from training.commands.cli_options import Json

__all__ = ["sentences"]


def sentences(
    run: Annotated[Path, typer.Argument(help="Directory of a run that holds out users.", show_default=False)],
    references: Annotated[
        bool, typer.Option(help="Also measure lists without the map, and from the ratings themselves.")
    ] = True,
    count: Annotated[
        int, typer.Option("--count", help="Sentences said in other letters and words; 0: none.", min=0)
    ] = 200,
    as_json: Json = False,
) -> None:
    """Measure how well people the model never saw are served from what they would say of themselves.

    Example: kgrec sentences runs/cold-users
    """
    import pandas as pd

    from training.bundle import load_run
    from training.commands import console
    from training.studies.sentence_study import sentence_study

    with console.progress_bar() as progress:
        report = sentence_study(load_run(run), references=references, sentences=count, progress=progress)
    if as_json:
        console.print_json(report)
        return
    for voice, models in report["lists"].items():
        rows = [
            {"model": name, **{metric: _told(value) for metric, value in part.items()}} for name, part in models.items()
        ]
        console.out.print(
            console.plain_table(f"{voice}: lists of {report['num_users']:,} users", pd.DataFrame(rows).fillna(""))
        )
    topics = pd.DataFrame([{name: _told(value) for name, value in report["topics"].items()}])
    console.out.print(console.plain_table("one topic by its name: share of the first 20 that have it", topics))
    changes = report["robustness"].get("changes", {})
    if changes:
        rows = [
            {"change": name, **{metric: _told(value) for metric, value in part.items()}}
            for name, part in changes.items()
        ]
        console.out.print(console.plain_table("how alike lists are after a change", pd.DataFrame(rows)))
    console.out.print(
        "In brackets: 95 % bootstrap intervals over users; p is that of a paired bootstrap against kgrec.", markup=False
    )


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f} - {value['high']:.3f})"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
