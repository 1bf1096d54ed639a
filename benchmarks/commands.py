"""Which benchmarks there are: a command each, the published protocols in one form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import measurement_commands
from benchmarks.dot_figure import write_figure
from benchmarks.protocols import PROTOCOLS, Protocol
from benchmarks.published_protocol import run_benchmark
from benchmarks.summary_table import summary
from kg.storage.kept import kept
from kg.storage.outputs import claim_folder
from training.commands import console
from training.commands.cli_options import Json, Overwrite
from training.comparison.peers import peers_named
from training.recipes import recipe_named

__all__ = ["app"]

app = typer.Typer(
    name="benchmarks",
    help="Published protocols, and measurements of what this project says of itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)


def command_of(protocol: Protocol) -> Callable[..., None]:
    """Return the command that repeats a protocol."""

    def repeat(
        data: Annotated[Path, typer.Option(help="Folder of the data.")],
        out: Annotated[Path | None, typer.Option(help="Where results go; runs/benchmark/NAME by default.")] = None,
        seeds: Annotated[int, typer.Option(help="Number of seeds of our model.", min=1)] = protocol.seeds,
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
        overwrite: Overwrite = False,
        as_json: Json = False,
    ) -> None:
        folder = out or Path("runs") / "benchmark" / protocol.name
        figures = [f"{protocol.name}-{part}.{kind}" for part in protocol.parts for kind in ("png", "svg")]
        claim_folder(folder, ["results.json", "results.csv", *figures], key="protocol", overwrite=overwrite)
        with kept(f"what was measured is kept in {folder}"), console.progress_bar() as progress:
            results = run_benchmark(
                protocol,
                data,
                folder,
                seeds=range(seeds),
                recipe=recipe_named(recipe),
                settings=assign or [],
                variants=variants,
                ablate=ablate,
                peers=peers_named(only, protocol.peers) if only else protocol.peers if peers else (),
                progress=progress,
            )
        for part in protocol.parts:
            write_figure(results.rows, protocol, part, folder)
        if as_json:
            console.print_json(results.as_json())
            return
        for part in protocol.parts:
            table = summary(results.rows, protocol, part)
            console.out.print(console.comparison_table(f"{protocol.name}: {part}", table))
        console.out.print(
            "± is the standard deviation over seeds or splits; p is that of a paired bootstrap over users against kgrec; "
            "seconds are those of the fit, on one thread, the median over seeds; MB is the peak of its process, libraries "
            "included."
        )
        for note in results.notes:
            console.out.print(note)
        console.out.print(f"{protocol.note} Written to {folder}.")

    return repeat


for name, protocol in PROTOCOLS.items():
    app.command(
        name,
        rich_help_panel="Published protocols",
        short_help=f"{protocol.description}, {', '.join(protocol.parts)}: {', '.join(protocol.metrics)}.",
        help=(
            "Ours beside baselines, other people's models and what others reported, on the same training and test "
            f"ratings; what was measured before is kept. {protocol.note}"
        ),
    )(command_of(protocol))
for command in measurement_commands.COMMANDS:
    app.command(rich_help_panel="Our own claims")(command)
