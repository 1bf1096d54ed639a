"""Commands that study: ours beside other models, cold start, lists beyond their accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from kg.counted import counted
from training.commands.cli_options import GraphArgument, Json, Lengths, Overwrite, RunArgument, Settings
from training.commands.cli_runs import configuration, list_lengths

__all__ = ["beyond", "cold_start", "compare"]


def compare(
    graph: GraphArgument,
    split: Annotated[str | None, typer.Option(help="As for train.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of trainings of our model.", min=1)] = 1,
    assign: Settings = None,
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Only other people's models whose names begin so, e.g. myFM; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; runs/compare/GRAPH by default.")] = None,
    at: Lengths = None,
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
    from training.comparison.compare import FILES
    from training.comparison.compare import compare as compared

    config, lengths = configuration(graph, None, None, {"split.name": split}, assign), list_lengths(at)
    folder = out or Path("runs") / "compare" / graph.resolve().name
    claim_folder(folder, FILES, key="protocol", overwrite=overwrite)
    with kept(f"what was measured is kept in {folder}"), console.progress_bar() as progress:
        comparison = compared(graph, config, folder, seeds=seeds, peers=peer or (), at=lengths, progress=progress)
    if as_json:
        console.print_json(comparison.as_json())
        return
    console.out.print(comparison.split)
    for part in dict.fromkeys(row["part"] for row in comparison.rows):
        console.out.print(console.comparison_table(part, comparison.table(part)))
        for length in lengths:
            console.out.print(console.comparison_table(f"{part}: lists of {length}", comparison.table(part, length)))
    console.out.print(
        "Below each figure: its 95 % bootstrap interval over users; p is that of a paired bootstrap over users against "
        "kgrec; seconds are those of the fit, on one thread."
    )
    for note in comparison.notes:
        console.out.print(note)
    console.out.print(f"Written to {folder}.")


def cold_start(
    graph: Annotated[Path, typer.Argument(help="Directory of a run or of a graph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the report goes.")],
    quick: Annotated[bool, typer.Option("--quick", help="A first look: short training, few newcomers.")] = False,
    ablate: Annotated[bool, typer.Option(help="Also train without text, concepts, factors.")] = True,
    assign: Settings = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Study new items and new users: few-shot curves, what each part brings, calibration, what to ask someone new.

    Holds out a fifth of the items and a fifth of the users, trains what is not there yet, and writes tables (CSV), figures
    (PNG, SVG) and one page, index.html. A killed study goes on where it was. Of a run, graph and configuration are taken.

    Example: kgrec cold-start runs/u1 --out report
    """
    from kg.storage.kept import kept
    from kg.storage.outputs import claim_folder
    from training.commands import console
    from training.config import RunConfig
    from training.studies.cold_start import TABLES
    from training.studies.cold_start import cold_start as study_of
    from training.studies.study_figures import FIGURES, write_figures
    from training.studies.study_page import findings, write_page

    if (graph / "config.yaml").is_file():
        config, graph = RunConfig.of_run(graph / "config.yaml").updated(assign or []), graph / "graph"
    else:
        config = configuration(graph, None, None, {}, assign)
    tables = [f"{name}.csv" for name in TABLES]
    figures = [f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")]
    claim_folder(out, ["study.json", "index.html", *tables, *figures], key="tables", overwrite=overwrite)
    with kept(f"what was measured is kept in {out}"), console.progress_bar() as progress:
        study = study_of(graph, config, out, quick=quick, ablate=ablate, progress=progress)
        page = write_page(study, write_figures(study, out), out)
    if as_json:
        console.print_json(study.as_json() | {"findings": findings(study), "page": str(page)})
        return
    for sentences in findings(study).values():
        for sentence in sentences:
            console.out.print(sentence)
    console.out.print(f"Written to {page}.")


def beyond(
    run: RunArgument,
    part: Annotated[str | None, typer.Option(help="Test part; by default the first.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for beyond.json and the trade-off curve as CSV, PNG and SVG.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what lists show beyond hits: coverage, novelty, diversity, popularity bias, and whom they serve how well.

    With --out also what variety costs: NDCG of lists re-ranked with every weight of --diversity and --novelty.

    Example: kgrec beyond runs/u1 --out reports/beyond
    """
    import json

    from kg.storage.atomic import write_file
    from kg.storage.outputs import claim_folder
    from training.bundle import load_run
    from training.commands import console
    from training.studies.beyond import beyond_report, shelf_of
    from training.studies.trade_off import trade_off, write_trade_off

    if out is not None:
        names = ("beyond.json", *(f"trade-off.{kind}" for kind in ("csv", "png", "svg")))
        claim_folder(out, names, key="trade_off", overwrite=overwrite)
    loaded = load_run(run)
    report = beyond_report(loaded, part=part)
    if out is not None:
        rows = trade_off(loaded.recommender, shelf_of(loaded, part=part)[0])
        report["trade_off"] = rows.to_dict("records")
        write_file(out / "beyond.json", json.dumps(report, indent=1) + "\n")
        write_trade_off(rows, report["models"], out)
    if as_json:
        console.print_json(report)
        return
    _print_beyond(report)
    if out is not None:
        console.out.print(f"Written to {out}.")


def _print_beyond(report: dict[str, Any]) -> None:
    from training.commands import console
    from training.studies.beyond import BETTER

    def figure(estimate: dict[str, float] | None) -> str:
        return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]" if estimate else ""

    models = report["models"]
    rows = [
        (metric.replace("_", " "), better, *(figure(measures.get(metric)) for measures in models.values()))
        for metric, better in BETTER.items()
    ]
    title = f"{report['part']}: lists of {report['list_length']} for {counted(report['num_users'], 'user')}"
    console.out.print(console.plain_table(title, pd.DataFrame(rows, columns=["measure", "better", *models])))
    for grouping, metrics in report["groups"].items():
        for metric, by_model in metrics.items():
            ours = by_model["kgrec"]
            lines = [(label, f"{group['num_users']:,}", figure(group)) for label, group in ours["groups"].items()]
            gap = f"; widest gap {ours['gap']:.3f}, p {ours['p']:.3f}" if "gap" in ours else ""
            table = pd.DataFrame(lines, columns=["group", "users", metric])
            console.out.print(console.plain_table(f"{grouping}: {metric} of kgrec{gap}", table))
    console.out.print(
        "In brackets: 95 % bootstrap intervals over users. Gaps are between groups of at least 10 users; p by permutation "
        "of users, not adjusted for the number of groupings."
    )
