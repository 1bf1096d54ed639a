"""Tables in memory as a description and its files: what the columns mean where the caller does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kg.errors import InputError, did_you_mean
from kg.tabular.frame_concepts import concepts_of, is_number
from kg.tabular.frames import arrow_table
from kg.tabular.rating_description import RatingTable
from kg.tabular.templates import template_fields

__all__ = ["RATING_SETTINGS", "FrameDescription"]

_NOT_SETTINGS = ("file", "format", "user", "item", "rating", "time", "split")
RATING_SETTINGS = tuple(name for name in RatingTable.model_fields if name not in _NOT_SETTINGS)
"""What a description may say under `ratings` beside the columns, such as `scale` and `feedback`."""

_COLUMNS = ("user", "item", "rating", "time", "label", "text", "same_as", "head", "relation", "tail")
_LABELS = ("label", "title", "name")


@dataclass(kw_only=True)
class FrameDescription:
    """A description that grows table by table, and the tables by the names under which it speaks of them.

    Attributes:
        columns: What the caller calls the columns, by our names.
        description: What `kg.description.Description` takes.
        tables: The tables.
    """

    columns: Mapping[str, str]
    description: dict[str, Any] = field(default_factory=lambda: {"name": "tables"})
    tables: dict[str, pa.Table] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in _COLUMNS:
                raise InputError(
                    f"columns: {name!r} is no name of a column; expected some of {', '.join(_COLUMNS)}."
                    f"{did_you_mean(name, _COLUMNS)}"
                )

    def add_ratings(self, given: Any, settings: Mapping[str, Any]) -> None:
        """Add the ratings; without a column of stars each row says that a user chose an item.

        Raises:
            InputError: If it is no table, a column is missing, or a number may be the rating and nobody says so.
        """
        if isinstance(given, Mapping):
            self.description["ratings"] = {**self._described(given, "ratings"), **settings}
            return
        table = self._table(given, "ratings")
        named = {role: self._column(table, "ratings", role, needed=role in ("user", "item")) for role in _COLUMNS[:4]}
        settings = dict(settings)
        if named["rating"] is None and settings.get("repeats") != "count" and "feedback" not in settings:
            taken = {*named.values(), settings.get("weight"), settings.get("clicked")}
            numbers = [column.name for column in table.schema if is_number(column.type) and column.name not in taken]
            if numbers:
                raise InputError(
                    f"ratings: expected a column 'rating', found {', '.join(map(repr, table.column_names))}; give "
                    f"columns={{'rating': {numbers[0]!r}}} if that is the rating, feedback='implicit' if nobody gave stars"
                )
            settings["feedback"] = "implicit"
        if settings.get("feedback") == "implicit" or settings.get("repeats") == "count":
            named["rating"] = None
        roles = {role: column for role, column in named.items() if column not in (None, role)}
        self.description["ratings"] = {"file": "ratings", **roles, **settings}

    def add_entities(self, kind: str, given: Any) -> None:
        """Add what is known of items or users, a table or a list of them; a column without another meaning names concepts.

        Raises:
            InputError: If it is no table, or the column of ids is missing.
        """
        tables = _several(given, f"{kind}s")
        for name, table in tables.items():
            described = (
                self._described(table, name)
                if isinstance(table, Mapping)
                else self._entity_table(kind, table, name, alone=kind == "item" and len(tables) == 1)
            )
            self.description.setdefault(f"{kind}s", []).append(described)

    def _entity_table(self, kind: str, given: Any, name: str, *, alone: bool) -> dict[str, Any]:
        table = self._table(given, name)
        ids = [*([self.columns[kind]] if kind in self.columns else []), "id", kind]
        own = next((column for column in ids if column in table.column_names), None)
        if own is None:
            raise InputError(
                f"{name}: expected the ids in a column {' or '.join(map(repr, ids))}, found "
                f"{', '.join(map(repr, table.column_names))}; rename it"
            )
        label = next((column for column in _LABELS if column in table.column_names), None)
        roles = {"label": label, "text": self._column(table, name, "text", optional=not alone)}
        if kind == "item":
            roles["label"] = self._column(table, name, "label", optional=not alone) or label
            roles["same_as"] = self._column(table, name, "same_as", optional=not alone)
        if roles["text"] and roles["label"] and "{" not in roles["text"] + roles["label"]:
            roles["text"] = f"{{{roles['label']}}}. {{{roles['text']}}}"
        roles = {role: column for role, column in roles.items() if column is not None}
        used = {own, *(column for template in roles.values() if template for column in template_fields(template))}
        return {"file": name, "id": own, **roles, "concepts": concepts_of(table, used, name)}

    def add_knowledge(self, given: Any) -> None:
        """Add files of RDF, and tables of triples whose ids are those of the items or what their `same_as` says."""
        for place, (name, source) in enumerate(_several(given, "knowledge").items()):
            if isinstance(source, Mapping):
                described = self._described(source, name)
            elif isinstance(source, str | Path):
                described = {"file": str(Path(source).absolute()), "source": _source(Path(source))}
            else:
                table = self._table(source, name)
                ends = {role: self._column(table, name, role, needed=True) for role in ("head", "relation", "tail")}
                described = {"file": name, "format": ends, "source": f"knowledge_{place}" if place else "knowledge"}
                described |= self._links()
            self.description.setdefault("knowledge", []).append(described)

    def _links(self) -> dict[str, Any]:
        """Return the table that says that items are called in triples as in the ratings, where they have no other name."""
        items = self.description.get("items", ())
        if any("same_as" in table for table in items):
            return {}
        of, column = "ratings", self.description["ratings"].get("item", "item")
        if items and "id" in items[0]:
            of, column = items[0]["file"], items[0]["id"]
        self.tables["links"] = pa.table({"item": pc.unique(self.tables[of].column(column))})
        return {"links": {"file": "links", "item": "item", "iri": "item"}}

    def _table(self, given: Any, name: str) -> pa.Table:
        self.tables[name] = arrow_table(given, name)
        return self.tables[name]

    def _described(self, given: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Take a table that is described in the words of the YAML, with a table or a path under `file`."""
        file = given.get("file")
        if file is None:
            raise InputError(
                f"{name}: expected a table, or a path, under 'file', found only {', '.join(map(repr, given))}"
            )
        if isinstance(file, str | Path):
            return {**given, "file": str(Path(file).absolute())}
        self._table(file, name)
        return {**given, "file": name}

    def _column(
        self, table: pa.Table, name: str, role: str, *, needed: bool = False, optional: bool = False
    ) -> str | None:
        """Return the column that plays a role, None where there is none; `optional`: another table may have it."""
        column = self.columns.get(role, role)
        if all(part in table.column_names for part in template_fields(column)):
            return column
        if not needed and (role not in self.columns or optional):
            return None
        names = ", ".join(map(repr, table.column_names))
        remedy = f"say which it is, as in columns={{{role!r}: {table.column_names[0]!r}}}" if table.num_columns else ""
        raise InputError(f"{name}: expected a column {column!r}, found {names or 'none'}; {remedy or 'add it'}")


def _several(given: Any, name: str) -> dict[str, Any]:
    """Return what is given, none, one or several, by what messages call it: `items`, or `items[0]` and so on."""
    if given is None:
        return {}
    if not isinstance(given, list | tuple):
        return {name: given}
    return {name if len(given) == 1 else f"{name}[{place}]": table for place, table in enumerate(given)}


def _source(file: Path) -> str:
    """Return the name of a source: `dbpedia` for `data/DBpedia.nt.gz`."""
    return re.sub(r"[^a-z0-9]+", "_", file.name.lower().partition(".")[0]).strip("_").lstrip("0123456789_") or "rdf"
