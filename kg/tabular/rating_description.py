"""How a description speaks of ratings, and of the splits that come with them."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from kg.tabular.table_format import FileName, Files, Part, TableFormat, Text

__all__ = ["RatingTable", "Split"]

PartName = Literal["validation", "warm", "cold_items", "cold_users", "cold_both"]


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
