"""Where nothing can be written: one sentence with the path that was given, and nothing left."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.atomic import scratch_directory, staged_directory, staged_file, write_file
from kg.storage.unwritable import UnwritableError


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def sentence(given: Path) -> str:
    return rf"^{given}: nothing can be written here: File too large \(ulimit -f\); make room, or choose another place$"


def test_a_limit_of_the_size_of_files_is_one_sentence(tmp_path: Path) -> None:
    with files_of_at_most(1_000), pytest.raises(UnwritableError, match=sentence(tmp_path / "a.csv")):
        write_file(tmp_path / "a.csv", "x" * 2_000)
    with files_of_at_most(1_000), pytest.raises(UnwritableError, match=sentence(tmp_path / "graph")):  # noqa: SIM117
        with staged_directory(tmp_path / "graph") as partial:
            write_file(partial / "inner", "x" * 2_000)
    with files_of_at_most(1_000), pytest.raises(UnwritableError, match=sentence(tmp_path / "graph")):  # noqa: SIM117
        with scratch_directory(tmp_path / "graph") as scratch:
            (scratch / "rows").write_text("x" * 2_000)
    assert os.listdir(tmp_path) == []


def test_libraries_that_write_say_the_same(tmp_path: Path, small_dataset: Dataset) -> None:
    """Arrow writes Parquet, and safetensors weights; both have errors of their own."""
    with files_of_at_most(100), pytest.raises(UnwritableError, match=sentence(tmp_path / "graph")):
        small_dataset.save(tmp_path / "graph")
    with files_of_at_most(100), pytest.raises(UnwritableError, match=sentence(tmp_path / "w")):  # noqa: SIM117
        with staged_file(tmp_path / "w") as temporary:
            save_file({"a": np.zeros(1_000)}, temporary)
    assert os.listdir(tmp_path) == []


def test_the_old_graph_stays(tmp_path: Path, small_dataset: Dataset) -> None:
    small_dataset.save(tmp_path / "graph")
    before = {path.name: path.read_bytes() for path in (tmp_path / "graph").iterdir()}
    with files_of_at_most(100), pytest.raises(UnwritableError):
        small_dataset.save(tmp_path / "graph")
    assert {path.name: path.read_bytes() for path in (tmp_path / "graph").iterdir()} == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_sentence(small_disk: Path, small_dataset: Dataset) -> None:
    given = small_disk / "graph"
    (small_disk / "other").write_bytes(bytes(60_000))
    with pytest.raises(
        UnwritableError, match=rf"^{given}: nothing can be written here: No space left on device; make room"
    ):
        small_dataset.save(given)
    assert os.listdir(small_disk) == ["other"]
    (small_disk / "other").unlink()
    with pytest.raises(InputError, match="top of a disk and cannot be replaced as a whole"):
        small_dataset.save(small_disk)


def test_a_folder_that_is_read_only_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write into any folder, so what the system says to others is said for it."""
    opened = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, **options: int) -> int:
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", refuse)
    for write in (lambda: write_file(tmp_path / "a", "x"), lambda: staged_directory(tmp_path / "a").__enter__()):
        with pytest.raises(
            UnwritableError, match=rf"^{tmp_path / 'a'}: nothing can be written here: Read-only file system"
        ):
            write()


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged_directory(tmp_path / "graph"):
        (tmp_path / "no such input").read_bytes()
    with pytest.raises(ZeroDivisionError), staged_file(tmp_path / "a"):
        _ = 1 / 0


def test_the_command_line_says_it_with_exit_code_2(tmp_path: Path, small_world: Path) -> None:
    command = f"ulimit -f 1; exec {sys.executable} -m kgrec build {small_world}/description.yaml --out {tmp_path}/graph"
    project = Path(__file__).parents[2]
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=project, check=False)
    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith(
        f"error: {tmp_path}/graph: nothing can be written here: File too large"
    )
    assert "Traceback" not in finished.stderr
    assert os.listdir(tmp_path) == ["world"]
