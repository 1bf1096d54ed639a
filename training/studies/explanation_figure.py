"""An explanation as a figure: from the mean to the score, one bar a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kg.errors import InputError
from kg.storage.atomic import write_file
from models.attribution.contributions import MEAN
from models.attribution.explanation import Explanation, Part
from training.figure_files import BLUE, DARK, GREY, rendered

__all__ = ["draw_explanation", "explanation_figure", "shown_parts"]

RED = "#b5482a"
SHOWN = 14  # bars; the others are one
LONGEST = 52  # characters of a name


def shown_parts(explanation: Explanation, most: int = SHOWN, *, by_name: bool = False) -> list[Part]:
    """Return the largest parts, largest first; what is left is one part, the last.

    Args:
        explanation: The account in words.
        most: Number of parts that stand alone.
        by_name: Whether parts that read the same are one, as a director whom two sources state, each with a table of its own.
    """
    parts = [part for part in explanation.parts if part.kind != MEAN]
    if by_name:
        merged: dict[tuple[str, str], Part] = {}
        for part in parts:
            before = merged.get((part.side, part.name))
            merged[part.side, part.name] = part if before is None else replace(before, stars=before.stars + part.stars)
        parts = list(merged.values())
    parts.sort(key=lambda part: -abs(part.stars))
    shown, rest = parts[:most], parts[most:]
    if rest:
        name = f"{len(rest)} other part{'s' * (len(rest) > 1)}"
        shown.append(Part(kind="rest", side="", name=name, stars=sum(part.stars for part in rest)))
    return shown


def explanation_figure(explanation: Explanation) -> Any:
    """Return the account as a waterfall, a `matplotlib.figure.Figure`.

    Raises:
        InputError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("figures need matplotlib; pip install -e '.[notebooks]' brings it") from None
    parts = shown_parts(explanation, by_name=True)
    figure = Figure(figsize=(9.0, 1.6 + 0.32 * (len(parts) + 2)), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, explanation, parts)
    who = "someone new" if explanation.user is None else f"user {explanation.user}"
    axes.set_title(_plain(f"Why {explanation.label} for {who}?"), loc="left", fontweight="bold", fontsize=12)
    axes.set_xlabel("score" if explanation.implicit else "expected rating in stars")
    figure.text(
        0.01,
        -0.01,
        "Each bar is one part of the prediction; together they lead to it. The axis does not begin at 0.",
        va="top",
        fontsize=8,
        color=GREY,
    )
    return figure


def draw_explanation(explanation: Explanation, file: Path) -> None:
    """Draw the account as a waterfall, PNG or SVG by the name of the file.

    Raises:
        InputError: If the name ends otherwise, or matplotlib is not installed.
    """
    kind = file.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise InputError(f"a figure is written as .png or .svg, not {file.suffix or 'without an ending'!r}", file=file)
    write_file(file, rendered(explanation_figure(explanation), kind, salt="explanation"))


def _draw(axes: Any, explanation: Explanation, parts: Sequence[Part]) -> None:
    reached = sum(part.stars for part in explanation.parts if part.kind == MEAN)
    places = [reached]
    axes.axvline(reached, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes.plot(reached, 0, "o", color=DARK, markersize=6)
    for place, part in enumerate(parts, start=1):
        left, right = sorted((reached, reached + part.stars))
        axes.barh(place, right - left, left=left, height=0.62, color=BLUE if part.stars > 0 else RED)
        axes.plot([reached, reached], [place - 1, place], color="#bbbbbb", linewidth=0.8, zorder=0)
        reached += part.stars
        places.append(reached)
    end = len(parts) + 1
    axes.plot([reached, reached], [end - 1, end], color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.plot(explanation.score, end, "D", color=DARK, markersize=7)
    low, high = min(places), max(places)
    span = max(high - low, 0.1)
    axes.set_xlim(low - 0.06 * span, high + 0.06 * span)
    axes.set_ylim(end + 0.6, -0.6)
    first = next(part.name for part in explanation.parts if part.kind == MEAN)
    names = [first, *(_plain(_short(part.name)) for part in parts), "prediction"]
    axes.set_yticks(range(end + 1), names)
    values = [f"{places[0]:.2f}", *(f"{part.stars:+.2f}" for part in parts), f"{explanation.score:.2f}"]
    for place, value in enumerate(values):
        ends = place in (0, end)
        colour = DARK if ends else BLUE if value.startswith("+") else RED
        axes.annotate(
            value,
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
            fontweight="bold" if ends else "normal",
        )
        axes.axhline(place, color="#f2f2f2", linewidth=0.8, zorder=-1)
    for text in (axes.get_yticklabels()[0], axes.get_yticklabels()[end]):
        text.set_fontweight("bold")
    axes.tick_params(axis="y", length=0, labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _plain(text: str) -> str:
    """Keep dollars of titles from being read as formulas."""
    return text.replace("$", r"\$")
