"""`kgrec` on the command line: which commands there are, and how errors are told."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from kg.errors import InputError
from training.commands import (
    cli_answers,
    cli_graph,
    cli_newcomers,
    cli_profile,
    cli_query,
    cli_runs,
    cli_studies,
    cli_views,
)
from training.interrupts import interrupts_told

__all__ = ["app", "main"]

app = typer.Typer(
    name="kgrec",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
PANELS = {
    "Begin": (cli_runs.demo, cli_graph.download),
    "The graph": (
        cli_graph.build,
        cli_graph.check,
        cli_query.query,
        cli_views.search,
        cli_views.show,
        cli_views.paths,
        cli_views.stats,
        cli_graph.forget,
    ),
    "Training": (cli_runs.train, cli_runs.tune, cli_runs.evaluate, cli_runs.export_encoder),
    "Answers": (
        cli_answers.recommend,
        cli_answers.audience,
        cli_newcomers.predict,
        cli_newcomers.similar,
        cli_answers.explain,
        cli_answers.rules,
    ),
    "New items and users": (cli_newcomers.add_items, cli_newcomers.add_users, cli_newcomers.questions),
    "Who the users are": (cli_profile.profile, cli_profile.segments),
    "Studies": (cli_studies.compare, cli_studies.cold_start, cli_studies.beyond),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kgrec {version('kgrec')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A knowledge-graph recommender with a language model at its base."""


def main(app: typer.Typer = app) -> None:
    """Run a command line, by default that of `kgrec`; what the user can mend is one sentence and exit code 2."""
    from training.commands.console import notes, set_up_logging

    with interrupts_told():
        set_up_logging()
        try:
            app()
        except InputError as error:
            for number, line in enumerate(error.lines):
                notes.print(line if number else f"error: {line}", markup=False, soft_wrap=True)
            sys.exit(2)
        except OSError as error:
            place = error.filename or "the system"
            notes.print(f"error: {place}: {error.strerror or error}", markup=False, soft_wrap=True)
            sys.exit(2)
