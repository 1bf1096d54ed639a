"""Joining tables without a common id: titles and years, written one way or another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["match_titles", "normal_title", "title_and_year"]

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_PARENTHESES = re.compile(r"\([^)]*\)")
_ARTICLE = re.compile(
    r"^(?P<title>.*),\s+(?P<article>the|an?|il|lo|la|les?|l'|los|las|el|das|der|die|ein|eine|un|une|una|uno|det|den|de|het)$",
    re.IGNORECASE,
)


def normal_title(title: str) -> str:
    """Return a title without parentheses, accents, punctuation and case, its article in front: `Matrix, The (1999)` -> `thematrix`."""
    plain = _PARENTHESES.sub("", title).strip()
    if inverted := _ARTICLE.match(plain):
        plain = f"{inverted['article']} {inverted['title']}"
    letters = unicodedata.normalize("NFKD", plain.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def title_and_year(label: str) -> tuple[str, int | None]:
    """Return the normal title and the year of a label such as `Matrix, The (1999)`."""
    in_parentheses = _YEAR.search(label)
    return normal_title(label), int(in_parentheses[1]) if in_parentheses else None


def match_titles(
    labels: Sequence[str], spellings: Iterable[tuple[int, str, int | None]], *, with_year: bool = True
) -> tuple[NDArray[np.int64], int]:
    """Find for each label the row whose title is the same and whose year differs by at most one, the exact year first.

    Args:
        labels: Item labels, with the year in parentheses at the end.
        spellings: `(row, normal title, year)`; a row may have several.
        with_year: False lets the title alone decide.

    Returns:
        The row of each item or -1, `[num_items]`, where one row may serve several items that bear its title; and the number
        of items that several rows fit equally well, which get none.
    """
    rows_of: dict[tuple[str, int | None], set[int]] = {}
    for row, title, year in spellings:
        if title:
            rows_of.setdefault((title, year if with_year else None), set()).add(row)
    row_of, num_ambiguous = np.full(len(labels), -1, dtype=np.int64), 0
    for item, label in enumerate(labels):
        title, year = title_and_year(label)
        years: list[int | None] = [year, year - 1, year + 1] if with_year and year is not None else [None]
        rows = next((rows_of[title, candidate] for candidate in years if (title, candidate) in rows_of), set())
        if len(rows) == 1:
            (row_of[item],) = rows
        num_ambiguous += len(rows) > 1
    return row_of, num_ambiguous
