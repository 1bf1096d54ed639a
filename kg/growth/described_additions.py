"""New items or users in tables like those that a graph was built from, read by the same description."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kg.description import Description
from kg.errors import InputError, Problems
from kg.forgotten import Forgotten
from kg.growth.addition_files import Told
from kg.report import FileAccount
from kg.schema import ITEM
from kg.tabular.cells import related_ids
from kg.tabular.entities import Entities, read_entities
from kg.tabular.entity_description import ItemTable, UserTable
from kg.tabular.tables import read_table
from kg.vocabulary import Vocabulary

__all__ = ["described_records"]


def described_records(files: Sequence[Path], kind: str, description: Description) -> Told:
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
    same = [_at(table, place) for table, place in zip(tables, places, strict=True)]
    problems = Problems()
    with problems.gathered():
        found = read_entities(kind, same, description.folder, accounts, notes, Forgotten(), problems=problems)
    problems.tell()
    assert found is not None
    records = _records(found)
    notes = [note.removesuffix(".") for note in notes]
    for file, table, place in zip(files, tables, places, strict=True):
        notes += [f"{file.name}: {what}" for what in _told(accounts[place])]
        if table.relations:
            notes += _relate(records, file, table, found.vocabulary)
    if missed:
        notes.append(
            f"nothing was given like {', '.join(missed)}, from where the graph knows more of its {kind}s; "
            f"such files may stand after {files[-1].name}, in this order"
        )
    rows = read_table(files[0], tables[0].format)
    links = {raw_id: iri for raw_id, iri in zip(found.vocabulary, found.links, strict=True) if iri is not None}
    return Told(records=records, lines=[rows.line(number) for number in range(len(rows))], notes=notes, links=links)


def _like(
    files: Sequence[Path], kind: str, description: Description
) -> tuple[Sequence[ItemTable | UserTable], Sequence[str]]:
    """Return the tables that files are like, the first one with ids before the others, and the files of those left over."""
    described: tuple[ItemTable | UserTable, ...] = description.items if kind == ITEM else description.users
    first = next(
        (place for place, found in enumerate(described) if found.id is not None and not found.grouped), len(described)
    )
    tables, missed = described[first : first + len(files)], described[first + len(files) :]
    if not tables:
        raise InputError(
            f"no table of {kind}s is described here; leave --description out and name the columns by relation",
            file=description.file,
        )
    if len(tables) < len(files):
        raise InputError(
            f"the description has {len(tables)} tables of {kind}s; expected no more files than that", file=files[-1]
        )
    return tables, [table.file for table in missed]


def _at(table: ItemTable | UserTable, place: str) -> ItemTable | UserTable:
    """Return the same table in another place, without relations, which may lead to what the graph has."""
    return table.model_copy(update={"file": place, "optional": False, "relations": {}})


def _records(found: Entities) -> list[dict[str, Any]]:
    """Return what tables say of each entity, as `kg.growth.new_entities.NewEntities.of` takes it."""
    records: list[dict[str, Any]] = [{"id": raw_id, "concepts": {}} for raw_id in found.vocabulary]
    for record, label, texts in zip(records, found.labels, found.texts, strict=True):
        record |= {name: said for name, said in (("label", label), ("text", " ".join(texts))) if said}
    for claims in found.claims:
        for entity, relation, concept in zip(claims["entity"], claims["relation"], claims["label"], strict=True):
            records[entity]["concepts"].setdefault(relation, []).append(concept)
    return records


def _told(account: FileAccount) -> list[str]:
    """Return what became of the rows of a file, where that is worth a word."""
    dropped = {f"rows left out: {reason}": number for reason, number in account.dropped.items()}
    return [f"{number:,} {what}" for what, number in {**account.counts, **dropped}.items() if number]


def _relate(
    records: list[dict[str, Any]], file: Path, table: ItemTable | UserTable, vocabulary: Vocabulary
) -> list[str]:
    """Add to each record the others of its kind that its row names; return what could not be."""
    if table.id is None:
        return [
            f"{file.name}: {name} is not read, since its rows are found by their titles" for name in table.relations
        ]
    rows = read_table(file, table.format)
    record_of = vocabulary.find(list(rows.column(table.id)))
    for name, relation in table.relations.items():
        others = related_ids(rows, relation, table.missing)
        for record, other in zip(record_of[others["row"]], others["value"], strict=True):
            if record >= 0:
                records[record]["concepts"].setdefault(name, []).append(other)
    return []
