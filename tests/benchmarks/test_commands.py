"""`python -m benchmarks`: which names there are, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.protocols import PROTOCOLS
from kg.errors import InputError

ROOT = Path(__file__).parents[2]
OTHERS = ("growth", "triples", "latency", "film-world", "faithfulness", "sentences")


def asked(*arguments: object) -> Any:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_help_names_every_benchmark_and_the_program_is_a_module() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert "Usage: python -m benchmarks" in shown
    assert [name for name in (*PROTOCOLS, *OTHERS) if f" {name} " not in shown] == []


@pytest.mark.parametrize("name", [*PROTOCOLS, *OTHERS])
def test_every_benchmark_prints_json_for_machines(name: str) -> None:
    shown = asked(name, "--help").output
    assert "--json" in shown
    assert ("'.[peers]'" in shown) == (name in PROTOCOLS)  # square brackets are kept


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ml-100k-u1"], "Missing option '--data'"),
        (["growht"], "Did you mean 'growth'"),
        (["latency"], "Missing argument"),
        (["growth", "run"], "unexpected extra argument"),
        (["ml-100k-u1", "run", "--data", "data"], "unexpected extra argument"),
    ],
)
def test_wrong_calls_are_one_sentence(arguments: list[str], sentence: str) -> None:
    answer = asked(*arguments)
    assert answer.exit_code == 2
    assert sentence in " ".join(answer.output.replace("│", " ").split())


def test_sizes_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    for name in ("growth", "triples"):
        answer = asked(name, "--sizes", "many", "--out", tmp_path / "out")
        assert isinstance(answer.exception, InputError)
        assert "takes whole numbers" in str(answer.exception)
    assert not (tmp_path / "out").exists()


def test_results_of_others_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "growth.json").write_text("mine")
    answer = asked("growth", "--out", tmp_path)
    assert isinstance(answer.exception, InputError)
    assert (tmp_path / "growth.json").read_text() == "mine"
