"""What people see on the terminal: tables, progress, and notes; standard output stays clean for `--json`."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleRenderable
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from training.progress import Progress as Report

if TYPE_CHECKING:
    from kg.queries.query import Answer

__all__ = [
    "comparison_table",
    "diagnostics_line",
    "metrics_table",
    "note_of",
    "notes",
    "nothing_listed",
    "out",
    "plain_table",
    "print_answer",
    "print_json",
    "print_recommendations",
    "progress_bar",
    "recommendation_table",
    "visible",
]

WIDE = 118  # columns where output goes to a file or pipe

# Control characters and marks that reverse the direction of writing: a label must not command the terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: object) -> str:
    r"""Return a text with its control characters written out, as `\n` and `\x1b`: nothing in it moves the cursor."""
    return _CONTROL.sub(lambda character: character[0].encode("unicode_escape").decode(), str(text))


class _Plain(Console):
    """A console on which a text is one unbroken line, whatever a title of the user's holds; several lines are several calls."""

    def print(self, *objects: Any, **options: Any) -> None:
        if all(isinstance(part, str) for part in objects):
            options.setdefault("soft_wrap", True)
        super().print(*(visible(part) if isinstance(part, str) else part for part in objects), **options)


out = _Plain(markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)
notes = _Plain(markup=False, highlight=False, emoji=False, stderr=True)

_STAGES = {
    "benchmark": "models",
    "check": "checking",
    "encode": "reading texts",
    "train": "training",
    "download": "downloading",
    "explain": "explaining",
}
_METRICS = ("rmse", "mae", "ndcg@20", "recall@20", "coverage_80", "interval_80")
_LISTS = ("ndcg", "recall", "hit_rate", "mrr")


def set_up_logging() -> None:
    """Send the notes of the libraries' loggers that are ours to standard error."""
    handler = _Handler(console=notes, show_time=False, show_path=False, show_level=False)
    handler.addFilter(_Once())
    logging.basicConfig(level=logging.WARNING, format="note: %(message)s", handlers=[handler])
    for name in ("kg", "models", "training"):
        logging.getLogger(name).setLevel(logging.INFO)


class _Handler(RichHandler):
    """Shows a note on one line."""

    def render_message(self, record: logging.LogRecord, message: str) -> ConsoleRenderable:
        return super().render_message(record, visible(message))


class _Once(logging.Filter):
    """Lets each note through once: a study that asks for two hundred people would repeat it two hundred times."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in self._shown
        self._shown.add(text)
        return new


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show one bar a stage on standard error; off a terminal, a line every tenth."""
    if not notes.is_terminal:
        shown: dict[str, int] = {}

        def write(stage: str, done: int, total: int, message: str) -> None:
            tenth = 10 * done // max(total, 1)
            if shown.get(stage) != tenth:
                shown[stage] = tenth
                notes.print(f"{_STAGES.get(stage, stage)}: {done} of {total}, {message}")

        yield write
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), "{task.fields[message]}")
    with Progress(*columns, console=notes) as progress:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int, message: str) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(_STAGES.get(stage, stage), total=total, message="")
            progress.update(tasks[stage], completed=done, total=total, message=message)

        yield show


def print_json(value: object) -> None:
    """Print one JSON object and nothing else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def print_answer(answer: Answer, prefixes: Mapping[str, str]) -> None:
    """Print the answer to a query as a table, or `yes` or `no`; what else is to be said goes to the notes."""
    if answer.boolean is not None:
        out.print("yes" if answer.boolean else "no")
    elif answer.rows:
        table = _table("", box=SIMPLE_HEAD)
        for variable in answer.variables:
            table.add_column(visible(variable), overflow="fold")
        for row in answer.as_table(prefixes):
            table.add_row(*map(_cell, row))
        out.print(table)
    else:
        out.print("nothing found")
    if answer.cut:
        notes.print(f"note: there are more than these {len(answer.rows):,} rows; --limit shows more")
    for note in answer.notes:
        notes.print(f"note: {note}")


def print_recommendations(title: str, rows: pd.DataFrame, *, implicit: bool = False) -> None:
    """Print recommendations or an audience; of an empty list, why it is empty."""
    if not nothing_listed(rows):
        out.print(recommendation_table(title, rows, implicit=implicit))


def note_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Return what JSON says beside a list: of an empty one `note`, why it is empty; `understood`, what words were read as."""
    note = {"note": _flags(rows.attrs["note"])} if rows.empty else {}
    return note | ({"understood": list(rows.attrs["understood"])} if "understood" in rows.attrs else {})


def nothing_listed(rows: pd.DataFrame) -> bool:
    """Say why a list is empty and return True; of any other return False."""
    if rows.empty:
        out.print(f"Nothing to list: {_flags(rows.attrs['note'])}.", markup=False, soft_wrap=True)
    return bool(rows.empty)


def _flags(note: str) -> str:
    """Return a note on a list with the flag of the command line for the argument that it names."""
    return note.replace("exclude_seen=False", "--again")


def recommendation_table(title: str, rows: pd.DataFrame, *, implicit: bool = False) -> Table:
    """Lay out recommendations or an audience; without stars the score only orders choices, and has no interval."""
    score, interval = "score" if implicit else "stars", "80 % interval"
    shown = rows[["label", "id"]].assign(**{score: [f"{value:.2f}" for value in rows["score"]]})
    if not implicit:
        shown[interval] = [f"{low:g} - {high:g}" for low, high in zip(rows["low"], rows["high"], strict=True)]
    shown = shown.assign(**{"based on": rows["source"], "because of": rows["reason"]})
    if "rules" in rows:
        shown["rules"] = rows["rules"]
    return plain_table(title, shown, figures=(score, interval), first=18)


def metrics_table(title: str, part: str, report: Mapping[str, Any], length: int | None = None) -> Table:
    """Lay out one part of an evaluation: the model, then the baselines; with a `length`, how good lists so long are.

    A measure that none of them has is left out.
    """
    models = {"kgrec": report["parts"][part], **{name: parts[part] for name, parts in report["baselines"].items()}}
    named = _METRICS if length is None else tuple(f"{name}@{length}" for name in _LISTS)
    metrics = [metric for metric in named if any(values.get(metric) for values in models.values())]
    lines = [[name, *(_estimate(values.get(metric)) for metric in metrics)] for name, values in models.items()]
    return plain_table(title, pd.DataFrame(lines, columns=["model", *metrics]), figures=metrics, first=11)


def diagnostics_line(phase: str, figures: Mapping[str, Any]) -> str:
    """Say how well a phase of the training came to rest."""
    loss, predictions = figures["loss"], figures["predictions"]

    def figure(value: float | None, form: str) -> str:
        return "unknown" if value is None else format(value, form)

    return (
        f"Samples, {phase} phase: split R-hat of the loss {figure(loss['r_hat'], '.3f')}, of predictions "
        f"{figure(predictions['r_hat'], '.3f')}; effective sample size of predictions {figure(predictions['ess'], '.0f')} "
        f"of {figures['chains'] * figures['samples']} samples."
    ).replace(", all phase", "")


def comparison_table(title: str, rows: pd.DataFrame) -> Table:
    """Lay out models beside each other: figures to the right, their spreads or intervals below them, ours in bold."""
    table = _table(title, box=SIMPLE_HEAD, collapse_padding=True)
    model, *figures = rows.columns
    table.add_column(model, overflow="fold", min_width=20)
    for column in figures:
        table.add_column(_cell(re.split(", |_| ", column)), justify="right", no_wrap=True)
    for row in rows.itertuples(index=False):
        ours = str(row[0]).partition(",")[0] == "kgrec"
        cells = (value if isinstance(value, list) else re.split(" (?=± )", str(value)) for value in row)
        table.add_row(*map(_cell, cells), style="bold" if ours else None)
    return table


def plain_table(title: str, rows: pd.DataFrame, *, figures: Collection[str] = (), first: int = 24) -> Table:
    """Lay out a frame of text; a cell that is a list has a line for each of its parts.

    Args:
        title: Title; none where it is empty.
        rows: The cells.
        figures: Columns that stand to the right and are not broken.
        first: Least width of the first column.
    """
    table = _table(title)
    for number, column in enumerate(rows.columns):
        if column in figures:
            table.add_column(column, justify="right", no_wrap=True)
        else:
            table.add_column(column, overflow="fold", min_width=None if number else first)
    for row in rows.itertuples(index=False):
        table.add_row(*map(_cell, row))
    return table


def _table(title: str, **options: Any) -> Table:
    return Table(title=visible(title) or None, title_justify="left", title_style="bold", **options)


def _cell(value: object) -> str:
    return "\n".join(map(visible, value)) if isinstance(value, list) else visible(value)


def _estimate(value: Mapping[str, float] | None) -> list[str]:
    return [f"{value['value']:.4f}", f"{value['low']:.3f} - {value['high']:.3f}"] if value else []
