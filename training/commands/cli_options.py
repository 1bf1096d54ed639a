"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Json", "Overwrite"]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")]
