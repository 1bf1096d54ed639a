"""Users and items as their tables describe them: ids, labels, texts, links and the concepts they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError, Problems, did_you_mean
from kg.forgotten import OF_FORGOTTEN, Forgotten
from kg.report import FileAccount
from kg.tabular.cells import num_escaped, refuse_values, related_ids
from kg.tabular.concepts import concept_id, concept_values, grouped, read_names
from kg.tabular.entity_description import Concept, ItemTable, Match, UserTable
from kg.tabular.expression import without_matches
from kg.tabular.link_cells import link_cells, link_remedy
from kg.tabular.matching import match_titles, normal_title, title_and_year
from kg.tabular.table_format import LINE
from kg.tabular.tables import Table, read_table
from kg.tabular.templates import render, template_fields
from kg.triples import is_iri
from kg.vocabulary import Vocabulary

__all__ = ["Entities", "read_entities"]

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
        if description.optional and not (folder / description.file).exists():
            notes.append(f"{description.file} is not there; {kind}s go without what it adds.")
            continue
        match = description.match if isinstance(description, ItemTable) else None
        if entities is None and match is not None:
            notes.append(f"{description.file} is not used: no table of {kind}s with ids is there to match it to.")
            continue
        with unread.gathered():
            table = read_table(folder / description.file, description.format)
            account = files.setdefault(description.file, FileAccount())
            account.rows += len(table)
            _count_spellings(table, description, account)
            if match is None:
                ids = _ids(table, description, kind)
                gone = forgotten.mask(ids)
                if entities is None and unread.found:
                    continue
                if entities is None:
                    named = [raw_id for raw_id, left in zip(ids, gone, strict=True) if not left]
                    named = list(rated) if rated is not None and description.grouped else list(dict.fromkeys(named))
                    entities = Entities.of(kind, list(dict.fromkeys([*named, *joining])))
                    account.count(f"{kind}s of the ratings without a row, kept", len(entities.vocabulary) - len(named))
                entity = entities.vocabulary.find(ids)
                account.drop(OF_FORGOTTEN, int(gone.sum()))
                unknown = np.flatnonzero((entity < 0) & ~gone)
                if len(unknown) and description.format.lines is not None and description.id == LINE:
                    _refuse_other_lines(table, ids, int(unknown[0]), entities.vocabulary)
                account.drop(f"no {kind} of this id", len(unknown), [ids[row] for row in unknown[:3]])
                known = pd.DataFrame({"entity": entity, "row": np.arange(len(table))})[entity >= 0]
                known = known if description.grouped else known.sort_values("entity")
            else:
                assert entities is not None
                rows = _match(table, match, entities, folder, account, notes)
                known = pd.DataFrame({"entity": np.arange(len(rows)), "row": rows})[rows >= 0]
            account.kept += known["row"].nunique()
            source = _Source(table=table, description=description, account=account, known=known)
            with problems.gathered():
                _add_texts(entities, source)
            for relation, concept in description.concepts.items():
                with problems.gathered():
                    entities.claims.append(_concept_claims(source, relation, concept, folder, files))
            with problems.gathered():
                _add_relations(entities, source, forgotten)
    unread.tell()
    return entities


@dataclass(frozen=True, kw_only=True, eq=False)
class _Source:
    """A table with its description and account; `known` holds in the columns `entity` and `row` which row is about which."""

    table: Table
    description: ItemTable | UserTable
    account: FileAccount
    known: pd.DataFrame

    def statements(self, values: pd.DataFrame, relation: str) -> pd.DataFrame:
        """Return what rows state as what their entities do, with its place: `row` gives way to `entity` and `line`."""
        frame = self.known.merge(values, on="row", sort=False) if "entity" not in values else values
        frame = frame.assign(line=self.table.lines(frame["row"].to_numpy()))
        return frame.drop(columns="row").assign(relation=relation, source=self.description.file)


def _count_spellings(table: Table, description: ItemTable | UserTable, account: FileAccount) -> None:
    """Count what is read in another spelling than it is written."""
    templates = [template for template in (description.label, description.text) if template is not None]
    columns = {name for template in templates for name in template_fields(template)}
    columns |= {concept.column for concept in description.concepts.values() if concept.column is not None}
    account.count(
        "cells with entities of HTML, such as &amp;, read as the characters they stand for",
        sum(num_escaped(table.column(name)) for name in sorted(columns) if table.has(name)),
    )
    table.count_spellings(account)


def _ids(table: Table, description: ItemTable | UserTable, kind: str) -> list[str]:
    assert description.id is not None, "the description has an id where it has no match"
    cells = table.column(description.id)
    empty = (cells.str.strip() == "").to_numpy(dtype=bool)
    twice = cells.duplicated().to_numpy(dtype=bool) & ~empty & (not description.grouped)

    def sentence(row: int) -> str:
        if empty[row]:
            return (
                f"expected {_ARTICLE[kind]} {kind} id in the column {description.id!r}, found an empty cell; "
                "give every row an id"
            )
        first = int(np.argmax((cells == cells.iloc[row]).to_numpy(dtype=bool)))
        return (
            f"the {kind} id {cells.iloc[row]!r} stands here for the second time, first in line {table.line(first)}; "
            "ids must be unique, unless concepts have group: true, which joins the values of several rows"
        )

    table.refuse(empty | twice, sentence)
    return [str(cell) for cell in cells]


def _refuse_other_lines(table: Table, ids: Sequence[str], row: int, vocabulary: Vocabulary) -> None:
    """A file whose lines are numbered belongs to the entities line by line; one that is longer belongs to others."""
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
    titles = [normal_title(title) for title in table.column(match.title)]
    years: list[int | None] = [None] * len(table)
    if match.year is not None:
        digits = table.column(match.year).str.extract(r"^\s*([0-9]{4})", expand=False)
        years = [None if pd.isna(year) else int(year) for year in digits]
    spellings = list(zip(range(len(table)), titles, years, strict=True))
    if match.spellings is not None:
        path = folder / match.spellings.file
        if path.exists():
            others = read_table(path, match.spellings.format)
            rows = {raw_id: row for row, raw_id in enumerate(table.column(match.spellings.id))}
            ids, titles = others.column(match.spellings.id), list(others.column(match.spellings.title))
            spellings += [
                (rows[raw_id], *title_and_year(title))
                for raw_id, title in zip(ids, titles, strict=True)
                if raw_id in rows
            ]
        else:
            notes.append(f"{match.spellings.file} is not there; fewer titles of {table.file.name} are recognised.")
    labels = [label or "" for label in entities.labels]
    row_of, num_ambiguous = match_titles(labels, spellings, with_year=match.year is not None)
    matched = int((row_of >= 0).sum())
    account.counts["items matched by title"] = matched
    account.count("items with several rows of the same title, left out", num_ambiguous)
    account.counts["items without a row of their title"] = len(labels) - matched - num_ambiguous
    account.drop("no item of this title", len(table) - len(np.unique(row_of[row_of >= 0])))
    return row_of


def _add_texts(entities: Entities, source: _Source) -> None:
    """Add what a table says about each entity in words, and its link."""
    table, description, known = source.table, source.description, source.known
    pairs = list(zip(known["entity"].tolist(), known["row"].tolist(), strict=True))
    if description.label is not None:
        labels, _ = render(table, description.label, description.missing)
        for entity, row in pairs:
            entities.labels[entity] = entities.labels[entity] or labels[row]
    if description.text is not None:
        texts, fields = render(table, description.text, description.missing)
        if description.remove is not None:
            cleaned = without_matches(description.remove, pd.Series(texts, dtype=object), table.file)
            texts = [" ".join(text.split()) or None if text else None for text in cleaned]
        for entity, row in pairs:
            text = texts[row]
            if text and not any(text in before for before in entities.texts[entity]):
                entities.texts[entity].append(text)
        rows = known["row"].to_numpy()
        entities.text_fields[description.file] = {name: int(there[rows].sum()) for name, there in fields.items()}
    if isinstance(description, ItemTable) and description.same_as is not None:
        links = link_cells(table, description.same_as, description.missing)
        _add_links(entities, source, [(entity, row, link) for entity, row in pairs if (link := links[row]) is not None])


def _add_links(entities: Entities, source: _Source, links: list[tuple[int, int, str]]) -> None:
    """Add links; each comes with its entity and the row where it stands."""
    account, wrong = source.account, []
    for entity, row, iri in links:
        if not is_iri(iri):
            wrong.append(f"line {source.table.line(row)}: {iri}")
        elif entities.links[entity] is None:
            entities.links[entity] = iri
        elif entities.links[entity] != iri:
            entities.other_links.append((entity, iri))
            account.count("links that differ from an earlier one", 1)
    if wrong:
        account.count("links that are not valid IRIs, left out", len(wrong))
        account.examples.setdefault("links that are not valid IRIs", wrong[:3])
    if wrong and len(wrong) == len(links):
        example = links[0][2]
        entities.warnings.append(
            f"no link in {source.table.file.name} is a valid IRI ({len(wrong):,} there, such as {example!r}), so no item is "
            f"linked by them; {link_remedy(example)} under same_as."
        )


def _concept_claims(
    source: _Source, relation: str, concept: Concept, folder: Path, files: dict[str, FileAccount]
) -> pd.DataFrame:
    """Return the concepts that a table claims in one relation."""
    table, account = source.table, source.account
    names = None if concept.names_from is None else read_names(concept.names_from, folder, files)
    values, without_match = concept_values(table, concept, source.description.missing, names)
    account.count(f"values of {relation} without a match of the pattern", without_match)
    if concept.names_from is not None and names is not None:
        used = set(values["id"])
        unused = sum(concept_id(concept.wording.replace("{}", name)) not in used for name in names.values())
        files[concept.names_from.file].count(f"names that no {relation} needs", unused)
    if concept.group:
        values, beyond = grouped(source.known.merge(values, on="row", sort=False), concept, table)
        account.count(f"values of {relation} beyond the first {concept.first}, left out", beyond)
    return source.statements(values, relation).assign(kind=concept.kind or relation)


def _add_relations(entities: Entities, source: _Source, forgotten: Forgotten) -> None:
    """Add the relations to others of the kind that a table states."""
    vocabulary, account = entities.vocabulary, source.account
    kind = vocabulary.kind
    for name, relation in source.description.relations.items():
        values = related_ids(source.table, relation, source.description.missing)
        gone = forgotten.mask(values["value"].to_numpy(dtype=object))
        account.count(f"{name} {OF_FORGOTTEN}, left out", int(gone.sum()))
        values = values[~gone]
        other = vocabulary.find(values["value"].to_numpy(dtype=object))
        absent = other < 0
        if relation.unknown_ids == "error":
            place = f"in the column {relation.column!r} is not among the {len(vocabulary):,} {kind}s"
            remedy = f"correct it, or give unknown_ids: drop under {name}"
            refuse_values(
                source.table,
                values,
                absent,
                lambda raw_id: f"the {kind} {raw_id!r} {place}; {remedy}.{did_you_mean(raw_id, vocabulary)}",  # noqa: B023
            )
        account.count(f"{name} of an id that no {kind} has, left out", int(absent.sum()))
        pairs = source.statements(values.assign(other=other)[~absent][["row", "other"]].drop_duplicates(), name)
        itself = pairs["entity"] == pairs["other"]
        account.count(f"{name} of {_ARTICLE[kind]} {kind} and itself, left out", int(itself.sum()))
        entities.relations.append(pairs[~itself])
