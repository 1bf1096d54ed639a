"""The command `kgrec explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from kg.errors import InputError
from training.commands.cli_options import History, Json, Overwrite

if TYPE_CHECKING:
    from models.accounts.explanation import Explanation

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
    faithfulness: Annotated[
        int | None, typer.Option(min=1, help="Instead measure explanations on so many held-out pairs.")
    ] = None,
    compared: Annotated[
        int, typer.Option(min=0, help="Of these, so many are also explained by PyG's GNNExplainer.")
    ] = 150,
    out: Annotated[Path | None, typer.Option(help="Folder for the measured curves: JSON, PNG and SVG.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say why someone is predicted to like an item: parts in stars (or score) that sum to the prediction, paths, a sentence.

    With --faithfulness, messages are removed in the order of the parts and the model predicts again, beside random orders
    and GNNExplainer: whether the explanations say what the model does.

    Example: kgrec explain runs/u1 --user 196 --item 50 --figure why.png
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console
    from training.commands.cli_rules import read_rules
    from training.commands.cli_runs import read_history_of
    from training.studies.explanation_figure import draw_explanation

    if faithfulness is not None:
        _measure(run, faithfulness, compared, out, overwrite, as_json)
        return
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
    console.out.print(found.sentence, markup=False, soft_wrap=True)
    console.out.print(console.plain_table("", _part_rows(found, count)))
    for path in found.paths:
        console.out.print("  ".join(step.words for step in path), markup=False, soft_wrap=True)
    if figure is not None:
        console.out.print(f"Drawn to {figure}.", markup=False)


def _measure(run: Path, pairs: int, compared: int, out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Measure explanations: `kgrec explain runs/u1 --faithfulness 1000 --out report`."""
    import json

    from kg.storage.atomic import write_file
    from kg.storage.outputs import claim_folder
    from training.bundle import load_run
    from training.commands import console
    from training.studies.faithfulness import faithfulness, tables
    from training.studies.faithfulness_figure import draw_curves

    if out is not None:
        claim_folder(
            out, [f"faithfulness.{kind}" for kind in ("json", "png", "svg")], key="curves", overwrite=overwrite
        )
    loaded = load_run(run)
    with console.progress_bar() as progress:
        report = faithfulness(
            loaded.recommender,
            loaded.experiment.split.test,
            num_pairs=pairs,
            num_compared=compared,
            progress=progress,
        )
    if out is not None:
        write_file(out / "faithfulness.json", json.dumps(report, indent=1) + "\n")
        draw_curves(report, out)
    if as_json:
        console.print_json(report)
        return
    for title, rows in tables(report).items():
        console.out.print(console.plain_table(title, rows))
    if out is not None:
        console.out.print(f"Written to {out}.", markup=False)


def _part_rows(found: Explanation, count: int) -> pd.DataFrame:
    from training.studies.explanation_figure import shown_parts

    unit = "score" if found.implicit else "stars"
    rows = [(found.parts[0].name, f"{found.parts[0].stars:.2f}", "")]
    rows += [(part.name, f"{part.stars:+.2f}", str(part.origin or "")) for part in shown_parts(found, count)]
    rows.append(("prediction", f"{found.score:.2f}", ""))
    return pd.DataFrame(rows, columns=["part", unit, "stated in"])
