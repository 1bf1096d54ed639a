"""What the terminal shows is what the data says."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import pytest

from training.commands import console

HOSTILE = ["urn:x:1", "a:b:c", r"\[bold]hi[/bold]", "[x]", ":smile:"]


def test_json_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"ids": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"ids": HOSTILE}


def test_the_same_note_is_said_once() -> None:
    code = """
import logging
from training.commands.console import set_up_logging
set_up_logging()
for number in range(200):
    logging.getLogger("models.any").info("read as before")
    logging.getLogger("models.any").info("read %d", number % 2)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.strip() for line in told.stderr.splitlines()] == [
        "note: read as before",
        "note: read 0",
        "note: read 1",
    ]


def test_tables_show_labels_and_ids_as_they_are() -> None:
    rows = pd.DataFrame(
        {"id": HOSTILE, "label": HOSTILE, "score": 4.0, "low": 3.0, "high": 5.0, "source": "warm", "reason": HOSTILE}
    )
    with console.out.capture() as shown:
        console.out.print(console.recommendation_table("[title]", rows))
    assert "[title]" in shown.get()
    for text in HOSTILE:
        assert shown.get().count(text) >= 3, text


def test_a_benchmark_fits_the_page_and_keeps_names() -> None:
    columns = [
        "rmse",
        "mae",
        "coverage_80",
        "ndcg@20",
        "recall@20",
        "p, rmse",
        "p, ndcg@20",
        "seconds",
        "MB",
        "test date",
    ]
    cells = ["0.8771 ± 0.0004"] * 5 + ["< 0.001"] * 2 + ["1200", "2300", "used"]
    rows = pd.DataFrame([dict(zip(["model", *columns], [name, *cells], strict=True)) for name in ["kgrec", *HOSTILE]])
    with console.out.capture() as shown:
        console.out.print(console.comparison_table("[title]", rows))
    for text in ["[title]", *HOSTILE]:
        assert text in shown.get()
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= console.WIDE
    assert sum(line.count("0.8771") for line in lines) == 5 * len(rows)
    assert sum(line.count("± 0.0004") for line in lines) == 5 * len(rows)
    assert sum(line.count("used") for line in lines) == len(rows)


CONTROL = ["\x1b[31mred\x1b[0m", "two\nlines", "\x9b2J", "back\x08\r", "\u202egnp.exe", "\x00"]
WRITTEN = [r"\x1b[31mred\x1b[0m", r"two\nlines", r"\x9b2J", r"back\x08\r", r"\u202egnp.exe", r"\x00"]


def test_no_label_commands_the_terminal() -> None:
    rows = pd.DataFrame(
        {"id": CONTROL, "label": CONTROL, "score": 4.0, "low": 3.0, "high": 5.0, "source": "warm", "reason": CONTROL}
    )
    lists = pd.DataFrame({"parts": [["first", one] for one in CONTROL]})
    for number, table in enumerate(
        (
            console.recommendation_table(CONTROL[0], rows),
            console.plain_table(CONTROL[0], rows[["label"]]),
            console.plain_table(CONTROL[0], lists),
        )
    ):
        with console.out.capture() as shown:
            console.out.print(table)
        assert not set(shown.get()) & set("\x1b\x9b\x08\r\u202e\x00"), number
        for text in WRITTEN:
            assert text in shown.get(), (number, text)
    with console.out.capture() as shown:
        console.out.print(f"a title: {CONTROL[0]}", markup=False, soft_wrap=True)
        console.out.print(f"another: {CONTROL[1]}", markup=False, soft_wrap=True)
    assert shown.get() == f"a title: {WRITTEN[0]}\nanother: {WRITTEN[1]}\n"


def test_notes_and_errors_command_no_terminal_either() -> None:
    code = r"""
import logging, sys
from training.commands.console import notes, set_up_logging
set_up_logging()
logging.getLogger("kg.any").info("the item '\x1b[2Jgone' is new")
notes.print("error: item '\x1b[31m\nNote: all is well' is not known", markup=False, soft_wrap=True)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.strip() for line in told.stderr.splitlines()] == [
        r"note: the item '\x1b[2Jgone' is new",
        r"error: item '\x1b[31m\nNote: all is well' is not known",
    ]
