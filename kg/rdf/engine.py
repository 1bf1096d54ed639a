"""The engine of joins and counts over triples: DuckDB on this machine, or Spark on a cluster, behind the same Ibis expressions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from kg.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import ibis

__all__ = ["ENGINES", "Engine", "EngineName", "open_engine", "without_progress_bar"]

EngineName = Literal["duckdb", "pyspark"]
ENGINES: tuple[str, ...] = get_args(EngineName)
# What DuckDB may hold before it spills to disk: the rest of a build needs its share of 4 GB.
_MEMORY_LIMIT = "1500MB"


class Engine:
    """A connection that evaluates expressions; what it holds is gone when it is closed.

    Args:
        backend: An Ibis backend.
        write: Writes the answer of an expression to a Parquet file, or a folder of them, of this name.
        folder: An existing folder for what does not fit into memory; on a cluster all workers must see it.
    """

    def __init__(self, backend: Any, write: Callable[[ibis.Table, Path], object], folder: Path) -> None:
        self._backend = backend
        self._write = write
        self._folder = folder
        self._number = 0

    def table(self, content: pa.Table) -> ibis.Table:
        """Return columns of this process as an expression."""
        folder = self.new_folder()
        pq.write_table(content, folder / "part.parquet")
        return self.files(folder)

    def files(self, folder: Path, names: str = "*.parquet") -> ibis.Table:
        """Return the Parquet files of a folder as an expression."""
        return self._backend.read_parquet(folder / names)

    def keep(self, expression: ibis.Table) -> ibis.Table:
        """Evaluate an expression once, into files; what builds on the answer does not evaluate it again."""
        folder = self.new_folder()
        self._write(expression, folder / "part.parquet")
        kept, types = self.files(folder), dict(expression.schema().items())
        # Spark numbers rows in 32 bits, whatever the expression says.
        others = {
            name: types[name]
            for name, kind in kept.schema().items()
            if kind(nullable=True) != types[name](nullable=True)
        }
        return kept.cast(others) if others else kept

    def rows(self, expression: ibis.Table) -> pa.Table:
        """Return the answer as columns of this process."""
        table: pa.Table = self._backend.to_pyarrow(expression)
        return table

    def count(self, expression: ibis.Table) -> int:
        """Return the number of rows."""
        return self.numbers(expression.agg(number=expression.count()))["number"]

    def numbers(self, expression: ibis.Table) -> dict[str, int]:
        """Return the only row of a table of numbers; a sum over no rows is 0."""
        return {name: int(value or 0) for name, value in self.rows(expression).to_pylist()[0].items()}

    def new_folder(self) -> Path:
        """Return a new, empty folder that lives as long as the engine."""
        self._number += 1
        folder = self._folder / f"files-{self._number}"
        folder.mkdir()
        return folder


def without_progress_bar(connection: Any) -> None:
    """Turn the bar of a DuckDB connection off: where Python is interactive it would draw one, also into what machines read.

    In a notebook without ipywidgets DuckDB draws none, and refuses even to be told so.
    """
    [(drawn,)] = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if drawn:
        connection.execute("SET enable_progress_bar = false")


@contextmanager
def open_engine(name: str = "duckdb", folder: Path | None = None) -> Iterator[Engine]:
    """Open an engine; all that it wrote is gone afterwards.

    Args:
        name: `duckdb`, or `pyspark`: the Spark session that is active, else a local one.
        folder: Where a folder for files that do not fit into memory is made; by default where temporary files are.

    Raises:
        InputError: If there is no such engine, or PySpark or Java is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"there is no engine {name!r}; take {' or '.join(ENGINES)}.{did_you_mean(name, ENGINES)}")
    with TemporaryDirectory(dir=folder, prefix=".kgrec-") as inner:
        connect = _duckdb if name == "duckdb" else _pyspark
        with connect(Path(inner)) as backend:
            write = backend.to_parquet if name == "duckdb" else backend.to_parquet_dir
            yield Engine(backend, write, Path(inner))


@contextmanager
def _duckdb(folder: Path) -> Iterator[Any]:
    import ibis  # takes half a second, which only those who read RDF should wait for

    # Nothing here depends on the order of rows that no expression orders, and keeping it would cost memory.
    backend = ibis.duckdb.connect(
        memory_limit=_MEMORY_LIMIT, temp_directory=str(folder / "spill"), preserve_insertion_order=False
    )
    without_progress_bar(backend.con)
    try:
        yield backend
    finally:
        backend.disconnect()


@contextmanager
def _pyspark(folder: Path) -> Iterator[Any]:
    import ibis

    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError:
        raise InputError(
            "the engine pyspark needs PySpark; install it with pip install -e '.[spark]', or take --engine duckdb"
        ) from None
    active = SparkSession.getActiveSession()
    if active is None and shutil.which("java") is None:
        raise InputError("the engine pyspark needs Java 17 or newer on the PATH; install it, or take --engine duckdb")
    try:
        session = active or (
            SparkSession.builder.appName("kgrec")
            .config("spark.local.dir", str(folder / "spill"))
            .config("spark.sql.warehouse.dir", str(folder / "warehouse"))
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .getOrCreate()
        )
    except PySparkRuntimeError as error:
        raise InputError(f"the engine pyspark did not start: {str(error).splitlines()[0]}") from None
    try:
        yield ibis.pyspark.connect(session)
    finally:
        if active is None:
            session.stop()
