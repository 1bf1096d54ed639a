"""Killed at many moments, started again: the next start says what it found and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.storage.atomic import partial_of

pytestmark = pytest.mark.slow

LONGEST = 180  # seconds of one command on a busy machine
NUM_ITEMS, NUM_USERS, EPOCHS = 700, 30, 80  # items: two shards of texts; epochs: a checkpoint every five
DESCRIPTION = """name: many
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{title}", concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id}
"""
SETTINGS = {"epochs": EPOCHS, "burn_in": 30, "hold": 10, "keep_every": 10}
Moment = Callable[[str], bool]


@dataclass(frozen=True)
class Place:
    """A folder with a world in which commands are run and killed."""

    folder: Path

    @property
    def graph(self) -> Path:
        return self.folder / "graph"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def build(self) -> tuple[str, ...]:
        return ("build", str(self.folder / "many.yaml"), "--out", str(self.graph))

    @property
    def train(self) -> tuple[str, ...]:
        settings = [part for name, value in SETTINGS.items() for part in ("--set", f"training.{name}={value}")]
        return ("train", str(self.graph), "--out", str(self.run), *settings, "--set", "model.embedding_size=4")

    def _start(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "KGREC_CACHE": str(self.folder / "cache"), "COLUMNS": "500"}
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            command = [sys.executable, "-m", "kgrec", *arguments]
            return subprocess.Popen(command, stdout=out, stderr=err, env=environment)

    def _said(self, name: str = "err") -> str:
        return (self.folder / name).read_text()

    def finish(self, arguments: tuple[str, ...]) -> str:
        """Run to the end, which must be a good one; return what was said on standard error."""
        process = self._start(arguments)
        try:
            assert process.wait(LONGEST) == 0, self._said()
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in self._said()
        return self._said()

    def kill(self, arguments: tuple[str, ...], moment: Moment) -> str:
        """Start, send SIGKILL as soon as the moment has come, and return what was said until then."""
        process = self._start(arguments)
        end = time.monotonic() + LONGEST
        try:
            while not moment(self._said()):
                assert process.poll() is None, f"ended before it could be killed:\n{self._said()}"
                assert time.monotonic() < end, f"the moment never came:\n{self._said()}"
                time.sleep(0.001)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL, "ended in the very moment of the kill"
        return self._said()

    def evaluated(self) -> dict[str, Any]:
        """The figures of the run."""
        self.finish(("evaluate", str(self.run), "--json"))
        found = json.loads(self._said("out"))
        return {name: found[name] for name in ("parts", "baselines")}

    def left_over(self) -> set[str]:
        """EntityLinker of hidden files and folders: all of them are unfinished work."""
        return {path.name for path in self.folder.iterdir() if path.name.startswith(".")}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_world(folder: Path) -> Place:
    rng = np.random.default_rng(0)
    folder.mkdir()
    genres = ("drama", "war", "comedy")
    items = [
        f"{item},Film number {item} of the {genres[item % 3]} kind,{genres[item % 3]}" for item in range(NUM_ITEMS)
    ]
    ratings = [
        f"{user},{item},{rng.integers(3, 6) if (user + item) % 3 else rng.integers(1, 4)}"
        for user in range(NUM_USERS)
        for item in rng.choice(NUM_ITEMS, 30, replace=False)
    ]
    (folder / "items.csv").write_text("\n".join(["id,title,genre", *items]) + "\n")
    (folder / "users.csv").write_text("\n".join(["id", *map(str, range(NUM_USERS))]) + "\n")
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating", *ratings]) + "\n")
    (folder / "many.yaml").write_text(DESCRIPTION)
    return Place(folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """A world built, trained and evaluated in peace."""
    place = write_world(tmp_path_factory.mktemp("kill") / "peace")
    place.finish(place.build)
    said = place.finish(place.train)
    assert "found" not in said
    return place, place.evaluated()


@pytest.fixture
def place(uninterrupted: tuple[Place, dict[str, Any]], tmp_path: Path) -> Place:
    """The same world, nothing done yet."""
    return write_world(tmp_path / "world")


def trained_to(number: int) -> Moment:
    """The moment at which the progress says that some epochs are done."""

    def reached(said: str) -> bool:
        lines = [line for line in said.splitlines() if line.startswith("training: ") and " of " in line]
        return bool(lines) and int(lines[-1].split()[1]) >= number

    return reached


def test_a_killed_build_starts_clean_and_an_old_graph_survives(
    uninterrupted: tuple[Place, dict[str, Any]], place: Place
) -> None:
    expected = contents(uninterrupted[0].graph)
    place.kill(place.build, lambda said: partial_of(place.graph).exists())
    assert not place.graph.exists()
    place.kill(place.build, lambda said: (partial_of(place.graph) / "nodes.parquet").exists())
    assert not place.graph.exists()
    said = place.finish(place.build)
    assert "found an unfinished graph" in said
    assert "starts clean" in said
    assert contents(place.graph) == expected
    assert not place.left_over()

    place.kill(place.build, lambda said: (partial_of(place.graph) / "kg.nq.gz").exists())
    assert contents(place.graph) == expected
    assert "starts clean" in place.finish(place.build)
    assert contents(place.graph) == expected
    assert not place.left_over()


def test_a_training_killed_again_and_again_ends_with_the_same_figures(
    uninterrupted: tuple[Place, dict[str, Any]], place: Place
) -> None:
    peace, expected = uninterrupted
    shutil.copytree(peace.graph, place.graph)
    partial = partial_of(place.run)

    # While texts are read: what is on disk stays, the rest is read.
    place.kill(place.train, lambda said: any((place.folder / "cache").rglob("*.safetensors")))
    # Before the first checkpoint.
    said = place.kill(place.train, trained_to(1))
    assert f"of {NUM_ITEMS} texts encoded already" in said
    assert "found an unfinished run without a usable checkpoint; starts clean" in said
    # In the middle: from a checkpoint, without reading texts.
    said = place.kill(place.train, trained_to(EPOCHS // 2))
    assert "reading texts" not in said
    assert (partial / "checkpoint.safetensors").exists()
    # While the run is written.
    said = place.kill(place.train, lambda said: (partial / "model.safetensors").exists())
    assert "found an interrupted run at chain 0, epoch " in said
    assert not place.run.exists()

    said = place.finish(place.train)
    assert "found an interrupted run at chain 0, epoch " in said
    assert "goes on" in said
    assert not place.left_over()
    for name in ("model.safetensors", "lists.safetensors"):
        assert (place.run / name).read_bytes() == (peace.run / name).read_bytes(), name
    epochs = [(run.run / "history.csv").read_text().count("\n") - 1 for run in (place, peace)]
    assert epochs == [EPOCHS, EPOCHS]
    assert place.evaluated() == expected


def test_a_kill_between_the_two_renames_is_repaired(uninterrupted: tuple[Place, dict[str, Any]], place: Place) -> None:
    peace, _ = uninterrupted
    for name in ("graph", "cache"):
        shutil.copytree(peace.folder / name, place.folder / name)
    # As `publish` leaves it: the old one moved aside, the new one finished but unnamed.
    shutil.copytree(peace.run, place.run.with_name(".run.old"))
    shutil.copytree(peace.run, partial_of(place.run))
    said = place.finish(place.train)
    assert "moved aside by a run that was cut off; it is put back" in said
    assert contents(place.run) == contents(peace.run)

    shutil.move(place.graph, place.graph.with_name(".graph.old"))
    shutil.copytree(peace.graph, partial_of(place.graph))
    said = place.finish(place.build)
    assert "it is put back" in said
    assert contents(place.graph) == contents(peace.graph)
    assert not place.left_over()
