"""The command `kgrec benchmark`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kg.errors import InputError
from training.commands.cli_options import Json, Overwrite

__all__ = ["benchmark"]


def benchmark(
    protocol: Annotated[
        str,
        typer.Argument(
            help="ml-100k-u1, ml-100k-random, ml-100k-cold-items, ml-1m-90-10, ml-1m-top20, citeulike-a-cold, lastfm-dbpedia, flixster, ml-latest-small, film-world, growth, triples, or latency."
        ),
    ],
    run: Annotated[Path | None, typer.Argument(help="Of latency: directory of a trained run.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data; film-world, growth and triples need none.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where results go; runs/benchmark/PROTOCOL by default.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds of our model; by default what the protocol says.", min=1)
    ] = None,
    recipe: Annotated[str, typer.Option(help="standard, quick or adamw.")] = "standard",
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, e.g. training.chains=4; may be repeated.")
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also fit other people's models: pip install -e '.\\[peers]'.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Fit only the peers whose names begin so, e.g. myFM; may be repeated."),
    ] = None,
    variants: Annotated[bool, typer.Option(help="Also measure the protocol's variants of our model.")] = True,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also leave out one part at a time.")] = False,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Of growth: numbers of ratings, 100000,1000000,10000000 by default; of triples: 1000000,10000000."
        ),
    ] = None,
    audience: Annotated[
        str,
        typer.Option(help="Of film-world: movielens-100k (as large and active as there), or demo (46 ratings a user)."),
    ] = "movielens-100k",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Repeat a published protocol: ours beside baselines, other people's models, and what others reported.

    Every model is fitted on one thread in a process of its own, on the same training ratings, and compared with ours on
    the same test ratings by a paired bootstrap over users. What was measured before is kept. The protocol growth
    instead measures time and memory on simulated ratings, triples those of building graphs from N-Triples, latency how long
    the answers of a run take, and film-world how well profiles recover the known tastes of a simulated audience.

    Example: kgrec benchmark ml-100k-u1 --data data --peers
    """
    if protocol == "latency":
        _latency(run, out, overwrite, as_json)
        return
    if run is not None:
        raise InputError(f"only latency takes a run; the protocol {protocol!r} trains its own")
    folder = out or Path("runs") / "benchmark" / protocol
    if protocol == "growth":
        _growth(folder, sizes, overwrite, as_json)
        return
    if protocol == "triples":
        _triples(folder, data, sizes, overwrite, as_json)
        return
    if protocol == "film-world":
        _film_world(folder, recipe, assign or [], audience, seeds, overwrite, as_json)
        return
    from kg.storage.kept import kept
    from kg.storage.outputs import claim_folder
    from training.benchmark import run_benchmark
    from training.benchmarks.figures import write_figure
    from training.benchmarks.protocols import protocol_named
    from training.benchmarks.results import summary
    from training.commands import console
    from training.recipes import recipe_named

    chosen = protocol_named(protocol)
    if data is None:
        raise InputError(f"the protocol {protocol!r} needs --data, the folder of the data")
    figures = [f"{protocol}-{part}.{kind}" for part in chosen.parts for kind in ("png", "svg")]
    claim_folder(folder, ["results.json", "results.csv", *figures], key="protocol", overwrite=overwrite)
    with kept(f"what was measured is kept in {folder}"), console.progress_bar() as progress:
        results = run_benchmark(
            chosen,
            data,
            folder,
            seeds=range(seeds or chosen.seeds),
            recipe=recipe_named(recipe),
            settings=assign or [],
            variants=variants,
            ablate=ablate,
            peers=chosen.peers_named(only) if only else chosen.peers if peers else (),
            progress=progress,
        )
    for part in chosen.parts:
        write_figure(results.rows, chosen, part, folder)
    if as_json:
        console.print_json(results.as_json() | {"notes": list(results.notes)})
        return
    for part in chosen.parts:
        console.out.print(console.benchmark_table(f"{protocol}: {part}", summary(results.rows, chosen, part)))
    console.out.print(
        "± is the standard deviation over seeds or splits; p is that of a paired bootstrap over users against kgrec; "
        "seconds are those of the fit, on one thread, the median over seeds; MB is the peak of its process, libraries included.",
        markup=False,
    )
    for note in results.notes:
        console.out.print(note, markup=False)
    console.out.print(f"{chosen.note} Written to {folder}.", markup=False)


def _growth(out: Path, sizes: str | None, overwrite: bool, as_json: bool) -> None:
    """Measure how time and memory grow: `kgrec benchmark growth --out DIR --sizes 100000,1000000,10000000`."""
    from kg.storage.outputs import claim_folder
    from training.benchmarks.growth import SIZES, exponents, growth_tables, rounded_row, run_growth
    from training.commands import console

    numbers = _numbers(sizes, SIZES)
    claim_folder(out, ["growth.json", "growth.csv"], key="protocol", overwrite=overwrite)
    with console.progress_bar() as progress:
        rows = run_growth(out, sizes=numbers, progress=progress)
    if as_json:
        content = {"protocol": "growth", "rows": [rounded_row(row) for row in rows], "exponents": exponents(rows)}
        console.print_json(content)
        return
    costs, slopes = growth_tables(rows)
    console.out.print(console.plain_table("growth: simulated ratings, seconds of one processor", costs))
    if len(slopes):
        console.out.print(console.plain_table("exponents: 1 is proportional to the number of ratings", slopes))
    console.out.print(f"Written to {out}.", markup=False)


def _latency(run: Path | None, out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Measure how long answers take: `kgrec benchmark latency runs/u1`."""
    import json

    import pandas as pd

    from kg.storage.atomic import write_file
    from kg.storage.outputs import claim_folder
    from training.benchmarks.latency import measure_latency
    from training.bundle import load_run
    from training.commands import console
    from training.peak_memory import peak_memory_mb

    if run is None:
        raise InputError("latency needs a trained run, as in `kgrec benchmark latency runs/u1`")
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
    console.out.print(console.plain_table(f"latency of {run}", table))


def _triples(out: Path, data: Path | None, sizes: str | None, overwrite: bool, as_json: bool) -> None:
    """Measure builds from N-Triples: `kgrec benchmark triples --out DIR --sizes 1000000,10000000`."""
    from kg.storage.outputs import claim_folder
    from training.benchmarks.triple_growth import TRIPLE_SIZES, run_triple_growth, triple_tables
    from training.commands import console

    numbers = _numbers(sizes, TRIPLE_SIZES)
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
    for title, table in zip(titles, triple_tables(loadings, rows), strict=True):
        if len(table):
            console.out.print(console.plain_table(title, table))
    console.out.print(f"Written to {out}.", markup=False)


def _numbers(sizes: str | None, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return otherwise if sizes is None else tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise InputError(
            f"--sizes takes whole numbers with commas, for example 100000,1000000; got {sizes!r}"
        ) from None


def _film_world(
    out: Path, recipe: str, settings: list[str], audience: str, seeds: int | None, overwrite: bool, as_json: bool
) -> None:
    """Compare profiles with true tastes: `kgrec benchmark film-world --out DIR --audience demo`."""
    from kg.storage.outputs import claim_folder
    from training.benchmarks.film_tastes import run_audiences, run_film_world
    from training.benchmarks.taste_tables import activity_table, recovery_table
    from training.commands import console
    from training.recipes import recipe_named

    claim_folder(out, ["results.json"], key="protocol", overwrite=overwrite)
    with console.progress_bar() as progress:
        if seeds is None:
            found = run_film_world(out, recipe_named(recipe), settings, audience=audience, progress=progress)
        else:
            found = run_audiences(
                out, recipe_named(recipe), settings, seeds=seeds, audience=audience, progress=progress
            )
    if as_json:
        console.print_json(found)
        return
    console.out.print(console.plain_table("film-world: Spearman correlation with true tastes", recovery_table(found)))
    for run in found.get("runs", [found]):
        title = f"seed {run['seed']}: tastes, by how many ratings users gave"
        console.out.print(console.plain_table(title, activity_table(run)))
        held = ", ".join(f"{family} {share:.0%}" for family, share in run["coverage_80"].items())
        console.out.print(f"True weights within the 80 % intervals of profiles: {held}.", markup=False)
    console.out.print(
        "Means over users with at least 20 ratings and concepts of at least two films, [95 % bootstrap interval over users] or ± "
        "standard deviation between audiences. Ceiling: an estimator that knows the tastes of all other users, the quality of "
        f"the films, the noise, and how far users choose what they like. Written to {out}.",
        markup=False,
    )
