"""Characters written as HTML writes them, such as `&amp;` and `&#39;`, turned back into themselves."""

from __future__ import annotations

import html
import re

import pandas as pd

__all__ = ["num_escaped", "unescaped"]

# The semicolon is required: `AT&T` and `?a=1&copy=2` are meant as they stand.
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def unescaped(text: str) -> str:
    """Return a text with the characters that its entities stand for; what is no entity stays."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def num_escaped(cells: pd.Series[str]) -> int:
    """Return how many cells hold an entity."""
    suspects = cells[cells.astype(str).str.contains("&", regex=False)]
    return sum(unescaped(cell) != cell for cell in suspects)
