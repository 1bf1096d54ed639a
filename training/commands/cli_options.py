"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Count", "GraphArgument", "History", "Json", "Lengths", "Overwrite", "RunArgument", "Settings"]

GraphArgument = Annotated[Path, typer.Argument(help="Directory of a graph.", show_default=False)]
RunArgument = Annotated[Path, typer.Argument(help="Directory of a trained run.", show_default=False)]
Count = Annotated[int, typer.Option("-k", "--count", help="Length of the list.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Lengths = Annotated[str | None, typer.Option(help="Further lengths at which lists are measured, beside 20: 5,10.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting, e.g. training.epochs=800; may be repeated.")
]
History = Annotated[
    str | None,
    typer.Option(
        help="What someone new rated: item=stars,item=stars; without stars item,item. As in CSV, an id with a comma stands in "
        "quotes: '\"a, b=5\",c=4'."
    ),
]
