"""New items or users in a table like the one that a graph was built from, read by the same description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kg.description import Description
from kg.errors import InputError
from kg.growth.addition_files import Told
from kg.growth.forgotten import Forgotten
from kg.report import FileAccount
from kg.schema import ITEM
from kg.tables import read_table
from kg.tabular.entities import read_entities
from kg.tabular.entity_description import ItemTable, UserTable
from kg.tabular.related import related_ids

__all__ = ["described_records"]


def described_records(file: Path, kind: str, description: Description) -> Told:
    """Read new items or users from a table like the first one of their kind in a description.

    Columns, templates of label and text, splits, bins, names of codes and marks for unknown values are those of the
    description. Links into RDF say nothing here, for no triples are read.

    Args:
        file: The table.
        kind: `item` or `user`.
        description: What the graph was built from.

    Returns:
        The records in the order of the table.

    Raises:
        InputError: If the description has no table of this kind, or something in the file is wrong, with file and line.
    """
    tables: tuple[ItemTable | UserTable, ...] = description.items if kind == ITEM else description.users
    table = next((found for found in tables if found.id is not None), None)
    if table is None:
        raise InputError(
            f"no table of {kind}s is described here; leave --description out and name the columns by relation",
            file=description.file,
        )
    place, accounts = str(file.absolute()), dict[str, FileAccount]()
    apart: dict[str, Any] = {"same_as": None, "relations": {}} if isinstance(table, ItemTable) else {}
    same = table.model_copy(update={"file": place, "optional": False, **apart})
    found = read_entities(kind, [same], description.folder, accounts, [], Forgotten())
    assert found is not None
    ids = list(found.vocabulary)
    records: list[dict[str, Any]] = [{"id": raw_id, "concepts": {}} for raw_id in ids]
    for record, label, texts in zip(records, found.labels, found.texts, strict=True):
        record |= {name: said for name, said in (("label", label), ("text", " ".join(texts))) if said}
    for claims in found.claims:
        for entity, relation, concept in zip(claims["entity"], claims["relation"], claims["label"], strict=True):
            records[entity]["concepts"].setdefault(relation, []).append(concept)
    rows = read_table(file, table.format)
    if isinstance(table, ItemTable):
        for name, relation in table.relations.items():
            others = related_ids(rows, relation, table.missing)
            for row, other in zip(others["row"], others["value"], strict=True):
                records[row]["concepts"].setdefault(name, []).append(other)
    return Told(
        records=records,
        lines=[rows.line(number) for number in range(len(rows))],
        notes=[f"{file.name}: {number:,} {what}" for what, number in accounts[place].counts.items()],
    )
