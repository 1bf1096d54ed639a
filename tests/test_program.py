"""An interrupt ends the program with one line and exit code 130, whenever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kg.storage.kept import kept
from training.interrupts import interrupts_told

PROJECT = Path(__file__).parents[1]


def interrupted(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False, timeout=120
    )


def test_while_modules_are_loaded(tmp_path: Path) -> None:
    """A module that everything needs sends the signal while it is loaded."""
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n")
    path = os.pathsep.join([str(tmp_path), str(PROJECT)])
    finished = subprocess.run(
        [sys.executable, "-m", "kgrec", "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert (finished.returncode, finished.stderr) == (130, "interrupted: nothing is left half-written\n")


def test_while_a_graph_is_built(small_world: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, kg.dataset\n"
        "kg.dataset.write_nquads = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.argv = ['kgrec', 'build', '{small_world}/description.yaml', '--out', '{tmp_path}/graph']\n"
        "from kgrec import main\nmain()"
    )
    finished = interrupted(code)
    assert finished.returncode == 130
    assert finished.stderr == f"interrupted: {tmp_path}/graph is as it was before\n"
    assert os.listdir(tmp_path) == ["world"]


def test_an_error_that_a_library_makes_of_it_is_told_as_what_it_is() -> None:
    code = (
        "import os, signal\nfrom training.interrupts import interrupts_told\n"
        "with interrupts_told():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except BaseException:\n        raise RuntimeError('Query interrupted') from None\n"
    )
    finished = interrupted(code)
    assert (finished.returncode, finished.stderr) == (130, "interrupted: nothing is left half-written\n")


def test_what_is_kept_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(SystemExit) as ended,
        interrupts_told(),
        kept("the trials are kept"),
        kept("the trials are kept"),
    ):
        os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted: the trials are kept\n"


def test_other_errors_and_ignored_signals_stay_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), interrupts_told():
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts_told():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
