"""New items or users in tables like those that a graph was built from, read by the same description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kg.description import Description
from kg.errors import InputError, Problems
from kg.forgotten import Forgotten
from kg.growth.addition_files import RecordFile
from kg.report import FileAccount
from kg.schema import ITEM
from kg.tabular.cells import related_ids
from kg.tabular.entities import Entities, read_entities
from kg.tabular.entity_description import ItemTable, UserTable
from kg.tabular.tables import read_table
from kg.vocabulary import Vocabulary

__all__ = ["described_records"]


def described_records(files: Sequence[Path], kind: str, description: Description) -> RecordFile:
    """Read new items or users from tables like those of their kind in a description.

    Columns, templates of label and text, splits, bins, names of codes and marks for unknown values are those of the
    description. The first file says which items or users are new, the others add to them, as in a build. Links into RDF
    bring no triples, for none are read; they only tell a new item that is known already.

    Args:
        files: Tables like those of the description, in its order; the last ones may be left out, which is noted.
        kind: `item` or `user`.
        description: What the graph was built from.

    Returns:
        The records in the order of the first table.

    Raises:
        InputError: If the description has no such tables, or something in a file is wrong, with file and line.
    """
    tables, missed = _like(files, kind, description)
    places, accounts, notes = [str(file.absolute()) for file in files], dict[str, FileAccount](), list[str]()
    # Relations may lead to what the graph has, and are read apart.
    moved = [
        table.model_copy(update={"file": place, "optional": False, "relations": {}})
        for table, place in zip(tables, places, strict=True)
    ]
    problems = Problems()
    with problems.gathered():
        entities = read_entities(kind, moved, description.folder, accounts, notes, Forgotten(), problems=problems)
    problems.tell()
    assert entities is not None
    records = _records(entities)
    notes = [note.removesuffix(".") for note in notes]
    for file, table, place in zip(files, tables, places, strict=True):
        account = accounts[place]
        dropped = {f"rows left out: {reason}": number for reason, number in account.dropped.items()}
        notes += [f"{file.name}: {number:,} {what}" for what, number in {**account.counts, **dropped}.items() if number]
        notes += _relate(records, file, table, entities.vocabulary)
    if missed:
        notes.append(
            f"nothing was given like {', '.join(missed)}, from where the graph knows more of its {kind}s; "
            f"such files may stand after {files[-1].name}, in this order"
        )
    rows = read_table(files[0], tables[0].format)
    links = {raw_id: iri for raw_id, iri in zip(entities.vocabulary, entities.links, strict=True) if iri is not None}
    return RecordFile(
        records=records, lines=[rows.line(number) for number in range(len(rows))], notes=notes, links=links
    )


def _like(
    files: Sequence[Path], kind: str, description: Description
) -> tuple[Sequence[ItemTable | UserTable], Sequence[str]]:
    """Return the tables that files are like, the first one with ids before the others, and the files of those left over."""
    described: Sequence[ItemTable | UserTable] = description.items if kind == ITEM else description.users
    with_ids = (place for place, table in enumerate(described) if table.id is not None and not table.grouped)
    described = described[next(with_ids, len(described)) :]
    if not described:
        raise InputError(
            f"no table of {kind}s is described here; leave --description out and name the columns by relation",
            file=description.file,
        )
    if len(described) < len(files):
        raise InputError(
            f"the description has {len(described)} tables of {kind}s; expected no more files than that", file=files[-1]
        )
    return described[: len(files)], [table.file for table in described[len(files) :]]


def _records(entities: Entities) -> list[dict[str, Any]]:
    """Return what tables say of each entity, as `kg.growth.new_entities.NewEntities.of` takes it."""
    records: list[dict[str, Any]] = [{"id": raw_id, "concepts": {}} for raw_id in entities.vocabulary]
    for record, label, texts in zip(records, entities.labels, entities.texts, strict=True):
        record |= {name: value for name, value in (("label", label), ("text", " ".join(texts))) if value}
    for claims in entities.claims:
        for entity, relation, concept in zip(claims["entity"], claims["relation"], claims["label"], strict=True):
            records[entity]["concepts"].setdefault(relation, []).append(concept)
    return records


def _relate(
    records: list[dict[str, Any]], file: Path, table: ItemTable | UserTable, vocabulary: Vocabulary
) -> list[str]:
    """Add to each record the others of its kind that its row names; return what could not be."""
    if table.id is None:
        return [
            f"{file.name}: {name} is not read, since its rows are found by their titles" for name in table.relations
        ]
    if not table.relations:
        return []
    rows = read_table(file, table.format)
    record_of = vocabulary.find(list(rows.column(table.id)))
    for name, relation in table.relations.items():
        others = related_ids(rows, relation, table.missing)
        for record, other in zip(record_of[others["row"]], others["value"], strict=True):
            if record >= 0:
                records[record]["concepts"].setdefault(name, []).append(other)
    return []
