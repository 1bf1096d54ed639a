"""Keys of a description for tables about users and items: ids, labels, texts, concepts, relations, joins by title."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kg.tabular.table_format import FileName, Name, Part, Pattern, TableFormat, Text

__all__ = ["Concept", "EntityTable", "ItemTable", "Link", "Match", "NameTable", "Relation", "Spellings", "UserTable"]


def _as_template(value: str) -> str:
    """A brace that opens no field would be read as text, and its field never."""
    if set("{}") & set(re.sub(r"\{[^{}]+\}", "", value)):
        raise ValueError("a brace of this template is not closed, or not opened; write a field as {column}")
    return value


Template = Annotated[Text, AfterValidator(_as_template)]


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
    """Keys of one relation to concepts, which a column holds."""

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
    """Keep only this many values of a cell; with `group` of all rows of an id."""
    group: bool = False
    """Whether an id may have several rows, as where there is one a tag: their values are joined, the most frequent first."""
    counts: Text | None = None
    """With `group`: column with the number of times that a row counts; by default each counts once."""
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
        if self.counts is not None and not self.group:
            raise ValueError("counts go with group: true")
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
    """Keys of one relation to others of the same kind, items or users, whose ids a column holds."""

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
    def _check(self) -> Relation:
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


class Link(Part):
    """A column of bare ids of an RDF source, and what makes IRIs of them."""

    column: Text
    """The column that holds the ids."""
    prefix: str = Field(min_length=1)
    """What stands before them, as in `http://www.wikidata.org/entity/` or `https://www.imdb.com/title/tt`."""
    digits: int = Field(default=0, ge=0, le=20)
    """Digits that an id has at least; a shorter one is filled with leading zeros, which tables of numbers lose."""


class EntityTable(Part):
    """A table that describes users or items."""

    file: FileName
    """The table, relative to the description or to `--data`."""
    format: TableFormat = TableFormat()
    """How it is split."""
    id: Text | None = None
    """Column with the raw id; `line` where the number of the line is the id, with `format: {lines: ...}`."""
    label: Template | None = None
    """Column, or template such as `{title} ({year})`, of what people read."""
    text: Template | None = None
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

    @model_validator(mode="after")
    def _check_groups(self) -> EntityTable:
        alone = [name for name, concept in self.concepts.items() if not concept.group]
        beside = sorted({"label", "text", "match", "same_as", "relations"} & self.model_fields_set)
        if self.grouped and alone:
            raise ValueError(
                f"group: true lets an id have several rows; give the concept {alone[0]!r} group: true as well"
            )
        if self.grouped and beside:
            raise ValueError(f"group: true lets an id have several rows, and {beside[0]} needs one; leave it out here")
        return self

    @property
    def grouped(self) -> bool:
        """Whether an id may have several rows."""
        return any(concept.group for concept in self.concepts.values())


class ItemTable(EntityTable):
    """A table that describes items."""

    match: Match | None = None
    """Instead of `id`: join by title and year to the items of earlier tables."""
    same_as: Template | Link | None = None
    """Column with the IRI of the item in an RDF source, or a template of it such as `http://www.wikidata.org/entity/{qid}`;
    or, for bare ids, a column and a prefix."""

    @model_validator(mode="after")
    def _check(self) -> ItemTable:
        if (self.id is None) == (self.match is None):
            raise ValueError("give either id or match")
        return self


class UserTable(EntityTable):
    """A table that describes users."""

    id: Text
    """Column with the raw id."""
