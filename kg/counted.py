"""Counts in sentences: 1 item, 2 items, 1,000 people."""

from __future__ import annotations

__all__ = ["counted"]

_PLURALS = {"person": "people", "query": "queries"}


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the singular or the plural; of `rating to train on` the first word is the noun."""
    first, space, rest = noun.partition(" ")
    plural = _PLURALS.get(first, f"{first}s")
    return f"{number:,} {first if number == 1 else plural}{space}{rest}"
