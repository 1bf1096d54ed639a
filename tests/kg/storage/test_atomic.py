from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kg.errors import InputError
from kg.storage.atomic import scratch_directory, staged_directory, write_file


def test_the_directory_appears_only_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "graph"
    with staged_directory(final) as partial:
        (partial / "a").write_text("new")
        assert not final.exists()
        assert partial.name == ".graph.partial"
    assert (final / "a").read_text() == "new"
    assert [path.name for path in final.parent.iterdir()] == ["graph"]


def test_the_old_directory_goes_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "old").touch()
    with staged_directory(tmp_path / "graph") as partial:
        (partial / "new").touch()
    assert [path.name for path in (tmp_path / "graph").iterdir()] == ["new"]


def test_an_error_leaves_the_old_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "old").touch()
    with pytest.raises(KeyboardInterrupt), staged_directory(tmp_path / "graph"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.rglob("*")] == ["graph", "old"]


def test_leftovers_of_a_killed_run_are_named_and_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".graph.partial").mkdir()
    (tmp_path / ".graph.partial" / "half").touch()
    with caplog.at_level(logging.WARNING), staged_directory(tmp_path / "graph") as partial:
        assert list(partial.iterdir()) == []
    assert "found an unfinished graph" in caplog.text
    assert "starts clean" in caplog.text


def test_a_run_killed_between_the_renames_is_repaired(tmp_path: Path) -> None:
    (tmp_path / ".graph.old").mkdir()
    (tmp_path / ".graph.old" / "precious").touch()
    with pytest.raises(RuntimeError), staged_directory(tmp_path / "graph"):
        raise RuntimeError
    assert (tmp_path / "graph" / "precious").exists()


def test_a_file_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "graph").touch()
    with pytest.raises(InputError, match="a file of this name is there"), staged_directory(tmp_path / "graph"):
        pass


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another place"), staged_directory(tmp_path / "file" / "graph"):
        pass


def test_kill_9_leaves_the_old_directory_and_the_next_run_starts_clean(tmp_path: Path) -> None:
    final = tmp_path / "graph"
    with staged_directory(final) as partial:
        (partial / "old").touch()
    program = (
        "import sys, time; from pathlib import Path; from kg.storage.atomic import staged_directory\n"
        "with staged_directory(Path(sys.argv[1])) as partial:\n"
        "    (partial / 'half').touch(); print('ready', flush=True); time.sleep(60)"
    )
    project = Path(__file__).resolve().parents[3]
    with subprocess.Popen([sys.executable, "-c", program, str(final)], stdout=subprocess.PIPE, cwd=project) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    assert [path.name for path in final.iterdir()] == ["old"]
    with staged_directory(final) as partial:
        (partial / "new").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["graph", "new"]


@pytest.mark.parametrize("content", ["text\r\n🎬", b"\x00\xff"])
def test_write_file_is_whole_and_leaves_nothing_beside(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "a").write_text("old")
    write_file(tmp_path / "a", content)
    assert (tmp_path / "a").read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_write_file_gives_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_file(tmp_path / "a", "x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_scratch_and_the_parents_made_for_it_are_gone_afterwards(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch_directory(tmp_path / "new" / "deep" / "graph") as scratch:  # noqa: PT012
        (scratch / "rows").write_text("x")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    (tmp_path / ".graph.scratch").mkdir()
    (tmp_path / ".graph.scratch" / "left by a killed run").touch()
    with scratch_directory(tmp_path / "graph") as scratch:
        assert os.listdir(scratch) == []
        (tmp_path / "graph").mkdir()
    assert os.listdir(tmp_path) == ["graph"]


def test_a_link_to_a_directory_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk" / "graph").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "graph")
    with staged_directory(tmp_path / "link") as partial:
        assert partial.parent == tmp_path / "disk"
        (partial / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "disk") == ["graph"]
    assert os.listdir(tmp_path / "disk" / "graph") == ["new"]


def test_a_link_to_a_file_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "disk" / "a.csv")
    write_file(tmp_path / "link.csv", "x")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "disk" / "a.csv").read_text() == "x"


def test_the_root_is_not_replaced() -> None:
    with pytest.raises(InputError, match=r"^/: this is the top of a disk"), staged_directory(Path("/")):
        pass
    with pytest.raises(InputError, match=r"^/: this is the top of a disk"), scratch_directory(Path("/")):
        pass


def test_a_directory_in_the_way_of_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="a directory of this name is there"):
        write_file(tmp_path / "a", "x")


def test_what_may_not_be_replaced_is_looked_for_again_before_it_goes(tmp_path: Path) -> None:
    (tmp_path / "graph").mkdir()

    def refuse_notes(folder: Path) -> None:
        if (folder / "notes.txt").exists():
            raise InputError("notes")

    with pytest.raises(InputError, match="notes"):  # noqa: SIM117
        with staged_directory(tmp_path / "graph", replaceable=refuse_notes):
            (tmp_path / "graph" / "notes.txt").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["graph", "notes.txt"]


def test_an_unfinished_directory_stays_if_work_can_go_on_from_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as stopped, staged_directory(tmp_path / "run", keep="checkpoint") as partial:  # noqa: PT012
        (partial / "checkpoint").touch()
        raise KeyboardInterrupt
    assert stopped.value.__notes__ == [
        f"what {tmp_path / 'run'} has reached is kept, and the same command goes on from there"
    ]
    with staged_directory(tmp_path / "run", keep="checkpoint") as partial:
        assert os.listdir(partial) == ["checkpoint"]
    assert os.listdir(tmp_path) == ["run"]
