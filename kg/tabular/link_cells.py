"""The IRIs that a table links its rows to, whole in a column or made of bare ids."""

from __future__ import annotations

from collections.abc import Sequence

from kg.tabular.entity_description import Link
from kg.tabular.tables import Table
from kg.tabular.templates import render

__all__ = ["link_cells", "link_remedy"]


def link_cells(table: Table, link: str | Link, missing: Sequence[str]) -> list[str | None]:
    """Return the link of each row, or None where it is unknown.

    Args:
        table: The table.
        link: A column of IRIs, a template such as `http://www.wikidata.org/entity/{qid}`, or a column with its prefix.
        missing: Values that mean unknown.

    Raises:
        InputError: If a column is missing.
    """
    if isinstance(link, str) and "{" in link and not table.has(link):
        return render(table, link, missing)[0]
    unknown = {value.strip() for value in missing} | {""}
    column, prefix, digits = (link, "", 0) if isinstance(link, str) else (link.column, link.prefix, link.digits)
    return [
        None if cell in unknown else cell if prefix and cell.startswith(prefix) else prefix + cell.zfill(digits)
        for cell in table.column(column).astype(object).str.strip()
    ]


def link_remedy(example: str) -> str:
    """Return how to describe links such as a bare id, which is no IRI."""
    if example[:1] == "Q" and example[1:].isdigit():
        prefix = "http://www.wikidata.org/entity/"
    elif example[:2] == "tt" and example[2:].isdigit():
        prefix = "https://www.imdb.com/title/"
    else:
        prefix = "https://..."
    return f'give {{column: ..., prefix: "{prefix}"}} for bare ids'
