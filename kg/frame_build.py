"""A graph from tables in memory: the same build as from files, with errors that name the table and the row."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from pydantic import ValidationError

from kg.build import build as build_described
from kg.dataset import Dataset, refuse_other
from kg.description import Description
from kg.errors import InputError, Problems, did_you_mean
from kg.forgotten import Forgotten
from kg.frame_description import RATING_SETTINGS, FrameDescription
from kg.storage.atomic import scratch_directory
from kg.storage.only_writer import only_writer

__all__ = ["build"]

logger = logging.getLogger(__name__)


def build(
    ratings: Any,
    items: Any = None,
    users: Any = None,
    knowledge: Any = None,
    *,
    columns: Mapping[str, str] | None = None,
    data: str | Path | None = None,
    path: str | Path | None = None,
    **settings: Any,
) -> Dataset:
    """Build a graph with its ratings from tables, or from a description in YAML.

    Tables are those of pandas, Polars, Arrow or DuckDB. In the place of each may stand a mapping in the words of the YAML,
    with the table under `file`: `items={"file": films, "id": "imdb", "concepts": {"year": {"column": "year", "bins": [1990]}}}`;
    then it is read as that says, and nothing is guessed.

    Args:
        ratings: A row a rating, with the columns `user`, `item`, `rating` and, if known, `time`; without `rating` each row
            says that a user chose an item. Or the path of a YAML file, or the name of a ready-made description.
        items: A row an item: its id, `label` (or `title`, `name`), `text`, which the language model reads, and `same_as`,
            its IRI in RDF. Every further column names concepts, see `kg.tabular.frame_concepts`. Or a list of such tables.
        users: A row a user, the same without `same_as`.
        knowledge: Path of a file of RDF, a table of triples with the columns `head`, `relation` and `tail`, or a list of these.
        columns: What the columns are called, where they are called otherwise: `{"user": "reviewer", "item": "asin"}`;
            `label` and `text` may be templates, such as `{title} ({year})`.
        data: Folder of the data that a description speaks of; by default that of the YAML file.
        path: Directory that receives the graph; what is there of a graph is built anew.
        **settings: What a description says under `ratings`, such as `scale=(0.5, 5)`, `feedback="implicit"`, `repeats="last"`.

    Raises:
        InputError: If an input is missing or wrong, with table and row, counted from 0 as `iloc` does, or file and line.
    """
    for name in settings:
        if name not in RATING_SETTINGS:
            raise InputError(
                f"there is no setting {name!r} of ratings; expected some of {', '.join(sorted(RATING_SETTINGS))}."
                f"{did_you_mean(name, RATING_SETTINGS)}"
            )
    if isinstance(ratings, str | Path):
        if settings or columns or any(given is not None for given in (items, users, knowledge)):
            raise InputError("a description says all of its data; give nothing beside it, or tables instead")
        description = Description.load(ratings, data=None if data is None else Path(data))
        return _built(description, description.folder, path)
    if data is not None:
        raise InputError("data is the folder of what a description speaks of; leave it out where tables are given")
    frames = FrameDescription(columns=columns or {})
    frames.add_ratings(ratings, settings)
    for kind, given in (("item", items), ("user", users)):
        frames.add_entities(kind, given)
    frames.add_knowledge(knowledge)
    try:
        description = Description.model_validate(frames.description)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if "[" not in str(part))  # without the names of unions
        raise InputError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    with TemporaryDirectory() as folder:
        for name, table in frames.tables.items():
            pq.write_table(table, Path(folder) / name)
        problems, dataset = Problems(), None
        with problems.gathered():
            dataset = _built(description, Path(folder), path)
        problems.found = [_by_row(problem, Path(folder)) for problem in problems.found]
        problems.tell()
    assert dataset is not None, "what is not built is a problem that was told"
    return dataset


def _built(description: Description, data: Path, path: str | Path | None) -> Dataset:
    """Build, and write a directory if one is named."""
    if path is None:
        dataset = build_described(description, data=data)
    else:
        path = Path(path)
        refuse_other(path)  # before the sources are read, not after
        with only_writer(path):
            with scratch_directory(path) as scratch:
                forgotten = Forgotten.of_directory(path)
                dataset = build_described(description, data=data, scratch=scratch, forgotten=forgotten)
            dataset.save(path)
    warnings: Any = dataset.report.get("warnings", ())
    for warning in warnings:
        logger.warning("%s", warning)
    return dataset


def _by_row(error: InputError, folder: Path) -> InputError:
    """Return a problem of a table in a folder by the name of the table and the row."""
    if error.file is None or Path(error.file).parent != folder:
        return error
    place = error.file if error.line is None else f"{error.file}, line {error.line}"
    message = str(error).removeprefix(f"{place}: ")
    message = re.sub(r"(?<=in )line (\d+)", lambda line: f"row {int(line[1]) - 1}", message)
    row = "" if error.line is None else f", row {error.line - 1}"
    by_row = InputError(f"{Path(error.file).name}{row}: {message}")
    by_row.line = error.line  # which orders several
    return by_row
