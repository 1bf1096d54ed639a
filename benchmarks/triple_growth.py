"""How time and memory of a build grow with the number of triples, and how fast N-Triples load beside rdflib."""

from __future__ import annotations

import gzip
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import pandas as pd

from benchmarks.scaling import check_sizes, exponent_table, exponents, in_own_process, rounded, write_rows
from benchmarks.synthetic_triples import FEWEST_TRIPLES, write_source, write_triples
from kg.build import build
from kg.description import Description
from kg.rdf.engine import open_engine
from kg.rdf.statement_tables import read_statements
from kg.report import FileAccount
from kg.storage.atomic import make_directory
from training.peak_memory import peak_memory_mb
from training.progress import Progress, silent

__all__ = ["TRIPLE_SIZES", "Loading", "TripleGrowth", "run_triple_growth", "triple_tables"]

TRIPLE_SIZES = (1_000_000, 10_000_000)
_REAL = "dbpedia-movies/dbpedia.nt.gz"
_REPEATS = 3
_COSTS = ("processor_seconds", "columns_seconds", "save_seconds", "peak_memory_mb")


@dataclass(frozen=True, kw_only=True)
class TripleGrowth:
    """What the build of a graph from so many N-Triples costs, in a process of its own, libraries included."""

    num_triples: int  # lines of the file
    file_mb: float
    num_nodes: int
    num_edges: int
    build_seconds: float  # from the files to the graph in memory, by the clock
    processor_seconds: float  # the same in seconds of all processors together, which other programs disturb less
    columns_seconds: float  # from the files to edges.parquet and nodes.parquet
    save_seconds: float  # from the files to the whole graph directory, with the RDF of record
    triples_per_second: float  # lines over columns_seconds
    columns_memory_mb: float  # largest resident memory until the graph is in memory
    peak_memory_mb: float  # largest resident memory of the whole


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Loading one file of N-Triples, beside rdflib in the same process: best of three each."""

    file: str
    num_triples: int
    seconds: float  # from the file to the tables of the engine
    rdflib_seconds: float  # rdflib.Graph().parse
    ratio: float  # how many times as fast


def run_triple_growth(
    out: Path, *, data: Path | None = None, sizes: Sequence[int] = TRIPLE_SIZES, progress: Progress = silent
) -> dict[str, Any]:
    """Measure every size in a process of its own; after each, write `triples.json` and `triples.csv`.

    Args:
        out: Directory of the results.
        data: Folder of the data; where it holds the DBpedia triples of films, their loading is measured as well.
        sizes: Numbers of triples, rising.
        progress: Called with (stage, done, total, message).

    Returns:
        What `triples.json` holds: `protocol`, `loading` (`Loading`), `rows` (`TripleGrowth`) and `exponents`.

    Raises:
        InputError: If sizes do not rise or are too small, or a process died.
    """
    check_sizes(sizes, FEWEST_TRIPLES, "triples")
    make_directory(out)
    rows: list[TripleGrowth] = []
    content: dict[str, Any] = {"protocol": "triples", "loading": []}
    with TemporaryDirectory(dir=out, prefix=".triples-") as folder:
        simulated = Path(folder) / "simulated.nt"
        write_triples(simulated, min(sizes[0], 100_000), flaws=False)
        for file in (simulated, *([] if data is None else [data / _REAL])):
            progress("triples", 0, len(sizes) + 1, f"rdflib beside kgrec on {file.name}")
            loading = in_own_process(partial(_load, file), f"loading {file.name}")
            content["loading"].append(rounded(loading))
        for number, size in enumerate(sizes):
            progress("triples", number + 1, len(sizes) + 1, f"{size:,} triples")
            with TemporaryDirectory(dir=folder) as source:
                description = write_source(Path(source), size)
                rows.append(in_own_process(partial(_build, description, size), f"{size:,} triples"))
            slopes = exponents(rows, "num_triples", _COSTS)
            content |= {"rows": [rounded(row) for row in rows], "exponents": slopes}
            write_rows(out, content)
    progress("triples", len(sizes) + 1, len(sizes) + 1, "done")
    return content


def _build(description: Path, num_triples: int, _: Progress) -> TripleGrowth:
    """Build and save as `kgrec build` does."""
    out = description.parent / "graph"
    wall, started, used = time.time(), time.perf_counter(), time.process_time()
    dataset = build(Description.load(description), scratch=description.parent)
    built, processor, memory = time.perf_counter() - started, time.process_time() - used, peak_memory_mb()
    dataset.save(out)
    saved = time.perf_counter() - started
    # Columns are written first, and their files keep the time of their last byte.
    columns = max((out / name).stat().st_mtime for name in ("edges.parquet", "nodes.parquet")) - wall
    return TripleGrowth(
        num_triples=num_triples,
        file_mb=(description.parent / "triples.nt").stat().st_size / 1e6,
        num_nodes=dataset.graph.num_nodes,
        num_edges=dataset.graph.num_edges,
        build_seconds=built,
        processor_seconds=processor,
        columns_seconds=columns,
        save_seconds=saved,
        triples_per_second=num_triples / columns,
        columns_memory_mb=memory,
        peak_memory_mb=peak_memory_mb(),
    )


def _load(file: Path, _progress: Progress) -> Loading:
    import rdflib

    logging.getLogger("rdflib").setLevel(logging.ERROR)  # it warns of literals whose value it cannot read
    seconds, others, account = [], [], FileAccount()
    for _ in range(_REPEATS):
        account = FileAccount()
        started = time.perf_counter()
        with open_engine("duckdb") as opened:
            read_statements(file, opened, lenient=True, account=account)
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as content:
            rdflib.Graph().parse(source=cast("IO[bytes]", content), format="nt")
        others.append(time.perf_counter() - started)
    return Loading(
        file=file.name,
        num_triples=account.rows,
        seconds=min(seconds),
        rdflib_seconds=min(others),
        ratio=min(others) / min(seconds),
    )


def triple_tables(content: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables people read, by title: loading beside rdflib, a row a size, and the exponents between sizes."""
    beside = pd.DataFrame(
        {
            "file": f"{loading['file']} ({loading['num_triples']:,} triples)",
            "kgrec": f"{loading['seconds']:.3f} s",
            "rdflib": f"{loading['rdflib_seconds']:.3f} s",
            "times as fast": f"{loading['ratio']:.1f}",
        }
        for loading in content["loading"]
    )
    costs = pd.DataFrame(
        {
            "triples": f"{row['num_triples']:,} ({row['num_nodes']:,} nodes, {row['num_edges']:,} edges)",
            "graph": f"{row['build_seconds']:.1f} s",
            "processors": f"{row['processor_seconds']:.1f} s",
            "edges.parquet": f"{row['columns_seconds']:.1f} s",
            "all files": f"{row['save_seconds']:.1f} s",
            "triples a second": f"{row['triples_per_second']:,.0f}",
            "peak": f"{row['peak_memory_mb'] / 1e3:.2f} GB",
        }
        for row in content["rows"]
    )
    slopes = exponent_table(content["exponents"], ("processors", "edges.parquet", "all files", "peak"))
    return {
        "loading N-Triples: best of three": beside,
        "triples: a graph from so many lines, seconds by the clock until the file is there": costs,
        "exponents: 1 is proportional to the number of triples": slopes,
    }
