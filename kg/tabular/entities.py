"""Users and items as their tables describe them: ids, labels, texts, links and the concepts they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, Problems
from kg.forgotten import OF_FORGOTTEN, Forgotten
from kg.report import FileAccount
from kg.tabular.code_names import read_names
from kg.tabular.concepts import concept_id, concept_values
from kg.tabular.entity_description import ItemTable, Link, Match, UserTable
from kg.tabular.expression import without_matches
from kg.tabular.grouping import grouped
from kg.tabular.html_entities import num_escaped
from kg.tabular.link_cells import link_cells, link_remedy
from kg.tabular.matching import match_titles, normal_title, title_and_year
from kg.tabular.related import related_entities
from kg.tabular.table_format import LINE
from kg.tabular.tables import Table, read_table
from kg.tabular.templates import render, template_fields
from kg.triples import is_iri
from kg.vocabulary import Vocabulary

__all__ = ["Entities", "read_entities"]

INVALID_LINKS = "links that are not valid IRIs, left out"

_ARTICLE = {"user": "a", "item": "an"}


@dataclass(kw_only=True, eq=False)
class Entities:
    """All users or all items, while tables are added one after the other.

    Attributes:
        vocabulary: Their raw ids.
        labels, links: Label and IRI, or None while unknown, `[num_entities]`.
        texts: The different texts known, `[num_entities]` lists.
        claims: Frames with `entity`, `relation`, `kind`, `id`, `label`, `source`, `line`: the concepts claimed.
        other_links: Pairs of an entity and a link that differs from its first one.
        relations: Frames with `entity`, `relation`, `other`, `source`, `line`: what is related to others of the kind.
        text_fields: For each file, how many entities have each field of its text.
        warnings: Sentences on what will not work as it was meant.
    """

    vocabulary: Vocabulary
    labels: list[str | None]
    links: list[str | None]
    texts: list[list[str]]
    other_links: list[tuple[int, str]] = field(default_factory=list)
    claims: list[pd.DataFrame] = field(default_factory=list)
    relations: list[pd.DataFrame] = field(default_factory=list)
    text_fields: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, kind: str, ids: Sequence[str]) -> Entities:
        """Return entities of which nothing but the ids is known."""
        size = len(ids)
        return cls(vocabulary=Vocabulary(kind, ids), labels=[None] * size, links=[None] * size, texts=[[] for _ in ids])


def read_entities(
    kind: str,
    tables: Sequence[ItemTable | UserTable],
    folder: Path,
    files: dict[str, FileAccount],
    notes: list[str],
    forgotten: Forgotten,
    *,
    problems: Problems,
    rated: Sequence[str] | None = None,
    joining: Sequence[str] = (),
) -> Entities | None:
    """Read all tables about users or about items.

    The first present table says which there are; later ones add to them. Labels: the first table wins. Texts of
    later tables are appended where they say something new. Concepts: union. A table in which an id may have several rows
    says nothing of who is not in it; where it comes first, there are those that the ratings name.

    Args:
        kind: `user` or `item`.
        tables: Their descriptions.
        folder: Where the paths start.
        files: Receives an account of each file.
        notes: Receives a sentence for each absent optional file.
        forgotten: Whose rows are left out and counted.
        problems: Receives what is wrong with cells.
        rated: The ids that the ratings name, without the forgotten; None if they are not to be looked at.
        joining: Ids that are there even without a row, in the order in which they follow the others.

    Returns:
        The entities, or None if there is no table.

    Raises:
        InputError: If a table cannot be read, or its ids are wrong, with file and line.
    """
    entities: Entities | None = None
    unread = Problems()
    for description in tables:
        path = folder / description.file
        if description.optional and not path.exists():
            notes.append(f"{description.file} is not there; {kind}s go without what it adds.")
            continue
        match = description.match if isinstance(description, ItemTable) else None
        if entities is None and match is not None:
            notes.append(f"{description.file} is not used: no table of {kind}s with ids is there to match it to.")
            continue
        with unread.gathered():
            table = read_table(path, description.format)
            account = files.setdefault(description.file, FileAccount())
            account.rows += len(table)
            if table.replaced:
                account.counts["bad bytes replaced"] = table.replaced
            _tell_spellings(table, description, account)
            if match is not None:
                assert entities is not None
                row_of = _match(table, match, entities, folder, account, notes)
            else:
                assert description.id is not None
                ids = _ids(table, description.id, kind, repeated=description.grouped)
                gone = forgotten.mask(ids)
                if entities is None and unread.found:
                    continue
                if entities is None:
                    told = list(dict.fromkeys(raw_id for raw_id, left in zip(ids, gone, strict=True) if not left))
                    if rated is not None and description.grouped:
                        told = list(rated)
                    entities = Entities.of(kind, list(dict.fromkeys([*told, *joining])))
                    account.count(f"{kind}s of the ratings without a row, kept", len(entities.vocabulary) - len(told))
                beyond = (entities.vocabulary.find(ids) < 0) & ~gone
                if description.format.lines is not None and description.id == LINE:
                    _refuse_other_lines(table, ids, beyond, entities.vocabulary)
                if not description.grouped:
                    row_of = Vocabulary(kind, ids).find(entities.vocabulary.ids)
                account.drop(OF_FORGOTTEN, int(gone.sum()))
                unknown = np.flatnonzero(beyond)
                account.drop(f"no {kind} of this id", len(unknown), [ids[row] for row in unknown[:3]])
            assert entities is not None
            if description.grouped:
                entity_of = entities.vocabulary.find(ids)
                known = np.stack([entity_of[entity_of >= 0], np.flatnonzero(entity_of >= 0)], axis=1)
                account.kept += len(known)
            else:
                account.kept += len(np.unique(row_of[row_of >= 0]))
                with problems.gathered():
                    _describe(entities, table, description, row_of, account)
                known = np.stack([np.flatnonzero(row_of >= 0), row_of[row_of >= 0]], axis=1)
            with problems.gathered():
                _add_concepts(entities, table, description, known, folder, files)
            with problems.gathered():
                _add_relations(entities, table, description, known, account, forgotten)
    unread.tell()
    return entities


def _tell_spellings(table: Table, description: ItemTable | UserTable, account: FileAccount) -> None:
    """Count what is read in another spelling than it is written."""
    templates = [template for template in (description.label, description.text) if template is not None]
    columns = {name for template in templates for name in template_fields(template)}
    columns |= {concept.column for concept in description.concepts.values() if concept.column is not None}
    account.count(
        "cells with entities of HTML, such as &amp;, read as the characters they stand for",
        sum(num_escaped(table.column(name)) for name in sorted(columns) if table.has(name)),
    )
    for name, number in table.whole.items():
        account.count(f"cells of {name} written with .0, read as whole numbers", number)


def _ids(table: Table, column: str, kind: str, *, repeated: bool = False) -> list[str]:
    cells = table.column(column)
    problems = Problems()
    with problems.gathered():
        table.refuse(
            (cells.str.strip() == "").to_numpy(dtype=bool),
            lambda _: (
                f"expected {_ARTICLE[kind]} {kind} id in the column {column!r}, found an empty cell; give every row an id"
            ),
        )
    if not repeated:
        twice = (cells.duplicated() & (cells.str.strip() != "")).to_numpy(dtype=bool)

        def sentence(row: int) -> str:
            first = int(np.argmax((cells == cells.iloc[row]).to_numpy(dtype=bool)))
            return (
                f"the {kind} id {cells.iloc[row]!r} stands here for the second time, first in line {table.line(first)}; "
                "ids must be unique, unless concepts have group: true, which joins the values of several rows"
            )

        with problems.gathered():
            table.refuse(twice, sentence)
    problems.tell()
    return [str(cell) for cell in cells]


def _refuse_other_lines(table: Table, ids: Sequence[str], beyond: NDArray[np.bool_], vocabulary: Vocabulary) -> None:
    """A file whose lines are numbered belongs to the entities line by line; one that is longer belongs to others."""
    if beyond.any():
        row = int(np.argmax(beyond))
        raise InputError(
            f"the {vocabulary.kind} {ids[row]!r}, by the number of its line, is not among the {len(vocabulary):,} {vocabulary.kind}s; "
            "this file belongs to other data, or first_line in its format is wrong",
            file=table.file,
            line=table.line(row),
        )


def _match(
    table: Table, match: Match, entities: Entities, folder: Path, account: FileAccount, notes: list[str]
) -> NDArray[np.int64]:
    """Return for each item the row whose title and year are its own, or -1."""
    years = [None] * len(table) if match.year is None else [_year(cell) for cell in table.column(match.year)]
    titles = table.column(match.title)
    spellings = [(row, normal_title(title), year) for row, (title, year) in enumerate(zip(titles, years, strict=True))]
    if match.spellings is not None:
        path = folder / match.spellings.file
        if path.exists():
            other = read_table(path, match.spellings.format)
            rows = {raw_id: row for row, raw_id in enumerate(table.column(match.spellings.id))}
            for raw_id, title in zip(
                other.column(match.spellings.id), other.column(match.spellings.title), strict=True
            ):
                if raw_id in rows:
                    spellings.append((rows[raw_id], *title_and_year(title)))
        else:
            notes.append(f"{match.spellings.file} is not there; fewer titles of {table.file.name} are recognised.")
    labels = [label or "" for label in entities.labels]
    found = match_titles(labels, spellings, with_year=match.year is not None)
    matched = int((found.rows >= 0).sum())
    account.counts["items matched by title"] = matched
    if len(found.ambiguous):
        account.counts["items with several rows of the same title, left out"] = len(found.ambiguous)
    account.counts["items without a row of their title"] = len(labels) - matched - len(found.ambiguous)
    account.drop("no item of this title", len(table) - len(np.unique(found.rows[found.rows >= 0])))
    return found.rows


def _year(cell: str) -> int | None:
    digits = cell.strip()[:4]
    return int(digits) if len(digits) == 4 and digits.isascii() and digits.isdigit() else None


def _describe(
    entities: Entities,
    table: Table,
    description: ItemTable | UserTable,
    row_of: NDArray[np.int64],
    account: FileAccount,
) -> None:
    """Add what a table says about each entity; `row_of` holds its row or -1."""
    known = [(entity, int(row)) for entity, row in enumerate(row_of) if row >= 0]
    missing = description.missing
    if description.label is not None:
        labels, _ = render(table, description.label, missing)
        for entity, row in known:
            entities.labels[entity] = entities.labels[entity] or labels[row]
    if description.text is not None:
        texts, _ = render(table, description.text, missing)
        if description.remove is not None:
            cleaned = without_matches(description.remove, pd.Series(texts, dtype=object), table.file)
            texts = [" ".join(text.split()) or None if text else None for text in cleaned]
        for entity, row in known:
            text = texts[row]
            if text and not any(text in before for before in entities.texts[entity]):
                entities.texts[entity].append(text)
        entities.text_fields[description.file] = _known_fields(table, description.text, missing, row_of)
    if isinstance(description, ItemTable) and description.same_as is not None:
        _link(entities, table, description.same_as, known, missing, account)


def _add_concepts(
    entities: Entities,
    table: Table,
    description: ItemTable | UserTable,
    known: NDArray[np.int64],
    folder: Path,
    files: dict[str, FileAccount],
) -> None:
    """Add the concepts that a table claims; `known` holds pairs of an entity and its row."""
    problems = Problems()
    for relation in description.concepts:
        with problems.gathered():
            _add_concept(entities, table, description, relation, known, folder, files)
    problems.tell()


def _add_concept(
    entities: Entities,
    table: Table,
    description: ItemTable | UserTable,
    relation: str,
    known: NDArray[np.int64],
    folder: Path,
    files: dict[str, FileAccount],
) -> None:
    concept = description.concepts[relation]
    names = None if concept.names_from is None else read_names(concept.names_from, folder, files)
    values, without_match = concept_values(table, concept, description.missing, names)
    if without_match:
        files[description.file].counts[f"values of {relation} without a match of the pattern"] = without_match
    if concept.names_from is not None and names is not None:
        used = set(values["id"])
        unused = sum(concept_id(concept.wording.replace("{}", name)) not in used for name in names.values())
        files[concept.names_from.file].count(f"names that no {relation} needs", unused)
    joined = pd.DataFrame(known, columns=["entity", "row"], dtype=np.int64).merge(values, on="row", sort=False)
    if concept.group:
        joined, beyond = grouped(joined, concept, table)
        files[description.file].count(f"values of {relation} beyond the first {concept.first}, left out", beyond)
    joined["line"] = table.lines(joined.pop("row").to_numpy())
    entities.claims.append(joined.assign(relation=relation, kind=concept.kind or relation, source=description.file))


def _add_relations(
    entities: Entities,
    table: Table,
    description: ItemTable | UserTable,
    known: NDArray[np.int64],
    account: FileAccount,
    forgotten: Forgotten,
) -> None:
    """Add the relations to others of the kind that a table states; `known` holds pairs of an entity and its row."""
    kind = entities.vocabulary.kind
    for name, relation in description.relations.items():
        values = related_entities(table, name, relation, description.missing, entities.vocabulary, account, forgotten)
        pairs = pd.DataFrame(known, columns=["entity", "row"], dtype=np.int64).merge(values, on="row", sort=False)
        itself = pairs["entity"] == pairs["other"]
        account.count(f"{name} of {_ARTICLE[kind]} {kind} and itself, left out", int(itself.sum()))
        pairs["line"] = table.lines(pairs.pop("row").to_numpy())
        entities.relations.append(pairs[~itself].assign(relation=name, source=description.file))


def _known_fields(table: Table, template: str, missing: Sequence[str], row_of: NDArray[np.int64]) -> dict[str, int]:
    return render(table.rows(row_of[row_of >= 0]), template, missing)[1]


def _link(
    entities: Entities,
    table: Table,
    link: str | Link,
    known: list[tuple[int, int]],
    missing: Sequence[str],
    account: FileAccount,
) -> None:
    cells = link_cells(table, link, missing)
    for entity, row in known:
        iri = cells[row]
        if iri is None:
            continue
        if not is_iri(iri):
            account.count(INVALID_LINKS, 1)
            examples = account.examples.setdefault("links that are not valid IRIs", [])
            if len(examples) < 3:
                examples.append(f"line {table.line(row)}: {iri}")
        elif entities.links[entity] is None:
            entities.links[entity] = iri
        elif entities.links[entity] != iri:
            entities.other_links.append((entity, iri))
            account.count("links that differ from an earlier one", 1)
    wrong = [cells[row] for _, row in known if cells[row] is not None]
    if wrong and account.counts.get(INVALID_LINKS) == len(wrong):
        entities.warnings.append(
            f"no link in {table.file.name} is a valid IRI ({len(wrong):,} there, such as {wrong[0]!r}), so no item is "
            f"linked by them; {link_remedy(str(wrong[0]))} under same_as."
        )
