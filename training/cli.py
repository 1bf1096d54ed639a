"""`kgrec` on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Container
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kg.errors import InputError

if TYPE_CHECKING:
    from training.config import RunConfig

__all__ = ["app", "main"]

app = typer.Typer(
    name="kgrec",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
    help="A knowledge-graph recommender with a language model at its base.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
Count = Annotated[int, typer.Option("-k", "--count", help="Length of the list.")]


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where graph and run are written.")] = Path("runs/demo"),
) -> None:
    """See the whole idea work on a small film world: graph, training, metrics, lists, reasons.

    Example: kgrec demo
    """
    from training.demo import run_demo

    run_demo(directory)


@app.command()
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


@app.command()
def build(
    description: Annotated[str, typer.Argument(help="YAML file, or movielens-100k, movielens-1m, citeulike-a, films.")],
    out: Annotated[Path, typer.Option(help="Directory of the graph.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data a ready-made description reads.")] = None,
    as_json: Json = False,
) -> None:
    """Turn tables and RDF into a knowledge graph with ratings.

    Example: kgrec build movielens-100k --data data --out graphs/ml-100k
    """
    from kg.build import build as build_graph
    from kg.description import Description
    from kg.films import simulate, write_source
    from kg.report import report_lines
    from training import console

    if description == "films":
        with TemporaryDirectory() as folder:
            dataset = build_graph(Description.load(write_source(simulate(), Path(folder))))
    else:
        dataset = build_graph(Description.load(description, data=data), data=data)
    dataset.save(out)
    if as_json:
        console.print_json({"graph": str(out), "fingerprint": dataset.fingerprint, **dataset.report})
        return
    for line in report_lines(dataset.report):
        console.out.print(line, markup=False, soft_wrap=True)
    console.out.print(f"Written to {out}.", markup=False)


@app.command()
def train(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the run.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="A split of the data (u1), or random (default), by-time, liked, cold-items, cold-users, cold-both."
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="standard (default), quick or adamw.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML configuration instead of a recipe.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of model and training; 0 by default.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, e.g. training.epochs=800; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace another run of this name.")] = False,
    as_json: Json = False,
) -> None:
    """Train the hybrid model; a killed training goes on where it was when started again.

    Example: kgrec train graphs/ml-100k --split u1 --out runs/u1
    """
    from training import console
    from training.runs import train_run

    chosen = _configuration(graph, config, recipe, {"split.name": split, "seed": seed}, assign or [])
    with console.progress_bar() as progress:
        outcome = train_run(graph, chosen, out, overwrite=overwrite, progress=progress)
    if as_json:
        console.print_json({"run": str(out), "trained": outcome.trained, "seconds": {"train": outcome.seconds}})
    elif outcome.trained:
        console.out.print(f"{outcome.sentence}\nTrained in {outcome.seconds:.0f} s; written to {out}.", markup=False)
    else:
        console.out.print(f"The same run is in {out} already; --overwrite trains it again.", markup=False)


@app.command()
def tune(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the search.")],
    trials: Annotated[int, typer.Option(help="Number of trials, with those of earlier calls.", min=1)] = 20,
    minutes: Annotated[float | None, typer.Option(help="No further trial starts after this time.", min=0)] = None,
    metric: Annotated[str, typer.Option(help="rmse or ndcg@20, on validation ratings.")] = "rmse",
    only: Annotated[
        str | None, typer.Option(help="Settings to search, e.g. model.embedding_size,training.friction.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="As for train; its test part is not looked at.")] = None,
    recipe: Annotated[str | None, typer.Option(help="standard (default), quick or adamw.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML configuration instead of a recipe.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the trainings and of the search; 0 by default.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting where the search starts; may be repeated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Start clean in place of another search.")] = False,
    as_json: Json = False,
) -> None:
    """Search for better settings on validation ratings; a killed search goes on when started again.

    Example: kgrec tune graphs/ml-100k --split u1 --out searches/u1
    """
    from training import console
    from training.tune import tune as search

    chosen = _configuration(graph, config, recipe, {"split.name": split, "seed": seed}, assign or [])
    with console.progress_bar() as progress:
        found = search(
            graph,
            chosen,
            out,
            trials=trials,
            minutes=minutes,
            metric=metric,
            only=[name.strip() for name in (only or "").split(",") if name.strip()],
            overwrite=overwrite,
            progress=progress,
        )
    if as_json:
        console.print_json({"search": str(out), **found.as_json()})
        return
    console.out.print(console.plain_table(f"{metric} on validation ratings", found.comparison()))
    console.out.print(found.sentence, markup=False)
    console.out.print(
        f"Written to {out}; `kgrec train --config {out}/best.yaml` takes the best settings.", markup=False
    )


@app.command()
def evaluate(
    run: RunArgument,
    baselines: Annotated[bool, typer.Option(help="Fit and measure the baselines as well.")] = True,
    dates: Annotated[
        bool, typer.Option("--dates", help="Use the dates of the held-out ratings; the run has model.rating_dates.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a run on its held-out ratings, warm and cold, beside the baselines.

    Example: kgrec evaluate runs/u1 --json
    """
    from training import console
    from training.bundle import load_run
    from training.report import evaluation_report

    report = evaluation_report(load_run(run), baselines=baselines, dates=dates)
    if as_json:
        console.print_json(report)
        return
    for part, values in report["parts"].items():
        title = f"{part}: {values['num_ratings']:,} ratings; lists of {values['num_users_ranked']:,} users"
        console.out.print(console.metrics_table(title, part, report))
    used = "The model, but no baseline, knows the date" if dates else "No model knows the date"
    console.out.print(
        f"Below each figure: its 95 % bootstrap interval over users. {used} of a rating to be predicted.",
        markup=False,
    )


@app.command()
def recommend(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Ratings of someone new: item=stars,item=stars (ids without commas).")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What someone new says they like.")] = None,
    count: Count = 10,
    as_json: Json = False,
) -> None:
    """Recommend items to a known user, to someone with a few ratings, or for a sentence.

    Example: kgrec recommend runs/u1 --history 50=5,181=4
    """
    from training import console
    from training.bundle import load_run

    recommender = load_run(run).recommender
    ratings = None if history is None else _history(history, recommender.graph.items.vocabulary)
    rows = recommender.recommend(user=user, history=ratings, text=text, k=count)
    if as_json:
        who: dict[str, Any] = {"user": user} if user is not None else {"history": ratings, "text": text}
        console.print_json({**who, "items": rows.to_dict("records")})
        return
    title = (
        f"for user {user}"
        if user is not None
        else f"for “{text}”"
        if text
        else f"for someone who rated {history or 'nothing'}"
    )
    console.out.print(console.recommendation_table(title, rows, implicit=recommender.implicit))


@app.command()
def audience(
    run: RunArgument,
    item: Annotated[str, typer.Option(help="Id of an item, rated or not.")],
    count: Count = 10,
    as_json: Json = False,
) -> None:
    """List the users most likely to come across an item and like it; the item may be new.

    Example: kgrec audience runs/u1 --item 50
    """
    from training import console
    from training.bundle import load_run

    recommender = load_run(run).recommender
    rows = recommender.audience(item, k=count)
    if as_json:
        console.print_json({"item": item, "users": rows.to_dict("records")})
    else:
        console.out.print(console.recommendation_table(f"users for item {item}", rows, implicit=recommender.implicit))


@app.command()
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
            peers=chosen.peers if peers else (),
            progress=progress,
        )
    notes = list(results.notes)
    try:
        for part in chosen.parts:
            write_figure(results.rows, chosen, part, folder)
    except ImportError:
        notes.append("No figure was drawn: matplotlib is not installed; `pip install -e '.[peers]'` gets it.")
    if as_json:
        console.print_json(results.as_json() | {"notes": notes})
        return
    for part in chosen.parts:
        console.out.print(console.benchmark_table(f"{protocol}: {part}", summary(results.rows, chosen, part)))
    console.out.print(
        "± is the standard deviation over seeds or splits; p is that of a paired bootstrap over users against kgrec; "
        "seconds are those of the fit, on one thread; MB is the peak of its process, libraries included.",
        markup=False,
    )
    for note in notes:
        console.out.print(note, markup=False)
    console.out.print(f"{chosen.note} Written to {folder}.", markup=False)


def _configuration(
    graph: Path, config: Path | None, recipe: str | None, given: dict[str, str | int | None], assign: list[str]
) -> RunConfig:
    """Return what a file or a recipe says, with the settings of the command line."""
    from kg.dataset import Dataset
    from training.config import RunConfig
    from training.recipes import recipe_named

    if config and recipe:
        raise InputError("give --config or --recipe, not both")
    chosen = RunConfig.load(config) if config else recipe_named(recipe or "standard")(len(Dataset.load(graph).ratings))
    named = [f"{field}={json.dumps(value)}" for field, value in given.items() if value is not None]
    return chosen.updated([*named, *assign])


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


def _history(text: str, known: Container[str]) -> dict[str, float]:
    """Read `item=stars,item=stars`; ids may hold '=' but no ',', blanks around an id are its own only if known so."""
    found: dict[str, float] = {}
    for part in filter(str.strip, text.split(",")):
        item, equals, stars = part.rpartition("=")
        try:
            value = float(stars)
        except ValueError:
            equals = ""
        if not equals or not item:
            raise InputError(f"expected item=stars, got {part!r}; for example --history 50=5,181=4")
        item = item if item in known else item.strip()
        if item in found:
            raise InputError(f"item {item!r} stands twice in the history; give each item once")
        found[item] = value
    return found


def main() -> None:
    """Run the command line; what the user can mend is one sentence and exit code 2."""
    from training.console import notes, set_up_logging

    set_up_logging()
    try:
        app()
    except InputError as error:
        notes.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        notes.print(f"error: {error.filename or 'the system'}: {error.strerror or error}", markup=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
