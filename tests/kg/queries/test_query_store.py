"""The store on disk: made once, whole, for one graph, whoever else comes or goes meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyoxigraph as ox
import pytest

from kg.dataset import Dataset
from kg.errors import InputError
from kg.queries.query import Question
from kg.queries.query_store import FOLDER, store_of
from kg.saved.store import quads
from kg.schema import Namespace
from training.commands.cli_query import ask_within

MAKE = "from pathlib import Path; from kg.queries.query_store import store_of\nwith store_of(Path({!r})) as made: print(made)"


@pytest.fixture
def graph(small_dataset: Dataset, tmp_path: Path) -> Path:
    small_dataset.save(tmp_path / "graph")
    return tmp_path / "graph"


def content(store: Path) -> set[ox.Quad]:
    return set(ox.Store.read_only(str(store)))


def test_the_store_holds_the_graph_and_is_made_once(graph: Path, small_dataset: Dataset) -> None:
    expected = set(quads(small_dataset.graph, Namespace()))
    with store_of(graph) as store:
        assert content(store) == expected
        stamp = store.stat().st_mtime_ns
    with store_of(graph) as again:
        assert (again, again.stat().st_mtime_ns) == (store, stamp)
        assert content(again) == expected


def test_ratings_are_in_a_store_of_their_own(graph: Path) -> None:
    query = "SELECT ?v { GRAPH ?g { ?r <https://schema.org/ratingValue> ?v } }"
    with store_of(graph) as without, store_of(graph, ratings=True) as stars:
        assert len(list(ox.Store.read_only(str(without)).query(query))) == 0
        found = ox.Store.read_only(str(stars)).query(query)
        assert isinstance(found, ox.QuerySolutions)
        assert sorted(float(row["v"].value) for row in found) == [1.5, 3, 4, 5]


def test_the_graph_stays_whole_and_takes_its_store_along(graph: Path, small_dataset: Dataset, tmp_path: Path) -> None:
    with store_of(graph) as store:
        name = store.name
    assert Dataset.load(graph).fingerprint == small_dataset.fingerprint
    small_dataset.save(graph)
    assert not (graph / FOLDER).exists()
    copied = Path(shutil.copytree(graph, tmp_path / "copy"))
    with store_of(copied) as store:
        assert store == copied / FOLDER / name  # the name depends on nothing but the content


def test_stores_of_other_graphs_and_unfinished_ones_are_removed(graph: Path) -> None:
    for name in ("0123456789abcdef", ".fedcba9876543210.partial"):
        (graph / FOLDER / name).mkdir(parents=True)
    with store_of(graph) as store, store_of(graph, ratings=True) as stars:
        assert {path for path in (graph / FOLDER).iterdir() if path.is_dir()} == {store, stars}


def test_several_processes_may_be_the_first(graph: Path, small_dataset: Dataset) -> None:
    command = [sys.executable, "-c", MAKE.format(str(graph))]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=120)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    (store,) = said
    assert content(Path(store)) == set(quads(small_dataset.graph, Namespace()))


def test_a_killed_load_counts_for_nothing(graph: Path, small_dataset: Dataset) -> None:
    stop = "import os, kg.queries.query_store as q\nload = q._load\ndef stuck(*a, **k):\n    load(*a, **k)\n    print('in', flush=True)\n    import time; time.sleep(600)\nq._load = stuck\n"
    process = subprocess.Popen(
        [sys.executable, "-c", stop + MAKE.format(str(graph))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    left = [path.name for path in (graph / FOLDER).iterdir() if path.is_dir()]
    assert [name.endswith(".partial") for name in left] == [True]
    with store_of(graph) as store:
        assert content(store) == set(quads(small_dataset.graph, Namespace()))
    assert [path for path in (graph / FOLDER).iterdir() if path.is_dir()] == [store]


def test_a_damaged_store_is_named_with_the_remedy(graph: Path) -> None:
    question = Question(text="SELECT ?s { ?s ?p ?o }", prefixes={})
    whole = ask_within(graph, question, ratings=False, seconds=60)
    assert len(whole.rows) > 10
    (store,) = (path for path in (graph / FOLDER).iterdir() if path.is_dir())
    for block in store.glob("*.sst"):
        damaged = bytearray(block.read_bytes())
        damaged[: len(damaged) // 2] = bytes(len(damaged) // 2)
        block.write_bytes(damaged)
    with pytest.raises(InputError, match=rf"delete {store}, which is made anew"):
        ask_within(graph, question, ratings=False, seconds=60)
    shutil.rmtree(store)
    assert ask_within(graph, question, ratings=False, seconds=60).rows == whole.rows


def test_where_nothing_can_be_written_the_store_is_temporary(
    graph: Path, small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Path.mkdir

    def refuse(path: Path, *arguments: object, **options: object) -> None:
        if path.name == FOLDER:  # what a read-only disk does, also to root
            raise OSError(30, "Read-only file system", str(path))
        make(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refuse)
    with store_of(graph) as store:
        assert content(store) == set(quads(small_dataset.graph, Namespace()))
    assert not store.exists()
    assert not (graph / FOLDER).exists()


def test_no_graph_no_store(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"found no manifest\.json"), store_of(tmp_path / "empty"):
        pass


@pytest.mark.slow
def test_the_store_of_real_data_is_fast_after_the_first_query(real_data: Path, tmp_path: Path) -> None:
    from kg.build import build
    from kg.description import Description

    build(Description.load("movielens-100k", data=real_data)).save(tmp_path / "graph")
    times = []
    for _ in range(2):
        start = time.perf_counter()
        with store_of(tmp_path / "graph", ratings=True) as store:
            assert len(ox.Store.read_only(str(store))) > 500_000
        times.append(time.perf_counter() - start)
    assert times[1] < times[0]
