"""Work in another process: its result comes back, its failure is a sentence, its memory is its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import psutil
import pytest

from kg.errors import InputError
from training.isolation import ChildError, ChildTimeoutError, in_child

JOBS = """
import faulthandler, os, sys, time
import numpy as np
from kg.errors import InputError

def double(values, progress):
    progress("train", 1, 2, "half")
    print("noise on standard output", flush=True)
    return {"values": 2 * values, "process": os.getpid()}

def refuse(progress):
    raise InputError("the scale is wrong")

def refuse_place(progress):
    raise InputError("the query is wrong", file="rules.yaml", line=3)

def fail(progress):
    raise ValueError("singular matrix\\nmore lines")

def leave(progress):
    sys.exit("gave up")

def die(progress):
    os._exit(7)

def crash(progress):
    faulthandler.disable()
    faulthandler._sigsegv()

def loop(progress):
    while True:
        pass

def stay(progress):
    progress("train", 0, 1, str(os.getpid()))
    time.sleep(600)

def interrupt_itself(progress):
    os.kill(os.getpid(), 2)
    return "still here"

def memory(megabytes, progress):
    held = np.ones(megabytes * 125_000)
    from training.peak_memory import peak_memory_mb
    return peak_memory_mb() + 0 * held[0]
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that the other process can import, too."""
    (tmp_path / "jobs_of_the_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    import jobs_of_the_test  # type: ignore[import-not-found]

    yield jobs_of_the_test
    del sys.modules["jobs_of_the_test"]


def test_an_interrupt_is_left_to_the_process_that_waits(jobs: ModuleType) -> None:
    """At a terminal it goes to both; the one in between would print a traceback of its own."""
    assert in_child(jobs.interrupt_itself) == "still here"


def test_results_and_progress_come_back_and_output_stays_clean(
    jobs: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[tuple[object, ...]] = []
    found = in_child(partial(jobs.double, np.arange(3)), progress=lambda *report: said.append(report))
    assert found["values"].tolist() == [0, 2, 4]
    assert said == [("train", 1, 2, "half")]
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "noise" in captured.err


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("fail", "^ValueError: singular matrix$"),
        ("leave", "^SystemExit: gave up$"),
        ("die", "ended with exit code 7"),
        ("crash", "ended by SIGSEGV"),
    ],
)
def test_failures_are_sentences(jobs: ModuleType, job: str, sentence: str) -> None:
    with pytest.raises(ChildError, match=sentence):
        in_child(getattr(jobs, job))


def test_what_is_refused_knows_its_place_and_names_it_once(jobs: ModuleType) -> None:
    """Whoever reads rules adds the place to an error that has none: of a query in them it stood there twice."""
    with pytest.raises(InputError) as caught:
        in_child(jobs.refuse_place)
    assert str(caught.value) == "rules.yaml, line 3: the query is wrong"
    assert (caught.value.file, caught.value.line) == ("rules.yaml", 3)


def test_what_a_user_can_mend_stays_that(jobs: ModuleType) -> None:
    with pytest.raises(InputError, match="the scale is wrong"):
        in_child(jobs.refuse)


def test_a_job_that_takes_too_long_is_ended(jobs: ModuleType) -> None:
    with pytest.raises(ChildTimeoutError, match=r"longer than 0\.2 seconds"):
        in_child(jobs.loop, seconds=0.2)
    assert in_child(partial(jobs.double, np.arange(3)), seconds=100)["values"].tolist() == [0, 2, 4]


def test_memory_is_that_of_the_job_alone(jobs: ModuleType) -> None:
    ours = np.ones(1_500 * 125_000)  # 1.5 GB here must not show there
    small, large = (in_child(partial(jobs.memory, size)) for size in (1, 401))
    assert ours[-1] == 1
    assert small < 1_500
    assert large - small == pytest.approx(400, abs=40)


def test_it_ends_with_its_parent_even_if_that_is_killed(jobs: ModuleType, tmp_path: Path) -> None:
    caller = tmp_path / "caller.py"
    caller.write_text(
        "import sys\n"
        "from training.isolation import in_child\n"
        "from jobs_of_the_test import stay\n"
        "if __name__ == '__main__':\n"
        "    in_child(stay, progress=lambda *report: print(report[-1], flush=True))\n"
    )
    search = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen(
        [sys.executable, str(caller)], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": search}
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(timeout=60)
    assert not child.is_running()
