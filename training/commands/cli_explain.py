"""The command `kgrec explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from kg.errors import InputError
from training.commands.cli_options import History, Json, Overwrite

if TYPE_CHECKING:
    from models.attribution.explanation import Explanation

__all__ = ["explain"]

_SHOWN = 15


def explain(
    run: Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)],
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: History = None,
    item: Annotated[str | None, typer.Option(help="Id of an item, rated or not.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules, whose boosts then count as parts.")] = None,
    paths: Annotated[int, typer.Option(min=0, help="Most paths.")] = 3,
    count: Annotated[
        int, typer.Option("-k", "--count", min=1, help="Parts that are shown; --json gives all.")
    ] = _SHOWN,
    figure: Annotated[Path | None, typer.Option(help="Also draw the parts; a name that ends in .png or .svg.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say why someone is predicted to like an item: parts in stars (or score) that sum to the prediction, paths, a sentence.

    Example: kgrec explain runs/u1 --user 196 --item 50 --figure why.png
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console
    from training.commands.cli_rules import read_rules
    from training.commands.cli_runs import read_history_of
    from training.studies.explanation_figure import draw_explanation

    if item is None:
        raise InputError("give --item, and --user or --history; for example --user 196 --item 50")
    if figure is not None:
        claim_file(figure, overwrite=overwrite, endings=(".png", ".svg"))
    recommender = load_run(run).recommender
    ratings = read_history_of(recommender, history)
    boosts = (
        None
        if rules is None
        else read_rules(run / "graph", recommender.graph, rules).boosts_of(
            recommender.graph.items.vocabulary.index_of(item)
        )
    )
    found = recommender.explain(item, user=user, history=ratings, num_paths=paths, boosts=boosts)
    if figure is not None:
        draw_explanation(found, figure)
    if as_json:
        asked = {} if ratings is None else {"history": ratings}
        console.print_json(found.as_json() | asked)
        return
    console.out.print(found.sentence)
    console.out.print(console.plain_table("", _part_rows(found, count)))
    for path in found.paths:
        console.out.print("  ".join(step.words for step in path))
    if figure is not None:
        console.out.print(f"Drawn to {figure}.")


def _part_rows(found: Explanation, count: int) -> pd.DataFrame:
    from training.studies.explanation_figure import shown_parts

    unit = "score" if found.implicit else "stars"
    rows = [(found.parts[0].name, f"{found.parts[0].stars:.2f}", "")]
    rows += [(part.name, f"{part.stars:+.2f}", str(part.origin or "")) for part in shown_parts(found, count)]
    rows.append(("prediction", f"{found.score:.2f}", ""))
    return pd.DataFrame(rows, columns=["part", unit, "stated in"])
