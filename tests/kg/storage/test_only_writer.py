"""One writer at a time: the second is told, and what a dead one left is in nobody's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from kg.errors import InputError
from kg.storage.atomic import staged_directory
from kg.storage.only_writer import only_writer

WRITE = (
    "import sys, time; from pathlib import Path; from kg.storage.only_writer import only_writer\n"
    "with only_writer(Path(sys.argv[1])):\n    print('writing', flush=True); time.sleep(600)"
)


@contextmanager
def another_writer(final: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITE, str(final)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def test_the_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    final = tmp_path / "graph"
    with another_writer(final) as process:
        with pytest.raises(InputError, match=rf"graph: process {process.pid} \(since .*\) is writing here"):  # noqa: SIM117
            with staged_directory(final):
                pass
        (tmp_path / "link").symlink_to(final)
        with pytest.raises(InputError, match=f"link: process {process.pid}"), only_writer(tmp_path / "link"):
            pass
        with only_writer(tmp_path / "other"):
            pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    final = tmp_path / "graph"
    with another_writer(final):
        pass
    assert os.listdir(tmp_path) == [".graph.lock"]
    with staged_directory(final) as partial:
        (partial / "new").touch()
        assert (tmp_path / ".graph.lock").read_text().startswith(f"process {os.getpid()} ")
    assert os.listdir(tmp_path) == ["graph"]


def test_the_same_thread_may_go_on_and_another_may_not(tmp_path: Path) -> None:
    problems: list[str] = []

    def write() -> None:
        try:
            with only_writer(tmp_path / "graph"):
                pass
        except InputError as error:
            problems.append(str(error))

    with only_writer(tmp_path / "graph"):
        with only_writer(tmp_path / "graph"):
            pass
        thread = Thread(target=write)
        thread.start()
        thread.join()
    assert len(problems) == 1
    assert f"process {os.getpid()}" in problems[0]
    write()
    assert len(problems) == 1


def test_parents_that_were_made_go_again_if_nothing_was_written(tmp_path: Path) -> None:
    with only_writer(tmp_path / "new" / "deep" / "graph"):
        assert (tmp_path / "new" / "deep").is_dir()
    assert os.listdir(tmp_path) == []
