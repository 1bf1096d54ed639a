"""Commands that make and mend graphs: fetch data, build, check, forget a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import GraphArgument, Json

__all__ = ["build", "check", "download", "forget"]


def download(
    name: Annotated[str, typer.Argument(help="ml-100k or ml-1m.")],
    to: Annotated[Path, typer.Option(help="Folder that will hold the data.")] = Path("data"),
) -> None:
    """Fetch a public MovieLens archive from its own site, checked by its checksum.

    Example: kgrec download ml-100k --to data
    """
    from kg.movielens import fetch
    from training.commands.console import out, progress_bar

    with progress_bar() as progress:
        folder = fetch(name, to, progress=lambda have, total: progress("download", have, total or have, "bytes"))
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
    from training.films import write_film_source

    directory = out or update
    if directory is None or (out is not None and update is not None):
        raise InputError("give either --out DIR for a new graph or --update DIR for one that is there")
    changes, written = [], True
    with TemporaryDirectory() as folder:
        if description == "films":
            source = Description.load(write_film_source(Path(folder)))
        else:
            source = Description.load(description, data=data)
        if out is not None:
            refuse_other(out)  # before the sources are read, not after
        with only_writer(directory):
            with scratch_directory(directory) as scratch:
                if update is not None:
                    updated = update_graph(
                        source, update, refresh=refresh, snapshots=snapshots, engine=engine, scratch=scratch
                    )
                    dataset, changes, written = updated.dataset, change_lines(updated), updated.read
                else:
                    dataset = build_graph(
                        source,
                        refresh=refresh,
                        snapshots=snapshots,
                        engine=engine,
                        scratch=scratch,
                        forgotten=Forgotten.of_directory(directory),
                    )
            if update is None:
                dataset.save(directory)
    if as_json:
        console.print_json({"graph": str(directory), "fingerprint": dataset.fingerprint, **dataset.report})
    else:
        for line in [*report_lines(dataset.report), *changes]:
            console.out.print(line)
        if written:
            console.out.print(f"Written to {directory}.")
    for warning in dataset.report.get("warnings", ()):  # type: ignore[attr-defined]
        console.notes.print(f"warning: {warning}")


def check(
    graph: GraphArgument,
    shapes: Annotated[Path | None, typer.Option(help="Turtle file with SHACL shapes of your own.")] = None,
    leaks: Annotated[
        bool, typer.Option("--leaks", help="Look for held-out ratings that the graph gives away.")
    ] = False,
    split: Annotated[str | None, typer.Option(help="With --leaks: the split, as for train; random by default.")] = None,
    as_json: Json = False,
) -> None:
    """Say in plain sentences what is wrong with a graph; exit code 1 where something cannot be true.

    With --leaks: what of the held-out ratings of a split the graph gives away; exit code 1 where it does.

    Example: kgrec check graphs/ml-100k
    Example: kgrec check graphs/ml-100k --leaks --split u1
    """
    from kg.check import check as check_graph
    from kg.checks.shapes import ShapesFile
    from kg.dataset import Dataset
    from training.audit.leaks import audit
    from training.commands import console
    from training.splits import make_split

    if leaks and shapes is not None:
        raise InputError("give --shapes or --leaks, not both: shapes look at the graph alone")
    if split is not None and not leaks:
        raise InputError("--split says what is held out; give --leaks with it")
    own = None if shapes is None else ShapesFile.load(shapes)
    dataset = Dataset.load(graph)
    if leaks:
        held_out = make_split(dataset, split or "random", test_share=0.2, seed=0)
        findings, head = audit(dataset, held_out), held_out.sentence
    else:
        with console.progress_bar() as progress:
            findings = check_graph(dataset, own, progress=progress)
        head = f"{dataset.graph.name}: {counted(dataset.graph.num_nodes, 'node checked')}."
    counts = {name: sum(finding.severity == name for finding in findings) for name in ("error", "warning", "note")}
    ok = not counts["error"]
    if as_json:
        of_split = {"split": split or "random"} if leaks else {}
        as_found = [finding.as_json() for finding in findings]
        console.print_json({"graph": str(graph), **of_split, "ok": ok, "findings": as_found})
    else:
        console.out.print(head)
        for finding in findings:
            remedy = f" Remedy: {finding.remedy}." if finding.remedy else ""
            console.out.print(f"{finding.severity}: {finding.sentence}{remedy}")
        if findings:
            console.out.print(", ".join(counted(number, name) for name, number in counts.items() if number) + ".")
        if not findings or (leaks and ok):
            console.out.print("Nothing leaks." if leaks else "Nothing is wrong.")
    if not ok:
        raise typer.Exit(1)


def forget(
    graph: GraphArgument,
    user: Annotated[list[str], typer.Option(help="Id of the person; may be repeated.", show_default=False)],
    run: Annotated[list[Path] | None, typer.Option(help="Run trained on the graph; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Remove a person from every file of a graph, and of runs, and prove it; updates leave the person out from then on.

    Example: kgrec forget graphs/ml-100k --user 196 --run runs/u1
    """
    from kg.growth.forget import forget_in_graph
    from training.commands import console
    from training.forgetting import RunForgetting

    people = list(dict.fromkeys(user))
    # Everything is read before anything is written: a damaged run stops all.
    runs = [RunForgetting.prepare(directory, people) for directory in run or []]
    # Who only joined a run left nothing in its weights.
    learned = [prepared.run.directory for prepared in runs if not prepared.joined.issuperset(people)]
    joined = {raw_id for prepared in runs for raw_id in prepared.joined}
    in_graph = forget_in_graph(graph, people, [prepared.run.experiment.dataset for prepared in runs], joined)
    for prepared in runs:
        prepared.write()
    counts: dict[str, Mapping[str, int]] = {str(graph): in_graph.counts}
    counts |= {str(prepared.run.directory): prepared.counts for prepared in runs}
    if as_json:
        console.print_json({"forgotten": counts, "traces": 0, "retrain": list(map(str, learned))})
        return
    for place, removed in counts.items():
        nouns = {name: "person" if name == "people" else name.removesuffix("s") for name in removed}
        what = ", ".join(counted(number, nouns[name]) for name, number in removed.items())
        words = f"removed {what}" if removed["people"] else "not there (any more)"
        console.out.print(f"{place}: {words}; all files searched, no trace is left.")
    for directory in learned:
        console.out.print(
            f"{directory}: the weights were learned with these ratings. Their own rows are zero now, but only a new "
            f"training takes the rest away: kgrec train {graph} --out {directory} --overwrite"
        )
    console.out.print(
        "The source files, copies and backups are yours to clear; an update of this graph leaves these people out."
    )
