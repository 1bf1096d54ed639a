"""What `--history` says: the ratings, or the choices, of someone new."""

from __future__ import annotations

import csv
from collections.abc import Container
from typing import TYPE_CHECKING

from kg.errors import InputError

if TYPE_CHECKING:
    from models.recommender import Recommender

__all__ = ["read_history", "read_history_of"]


def read_history_of(recommender: Recommender, history: str | None) -> dict[str, float] | None:
    """Read what `--history` says to a run, if it was given."""
    known, implicit = recommender.graph.items.vocabulary, recommender.implicit
    return None if history is None else read_history(history, known, implicit=implicit)


def read_history(text: str, known: Container[str], *, implicit: bool = False) -> dict[str, float]:
    """Read `item=stars,item=stars`, or of choices ids alone: `item,item`.

    Parts are read as CSV reads cells: one with a comma stands in quotes, `"a, b=5"`. Ids may hold `=`, since the last one
    counts; blanks around an id are its own only if known so. Of choices, a part that is a known id is that id.

    Args:
        text: What was given.
        known: The known ids.
        implicit: Whether ratings only say that a user chose an item.
    """
    form = "item" if implicit else "item=stars"
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise InputError(
            f"expected {form} between commas, got {text!r}; a part with a comma stands in quotes, a quote in it twice"
        ) from None
    ratings: dict[str, float] = {}
    for part in filter(str.strip, parts):
        item, equals, stars = part.rpartition("=")
        if implicit and (part in known or part.strip() in known):
            equals = ""
        try:
            value = float(stars) if equals and item else None
        except ValueError:
            value = None
        if value is None:
            if not implicit:
                raise InputError(f"expected {form}, got {part!r}; for example --history 50=5,181=4")
            item, value = part, 1.0
        item = item if item in known else item.strip()
        if item in ratings:
            raise InputError(f"item {item!r} stands twice in the history; give each item once")
        ratings[item] = value
    return ratings
