"""How a description speaks of tables about users and items: ids, labels, texts, concepts, relations, joins by title."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from kg.tabular.table_format import FileName, Name, Part, Pattern, TableFormat, Text

__all__ = ["Concept", "EntityTable", "ItemTable", "Match", "NameTable", "Relation", "Spellings", "UserTable"]


class NameTable(Part):
    """A table that names coded values."""

    file: FileName
    """The table, relative to the description or to `--data`."""
    format: TableFormat = TableFormat()
    """How it is split."""
    code: Text
    """Column with the coded value; `line` where the number of the line is the code, with `format: {lines: ...}`."""
    name: Text
    """Column with the name."""


class Concept(Part):
    """How one relation to concepts is read from a column."""

    column: Text | None = None
    """The column that holds the value."""
    flags: dict[Text, Text] | tuple[Text, ...] | None = None
    """Instead of `column`: 0/1 columns, as a list or as concept name: column."""
    kind: Name | None = None
    """Node kind of the concepts; by default the name of the relation."""
    split: str | None = Field(default=None, min_length=1)
    """Text between several values in one cell."""
    counted: bool = False
    """Whether the first value of a cell is the number of those that follow, as in `2 17 4`; it is checked."""
    first: int | None = Field(default=None, ge=1)
    """Keep only this many values of a cell."""
    remove: Pattern | None = None
    """Regular expression whose matches are deleted from the cell before it is split."""
    pattern: Pattern | None = None
    """Regular expression with one group that picks the value out of the cell."""
    bins: tuple[float, ...] | None = Field(default=None, min_length=1)
    """Borders that turn a number into a range: 18 and 25 give `under 18`, `18-24`, `25+`."""
    names: dict[Text, Text] | None = None
    """Readable names of coded values."""
    names_from: NameTable | None = None
    """Instead of `names`: a table of them, in which every value must be."""
    wording: str = "{}"
    """How the name is written, with `{}` for the value: `{}0s` turns 199 into 1990s."""
    missing: tuple[Text, ...] | None = None
    """Values that mean unknown; by default those of the table."""

    @model_validator(mode="after")
    def _check(self) -> Concept:
        if (self.column is None) == (self.flags is None):
            raise ValueError("give either column or flags")
        if self.counted and self.split is None:
            raise ValueError("counted needs split, the text between the values")
        if self.names is not None and self.names_from is not None:
            raise ValueError("give either names or names_from")
        if self.pattern is not None and re.compile(self.pattern).groups != 1:
            raise ValueError("pattern needs exactly one group in parentheses")
        if self.bins is not None and list(self.bins) != sorted(set(self.bins)):
            raise ValueError("bins must rise")
        if "{}" not in self.wording:
            raise ValueError("wording needs {} where the value goes")
        return self


class Relation(Part):
    """How one relation to others of the same kind, items or users, is read from a column of their ids."""

    column: Text
    """The column that holds the ids of the others."""
    split: str | None = Field(default=None, min_length=1)
    """Text between several ids in one cell."""
    counted: bool = False
    """Whether the first value of a cell is the number of ids that follow, as in `2 17 4`; it is checked."""
    missing: tuple[Text, ...] | None = None
    """Values that mean unknown; by default those of the table."""
    unknown_ids: Literal["error", "drop"] = "error"
    """What to do with ids that none of the kind has."""

    @model_validator(mode="after")
    def _check(self) -> ItemRelation:
        if self.counted and self.split is None:
            raise ValueError("counted needs split, the text between the ids")
        return self


class Spellings(Part):
    """Other spellings of titles, joined to the rows by their id."""

    file: FileName
    """The table; it may be absent."""
    format: TableFormat = TableFormat()
    """How it is split."""
    id: Text
    """Column with the id, in this table and in the one that is matched."""
    title: Text
    """Column with the title, ending in the year in parentheses."""


class Match(Part):
    """Joins rows to items by title and year instead of by id."""

    title: Text
    """Column with the title."""
    year: Text | None = None
    """Column with the year; without it the title alone decides."""
    spellings: Spellings | None = None
    """A table with other spellings of the same titles."""


class EntityTable(Part):
    """A table that describes users or items."""

    file: FileName
    """The table, relative to the description or to `--data`."""
    format: TableFormat = TableFormat()
    """How it is split."""
    id: Text | None = None
    """Column with the raw id; `line` where the number of the line is the id, with `format: {lines: ...}`."""
    label: Text | None = None
    """Column, or template such as `{title} ({year})`, of what people read."""
    text: Text | None = None
    """Template of what the language model reads; unknown fields vanish. Of users it is kept, but not read yet."""
    remove: Pattern | None = None
    """Regular expression whose matches are deleted from texts: marks that are no language."""
    concepts: dict[Name, Concept] = Field(default_factory=dict)
    """Relations to concepts, by relation name."""
    relations: dict[Name, Relation] = Field(default_factory=dict)
    """Relations of items to other items, or of users to other users, by relation name."""
    missing: tuple[Text, ...] = ("",)
    """Values that mean unknown."""
    optional: bool = False
    """Whether the file may be absent; the report then says so."""


class ItemTable(EntityTable):
    """A table that describes items."""

    match: Match | None = None
    """Instead of `id`: join by title and year to the items of earlier tables."""
    same_as: Text | None = None
    """Column with the IRI of the item in an RDF source."""

    @model_validator(mode="after")
    def _check(self) -> ItemTable:
        if (self.id is None) == (self.match is None):
            raise ValueError("give either id or match")
        return self


class UserTable(EntityTable):
    """A table that describes users."""

    id: Text
    """Column with the raw id."""
