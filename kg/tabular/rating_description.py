"""Keys of a description for ratings, and for the splits that come with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from kg.tabular.condition import Condition, Values
from kg.tabular.table_format import FileName, Files, Part, TableFormat, Text

__all__ = ["EventWeights", "RatingTable", "Repeats", "Split"]

Repeats = Literal["error", "last", "first", "mean", "sum", "count"]
PartName = Literal["validation", "warm", "cold_items", "cold_users", "cold_both"]


class EventWeights(Part):
    """A weight for each kind of event."""

    column: Text
    """Column with the kind of event."""
    values: Annotated[Mapping[Text, Annotated[float, Field(gt=0)]], Field(min_length=1)]
    """The weight of each kind; one that is not here is an error."""


class RatingTable(Part):
    """The table of ratings."""

    file: Files
    """The table, relative to the description or to `--data`; or several files of one format, read one after the other."""
    format: TableFormat = TableFormat()
    """How it is split."""
    feedback: Literal["explicit", "implicit"] = "explicit"
    """Whether people gave stars. `implicit`: each row says that a user chose an item; a column of ratings is not read."""
    scale: tuple[float, float] = (1.0, 5.0)
    """Lowest and highest possible rating, in stars; implicit feedback has none. Sums and counts of repeats that are
    given no scale span their own."""
    user: Text = "user"
    """Column with the user id."""
    item: Text = "item"
    """Column with the item id."""
    rating: Text = "rating"
    """Column with the rating; implicit feedback, and `repeats: count`, read none."""
    time: Text | None = "time"
    """Column with the time; the default may be absent from the table."""
    time_format: str | None = None
    """How times are written, in the directives of `strptime`, for example `"%m/%d/%Y %I:%M:%S %p"`; UTC unless it says
    otherwise. Without it Unix times in seconds, milliseconds, microseconds and nanoseconds, and ISO 8601, are told apart."""
    where: Condition | None = None
    """The rows that are meant, for example `{event: [purchase, addtocart]}` or `rating >= 4`; the others are counted and
    left aside. See `kg.tabular.condition`."""
    missing: Values | None = None
    """What stands for "not rated" in the column of ratings, for example `[0, -1]`: such rows are counted and left aside.
    `[]` says that every value is a rating, also where 0 or -1 looks like none."""
    repeats: Repeats | None = None
    """What becomes of several rows of one user and one item. `last`, `first`: that row is kept, by time if there are
    times, else by the order of rows; `mean`, `sum`: of their ratings (implicit feedback: of their weights); `count`: their
    number is the rating (implicit feedback: the weight). These have the time of the last row; the mean of the weights for
    stars. By default an error for stars; choices count once, at their first time, with the greatest of their weights.
    Never joined are rows that a split holds out and rows that it does not."""
    weight: Text | EventWeights | None = None
    """How much a row counts beside an ordinary one, which has 1: a column with positive numbers, or a weight for each kind
    of event, for example `{column: event, values: {view: 0.2, purchase: 1}}`."""
    clicked: Text | None = None
    """Of implicit feedback that says what was shown: the column that says what was taken, 1, and what was not, 0; with
    `shown` a list of the items taken."""
    shown: Text | None = None
    """Column with a list of the items that were shown to the user; `clicked` then lists those taken, and `item` is not
    read. What was shown and not taken is a negative example, never a choice; where an item was shown several times, one
    choice is enough."""
    split: Text | None = None
    """Text between the items in the cells of `shown` and `clicked`; lists of JSON and Parquet need none."""
    unlisted: Literal["error", "drop", "keep"] = "error"
    """What becomes of ratings of users or items that have no row in the tables. `keep`: they join without label, text
    and concepts. (`unknown_ids` is the former name of this key.)"""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, given: object) -> object:
        if isinstance(given, dict) and "unknown_ids" in given:
            if "unlisted" in given:
                raise ValueError("unlisted is the new name of unknown_ids; leave out unknown_ids")
            return {("unlisted" if key == "unknown_ids" else key): value for key, value in given.items()}
        return given

    @model_validator(mode="after")
    def _check(self) -> RatingTable:
        given = sorted({"rating", "scale", "missing"} & self.model_fields_set)
        if self.implicit and given:
            raise ValueError(f"implicit feedback has no stars; leave out {given[0]}, or leave out feedback: implicit")
        if self.clicked is not None and not self.implicit:
            raise ValueError("clicked goes with feedback: implicit")
        if self.shown is not None and self.clicked is None:
            raise ValueError("shown needs clicked, the column that lists what was taken")
        if self.split is not None and self.shown is None:
            raise ValueError("split goes with shown, a column of lists")
        if self.shown is not None and "item" in self.model_fields_set:
            raise ValueError("shown lists the items; leave out item")
        counted = sorted({"rating", "missing"} & self.model_fields_set)
        if self.repeats == "count" and counted:
            raise ValueError(f"repeats: count makes ratings of the numbers of rows; leave out {counted[0]}")
        if self.repeats == "count" and self.implicit and self.weight is not None:
            raise ValueError(
                "repeats: count makes weights of the numbers of rows; leave out weight, or give repeats: sum"
            )
        if self.time_format is not None and self.time is None:
            raise ValueError("time_format needs a column of times; leave out time: null")
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


class Split(Part):
    """A split that comes with the data."""

    test: FileName | None = None
    """Table of the ratings to test on, in the columns of the ratings. They are among the ratings; or none of them is, and they
    join them, held out."""
    format: TableFormat | None = None
    """How `test` is split, where it differs from the ratings."""
    items: FileName | None = None
    """File with one id of a held-out item per line."""
    validation_items: FileName | None = None
    """File with one id per line of items held out for validation."""
    parts: dict[PartName, Files] | None = None
    """Tables of held-out ratings, as `test` takes them: `validation`, and test parts named `warm`,
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
        single = [file for file in (self.items, self.validation_items) if file is not None]
        return (*single, *(file for files in self.rating_files.values() for file in files))

    @property
    def rating_files(self) -> dict[str, tuple[str, ...]]:
        """The files of held-out ratings, by part; `test` where there are no parts."""
        given: list[tuple[str, Files]] = [] if self.test is None else [("test", self.test)]
        given += list((self.parts or {}).items())
        return {part: (files,) if isinstance(files, str) else files for part, files in given}
