"""README and the pages of `docs/` name commands, options, settings, files and code that are there."""

from __future__ import annotations

import ast
import importlib
import re
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import benchmarks.commands
import kgrec
from benchmarks.protocols import PROTOCOLS
from kg import Description
from models.lists.rule_file import RuleFile
from training import cli
from training.config import RunConfig

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
TEXT = "\n".join(PAGES.values())
PROGRAMS = {"kgrec": cli.app, "python -m benchmarks": benchmarks.commands.app}
COMMANDS = {name: get_command(app).commands for name, app in PROGRAMS.items()}  # type: ignore[attr-defined]
CALLS = sorted(
    (program, call.split("  #")[0].strip())
    for program in PROGRAMS
    for form in (rf"^\$ {program} ([a-z].*)$", rf"`{program} ([a-z][^`]*)`")
    for call in set(re.findall(form, TEXT, re.MULTILINE))
)
ON_EVERY_PAGE = pytest.mark.parametrize("page", PAGES)


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the code blocks of a language, each with the page it stands on."""
    fenced = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(page, block) for page, text in PAGES.items() for block in fenced.findall(text)]


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def anchors(page: Path) -> set[str]:
    """Return what links can name on a page: its headings as MkDocs spells them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def test_readme_stays_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize(("program", "call"), CALLS)
def test_every_call_names_a_command_and_its_options(program: str, call: str) -> None:
    name, *words = call.split()
    assert name in COMMANDS[program]
    known = options_of(COMMANDS[program][name])
    given = {word for word in re.sub(r"'[^']*'|\"[^\"]*\"", "", " ".join(words)).split() if word.startswith("-")}
    assert given - known - {"--help"} == set()


def test_enough_calls_and_code_are_found_to_be_checked() -> None:
    assert len(CALLS) >= 40
    assert len(blocks("python")) >= 5
    assert {code.partition("\n")[0].split()[1] for _, code in blocks("yaml")} == {
        "books.yaml",
        "new.yaml",
        "rules.yaml",
    }
    assert {call.split()[0] for program, call in CALLS if program == "kgrec"} == set(COMMANDS["kgrec"]) - {"demo"}


def test_every_option_named_alone_is_one_of_some_command() -> None:
    known = {
        option for commands in COMMANDS.values() for command in commands.values() for option in options_of(command)
    }
    named = set(re.findall(r"`(--[a-z][a-z-]*)", TEXT))
    assert len(named) >= 15
    assert named <= known | {"--help"}


@ON_EVERY_PAGE
def test_every_link_leads_to_a_file_and_a_heading_of_it(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path
        if "notebooks/" in path and page != "README.md":  # on the site a notebook is a page
            file = ROOT / path.replace(".md", ".ipynb")
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@ON_EVERY_PAGE
def test_every_file_of_the_code_is_there(page: str) -> None:
    named = re.findall(r"`((?:kg|models|training|tests|notebooks|docs)/[\w./-]+)`", PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_files_of_the_code_are_found_to_be_checked() -> None:
    assert len(re.findall(r"`(?:kg|models|training)/[\w./-]+`", PAGES["docs/architecture.md"])) >= 40


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": ((?:api/)?[\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert {f"docs/{page}" for page in listed} == set(PAGES) - {"README.md"}


def test_every_target_of_make_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"(?:\$ |`)make ([a-z-]+)", TEXT))
    assert {"demo", "test", "docs"} <= named <= set(targets)


def test_every_setting_is_one_of_the_configuration() -> None:
    named = re.findall(r"--set '?([\w.]+)=", TEXT) + re.findall(
        r"`((?:split|text|model|training)\.(?!safetensors)(?:tune\.)?\w+)[=`]", TEXT
    )
    assert len(named) >= 8
    for assigned in named:
        *sections, field = assigned.split(".")
        part = reduce(getattr, sections, RunConfig())
        assert field in part.__class__.model_fields, assigned


def test_every_protocol_is_described() -> None:
    assert [name for name in PROTOCOLS if name not in TEXT] == []


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_compiles_and_imports_what_is_there(page: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_python_calls_what_the_recommender_has() -> None:
    from models import Recommender

    called = {name for _, code in blocks("python") for name in re.findall(r"\b(?:recommender|grown)\.(\w+)\(", code)}
    assert len(called) >= 8
    assert [name for name in called if not hasattr(Recommender, name)] == []


def test_python_calls_what_the_door_has() -> None:
    called = {name for _, code in blocks("python") for name in re.findall(r"\bkgrec\.(\w+)\(", code)}
    assert {"fit", "load"} <= called
    assert [name for name in called if not hasattr(kgrec, name)] == []


@pytest.mark.parametrize(("page", "code"), blocks("yaml"))
def test_yaml_is_what_its_reader_takes(page: str, code: str, tmp_path: Path) -> None:
    if (name := code.partition("\n")[0].split()[1]) == "books.yaml":
        (tmp_path / name).write_text(code)
        assert Description.load(tmp_path / name).name == "books"
    elif name == "rules.yaml":
        (tmp_path / name).write_text(code)
        assert len(RuleFile.load(tmp_path / name).rules) == 3
    else:
        assert yaml.safe_load(code)[0]["id"] == "dream-1"


@pytest.mark.parametrize("path", re.findall(r'--8<-- "([^"]+)"', TEXT))
def test_every_file_that_a_page_shows_is_there(path: str) -> None:
    assert (ROOT / path).is_file()
