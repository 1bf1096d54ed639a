"""The YAML that describes a user's data: which files, which columns, what they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from kg.errors import InputError, did_you_mean
from kg.rdf.endpoint import Endpoint
from kg.rdf.predicates import PredicateChoice, local_name
from kg.schema import DEFAULT_NAMESPACE, ITEM, USER
from kg.tabular.table_format import FileName, Files, Name, Part, Pattern, TableFormat, Text
from kg.tabular.yaml_file import read_yaml

__all__ = [
    "Concept",
    "Description",
    "ItemRelation",
    "ItemTable",
    "Knowledge",
    "LinkTable",
    "LiteralUse",
    "Match",
    "NameTable",
    "RatingTable",
    "Split",
    "TableFormat",
    "TripleTable",
    "UserTable",
    "ready_made",
]


RdfFormat = Literal["turtle", "n-triples", "n-quads", "trig", "rdf-xml", "json-ld"]
IRI_PATTERN = r"^[a-z][a-z0-9+.\-]*:[^\s<>\"{}|\\^`]*$"
PartName = Literal["validation", "warm", "cold_items", "cold_users", "cold_both"]


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


class ItemRelation(Part):
    """How one relation to other items is read from a column of their ids."""

    column: Text
    """The column that holds the ids of the other items."""
    split: str | None = Field(default=None, min_length=1)
    """Text between several ids in one cell."""
    counted: bool = False
    """Whether the first value of a cell is the number of ids that follow, as in `2 17 4`; it is checked."""
    missing: tuple[Text, ...] | None = None
    """Values that mean unknown; by default those of the table."""
    unknown_ids: Literal["error", "drop"] = "error"
    """What to do with ids that no item has."""

    @model_validator(mode="after")
    def _check(self) -> ItemRelation:
        if self.counted and self.split is None:
            raise ValueError("counted needs split, the text between the ids")
        return self


class Match(Part):
    """Joins rows to items by title and year instead of by id."""

    title: Text
    """Column with the title."""
    year: Text | None = None
    """Column with the year; without it the title alone decides."""
    spellings: Spellings | None = None
    """A table with other spellings of the same titles."""


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


class _EntityTable(Part):
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
    missing: tuple[Text, ...] = ("",)
    """Values that mean unknown."""
    optional: bool = False
    """Whether the file may be absent; the report then says so."""


class ItemTable(_EntityTable):
    """A table that describes items."""

    match: Match | None = None
    """Instead of `id`: join by title and year to the items of earlier tables."""
    same_as: Text | None = None
    """Column with the IRI of the item in an RDF source."""
    relations: dict[Name, ItemRelation] = Field(default_factory=dict)
    """Relations to other items, by relation name."""

    @model_validator(mode="after")
    def _check(self) -> ItemTable:
        if (self.id is None) == (self.match is None):
            raise ValueError("give either id or match")
        return self


class UserTable(_EntityTable):
    """A table that describes users."""

    id: Text
    """Column with the raw id."""


class RatingTable(Part):
    """The table of ratings."""

    file: Files
    """The table, relative to the description or to `--data`; or several files of one format, read one after the other."""
    format: TableFormat = TableFormat()
    """How it is split."""
    feedback: Literal["explicit", "implicit"] = "explicit"
    """Whether people gave stars. `implicit`: the table has no rating column; each row says that a user chose an item."""
    scale: tuple[float, float] = (1.0, 5.0)
    """Lowest and highest possible rating, in stars; implicit feedback has none."""
    user: Text = "user"
    """Column with the user id."""
    item: Text = "item"
    """Column with the item id."""
    rating: Text = "rating"
    """Column with the rating; implicit feedback has none."""
    time: Text | None = "time"
    """Column with the Unix time in seconds; the default may be absent from the table."""
    unknown_ids: Literal["error", "drop"] = "error"
    """What to do with ratings of users or items that the tables do not have."""

    @model_validator(mode="after")
    def _check(self) -> RatingTable:
        given = sorted({"rating", "scale"} & self.model_fields_set)
        if self.implicit and given:
            raise ValueError(f"implicit feedback has no stars; leave out {given[0]}, or leave out feedback: implicit")
        if not self.scale[0] < self.scale[1]:
            raise ValueError("scale needs the lowest rating first, then a higher one")
        if len(set(self.files)) < len(self.files):
            raise ValueError("a file of ratings stands twice; give each once")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The files, in order."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @property
    def implicit(self) -> bool:
        """Whether each row only says that a user chose an item."""
        return self.feedback == "implicit"

    @property
    def stars(self) -> tuple[float, float]:
        """Lowest and highest value a rating can have: the scale, or 1 and 1 for implicit feedback."""
        return (1.0, 1.0) if self.implicit else self.scale


def _as_endpoint(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


class LinkTable(Part):
    """A table that says which node of an RDF source an item is."""

    file: FileName
    """The table, relative to the description or to `--data`."""
    format: TableFormat = TableFormat()
    """How it is split."""
    item: Text
    """Column with the item id."""
    iri: Text
    """Column with the IRI, or with the id in a table of triples."""
    missing: tuple[Text, ...] = ("",)
    """Values that mean unknown."""


class TripleTable(TableFormat):
    """How a table of triples is split, and which columns they are in; its ids need not be IRIs."""

    head: Text = "head"
    """Column with the subject."""
    relation: Text = "relation"
    """Column with the predicate."""
    tail: Text = "tail"
    """Column with the object."""
    namespace: str | None = None
    """What makes IRIs of the ids, in this table and in its links, by standing before them."""


class LiteralUse(Part):
    """What becomes of the literals of one predicate: concepts of the item they are about, or text."""

    kind: Name | None = None
    """Node kind of the concepts; by default the name of the predicate, `release_date` for `dbo:releaseDate`."""
    pattern: Pattern | None = None
    """Regular expression with one group that picks the value out of the literal."""
    bins: tuple[float, ...] | None = Field(default=None, min_length=1)
    """Borders that turn a number into a range: 90 and 120 give `under 90`, `90-119`, `120+`."""
    wording: str = "{}"
    """How the name of the concept is written, with `{}` for the value."""
    text: bool = False
    """Instead of concepts: the literal is text that the language model reads, English where there is a choice."""

    @model_validator(mode="after")
    def _check(self) -> LiteralUse:
        if self.text and self.model_fields_set - {"text"}:
            raise ValueError("a literal is either text or a concept; leave out the other keys beside text")
        if not self.text:
            self.concept()
        return self

    def concept(self) -> Concept:
        """Return how the literals are read, as if they were the column `value` of a table."""
        return Concept(column="value", pattern=self.pattern, bins=self.bins, wording=self.wording)


class Knowledge(Part):
    """An RDF file, a table of triples or a SPARQL endpoint, whose triples about linked items join the graph."""

    file: FileName | None = None
    """RDF: Turtle (.ttl), N-Triples (.nt), N-Quads (.nq), TriG (.trig), RDF/XML (.rdf, .xml, .owl) or JSON-LD (.jsonld,
    .json); plain or .gz, .bz2, .zst."""
    format: RdfFormat | TripleTable | None = None
    """Name of the format where the suffix does not say it, or how a table of triples is split."""
    endpoint: Annotated[Endpoint, BeforeValidator(_as_endpoint)] | None = None
    """Address of a SPARQL endpoint, or how it is asked. Beside a file: it is asked where the file is absent."""
    source: Name
    """Name of the source: node kind of its entities and prefix of its relations."""
    base: str | None = Field(default=None, pattern=IRI_PATTERN)
    """IRI that relative ones start from."""
    prefixes: dict[str, str] = Field(default_factory=dict)
    """Namespaces by prefix, for keep, drop and literals; well-known ones such as `dbo` and `skos` are there."""
    keep: tuple[str, ...] | None = None
    """Predicates to keep, by default all: `starring`, `dbo:starring`, a whole IRI, or a beginning such as `dbo:*`."""
    drop: tuple[str, ...] = ()
    """Predicates to leave out, written in the same ways."""
    min_degree: int = Field(default=1, ge=1)
    """An entity that fewer different items reach is left out."""
    literals: dict[str, LiteralUse] = Field(default_factory=dict)
    """What becomes of literals, by predicate; others are left out."""
    links: LinkTable | None = None
    """A table that links the items to this source; columns `same_as` of items and `owl:sameAs` count as well."""
    lenient: bool = True
    """Refuse and count invalid lines of N-Triples and N-Quads, instead of stopping at the first."""
    optional: bool = False
    """Whether the file may be absent, or the endpoint out of reach; the report then says so."""

    @model_validator(mode="after")
    def _check(self) -> Knowledge:
        if self.file is None and self.endpoint is None:
            raise ValueError("give a file or an endpoint")
        if self.format is not None and self.endpoint is not None:
            raise ValueError("an endpoint answers in a format of its own; leave out format")
        if isinstance(self.format, TripleTable) and self.literals:
            raise ValueError("a table of triples has no literals; leave out literals")
        for predicate in self.literals:
            self.literal_kind(predicate)
        return self

    @property
    def choice(self) -> PredicateChoice:
        """Which predicates are kept."""
        return PredicateChoice(keep=self.keep, drop=self.drop, prefixes=self.prefixes)

    def literal_kind(self, predicate: str) -> str | None:
        """Return the node kind that literals of a predicate become, or None where they become text."""
        use = self.literals[predicate]
        if use.text or use.kind is not None:
            return use.kind
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", local_name(predicate).rpartition(":")[2])
        kind = re.sub(r"[^a-z0-9_]", "_", name.lower())
        if not kind[:1].isalpha():
            raise ValueError(f"the predicate {predicate!r} gives no name; give kind: NAME below it")
        return kind


class Split(Part):
    """A split that comes with the data."""

    test: FileName | None = None
    """Table of the ratings to test on, in the format of the ratings."""
    format: TableFormat | None = None
    """How `test` is split, where it differs from the ratings."""
    items: FileName | None = None
    """File with one id of a held-out item per line."""
    validation_items: FileName | None = None
    """File with one id per line of items held out for validation."""
    parts: dict[PartName, Files] | None = None
    """Tables of held-out ratings, in the format of the ratings: `validation`, and test parts named `warm`,
    `cold_items`, `cold_users` or `cold_both`. What is in none of them is there to train on."""
    optional: bool = False
    """Whether the files may be absent; the report then says so."""

    @model_validator(mode="after")
    def _check(self) -> Split:
        if sum(given is not None for given in (self.test, self.items, self.parts)) != 1:
            raise ValueError("give one of test, items and parts")
        if self.parts is not None and not set(self.parts) - {"validation"}:
            raise ValueError("parts need one to test on, for example warm")
        if self.validation_items is not None and self.items is None:
            raise ValueError("validation_items go with items; give parts a part validation")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """All files of the split."""
        parts = [(files,) if isinstance(files, str) else files for files in (self.parts or {}).values()]
        single = [file for file in (self.test, self.items, self.validation_items) if file is not None]
        return (*single, *(file for files in parts for file in files))


class Description(Part):
    """Everything `kg.build` needs to know about a data set."""

    name: str = Field(min_length=1)
    """Name of the data set."""
    namespace: str = Field(default=DEFAULT_NAMESPACE, pattern=r"^[a-z][a-z0-9+.\-]*:[^\s<>\"{}|\\^`]*/$")
    """Beginning of the IRIs that are minted; ends in `/`."""
    ratings: RatingTable | Annotated[tuple[RatingTable, ...], Field(min_length=1)]
    """The ratings; of a list the first table whose file exists is taken."""
    items: tuple[ItemTable, ...] = ()
    """Tables about items; the first present one says which items there are."""
    users: tuple[UserTable, ...] = ()
    """Tables about users; without one, users come from the ratings."""
    knowledge: tuple[Knowledge, ...] = ()
    """RDF files, tables of triples and SPARQL endpoints."""
    merge: bool = False
    """Whether items that share a link, and entities that `owl:sameAs` says are the same, become one; of two ratings of
    one user the later is kept. Otherwise they are only reported."""
    splits: dict[str, Split] = Field(default_factory=dict)
    """Splits that come with the data, by name."""

    _file: Path | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _check(self) -> Description:
        if self.items and self.items[0].match is not None:
            raise ValueError("the first table of items needs an id; match joins later tables to it")
        tables: Sequence[_EntityTable] = (*self.items, *self.users)
        kinds = {concept.kind or relation for table in tables for relation, concept in table.concepts.items()}
        kinds |= {known.literal_kind(predicate) or "" for known in self.knowledge for predicate in known.literals} - {
            ""
        }
        sources = {knowledge.source for knowledge in self.knowledge}
        taken = (kinds & {USER, ITEM}) | (sources & {USER, ITEM}) | (kinds & sources)
        if taken:
            raise ValueError(
                f"the node kind {min(taken)!r} is taken; give the concept another kind, or the source another name"
            )
        return self

    @property
    def file(self) -> Path | None:
        """The YAML file, or None for a description made in code."""
        return self._file

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to."""
        return self._folder

    @classmethod
    def load(cls, name_or_path: str | Path, *, data: Path | None = None) -> Description:
        """Read a ready-made description by name, or a YAML file.

        Args:
            name_or_path: For example `movielens-100k`, or the path of a YAML file.
            data: The folder that paths in the description are relative to; by default the folder of the YAML file.

        Raises:
            InputError: If there is no such description, or it is not valid: with file and line.
        """
        known = ready_made()
        path, data = Path(name_or_path), None if data is None else Path(data)
        if str(name_or_path) in known:
            if data is None:
                raise InputError(
                    f"the ready-made description {name_or_path!r} needs to know where the data is; give --data DIR"
                )
            path = known[str(name_or_path)]
        elif not path.is_file():
            raise InputError(
                f"{str(name_or_path)!r} is neither a file nor a ready-made description ({', '.join(known)})."
                f"{did_you_mean(str(name_or_path), known)}"
            )
        if data is not None and not data.is_dir():
            raise InputError(f"expected a folder with data, found none at {str(data)!r}; correct --data")
        description = read_yaml(path, cls)
        description._file, description._folder = path, path.parent if data is None else data
        return description


def ready_made() -> dict[str, Path]:
    """Return the descriptions that come with kgrec, by name."""
    folder = Path(str(files("kg") / "descriptions"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


Match.model_rebuild()
