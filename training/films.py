"""The film world of the demo as files: facts about real films, written by hand, and the ratings of a simulated audience.

`benchmarks/film_world.py` draws the audience and states the formula; `films_ratings.csv.gz` and its like are what it drew, so
that every machine has the same demo.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from kg.errors import InputError
from kg.storage.atomic import write_file

__all__ = ["TABLES", "write_film_source"]

TABLES = ("films", "users", "ratings")


def write_film_source(directory: Path, tables: Mapping[str, str] | None = None) -> Path:
    """Write what a user would have: tables, RDF and their description; return the path of the description.

    Files: `films.csv`, `users.csv`, `ratings.csv`, `films.ttl` and, last, `films.yaml`; each whole or not at all.

    Args:
        directory: Where to write; made if it is absent.
        tables: CSV of each of `TABLES`; by default those of the demo.

    Raises:
        InputError: If the directory cannot be made or written to.
    """
    data, directory = files("training"), Path(directory)
    if tables is None:
        packed = {name: (data / f"films_{name}.csv.gz").read_bytes() for name in TABLES}
        tables = {name: gzip.decompress(content).decode() for name, content in packed.items()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_file(directory / f"{name}.csv", tables[name])
        for name in ("films.ttl", "films.yaml"):
            write_file(directory / name, (data / name).read_bytes())
    except OSError as error:
        raise InputError(
            f"expected a folder to write the film world to: {error.strerror}; choose another folder", file=directory
        ) from None
    return directory / "films.yaml"
