"""The N-Quads of record: the sorted lines of a graph of any size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyoxigraph as ox

from kg.graph import KnowledgeGraph
from kg.saved.store import quads
from kg.schema import Namespace
from kg.storage.atomic import staged_file

__all__ = ["write_nquads"]

_RUN = 1 << 19  # lines that are sorted in memory
_BLOCK = 1 << 14  # lines that are packed at once
_LEVEL = 6  # the highest level takes five times as long and saves a twentieth


def write_nquads(graph: KnowledgeGraph, path: Path, namespace: Namespace) -> None:
    """Write a graph as `.nq.gz` with lines in the order of their bytes and no time stamp: the same graph gives the same bytes.

    Memory beside the graph is bounded: runs of sorted lines wait in files beside `path`, which are gone afterwards.
    """
    with TemporaryDirectory(dir=path.parent, prefix=".nquads-") as folder, staged_file(path) as temporary:
        runs = list(_runs(graph, namespace, Path(folder)))
        with ExitStack() as opened, temporary.open("wb") as file:
            lines = merge(*(opened.enter_context(run.open("rb")) for run in runs))
            with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
                while block := b"".join(islice(lines, _BLOCK)):
                    packed.write(block)


def _runs(graph: KnowledgeGraph, namespace: Namespace, folder: Path) -> Iterator[Path]:
    stated = quads(graph, namespace)
    for number in count():
        run = list(islice(stated, _RUN))
        if not run:
            return
        text = ox.serialize(run, format=ox.RdfFormat.N_QUADS)
        assert text is not None
        file = folder / str(number)
        file.write_bytes(b"".join(sorted(text.splitlines(keepends=True))))
        yield file
