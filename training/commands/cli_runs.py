"""Commands about runs: train, tune, measure, ask."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import History, Json, Overwrite

if TYPE_CHECKING:
    from models.lists.rules import AppliedRules
    from models.recommender import Recommender
    from training.config import RunConfig

__all__ = [
    "audience",
    "configuration",
    "demo",
    "evaluate",
    "list_lengths",
    "read_history",
    "read_history_of",
    "recommend",
    "train",
    "tune",
]

RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
MOST_LISTED = 1000  # of a list that is measured
Count = Annotated[int, typer.Option("-k", "--count", help="Length of the list.")]


def demo(
    directory: Annotated[Path, typer.Option(help="Where graph and run are written.")] = Path("runs/demo"),
) -> None:
    """See the whole idea work on a small film world: graph, training, metrics, lists, reasons.

    Example: kgrec demo
    """
    from training.commands.demo_world import run_demo

    run_demo(directory)


def train(
    graph: Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the run.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="A split of the data (u1), or random (default), by-time, liked, cold-items, cold-users, cold-both, none."
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

    chosen = configuration(graph, config, recipe, {"split.name": split, "seed": seed}, assign or [])
    with console.progress_bar() as progress:
        outcome = train_run(graph, chosen, out, overwrite=overwrite, progress=progress)
    if as_json:
        console.print_json({"run": str(out), "trained": outcome.trained, "seconds": {"train": outcome.seconds}})
    elif outcome.trained:
        console.out.print(outcome.sentence)
        console.out.print(f"Trained in {outcome.seconds:.0f} s; written to {out}.")
    else:
        console.out.print(f"The same run is in {out} already; --overwrite trains it again.")


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

    chosen = configuration(graph, config, recipe, {"split.name": split, "seed": seed}, assign or [])
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
    console.out.print(found.sentence)
    console.out.print(f"Written to {out}; `kgrec train --config {out}/best.yaml` takes the best settings.")


def evaluate(
    run: RunArgument,
    baselines: Annotated[bool, typer.Option(help="Fit and measure the baselines as well.")] = True,
    dates: Annotated[
        bool, typer.Option("--dates", help="Use the dates of the held-out ratings; the run has model.rating_dates.")
    ] = False,
    at: Annotated[
        str | None, typer.Option(help="Further lengths at which lists are measured, beside 20: 5,10.")
    ] = None,
    mask_validation: Annotated[
        bool, typer.Option("--mask-validation", help="Take validation ratings out of the lists.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a run on its held-out ratings, warm and cold, beside the baselines.

    Example: kgrec evaluate runs/u1 --json
    """
    from training.bundle import load_run
    from training.chosen_baselines import settings_sentence
    from training.commands import console
    from training.report import evaluation_report

    loaded, lengths = load_run(run), list_lengths(at)
    report = evaluation_report(loaded, baselines=baselines, dates=dates, mask_validation=mask_validation, at=lengths)
    if as_json:
        console.print_json(report)
        return
    held_out = "choice" if loaded.recommender.implicit else "rating"
    for part, values in report["parts"].items():
        title = f"{part}: {counted(values['num_ratings'], held_out)}{_about(part, report['parts'], held_out)}"
        title += f"; lists of {counted(values['num_users_ranked'], 'user')}"
        console.out.print(console.metrics_table(title, part, report))
        for length in lengths:
            console.out.print(console.metrics_table(f"{part}: lists of {length}", part, report, length))
    for name, chosen in report["baseline_settings"].items():
        console.out.print(f"{name}: {settings_sentence(chosen, held_out)}.")
    for phase, figures in (report["diagnostics"] or {}).items():
        console.out.print(console.diagnostics_line(phase, figures))
        for warning in figures["warnings"]:
            console.notes.print(f"note: {warning}")
    used = "The model, but no baseline, knows the date" if dates else "No model knows the date"
    console.out.print(
        f"Below each figure: its 95 % bootstrap interval over users. {used} of a {held_out} to be predicted."
    )


def list_lengths(at: str | None) -> tuple[int, ...]:
    """Read `--at 5,10`."""
    try:
        found = tuple(sorted({int(length) for length in at.split(",")})) if at is not None else ()
    except ValueError:
        found = (0,)
    if any(not 1 <= length <= MOST_LISTED for length in found):
        raise InputError(
            f"--at takes lengths of lists from 1 to {MOST_LISTED} with commas, for example 5,10; got {at!r}"
        )
    return found


def _about(part: str, parts: dict[str, Any], held_out: str) -> str:
    """Say what a part `warm` that is told apart holds, and what of it is known."""
    if part == "warm_known":
        return f" of users and items with training {held_out}s"
    if part != "warm" or "warm_known" not in parts:
        return ""
    return ", all that are held out, of new users and items as well (told apart below)"


def recommend(
    run: RunArgument,
    user: Annotated[str | None, typer.Option(help="Id of a known user.")] = None,
    history: History = None,
    text: Annotated[str | None, typer.Option(help="What someone new says they like.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Lists of all users, written to --out.")] = False,
    out: Annotated[Path | None, typer.Option(help="Parquet file for --all.")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML file of rules: what to hide, boost, or list alone.")] = None,
    diversity: Annotated[float, typer.Option(help="Weight of how far apart the listed items are, 0 to 1.")] = 0.0,
    novelty: Annotated[float, typer.Option(help="Weight of how few people know an item, 0 to 1.")] = 0.0,
    again: Annotated[
        bool, typer.Option("--again", help="Also list what the person rated or chose before, such as groceries.")
    ] = False,
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
        _everyone(recommender, applied, out, count, again, as_json)
        return
    ratings = read_history_of(recommender, history)
    rows = recommender.recommend(
        user=user,
        history=ratings,
        text=text,
        k=count,
        exclude_seen=not again,
        rules=applied,
        diversity=diversity,
        novelty=novelty,
    )
    if as_json:
        who: dict[str, Any] = {"user": user} if user is not None else {"history": ratings, "text": text}
        console.print_json({**who, "items": rows.to_dict("records"), **console.note_of(rows)})
        return
    said = "chose" if recommender.implicit else "rated"
    title = (
        f"for user {user}"
        if user is not None
        else f"for “{text}”"
        if text
        else f"for someone who {said} {history or 'nothing'}"
    )
    console.print_recommendations(title, rows, implicit=recommender.implicit)


def _everyone(
    recommender: Recommender, rules: AppliedRules | None, out: Path, count: int, again: bool, as_json: bool
) -> None:
    """Write the lists of all users."""
    from models.lists.boosts_and_filters import boosts_and_filters_of
    from training.commands import console
    from training.lists import write_lists
    from training.peak_memory import peak_memory_mb

    started = time.perf_counter()
    boosts_and_filters = boosts_and_filters_of(rules, implicit=recommender.implicit)
    with console.progress_bar() as progress:
        written = write_lists(
            recommender, out, count, exclude_seen=not again, rules=boosts_and_filters, progress=progress
        )
    seconds, memory = round(time.perf_counter() - started, 1), round(peak_memory_mb())
    if as_json:
        facts = {"users": written.users, "rows": written.rows, "seconds": seconds, "peak_memory_mb": memory}
        console.print_json({"lists": str(out), **facts})
        return
    console.out.print(
        f"{counted(written.rows, 'row')} for {counted(written.users, 'user')} in {seconds:g} s with {memory:,} MB; written "
        f"to {out}."
    )
    if written.empty:
        console.out.print(f"Nothing was left to list for {written.empty:,} of them.")


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
        console.print_json({"item": item, "users": rows.to_dict("records"), **console.note_of(rows)})
    else:
        console.print_recommendations(f"users for item {item}", rows, implicit=recommender.implicit)


def configuration(
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


def read_history_of(recommender: Recommender, history: str | None) -> dict[str, float] | None:
    """Read what `--history` says to a run, if it was given."""
    known, implicit = recommender.graph.items.vocabulary, recommender.implicit
    return None if history is None else read_history(history, known, implicit=implicit)


def read_history(text: str, known: Container[str], *, implicit: bool = False) -> dict[str, float]:
    """Read `item=stars,item=stars`, or of choices ids alone: `item,item`.

    Parts are read as CSV reads cells: one with a comma stands in quotes, `"a, b=5"`. Ids may hold `=`, since the last one
    counts; blanks around an id are its own only if known so. Of choices, a part that is a known id is that id.

    Args:
        text: What was given.
        known: The known ids.
        implicit: Whether ratings only say that a user chose an item.
    """
    form, example = ("item", "50,181") if implicit else ("item=stars", "50=5,181=4")
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise InputError(
            f"expected {form} between commas, got {text!r}; a part with a comma stands in quotes, a quote in it twice"
        ) from None
    found: dict[str, float] = {}
    for part in filter(str.strip, parts):
        item, stars = _one_of_history(part, known, implicit=implicit)
        if item is None:
            raise InputError(f"expected {form}, got {part!r}; for example --history {example}")
        item = item if item in known else item.strip()
        if item in found:
            raise InputError(f"item {item!r} stands twice in the history; give each item once")
        found[item] = stars
    return found


def _one_of_history(part: str, known: Container[str], *, implicit: bool) -> tuple[str | None, float]:
    """Return item and stars of one part of a history; None where it does not say both."""
    item, equals, stars = part.rpartition("=")
    if implicit and (part in known or part.strip() in known):
        return part, 1.0
    try:
        value = float(stars) if equals and item else None
    except ValueError:
        value = None
    if value is not None:
        return item, value
    return (part if implicit else None), 1.0
