"""The YAML that describes a user's data: which files, which columns, what they mean.

This is the whole; its parts are in `kg.tabular.entity_description`, `kg.tabular.rating_description` and
`kg.rdf.knowledge_description`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from kg.errors import InputError, did_you_mean
from kg.rdf.knowledge_description import Knowledge
from kg.schema import DEFAULT_NAMESPACE, ITEM, USER
from kg.tabular.entity_description import EntityTable, ItemTable, UserTable
from kg.tabular.rating_description import RatingTable, Split
from kg.tabular.table_format import Part
from kg.tabular.yaml_file import read_yaml

__all__ = ["Description", "ready_made"]


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
        tables: Sequence[EntityTable] = (*self.items, *self.users)
        kinds = {concept.kind or relation for table in tables for relation, concept in table.concepts.items()}
        kinds |= {kind for known in self.knowledge for name in known.literals if (kind := known.literal_kind(name))}
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

    @property
    def rating_tables(self) -> tuple[RatingTable, ...]:
        """The tables of ratings, of which the first whose file exists is meant."""
        return (self.ratings,) if isinstance(self.ratings, RatingTable) else self.ratings

    def rating_table(self, folder: Path) -> RatingTable:
        """Return the first rating table of which a file exists; raises `InputError` if none does."""
        for table in self.rating_tables:
            if any((folder / file).exists() for file in table.files):
                return table
        names = " or ".join(table.files[0] for table in self.rating_tables)
        raise InputError(
            f"expected the ratings of {self.name!r} in {names}, found no such file; is this the right description, and the right --data?",
            file=folder,
        )

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
