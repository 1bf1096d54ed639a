"""README names commands, options, files and targets that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

import benchmarks.commands
from benchmarks.protocols import PROTOCOLS
from training import cli
from training.config import RunConfig

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
PROGRAMS = {"kgrec": cli.app, "python -m benchmarks": benchmarks.commands.app}
COMMANDS = {name: get_command(app).commands for name, app in PROGRAMS.items()}  # type: ignore[attr-defined]
CALLS = sorted(
    (program, call.split("  #")[0].strip())
    for program in PROGRAMS
    for form in (rf"^\$ {program} ([a-z].*)$", rf"`{program} ([a-z][^`]*)`")
    for call in set(re.findall(form, TEXT, re.MULTILINE))
)


@pytest.mark.parametrize(("program", "call"), CALLS)
def test_every_call_names_a_command_and_its_options(program: str, call: str) -> None:
    name, *words = call.split()
    assert name in COMMANDS[program]
    known = {
        option
        for parameter in COMMANDS[program][name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word for word in re.sub(r"'[^']*'|\"[^\"]*\"", "", " ".join(words)).split() if word.startswith("-")}
    assert given - known - {"--help"} == set()


def test_enough_calls_are_found_to_be_checked() -> None:
    assert len(CALLS) >= 40
    assert {call.split()[0] for program, call in CALLS if program == "kgrec"} == set(COMMANDS["kgrec"]) - {"demo"}


def test_every_file_is_there() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    named = re.findall(r"`((?:kg|models|training|benchmarks|tests|notebooks)/[\w./-]+)`", TEXT)
    assert linked
    assert named
    assert [path for path in (*linked, *named) if not (ROOT / path).exists()] == []


def test_every_target_of_make_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:\$ |`)make ([a-z-]+)", TEXT)) <= set(targets)


def test_every_setting_is_one_of_the_configuration() -> None:
    for assigned in re.findall(r"--set '?([\w.]+)=", TEXT):
        section, _, field = assigned.partition(".")
        assert field in getattr(RunConfig(), section).__class__.model_fields, assigned


def test_every_protocol_is_described() -> None:
    assert [name for name in PROTOCOLS if name not in TEXT] == []
