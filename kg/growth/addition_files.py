"""Files of new items or users: records as YAML, JSON or a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kg.errors import InputError
from kg.graph import Nodes
from kg.growth.new_entities import SEPARATOR, records_of
from kg.storage.packed import plain_suffix, read_bytes
from kg.tabular.json_records import JSON_LINES, read_json_records
from kg.tabular.tables import LIST_SEPARATOR, read_table

__all__ = ["RecordFile", "read_records"]


@dataclass(frozen=True, kw_only=True)
class RecordFile:
    """Records of new items or users from a file.

    Attributes:
        records: One a new node, as `kg.growth.new_entities.NewEntities.of` takes them.
        lines: Line of each in the file, from 1; none where the file has no lines (JSON): then its number counts.
        notes: What was left out, as sentences.
        links: The IRI of each new item that has one, by its id.
    """

    records: list[dict[str, Any]]
    lines: list[int]
    notes: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)

    def known_links(self, items: Nodes) -> list[str]:
        """Return a sentence for each new item that has the link of a known one."""
        known = {iri: place for place, iri in enumerate(items.iris) if iri is not None}
        return [
            f"item {raw_id!r} has the link of the known item {items.vocabulary.id_of(known[iri])!r}, {iri}; "
            "if both are the same, leave the new one out"
            for raw_id, iri in self.links.items()
            if iri in known
        ]


def read_records(file: Path, kind: str) -> RecordFile:
    """Read new items or users.

    YAML and JSON hold a list of records, JSON Lines a record a line. A table (CSV, TSV, Parquet) has a row each; a column that is neither `id`, `label`,
    `title`, `text` nor `ratings` is a relation; several values of a cell are separated by `|`, ratings are `id=stars|id=stars`.

    Raises:
        InputError: If the file cannot be read or holds no records.
    """
    suffix = plain_suffix(file)
    if suffix in (".yaml", ".yml", ".json", *JSON_LINES):
        content, lines = _structured(file, suffix)
        if not isinstance(content, list):
            raise InputError(
                f'expected a list of {kind}s with ids, as in [{{"id": "1", "title": "..."}}]; found {type(content).__name__}',
                file=file,
            )
        try:
            return RecordFile(records=records_of(content, kind), lines=lines)
        except InputError as error:
            line = lines[error.line - 1] if lines and error.line else None
            raise InputError(str(error), file=file, line=line) from None
    table = read_table(file)
    table.column("id", remedy=f"name the column of the {kind} ids so")
    records: list[dict[str, Any]] = [
        {str(name): cell.replace(LIST_SEPARATOR, SEPARATOR) for name, cell in row.items() if cell.strip()}
        for row in table.frame.to_dict("records")
    ]
    lines = [table.line(number) for number in range(len(records))]
    for record, line in zip(records, lines, strict=True):
        if "ratings" in record:
            record["ratings"] = _ratings(record["ratings"], file, line)
    return RecordFile(records=records, lines=lines)


def _structured(file: Path, suffix: str) -> tuple[object, list[int]]:
    """Return what a YAML or JSON file holds, and the line of each member of its list where it has lines."""
    content = read_bytes(file)
    if suffix in JSON_LINES:
        return read_json_records(content, file, by_lines=True)
    try:
        return (json.loads(content), []) if suffix == ".json" else _of_yaml(content.decode())
    except UnicodeDecodeError:
        raise InputError("expected UTF-8, found bytes that are not", file=file) from None
    except json.JSONDecodeError as error:
        raise InputError(f"expected JSON, found an error: {error.msg}", file=file, line=error.lineno) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["nested too deeply"])[0]
        raise InputError(
            f"this is not valid YAML: {problem}", file=file, line=mark.line + 1 if mark else None
        ) from None


class _TextLoader(yaml.SafeLoader):
    """Reads every plain value as the text that it is written as: 007 is no number."""


_TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _of_yaml(text: str) -> tuple[object, list[int]]:
    loader = _TextLoader(text)
    node = loader.get_single_node()
    lines = [member.start_mark.line + 1 for member in node.value] if isinstance(node, yaml.SequenceNode) else []
    records = None if node is None else loader.construct_document(node)
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict) and isinstance(record.get("ratings"), dict):
            record["ratings"] = {rated: _number(stars) for rated, stars in record["ratings"].items()}
    return records, lines


def _number(text: object) -> object:
    try:
        return float(str(text))
    except ValueError:
        return text


def _ratings(cell: str, file: Path, line: int) -> dict[str, float]:
    ratings: dict[str, float] = {}
    for part in filter(str.strip, cell.split(SEPARATOR)):
        other, equals, stars = part.rpartition("=")
        try:
            ratings[other.strip()] = float(stars)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"expected ratings as id=stars{SEPARATOR}id=stars, got {part!r}", file=file, line=line)
    return ratings
