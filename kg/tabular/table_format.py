"""Keys of a description for the format of a table, and the kinds of values that all keys are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kg.tabular.expression import check_expression

__all__ = ["LINE", "FileName", "Files", "Name", "Part", "Pattern", "TableFormat", "Text"]

LINE = "line"  # the column with the number of the line, in files whose lines are not split


def _as_text(value: object) -> object:
    """Names and codes are text whatever they look like to YAML; `no` can no more be told from `false`."""
    if isinstance(value, bool):
        raise ValueError("YAML reads this as true or false; put it in quotes")
    return str(value) if isinstance(value, int | float) else value


def _as_pattern(value: object) -> object:
    if isinstance(value, str):
        check_expression(value)
    return value


def _as_file(value: str) -> str:
    """No file system has names beyond these limits; asking it for one fails in ways of its own."""
    longest = max(len(part.encode(errors="replace")) for part in value.split("/"))
    if "\0" in value or longest > 255 or len(value) > 1_000:
        raise ValueError("no file can have this name; a name has at most 255 bytes, a path 1,000 characters")
    return value


def _some(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if not value:
        raise ValueError("give at least one file")
    return value


Text = Annotated[str, BeforeValidator(_as_text)]
Pattern = Annotated[str, BeforeValidator(_as_pattern)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
FileName = Annotated[str, AfterValidator(_as_file)]
Files = Annotated[FileName | tuple[FileName, ...], AfterValidator(_some)]


class Part(BaseModel):
    """Some keys of a description: a misspelt one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TableFormat(Part):
    """Keys that say how a delimited text is split; JSON and Parquet need none of them."""

    separator: str | None = Field(default=None, min_length=1)
    """Text between fields, one or several characters; by default a comma for .csv and a tab for .tsv."""
    columns: tuple[Text, ...] | None = None
    """Column names where the file has no header line."""
    encoding: str = "utf-8"
    """Encoding of the text."""
    skip_rows: int = Field(default=0, ge=0)
    """Lines to skip at the beginning."""
    quote: str | None = Field(default=None, max_length=1)
    """Character around fields that hold the separator; by default `"` for commas, and for another separator of one
    character where the header or a column of the first rows is all in quotes; an empty text for none."""
    rest: bool = False
    """Whether the last column takes the rest of a line, also where it holds the separator: for files without quotes."""
    bad_bytes: Literal["error", "replace"] = "error"
    """What to do with bytes the encoding does not allow; replaced ones are counted in the report."""
    lines: Text | None = None
    """Instead of fields: each line, also a blank one, is a row with one cell in a column of this name; a column
    `line` holds the number of the line, for files in which it is the id."""
    first_line: int = Field(default=0, ge=0)
    """The number of the first line in the column `line`, usually 0 or 1; skipped lines are not counted."""

    @model_validator(mode="after")
    def _check(self) -> TableFormat:
        if self.lines is not None and {"separator", "columns", "quote"} & self.model_fields_set:
            raise ValueError("a format with lines splits nothing; leave out separator, columns and quote")
        if self.rest and (self.lines is not None or self.quote):
            raise ValueError("rest is for lines of fields without quotes; leave out lines and quote")
        if self.lines is None and "first_line" in self.model_fields_set:
            raise ValueError("first_line goes with lines: NAME, which makes each line a row")
        if self.lines == LINE:
            raise ValueError(f"the column {LINE!r} is for the numbers of the lines; give lines another name")
        if self.separator is not None and set(self.separator) & set("\r\n"):
            raise ValueError("a separator cannot hold line ends")
        if self.quote and (not self.quote.isascii() or not self.quote.isprintable() or self.quote == self.separator):
            raise ValueError("quote must be a printable ASCII character other than the separator")
        if self.quote and self.separator is not None and len(self.separator.encode()) > 1:
            raise ValueError("quotes need a separator of one ASCII character")
        return self
