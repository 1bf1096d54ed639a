"""Engines: what is refused, what is left behind, and that Spark builds what DuckDB builds."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.growth.update import update
from kg.rdf.engine import open_engine


def test_an_unknown_engine_is_an_input_error() -> None:
    with (
        pytest.raises(InputError, match=r"no engine 'duckbd'; take duckdb or pyspark\. Did you mean 'duckdb'"),
        open_engine("duckbd"),
    ):
        pass


def test_spark_that_is_not_installed_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with (
        pytest.raises(InputError, match=r"needs PySpark; install it with pip install -e '\.\[spark\]'"),
        open_engine("pyspark"),
    ):
        pass


def test_nothing_is_left_behind_even_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_engine(folder=tmp_path) as engine:  # noqa: PT012
        kept = engine.keep(engine.table(pa.table({"number": [1, 2]})))
        assert engine.count(kept) == 2
        assert any(tmp_path.rglob("*.parquet"))
        raise ZeroDivisionError
    assert not any(tmp_path.iterdir())


def test_what_is_kept_is_evaluated_once(tmp_path: Path) -> None:
    with open_engine(folder=tmp_path) as engine:
        given = engine.table(pa.table({"number": [1, 2]}))
        kept = engine.keep(given.mutate(twice=given.number * 2))
        for file in tmp_path.rglob("files-1/*.parquet"):
            file.unlink()
        assert engine.rows(kept.order_by("number")).to_pydict() == {"number": [1, 2], "twice": [2, 4]}


def artefacts(dataset: Dataset, folder: Path) -> dict[str, bytes]:
    dataset.save(folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_built_does_not_depend_on_the_folder_for_files(small_world: Path, tmp_path: Path) -> None:
    description, scratch = Description.load(small_world / "description.yaml"), tmp_path / "scratch"
    scratch.mkdir()
    one, other = build(description), build(description, scratch=scratch)
    assert not any(scratch.iterdir())
    assert artefacts(one, tmp_path / "one") == artefacts(other, tmp_path / "other")


def test_an_update_takes_the_engine_that_it_is_given(small_world: Path, tmp_path: Path) -> None:
    build(Description.load(small_world / "description.yaml")).save(tmp_path / "graph")
    (small_world / "facts.nt.gz").write_bytes(b"")
    with pytest.raises(InputError, match="no engine 'spork'"):
        update(Description.load(small_world / "description.yaml"), tmp_path / "graph", engine="spork")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PySpark 4.0 calls pandas 3 by old names
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # and leaves its sockets to the garbage collector
def test_spark_builds_what_duckdb_builds(small_world: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("a local Spark session needs pyspark and Java 17: pip install -e '.[spark]'")
    description = Description.load(small_world / "description.yaml")
    on_duckdb, on_spark = build(description), build(description, engine="pyspark", scratch=tmp_path)
    assert artefacts(on_duckdb, tmp_path / "duckdb") == artefacts(on_spark, tmp_path / "spark")
