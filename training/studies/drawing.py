"""How figures look: their colours and style, the shapes several of them share, and their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec

from kg.storage.atomic import write_file

__all__ = [
    "BLUE", "DARK", "GREEN", "GREY", "LIGHT_BLUE", "NOT_FROM_0", "ORANGE", "RED", "STYLE",
    "beside", "interval", "name_line_ends", "name_rows", "panels", "rendered", "save_figure", "styled", "under",
]  # fmt: skip

Drawn = ParamSpec("Drawn")

BLUE, LIGHT_BLUE, ORANGE, GREEN, RED = "#1f5fa8", "#79aee3", "#d9772b", "#3a8f6b", "#b5482a"  # blue is ours
DARK, GREY = "#2f3437", "#8f979d"
NOT_FROM_0 = "RMSE in stars (the axis does not begin at 0)"
STYLE = {
    "font.size": 10,
    "axes.edgecolor": "#b8bfc4",
    "axes.labelcolor": DARK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e8ebee",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": DARK,
    "xtick.color": DARK,
    "ytick.color": DARK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def styled(draw: Callable[Drawn, Any]) -> Callable[Drawn, Any]:
    """Let a function that returns a `matplotlib.figure.Figure` draw it in our style, whatever else a notebook has set."""

    @wraps(draw)
    def drawn(*args: Drawn.args, **kwargs: Drawn.kwargs) -> Any:
        # Here, for it takes half a second that no other command should wait.
        from matplotlib import rc_context

        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def panels(
    columns: int, size: tuple[float, float], *, rows: int = 1, sharex: bool = False, sharey: bool = False
) -> tuple[Any, list[Any]]:
    """Return a new figure of a size in inches, and its axes row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False).ravel())


def interval(axis: Any, height: float, low: float, high: float, colour: str) -> None:
    """Draw an interval as a line beside which its value stands as a dot."""
    axis.plot([low, high], [height, height], color=colour, linewidth=2.2, alpha=0.55)


def name_rows(axis: Any, names: Sequence[str]) -> None:
    """Name the rows of a chart of lying bars or dots, the first at the top."""
    axis.set_yticks(range(len(names)), [_plain(name) for name in names])
    axis.set_ylim(len(names) - 0.4, -0.7)
    axis.grid(axis="y", visible=False)


def beside(axis: Any, height: float, text: str, colour: str, *, offset: int = 8, bold: bool = False) -> None:
    """Write a text right of the axes at the height of a row, `offset` points away."""
    axis.annotate(
        text,
        (1.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(offset, 0),
        textcoords="offset points",
        va="center",
        color=colour,
        fontweight="bold" if bold else "normal",
        fontsize=9,
    )


def under(figure: Any, caption: str) -> None:
    """Write a caption under a figure."""
    figure.text(0.01, -0.01, caption, va="top", fontsize=8, color=GREY)


def name_line_ends(axis: Any, ends: Sequence[tuple[float, float, str, str, bool]]) -> None:
    """Name lines right of their last points, those that meet moved apart.

    Args:
        axis: Axes whose limits are settled.
        ends: For each line its last y and x, its name, its colour, and whether the name is bold.
    """
    low, high = axis.get_ylim()
    least, last = 0.055 * (high - low), float("-inf")
    for y, x, name, colour, bold in sorted(ends):
        last = max(y, last + least)
        weight = "bold" if bold else "normal"
        axis.text(x + 0.12, last, name, color=colour, va="center", fontsize=9, fontweight=weight)


def rendered(figure: Any, kind: str, *, salt: str, dpi: int = 160) -> bytes:
    """Return a figure as a file would hold it: the same figure has the same bytes.

    Args:
        figure: A `matplotlib.figure.Figure`.
        kind: `png` or `svg`.
        salt: What the names inside an SVG file are made from.
        dpi: Dots per inch.
    """
    from matplotlib import rc_context

    content = BytesIO()
    with rc_context({**STYLE, "svg.hashsalt": salt}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(content, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
    return content.getvalue()


def save_figure(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write `name.png` and `name.svg`, each whole or not at all; return their paths."""
    files = [folder / f"{name}.{kind}" for kind in ("png", "svg")]
    for file in files:
        write_file(file, rendered(figure, file.suffix[1:], salt=name))
    return files


def _plain(text: str) -> str:
    """Keep dollars of titles from being read as formulas."""
    return text.replace("$", r"\$")
