"""Traces of a person in files that kgrec wrote: the proof of forgetting looks into all of them, decoded."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kg.schema import USER, Namespace

__all__ = ["standing_alone", "traces"]


def standing_alone(raw_id: str) -> re.Pattern[str]:
    """Return the pattern of an id that is not part of a longer word."""
    return re.compile(rf"(?<!\w){re.escape(raw_id)}(?!\w)")


def traces(directory: Path, people: Sequence[str], namespace: str) -> list[str]:
    """Return every place in a directory that names one of some people; an empty list is the proof that none does.

    An id alone proves nothing, as user `17` and item `17` are two nodes. A trace is

    - in a Parquet or Arrow file: the id as that of a user;
    - in RDF: the IRI that is minted for the person;
    - in a report: an example that holds the id as a word, a note that quotes it.

    Args:
        directory: A graph or a run; folders in it are searched too.
        people: User ids.
        namespace: Beginning of the IRIs of nodes.
    """
    places = []
    for path in sorted(path for path in Path(directory).rglob("*") if path.is_file()):
        name = str(path.relative_to(directory))
        if path.suffix in (".parquet", ".arrow"):
            places += [f"{name}, column {column!r}" for column in _in_columns(path, people)]
        elif path.name.endswith(".nq.gz"):
            content = gzip.decompress(path.read_bytes())
            iris = (f"<{Namespace(namespace).node(USER, raw_id)}>" for raw_id in people)
            places += [f"{name}, an IRI" for iri in iris if iri.encode() in content]
        elif path.suffix == ".json":
            places += [f"{name}, {where}" for where in _in_report(json.loads(path.read_bytes()), people)]
    return places


def _in_columns(path: Path, people: Sequence[str]) -> Iterator[str]:
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    if "kind" not in table.column_names:
        return  # users are their indices there
    of_users = table.filter(pc.equal(table["kind"].cast(pa.string()), USER))
    wanted = pa.array(list(people), pa.string())
    for name in of_users.column_names:
        column = of_users[name]
        if pa.types.is_string(column.type) and pc.any(pc.is_in(column, value_set=wanted)).as_py():
            yield name


def _in_report(value: Any, people: Sequence[str], where: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _in_report(member, people, key if key in ("examples", "notes") else where)
    elif isinstance(value, list):
        for member in value:
            yield from _in_report(member, people, where)
    elif isinstance(value, str) and where:
        if where == "examples" and any(standing_alone(raw_id).search(value) for raw_id in people):
            yield "an example"
        elif where == "notes" and any(repr(raw_id) in value for raw_id in people):
            yield "a note"
