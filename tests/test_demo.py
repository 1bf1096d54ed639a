"""The demo from end to end, as `make demo` runs it, twice in the same folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.film_world import read_films

pytestmark = pytest.mark.slow

LONGEST = 120  # seconds on two cores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


def demonstrated(folder: Path) -> tuple[str, str]:
    """Run the demo; return standard output and standard error."""
    command = [sys.executable, "-m", "kgrec", "demo", "--directory", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr
    return finished.stdout, finished.stderr


@pytest.fixture(scope="module")
def first(folder: Path) -> tuple[str, str, float]:
    started = time.perf_counter()
    out, err = demonstrated(folder)
    return out, err, time.perf_counter() - started


def table(out: str, title: str) -> list[str]:
    """Return the rows below a title; a row starts with its label, folded lines have none of the numbers."""
    lines = out.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(title)), None)
    assert start is not None, f"no table {title!r} in\n{out}"
    end = next(number for number in range(start, len(lines)) if lines[number].startswith("└"))
    return [line for line in lines[start:end] if line.startswith("│")]


def test_it_is_quick(first: tuple[str, str, float]) -> None:
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    if load > cores + 0.5:
        pytest.skip(f"the machine is busy: load {load:.1f} on {cores} cores says nothing of the demo")
    assert first[2] < LONGEST


def test_it_shows_the_build_and_the_progress(first: tuple[str, str, float]) -> None:
    out, err, _ = first
    assert f"{len(read_films())} items, 640 users" in out
    assert "training: " in err


@pytest.mark.parametrize("part", ["warm", "cold_items"])
def test_it_measures_warm_and_cold_beside_the_baselines(first: tuple[str, str, float], part: str) -> None:
    rows = {row.split()[1]: row for row in table(first[0], part)}
    assert {"kgrec", "mean", "biases", "content_knn"} <= rows.keys()
    error = {name: float(row.split("│")[2].split()[0]) for name, row in rows.items() if row.split("│")[2].strip()}
    assert error["kgrec"] == min(error.values())


@pytest.mark.parametrize("title", ["Ten films for user ", "Ten films for a new user who writes: ", "Ten users for "])
def test_it_lists_ten_with_a_reason_each(first: tuple[str, str, float], title: str) -> None:
    rows = [[cell.strip() for cell in row.strip("│").split("│")] for row in table(first[0], title)]
    full = [row for row in rows if row[2]]  # a folded row has stars on its first line only
    assert len(full) == 10
    for label, _, stars, interval, source, reason in full:
        low, _, high = interval.partition(" - ")
        assert 1 <= float(low) <= float(stars) <= float(high) <= 5
        assert label
        assert source
        assert reason
    assert any(": " in row[-1] for row in full)  # some concept, not only overall taste


def test_it_runs_a_second_time_where_it_ran_before(folder: Path, first: tuple[str, str, float]) -> None:
    again, _ = demonstrated(folder)
    for title in ("warm", "cold_items", "Ten films for user ", "Ten users for "):
        assert table(again, title) == table(first[0], title)
    assert {path.name for path in folder.iterdir()} == {"graph", "run"}
