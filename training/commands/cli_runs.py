"""Commands about runs: train, tune, measure, ask."""

from __future__ import annotations

import json
import time
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kg.errors import InputError
from training.commands.cli_options import Json, Overwrite

if TYPE_CHECKING:
    from kg.queries.rules import AppliedRules
    from models.recommender import Recommender
    from training.config import RunConfig

__all__ = ["audience", "demo", "evaluate", "read_history", "recommend", "train", "tune"]

RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
Count = Annotated[int, typer.Option("-k", "--count", help="Length of the list.")]


def demo(
    directory: Annotated[Path, typer.Option(help="Where graph and run are written.")] = Path("runs/demo"),
) -> None:
    """See the whole idea work on a small film world: graph, training, metrics, lists, reasons.

    Example: kgrec demo
    """
    from training.demo import run_demo

    run_demo(directory)


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
    from training.commands import console
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
    from training.commands import console
    from training.search.tune import tune as search

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
    from training.bundle import load_run
    from training.commands import console
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


def recommend(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: Annotated[
        str | None, typer.Option(help="Ratings of someone new: item=stars,item=stars (ids without commas).")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What someone new says they like.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Lists of all users, written to --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for --all.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules: what to hide, boost, or list alone.")] = None,
    diversity: Annotated[float, typer.Option(help="Weight of how far apart the listed items are, 0 to 1.")] = 0.0,
    novelty: Annotated[float, typer.Option(help="Weight of how few people know an item, 0 to 1.")] = 0.0,
    count: Count = 10,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Recommend items to a known user, to someone with a few ratings, or for a sentence; or to all users at once.

    Example: kgrec recommend runs/u1 --history 50=5,181=4
    """
    from kg.storage.outputs import claim_file
    from training.bundle import load_run
    from training.commands import console
    from training.commands.cli_rules import read_rules

    if everyone != (out is not None) or (everyone and not user is history is text is None):
        raise InputError("give --all together with --out lists.parquet and without a person, or neither of the two")
    if out is not None and (diversity or novelty):
        raise InputError("--diversity and --novelty are for the list of one person; leave out --all")
    if out is not None:
        claim_file(out, overwrite=overwrite, endings=(".parquet",))
    recommender = load_run(run).recommender
    applied = None if rules is None else read_rules(run / "graph", recommender.graph, rules)
    if out is not None:
        _everyone(recommender, applied, out, count, as_json)
        return
    ratings = None if history is None else read_history(history, recommender.graph.items.vocabulary)
    rows = recommender.recommend(
        user=user, history=ratings, text=text, k=count, rules=applied, diversity=diversity, novelty=novelty
    )
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


def _everyone(recommender: Recommender, rules: AppliedRules | None, out: Path, count: int, as_json: bool) -> None:
    """Write the lists of all users."""
    from models.lists.ruled import adjustment_of
    from training.commands import console
    from training.lists import write_lists
    from training.peak_memory import peak_memory_mb

    started = time.perf_counter()
    adjustment = adjustment_of(rules, implicit=recommender.implicit)
    with console.progress_bar() as progress:
        written = write_lists(recommender, out, count, rules=adjustment, progress=progress)
    seconds, memory = round(time.perf_counter() - started, 1), round(peak_memory_mb())
    if as_json:
        facts = {"users": written.users, "rows": written.rows, "seconds": seconds, "peak_memory_mb": memory}
        console.print_json({"lists": str(out), **facts})
        return
    console.out.print(
        f"{written.rows:,} rows for {written.users:,} users in {seconds:g} s with {memory:,} MB; written to {out}.",
        markup=False,
    )


def audience(
    run: RunArgument,
    item: Annotated[str, typer.Option(help="Id of an item, rated or not.")],
    count: Count = 10,
    as_json: Json = False,
) -> None:
    """List the users most likely to come across an item and like it; the item may be new.

    Example: kgrec audience runs/u1 --item 50
    """
    from training.bundle import load_run
    from training.commands import console

    recommender = load_run(run).recommender
    rows = recommender.audience(item, k=count)
    if as_json:
        console.print_json({"item": item, "users": rows.to_dict("records")})
    else:
        console.out.print(console.recommendation_table(f"users for item {item}", rows, implicit=recommender.implicit))


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


def read_history(text: str, known: Container[str]) -> dict[str, float]:
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
