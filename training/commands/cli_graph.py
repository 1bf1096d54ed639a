"""Commands about graphs: fetch data, build."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from kg.errors import InputError
from training.commands.cli_options import Json

__all__ = ["build", "download"]


def download(
    name: Annotated[str, typer.Argument(help="ml-100k or ml-1m.")],
    to: Annotated[Path, typer.Option(help="Folder that will hold the data.")] = Path("data"),
    url: Annotated[str | None, typer.Option(help="Another address of the same archive.")] = None,
) -> None:
    """Fetch a public MovieLens archive from its own site, with checksum and resume.

    Example: kgrec download ml-100k --to data
    """
    from kg.movielens import fetch
    from training.commands.console import out, progress_bar

    with progress_bar() as progress:
        folder = fetch(
            name, to, url=url, progress=lambda have, total: progress("download", have, total or have, "bytes")
        )
    out.print(f"{name} is in {folder}")


def build(
    description: Annotated[
        str,
        typer.Argument(
            help="YAML file, or amazon-scientific, citeulike-a, dkn-news, flixster-monti, kmrd-small, lastfm-dbpedia, movielens-100k, "
            "movielens-100k-freebase, movielens-1m, movielens-latest-small, films."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Directory of the graph; what is there is built anew.")] = None,
    update: Annotated[
        Path | None, typer.Option(help="Directory of a graph that takes in what has changed; indices stay.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data a ready-made description reads.")] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask SPARQL endpoints again; by default once is enough.")
    ] = False,
    snapshots: Annotated[
        Path | None, typer.Option(help="Folder that receives what SPARQL endpoints answered, as files.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(help="What joins the triples: duckdb, or pyspark (pip install -e '.\\[spark]'; needs Java 17)."),
    ] = "duckdb",
    as_json: Json = False,
) -> None:
    """Turn tables and RDF into a knowledge graph with ratings, or bring one up to date.

    Example: kgrec build movielens-100k --data data --out graphs/ml-100k
    """
    from kg.build import build as build_graph
    from kg.dataset import refuse_other
    from kg.description import Description
    from kg.forgotten import Forgotten
    from kg.growth.update import change_lines
    from kg.growth.update import update as update_graph
    from kg.report import report_lines
    from kg.storage.atomic import scratch_directory
    from kg.storage.only_writer import only_writer
    from training.commands import console
    from training.films import simulate, write_source

    directory = out or update
    if directory is None or (out is not None and update is not None):
        raise InputError("give either --out DIR for a new graph or --update DIR for one that is there")
    with TemporaryDirectory() as folder:
        films = description == "films"
        source = Description.load(
            write_source(simulate(), Path(folder)) if films else description, data=None if films else data
        )
        if out is not None:
            refuse_other(out)  # before the sources are read, not after
        with only_writer(directory):
            with scratch_directory(directory) as scratch:
                if update is not None:
                    updated = update_graph(
                        source, update, refresh=refresh, snapshots=snapshots, engine=engine, scratch=scratch
                    )
                    dataset, lines, written = updated.dataset, change_lines(updated), updated.read
                else:
                    dataset = build_graph(
                        source,
                        refresh=refresh,
                        snapshots=snapshots,
                        engine=engine,
                        scratch=scratch,
                        forgotten=Forgotten.of_directory(directory),
                    )
                    lines, written = [], True
            if update is None:
                dataset.save(directory)
    if as_json:
        console.print_json({"graph": str(directory), "fingerprint": dataset.fingerprint, **dataset.report})
    else:
        for line in [*report_lines(dataset.report), *lines]:
            console.out.print(line)
        if written:
            console.out.print(f"Written to {directory}.")
    for warning in dataset.report.get("warnings", ()):  # type: ignore[attr-defined]
        console.notes.print(f"warning: {warning}")
