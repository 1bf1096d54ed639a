"""Commands that make and measure runs: the demo, train, tune, evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kg.counted import counted
from kg.errors import InputError
from training.commands.cli_options import GraphArgument, Json, Lengths, RunArgument, Settings

if TYPE_CHECKING:
    from training.config import RunConfig

__all__ = ["configuration", "demo", "evaluate", "list_lengths", "train", "tune"]

_MOST_LISTED = 1000  # of a list that is measured
_Config = Annotated[Path | None, typer.Option(help="YAML configuration instead of a recipe.")]


def demo(
    directory: Annotated[Path, typer.Option(help="Where graph and run are written.")] = Path("runs/demo"),
) -> None:
    """See the whole idea work on a small film world: graph, training, metrics, lists, reasons.

    Example: kgrec demo
    """
    from training.commands.demo_world import run_demo

    run_demo(directory)


def train(
    graph: GraphArgument,
    out: Annotated[Path, typer.Option(help="Directory of the run.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="A split of the data (u1), or random (default), by-time, liked, cold-items, cold-users, cold-both, none."
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="standard (default), quick or adamw.")] = None,
    config: _Config = None,
    seed: Annotated[int | None, typer.Option(help="Seed of model and training; 0 by default.")] = None,
    assign: Settings = None,
    overwrite: Annotated[bool, typer.Option(help="Replace another run of this name.")] = False,
    as_json: Json = False,
) -> None:
    """Train the hybrid model; a killed training goes on where it was when started again.

    Example: kgrec train graphs/ml-100k --split u1 --out runs/u1
    """
    from training.commands import console
    from training.runs import train_run

    chosen = configuration(graph, config, recipe, {"split.name": split, "seed": seed}, assign)
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
    graph: GraphArgument,
    out: Annotated[Path, typer.Option(help="Directory of the search.")],
    trials: Annotated[int, typer.Option(help="Number of trials, with those of earlier calls.", min=1)] = 20,
    metric: Annotated[str, typer.Option(help="rmse or ndcg@20, on validation ratings.")] = "rmse",
    only: Annotated[
        str | None, typer.Option(help="Settings to search, e.g. model.embedding_size,training.friction.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="As for train; its test part is not looked at.")] = None,
    config: _Config = None,
    assign: Settings = None,
    overwrite: Annotated[bool, typer.Option(help="Start clean in place of another search.")] = False,
    as_json: Json = False,
) -> None:
    """Search for better settings on validation ratings, from those given; a killed search goes on when started again.

    Example: kgrec tune graphs/ml-100k --split u1 --out searches/u1
    """
    from training.commands import console
    from training.search.tune import tune as search

    chosen = configuration(graph, config, None, {"split.name": split}, assign)
    names = [name.strip() for name in (only or "").split(",") if name.strip()]
    with console.progress_bar() as progress:
        result = search(
            graph, chosen, out, trials=trials, metric=metric, only=names, overwrite=overwrite, progress=progress
        )
    if as_json:
        console.print_json({"search": str(out), **result.as_json()})
        return
    console.out.print(console.plain_table(f"{metric} on validation ratings", result.comparison()))
    console.out.print(result.sentence)
    console.out.print(f"Written to {out}; `kgrec train --config {out}/best.yaml` takes the best settings.")


def evaluate(
    run: RunArgument,
    baselines: Annotated[bool, typer.Option(help="Fit and measure the baselines as well.")] = True,
    at: Lengths = None,
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
    report = evaluation_report(loaded, baselines=baselines, mask_validation=mask_validation, at=lengths)
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
    console.out.print(
        f"Below each figure: its 95 % bootstrap interval over users. No model knows the date of a {held_out} to be predicted."
    )


def export_encoder(
    run: RunArgument,
    out: Annotated[Path, typer.Option(help="A new directory.")],
) -> None:
    """Write the language model of a run as a folder that sentence-transformers reads, with what tuning changed.

    Example: kgrec export-encoder runs/u1 --out encoders/u1
    """
    from training.bundle import load_run
    from training.commands import console

    load_run(run).recommender.encoder.export(out)
    console.out.print(f"Written to {out}.")


def list_lengths(at: str | None) -> tuple[int, ...]:
    """Read `--at 5,10`."""
    try:
        lengths = sorted({int(length) for length in at.split(",")}) if at is not None else []
    except ValueError:
        lengths = [0]
    if any(not 1 <= length <= _MOST_LISTED for length in lengths):
        raise InputError(
            f"--at takes lengths of lists from 1 to {_MOST_LISTED} with commas, for example 5,10; got {at!r}"
        )
    return tuple(lengths)


def _about(part: str, parts: dict[str, Any], held_out: str) -> str:
    """Say what a part `warm` that is told apart holds, and what of it is known."""
    if part == "warm_known":
        return f" of users and items with training {held_out}s"
    if part != "warm" or "warm_known" not in parts:
        return ""
    return ", all that are held out, of new users and items as well (told apart below)"


def configuration(
    graph: Path,
    config: Path | None,
    recipe: str | None,
    named: dict[str, str | int | None],
    assign: list[str] | None,
) -> RunConfig:
    """Return what a file or a recipe says, with the settings of the command line: named options, then `--set`."""
    from kg.dataset import Dataset
    from training.config import RunConfig
    from training.recipes import recipe_named

    if config and recipe:
        raise InputError("give --config or --recipe, not both")
    chosen = RunConfig.load(config) if config else recipe_named(recipe or "standard")(len(Dataset.load(graph).ratings))
    settings = [f"{field}={json.dumps(value)}" for field, value in named.items() if value is not None]
    return chosen.updated([*settings, *(assign or [])])
