"""The benchmarks that have a form of their own: costs, known tastes, explanations, sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks.faithfulness import faithfulness as measured_faithfulness
from benchmarks.faithfulness import tables as faithfulness_tables
from benchmarks.faithfulness_figure import draw_curves
from benchmarks.film_tastes import run_audiences, run_film_world
from benchmarks.growth import SIZES, exponents, growth_tables, rounded_row, run_growth
from benchmarks.latency import measure_latency
from benchmarks.sentence_study import sentence_study
from benchmarks.taste_tables import activity_table, recovery_table
from benchmarks.triple_growth import TRIPLE_SIZES, run_triple_growth, triple_tables
from kg.errors import InputError
from kg.storage.atomic import write_file
from kg.storage.outputs import claim_folder
from training.bundle import load_run
from training.commands import console
from training.commands.cli_options import Json, Overwrite
from training.peak_memory import peak_memory_mb
from training.recipes import recipe_named

__all__ = ["COMMANDS"]

RUNS = Path("runs/benchmark")
Run = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
Unread = Annotated[Path | None, typer.Option("--data", hidden=True)]  # all are called alike; here data are simulated
Out = Annotated[Path | None, typer.Option(help="Folder for the results; by default they are only shown.")]


def growth(
    out: Annotated[Path, typer.Option(help="Where results go.")] = RUNS / "growth",
    sizes: Annotated[str, typer.Option(help="Numbers of ratings.")] = ",".join(map(str, SIZES)),
    data: Unread = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """How time and memory grow with the number of ratings, which are simulated."""
    numbers = _numbers(sizes)
    claim_folder(out, ["growth.json", "growth.csv"], key="protocol", overwrite=overwrite)
    with console.progress_bar() as progress:
        rows = run_growth(out, sizes=numbers, progress=progress)
    if as_json:
        content = {"protocol": "growth", "rows": [rounded_row(row) for row in rows], "exponents": exponents(rows)}
        console.print_json(content)
        return
    titles = (
        "growth: simulated ratings, seconds of one processor",
        "exponents: 1 is proportional to the number of ratings",
    )
    _print_tables(dict(zip(titles, growth_tables(rows), strict=True)), out)


def triples(
    data: Annotated[Path | None, typer.Option(help="Folder of the data: also load its N-Triples.")] = None,
    out: Annotated[Path, typer.Option(help="Where results go.")] = RUNS / "triples",
    sizes: Annotated[str, typer.Option(help="Numbers of triples.")] = ",".join(map(str, TRIPLE_SIZES)),
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """How time and memory grow with the number of triples that a graph is built from."""
    numbers = _numbers(sizes)
    claim_folder(out, ["triples.json", "triples.csv"], key="protocol", overwrite=overwrite)
    with console.progress_bar() as progress:
        loadings, rows = run_triple_growth(out, data=data, sizes=numbers, progress=progress)
    if as_json:
        console.print_json(json.loads((out / "triples.json").read_bytes()))
        return
    titles = (
        "loading N-Triples: best of three",
        "triples: a graph from so many lines, seconds by the clock until the file is there",
        "exponents: 1 is proportional to the number of triples",
    )
    _print_tables(dict(zip(titles, triple_tables(loadings, rows), strict=True)), out)


def latency(run: Run, out: Out = None, overwrite: Overwrite = False, as_json: Json = False) -> None:
    """How long the answers of a run take."""
    if out is not None:
        claim_folder(out, ["latency.json"], key="protocol", overwrite=overwrite)
    rows = measure_latency(load_run(run).recommender)
    facts = {
        "protocol": "latency",
        "run": str(run),
        "rows": [row.as_json() for row in rows],
        "peak_memory_mb": round(peak_memory_mb()),
    }
    if out is not None:
        write_file(out / "latency.json", json.dumps(facts, indent=1) + "\n")
    if as_json:
        console.print_json(facts)
        return
    table = pd.DataFrame(
        [
            (row.name, *(f"{time:.1f}" for time in (row.p50, row.p95, row.processor_p50, row.processor_p95)))
            for row in rows
        ],
        columns=["call", "p50, ms", "p95, ms", "processor p50, ms", "processor p95, ms"],
    )
    _print_tables({f"latency of {run}": table}, out)


def film_world(
    out: Annotated[Path, typer.Option(help="Where results go.")] = RUNS / "film-world",
    recipe: Annotated[str, typer.Option(help="standard, quick or adamw.")] = "standard",
    assign: Annotated[list[str] | None, typer.Option("--set", help="Change one setting; may be repeated.")] = None,
    audience: Annotated[
        str, typer.Option(help="movielens-100k (as large and active as there), or demo (46 ratings a user).")
    ] = "movielens-100k",
    seeds: Annotated[int | None, typer.Option(help="Number of audiences; one by default.", min=1)] = None,
    data: Unread = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """How well profiles recover the known tastes of a simulated audience."""
    claim_folder(out, ["results.json"], key="protocol", overwrite=overwrite)
    chosen, settings = recipe_named(recipe), assign or []
    with console.progress_bar() as progress:
        report = (
            run_film_world(out, chosen, settings, audience=audience, progress=progress)
            if seeds is None
            else run_audiences(out, chosen, settings, seeds=seeds, audience=audience, progress=progress)
        )
    if as_json:
        console.print_json(report)
        return
    console.out.print(console.plain_table("film-world: Spearman correlation with true tastes", recovery_table(report)))
    for run in report.get("runs", [report]):
        title = f"seed {run['seed']}: tastes, by how many ratings users gave"
        console.out.print(console.plain_table(title, activity_table(run)))
        held = ", ".join(f"{family} {share:.0%}" for family, share in run["coverage_80"].items())
        console.out.print(f"True weights within the 80 % intervals of profiles: {held}.")
    console.out.print(
        "Means over users with at least 20 ratings and concepts of at least two films, [95 % bootstrap interval over users] or ± "
        "standard deviation between audiences. Ceiling: an estimator that knows the tastes of all other users, the quality of "
        f"the films, the noise, and how far users choose what they like. Written to {out}."
    )


def faithfulness(
    run: Run,
    pairs: Annotated[int, typer.Option(min=1, help="Number of held-out pairs.")] = 1000,
    compared: Annotated[
        int, typer.Option(min=0, help="Of these, so many are explained by GNNExplainer as well.")
    ] = 150,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Whether explanations say what the model does.

    Messages are removed in the order of the parts and the model predicts again, beside random orders and PyG's
    GNNExplainer. The folder gets the curves as JSON, PNG and SVG.
    """
    if out is not None:
        files = [f"faithfulness.{kind}" for kind in ("json", "png", "svg")]
        claim_folder(out, files, key="curves", overwrite=overwrite)
    loaded = load_run(run)
    with console.progress_bar() as progress:
        report = measured_faithfulness(
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
    else:
        _print_tables(faithfulness_tables(report), out)


def sentences(
    run: Annotated[Path, typer.Argument(help="Directory of a run that holds out users.", show_default=False)],
    references: Annotated[
        bool, typer.Option(help="Also measure lists without the map, and from the ratings themselves.")
    ] = True,
    count: Annotated[int, typer.Option(help="Sentences said in other letters and words; 0: none.", min=0)] = 200,
    as_json: Json = False,
) -> None:
    """How well people the model never saw are served from what they would say of themselves."""
    with console.progress_bar() as progress:
        report = sentence_study(load_run(run), references=references, sentences=count, progress=progress)
    if as_json:
        console.print_json(report)
        return
    tables = {
        f"{voice}: lists of {report['num_users']:,} users": _estimates("model", models).fillna("")
        for voice, models in report["lists"].items()
    }
    topics = {name: _estimate(value) for name, value in report["topics"].items()}
    tables["one topic by its name: share of the first 20 that have it"] = pd.DataFrame([topics])
    if changes := report["robustness"].get("changes"):
        tables["how alike lists are after a change"] = _estimates("change", changes)
    _print_tables(tables, None)
    console.out.print(
        "In brackets: 95 % bootstrap intervals over users; p is that of a paired bootstrap against kgrec."
    )


COMMANDS = (growth, triples, latency, film_world, faithfulness, sentences)


def _numbers(sizes: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise InputError(
            f"--sizes takes whole numbers with commas, for example 100000,1000000; got {sizes!r}"
        ) from None


def _print_tables(tables: dict[str, pd.DataFrame], out: Path | None) -> None:
    for title, table in tables.items():
        if len(table):
            console.out.print(console.plain_table(title, table))
    if out is not None:
        console.out.print(f"Written to {out}.")


def _estimates(first: str, rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{first: name, **{metric: _estimate(value) for metric, value in row.items()}} for name, row in rows.items()]
    )


def _estimate(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f} - {value['high']:.3f})"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
