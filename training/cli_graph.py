"""Commands about graphs: fetch data, build."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from training.cli_options import Json

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
    from training.console import out, progress_bar

    with progress_bar() as progress:
        folder = fetch(
            name, to, url=url, progress=lambda have, total: progress("download", have, total or have, "bytes")
        )
    out.print(f"{name} is in {folder}", markup=False)


def build(
    description: Annotated[str, typer.Argument(help="YAML file, or movielens-100k, movielens-1m, citeulike-a, films.")],
    out: Annotated[Path, typer.Option(help="Directory of the graph.")],
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
    """Turn tables and RDF into a knowledge graph with ratings.

    Example: kgrec build movielens-100k --data data --out graphs/ml-100k
    """
    from kg.atomic import scratch_directory
    from kg.build import build as build_graph
    from kg.description import Description
    from kg.films import simulate, write_source
    from kg.report import report_lines
    from training import console

    if description == "films":
        with TemporaryDirectory() as folder:
            dataset = build_graph(Description.load(write_source(simulate(), Path(folder))))
    else:
        meaning = Description.load(description, data=data)
        with scratch_directory(out) as scratch:
            dataset = build_graph(
                meaning, data=data, refresh=refresh, snapshots=snapshots, engine=engine, scratch=scratch
            )
    dataset.save(out)
    if as_json:
        console.print_json({"graph": str(out), "fingerprint": dataset.fingerprint, **dataset.report})
        return
    for line in report_lines(dataset.report):
        console.out.print(line, markup=False, soft_wrap=True)
    console.out.print(f"Written to {out}.", markup=False)
