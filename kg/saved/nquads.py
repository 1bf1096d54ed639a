"""The N-Quads of record: sorted lines of a graph of any size, by DuckDB, which spills to disk where memory ends."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyoxigraph as ox

from kg.graph import KnowledgeGraph
from kg.rdf.engine import MEMORY_LIMIT, without_progress_bar
from kg.saved.store import quads
from kg.schema import Namespace
from kg.storage.atomic import staged_file

__all__ = ["write_nquads"]

_BATCH = 1 << 17  # lines that are made and read at once
_LEVEL = 6  # the highest level takes five times as long and saves a twentieth


def write_nquads(graph: KnowledgeGraph, path: Path, namespace: Namespace) -> None:
    """Write a graph as `.nq.gz` with lines in the order of their bytes and no time stamp: the same graph gives the same bytes.

    Memory beside the graph is bounded; what does not fit waits in files beside `path`, which are gone afterwards.
    """
    import duckdb  # takes a quarter of a second, which only those who write should wait for

    with (
        TemporaryDirectory(dir=path.parent, prefix=".nquads-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder}) as connection,
        staged_file(path) as temporary,
    ):
        without_progress_bar(connection)
        connection.execute("CREATE TABLE lines (line BLOB)")
        stated = quads(graph, namespace)
        while batch := list(islice(stated, _BATCH)):
            text = ox.serialize(batch, format=ox.RdfFormat.N_QUADS)
            assert text is not None
            connection.register("batch", pa.table({"line": text.splitlines(keepends=True)}))
            connection.execute("INSERT INTO lines SELECT line FROM batch")
            connection.unregister("batch")
        with temporary.open("wb") as file, gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            for lines in connection.sql("SELECT line FROM lines ORDER BY line").to_arrow_reader(_BATCH):
                packed.write(b"".join(lines.column(0).to_pylist()))
