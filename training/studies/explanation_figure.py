"""An explanation as a figure: from the mean to the score, one bar a part."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from kg.storage.atomic import write_file
from models.attribution.contributions import MEAN
from models.attribution.explanation import Explanation, Part
from training.studies.drawing import BLUE, DARK, GREY, RED, beside, name_rows, panels, rendered, styled, under

__all__ = ["draw_explanation", "explanation_figure", "shown_parts"]

SHOWN = 14  # bars; the others are one
LONGEST = 52  # characters of a name


def shown_parts(explanation: Explanation, most: int = SHOWN, *, by_name: bool = False) -> list[Part]:
    """Return the largest parts, largest first; what is left is one part, the last.

    Args:
        explanation: The parts of a prediction in words.
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


@styled
def explanation_figure(explanation: Explanation) -> Any:
    """Return the parts as a waterfall, a `matplotlib.figure.Figure`."""
    parts = shown_parts(explanation, by_name=True)
    mean = next(part for part in explanation.parts if part.kind == MEAN)
    reached = list(accumulate((part.stars for part in parts), initial=mean.stars))
    end = len(parts) + 1
    figure, (axis,) = panels(1, (9.0, 1.6 + 0.32 * (end + 1)))
    axis.plot(mean.stars, 0, "o", color=DARK, markersize=6)
    axis.plot(explanation.score, end, "D", color=DARK, markersize=7)
    axis.vlines(reached, range(end), range(1, end + 1), color="#bbbbbb", linewidth=0.8)  # from each bar to the next
    colours = [BLUE if part.stars > 0 else RED for part in parts]
    axis.barh(range(1, end), [part.stars for part in parts], left=reached[:-1], height=0.62, color=colours)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in (part.name for part in parts)]
    name_rows(axis, [mean.name, *names, "prediction"])
    beside(axis, 0, f"{mean.stars:.2f}", DARK, bold=True)
    for place, (part, colour) in enumerate(zip(parts, colours, strict=True), start=1):
        beside(axis, place, f"{part.stars:+.2f}", colour)
    beside(axis, end, f"{explanation.score:.2f}", DARK, bold=True)
    who = "someone new" if explanation.user is None else f"user {explanation.user}"
    axis.set_title(f"Why {explanation.label} for {who}?".replace("$", r"\$"))
    axis.set_xlabel("score" if explanation.implicit else "expected rating in stars")
    axis.use_sticky_edges = False  # else the axes end with the outermost bar
    axis.margins(x=0.06)
    axis.axvline(mean.stars, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    caption = "Each bar is one part of the prediction; together they lead to it. The axis does not begin at 0."
    under(figure, caption)
    return figure


def draw_explanation(explanation: Explanation, file: Path) -> None:
    """Draw the parts as a waterfall, PNG or SVG by the name of the file."""
    kind = file.suffix.lower().removeprefix(".")
    write_file(file, rendered(explanation_figure(explanation), kind, salt="explanation"))
