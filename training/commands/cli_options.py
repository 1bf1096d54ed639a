"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["History", "Json", "Overwrite"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]
History = Annotated[
    str | None,
    typer.Option(
        help="What someone new rated: item=stars,item=stars; without stars item,item. As in CSV, an id with a comma stands in "
        "quotes: '\"a, b=5\",c=4'."
    ),
]
