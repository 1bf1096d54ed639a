"""The Oxigraph store on disk that answers queries about a graph directory.

It is made from the RDF of record at the first query and lies in `.store` inside the graph directory: it holds what the
graph holds, ratings of persons included, so it must go where the graph goes. A graph that is built anew, updated or
deleted takes its stores along, and none lies forgotten in a cache elsewhere. The manifest does not name it: it can be
deleted at any time, and no reader but this module looks at it.
"""

from __future__ import annotations

import fcntl
import gzip
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import pyoxigraph as ox

from kg.dataset import Dataset, read_manifest
from kg.saved.store import rating_quads
from kg.schema import Namespace
from kg.storage.atomic import staged_directory
from kg.storage.manifest import canonical, sha256

__all__ = ["FOLDER", "store_of"]

logger = logging.getLogger(__name__)

FOLDER = ".store"


@contextmanager
def store_of(directory: Path, *, ratings: bool = False) -> Iterator[Path]:
    """Yield the directory of a store with all that a graph holds, to be opened read-only.

    The first call makes the store; a second process that comes meanwhile waits for it. A process that is killed while
    it loads leaves nothing that counts. Where the graph directory cannot be written to, the store is made in a
    temporary place for this once.

    Args:
        directory: A graph directory.
        ratings: Whether the store also holds the ratings, as `schema:Rating` or `schema:ChooseAction`.

    Raises:
        InputError: If it is no graph directory, or damaged.
    """
    manifest = read_manifest(directory)
    name, other = (_key(manifest, ratings=choice) for choice in (ratings, not ratings))
    home = directory / FOLDER
    final = home / name
    if not final.exists():
        try:
            home.mkdir(exist_ok=True)
            lock = (home / "lock").open("w")
        except OSError as error:
            logger.info("%s cannot keep a store (%s); one is made for this query alone", directory, error.strerror)
            with TemporaryDirectory() as folder:
                _load(directory, manifest, Path(folder), ratings=ratings)
                yield Path(folder)
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for path in home.iterdir():
                # Only stores of this very graph may stay; an unfinished one belongs to a process that is no more.
                if path.is_dir() and path.name not in (name, other):
                    shutil.rmtree(path)
            if not final.exists():
                logger.info(
                    "first query of this graph: its %s edges go into a store", f"{manifest['counts']['edges']:,}"
                )
                with staged_directory(final) as partial:
                    _load(directory, manifest, partial, ratings=ratings)
    yield final


def _key(manifest: dict[str, Any], *, ratings: bool) -> str:
    """Name a store by its content and by the library that must read it."""
    files = manifest["files"]
    parts = [files["kg.nq.gz"], files["ratings.parquet"] if ratings else None, manifest["scale"], ox.__version__]
    return sha256(canonical(parts))[:16]


def _load(directory: Path, manifest: dict[str, Any], folder: Path, *, ratings: bool) -> None:
    store = ox.Store(str(folder))
    with gzip.open(directory / "kg.nq.gz") as file:
        store.bulk_load(input=cast(IO[bytes], file), format=ox.RdfFormat.N_QUADS)
    if ratings:
        dataset = Dataset.load(directory)
        namespace = Namespace(manifest["namespace"])
        store.bulk_extend(rating_quads(dataset.graph, dataset.ratings, namespace, implicit=dataset.implicit))
    store.flush()
    del store  # closes the files, which are then only read
