"""The command line in this process, and a world of two tastes to run it on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from training import cli


class Finished(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output; text around it, or a NaN, is an error."""

        def refuse(constant: str) -> float:
            raise ValueError(f"{constant} is not JSON")

        read = json.loads(self.out, parse_constant=refuse)
        assert isinstance(read, dict)
        return read


def run_command(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kgrec", *map(str, arguments)])
        patch.setattr("training.commands.console.set_up_logging", lambda: None)  # would outlive the test
        try:
            cli.main()
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
    return 0


@pytest.fixture
def kgrec(capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """A function that runs a command line in this process, as people do, and returns exit code, output and errors."""

    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        code = run_command(*arguments)
        finished = Finished(code, *capsys.readouterr())
        assert "Traceback" not in finished.err
        return finished

    return run


TASTES = """name: genres
ratings: {{file: ratings.csv, {feedback}}}
items:
  - {{file: items.csv, id: id, label: title, text: "{{title}}. {{genre}}.", concepts: {{genre: {{column: genre}}}}}}
users:
  - {{file: users.csv, id: id, concepts: {{job: {{column: job}}}}}}
"""


def write_two_tastes(folder: Path, *, implicit: bool = False, step: float = 1.0) -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    genres = {f"{genre[0].lower()}{number}": genre for genre in ("Drama", "War") for number in range(6)}
    rows = ["user,item" if implicit else "user,item,rating"]
    for user in range(15):
        for item in genres:
            loved = item[0] == "dw"[user % 2]
            if rng.random() < (0.8 if loved or not implicit else 0.1):
                stars = (4.0 if loved else 1.0) + step * rng.integers(int(1 / step) + 1)
                rows.append(f"{user:03},{item}" + ("" if implicit else f",{stars:g}"))
    items = [f"{item},Film {item},{genre}" for item, genre in genres.items()]
    users = [f"{user:03},<spy>" for user in range(16)]
    for name, lines in (("ratings", rows), ("items", ["id,title,genre", *items]), ("users", ["id,job", *users])):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    feedback = "feedback: implicit" if implicit else "scale: [1, 5]"
    (folder / "description.yaml").write_text(TASTES.format(feedback=feedback))
    return folder / "description.yaml"


@pytest.fixture(scope="session")
def write_tastes() -> Callable[..., Path]:
    """A function that writes a description with its files: even users love drama, odd ones war, user `015` rates nothing."""
    return write_two_tastes


@pytest.fixture(scope="session")
def train_tastes(replace_encoder: Callable[[pytest.MonkeyPatch], None]) -> Callable[..., dict[str, Path]]:
    """A function that makes the world of two tastes, its graph and a run by the commands; returns where they are."""

    def train(folder: Path, *, implicit: bool = False) -> dict[str, Path]:
        places = {name: folder / name for name in ("graph", "run")}
        places["description"] = write_two_tastes(folder / "world", implicit=implicit)
        short = ("training.epochs=30", "training.burn_in=10", "training.hold=5", "model.embedding_size=2")
        with pytest.MonkeyPatch.context() as patch:
            replace_encoder(patch)
            assert run_command("build", places["description"], "--out", places["graph"]) == 0
            settings = [part for setting in short for part in ("--set", setting)]
            assert run_command("train", places["graph"], "--out", places["run"], *settings) == 0
        return places

    return train


@pytest.fixture(scope="session")
def tastes(train_tastes: Callable[..., dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The world of two tastes in stars: `description`, `graph` and `run`; not to be spoilt."""
    return train_tastes(tmp_path_factory.mktemp("tastes"))
