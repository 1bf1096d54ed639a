"""The commands `kgrec cold-start` and `kgrec questions`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kg.errors import InputError
from training.commands.cli_options import History, Json, Overwrite

__all__ = ["cold_start", "questions"]


def cold_start(
    graph: Annotated[Path, typer.Argument(help="Directory of a run or of a graph.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the report goes.")],
    quick: Annotated[bool, typer.Option("--quick", help="A first look: short training, few newcomers.")] = False,
    ablate: Annotated[bool, typer.Option(help="Also train without text, concepts, factors.")] = True,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Also train anew with 5 ratings of every new user, to compare.")
    ] = False,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="Change one setting, e.g. split.seed=1; may be repeated.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Study new items and new users: few-shot curves, what each part brings, calibration, what to ask someone new.

    Holds out a fifth of the items and a fifth of the users, trains what is not there yet, and writes tables (CSV), figures
    (PNG, SVG) and one page, index.html. A killed study goes on where it was. Of a run, graph and configuration are taken.

    Example: kgrec cold-start runs/u1 --out report
    """
    from kg.storage.kept import kept
    from kg.storage.outputs import claim_folder
    from training.commands import console
    from training.config import RunConfig
    from training.recipes import standard
    from training.studies.cold_start import TABLES
    from training.studies.cold_start import cold_start as study_of
    from training.studies.study_figures import FIGURES, write_figures
    from training.studies.study_page import findings, write_page

    if (graph / "config.yaml").is_file():
        config, graph = RunConfig.load(graph / "config.yaml"), graph / "graph"
    else:
        from kg.dataset import Dataset

        config = standard(len(Dataset.load(graph).ratings))
    config = config.updated(assign or [])
    names = [f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")]
    claim_folder(
        out,
        ["study.json", "index.html", *(f"{name}.csv" for name in TABLES), *names],
        key="tables",
        overwrite=overwrite,
    )
    with kept(f"what was measured is kept in {out}"), console.progress_bar() as progress:
        study = study_of(graph, config, out, quick=quick, ablate=ablate, retrain=retrain, progress=progress)
        page = write_page(study, write_figures(study, out), out)
    if as_json:
        console.print_json(study.as_json() | {"findings": findings(study), "page": str(page)})
        return
    for sentences in findings(study).values():
        for sentence in sentences:
            console.out.print(sentence)
    console.out.print(f"Written to {page}.")


def questions(
    run: Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)],
    history: History = None,
    count: Annotated[int, typer.Option("-k", "--count", help="Number of questions.")] = 5,
    as_json: Json = False,
) -> None:
    """Say which items to ask someone new about: those that tell most of their taste, and that they may well know.

    Example: kgrec questions runs/u1 --history 50=5,181=4
    """
    from training.bundle import load_run
    from training.commands import console
    from training.commands.cli_runs import read_history_of

    loaded = load_run(run)
    if loaded.recommender.implicit:
        raise InputError("questions ask for stars, and the feedback of this run is implicit")
    given = read_history_of(loaded.recommender, history)
    found = loaded.recommender.questions(given, k=count)
    if as_json:
        console.print_json({"questions": found.to_dict(orient="records"), **console.note_of(found)})
        return
    told = found.assign(
        known=[f"{100 * share:.0f} %" for share in found["known"]],
        gain=[f"{100 * gain:.1f} %" for gain in found["gain"]],
    )
    if console.nothing_listed(found):
        return
    console.out.print(console.plain_table("questions to someone new", told))
    console.out.print(
        "known: chance that the person knows it; gain: share of what is open about their scores that an answer settles."
    )
