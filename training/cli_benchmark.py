"""The command `kgrec benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kg.errors import InputError
from training.cli_options import Json

__all__ = ["benchmark"]


def benchmark(
    protocol: Annotated[
        str,
        typer.Argument(
            help="ml-100k-u1, ml-100k-random, ml-100k-cold-items, ml-1m-90-10, ml-1m-top20, citeulike-a-cold, or growth."
        ),
    ],
    data: Annotated[Path | None, typer.Option(help="Folder of the data; growth needs none.")] = None,
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
        str | None, typer.Option(help="Of growth: numbers of ratings, 100000,1000000,10000000 by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Repeat a published protocol: ours beside floors, other people's models, and what others reported.

    Every model is fitted on one thread in a process of its own, on the same training ratings, and compared with ours on
    the same test ratings by a paired bootstrap over users. What was measured before is kept. The protocol growth
    instead measures time and memory on simulated ratings.

    Example: kgrec benchmark ml-100k-u1 --data data --peers
    """
    if protocol == "growth":
        _growth(out or Path("runs") / "benchmark" / protocol, sizes, as_json)
        return
    from training import console
    from training.benchmark import run_benchmark
    from training.figures import write_figure
    from training.protocols import protocol_named
    from training.recipes import recipe_named
    from training.results import summary

    chosen = protocol_named(protocol)
    if data is None:
        raise InputError(f"the protocol {protocol!r} needs --data, the folder of the data")
    folder = out or Path("runs") / "benchmark" / protocol
    with console.progress_bar() as progress:
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


def _growth(out: Path, sizes: str | None, as_json: bool) -> None:
    """Measure how time and memory grow: `kgrec benchmark growth --out DIR --sizes 100000,1000000,10000000`."""
    from training import console
    from training.growth import SIZES, exponents, growth_tables, rounded_row, run_growth

    try:
        wanted = SIZES if sizes is None else tuple(int(size) for size in sizes.split(","))
    except ValueError:
        raise InputError(
            f"--sizes takes whole numbers with commas, for example 100000,1000000; got {sizes!r}"
        ) from None
    with console.progress_bar() as progress:
        rows = run_growth(out, sizes=wanted, progress=progress)
    if as_json:
        content = {"protocol": "growth", "rows": [rounded_row(row) for row in rows], "exponents": exponents(rows)}
        console.print_json(content)
        return
    costs, slopes = growth_tables(rows)
    console.out.print(console.plain_table("growth: simulated ratings, seconds of one processor", costs))
    if len(slopes):
        console.out.print(console.plain_table("exponents: 1 is proportional to the number of ratings", slopes))
    console.out.print(f"Written to {out}.", markup=False)
