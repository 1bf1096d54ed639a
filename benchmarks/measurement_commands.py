"""The benchmarks that have a form of their own: costs, known tastes, explanations, sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks.faithfulness import curves_figure
from benchmarks.faithfulness import faithfulness as measured_faithfulness
from benchmarks.faithfulness import tables as faithfulness_tables
from benchmarks.film_requests import film_requests as measured_requests
from benchmarks.film_tastes import run_film_world, taste_tables
from benchmarks.growth import SIZES, growth_tables, run_growth
from benchmarks.latency import measure_latency
from benchmarks.sentence_study import sentence_study
from benchmarks.triple_growth import TRIPLE_SIZES, run_triple_growth, triple_tables
from kg.errors import InputError
from kg.storage.atomic import write_file
from kg.storage.outputs import claim_folder
from training.bundle import load_run
from training.commands import console
from training.commands.cli_options import Json, Overwrite, RunArgument, Settings
from training.peak_memory import peak_memory_mb
from training.recipes import recipe_named
from training.studies.drawing import save_figure

__all__ = ["COMMANDS"]

RUNS = Path("runs/benchmark")
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
        content = run_growth(out, sizes=numbers, progress=progress)
    _print(content, growth_tables(content), out, as_json)


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
        content = run_triple_growth(out, data=data, sizes=numbers, progress=progress)
    _print(content, triple_tables(content), out, as_json)


def latency(run: RunArgument, out: Out = None, overwrite: Overwrite = False, as_json: Json = False) -> None:
    """How long the answers of a run take."""
    if out is not None:
        claim_folder(out, ["latency.json"], key="protocol", overwrite=overwrite)
    rows = [row.as_json() for row in measure_latency(load_run(run).recommender)]
    facts = {"protocol": "latency", "run": str(run), "rows": rows, "peak_memory_mb": round(peak_memory_mb())}
    if out is not None:
        write_file(out / "latency.json", json.dumps(facts, indent=1) + "\n")
    times = ("p50_ms", "p95_ms", "processor_p50_ms", "processor_p95_ms")
    lines = [(row["name"], *(f"{row[time]:.1f}" for time in times)) for row in rows]
    columns = ["call", "p50, ms", "p95, ms", "processor p50, ms", "processor p95, ms"]
    _print(facts, {f"latency of {run}": pd.DataFrame(lines, columns=columns)}, out, as_json)


def film_world(
    out: Annotated[Path, typer.Option(help="Where results go.")] = RUNS / "film-world",
    recipe: Annotated[str, typer.Option(help="standard, quick or adamw.")] = "standard",
    assign: Settings = None,
    audience: Annotated[
        str, typer.Option(help="movielens-100k (as large and active as there), or demo (46 ratings a user).")
    ] = "movielens-100k",
    data: Unread = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """How well profiles recover the known tastes of a simulated audience."""
    claim_folder(out, ["results.json"], key="protocol", overwrite=overwrite)
    with console.progress_bar() as progress:
        report = run_film_world(out, recipe_named(recipe), assign or [], audience=audience, progress=progress)
    _print(report, taste_tables(report), out, as_json)
    if not as_json:
        coverage = ", ".join(f"{family} {share:.0%}" for family, share in report["coverage_80"].items())
        console.out.print(f"True weights within the 80 % intervals of profiles: {coverage}.")
        console.out.print(
            "Means over users with at least 20 ratings and concepts of at least two films, [95 % bootstrap interval over users]. "
            "Ceiling: an estimator that knows the tastes of all other users, the quality of the films, the noise, and how far "
            "users choose what they like."
        )


def faithfulness(
    run: RunArgument,
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
        save_figure(curves_figure(report), out, "faithfulness")
    _print(report, faithfulness_tables(report), out, as_json)


def sentences(run: RunArgument, as_json: Json = False) -> None:
    """How well people the model never saw are served from what they would say of themselves."""
    with console.progress_bar() as progress:
        report = sentence_study(load_run(run), progress=progress)
    tables = {
        f"{voice}: lists of {report['num_users']:,} users": _estimates("model", models).fillna("")
        for voice, models in report["lists"].items()
    }
    topics = {name: _estimate(value) for name, value in report["topics"].items()}
    tables["one topic by its name: share of the first 20 that have it"] = pd.DataFrame([topics])
    tables["how alike lists are after a change"] = _estimates("change", report["robustness"]["changes"])
    _print(report, tables, None, as_json)
    if not as_json:
        console.out.print(
            "In brackets: 95 % bootstrap intervals over users; p is that of a paired bootstrap against kgrec."
        )


def film_requests(
    run: RunArgument,
    data: Annotated[Path, typer.Option(help="Folder of the data; film-requests/requests.jsonl is read.")],
    as_json: Json = False,
) -> None:
    """How well the words of people who asked others for a film are understood; best with a run of --split none."""
    report = measured_requests(load_run(run), data / "film-requests" / "requests.jsonl")
    _print(report, {"film requests": pd.DataFrame(report["rows"])}, None, as_json)


COMMANDS = (growth, triples, latency, film_world, faithfulness, sentences, film_requests)


def _numbers(sizes: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise InputError(
            f"--sizes takes whole numbers with commas, for example 100000,1000000; got {sizes!r}"
        ) from None


def _print(content: dict[str, Any], tables: dict[str, pd.DataFrame], out: Path | None, as_json: bool) -> None:
    """Print a result as JSON, or as tables by title and where it was written."""
    if as_json:
        console.print_json(content)
        return
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
