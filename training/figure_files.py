"""Figures as files: the same figure has the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from kg.storage.atomic import write_file

__all__ = ["BLUE", "DARK", "GREY", "rendered", "save_figure"]

BLUE, DARK, GREY = "#1f5fa8", "#333333", "#8a8a8a"  # ours, other models, what stands beside


def rendered(figure: Any, kind: str, *, salt: str, dpi: int = 160, style: Mapping[str, Any] | None = None) -> bytes:
    """Return a figure as a file would hold it, without a date and with names that the salt alone decides.

    Args:
        figure: A `matplotlib.figure.Figure`.
        kind: `png` or `svg`.
        salt: What the names inside an SVG file are made from.
        dpi: Dots per inch.
        style: Settings of matplotlib that hold while it is drawn.
    """
    # Here, for it takes half a second that no other command should wait.
    from matplotlib import rc_context

    content = BytesIO()
    with rc_context({**(style or {}), "svg.hashsalt": salt}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(content, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
    return content.getvalue()


def save_figure(figure: Any, folder: Path, name: str, *, salt: str | None = None) -> list[Path]:
    """Write `name.png` and `name.svg`, each whole or not at all; return their paths. The salt is the name by default."""
    files = [folder / f"{name}.{kind}" for kind in ("png", "svg")]
    for file in files:
        write_file(file, rendered(figure, file.suffix[1:], salt=salt or name))
    return files
