"""The table of a benchmark as a figure: one dot a model, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.protocols import Protocol
from training.comparison.result_rows import LOWER_IS_BETTER, OURS, THIS_RUN
from training.studies.drawing import BLUE, DARK, GREY, save_figure

__all__ = ["Dot", "dots", "write_figure"]

METRIC_NAMES = {"rmse": "RMSE in stars", "ndcg@20": "NDCG@20", "recall@20": "recall@20", "mae": "mean error in stars"}
PART_NAMES = {
    "warm": "known users and items",
    "cold_items": "new items",
    "cold_users": "new users",
    "cold_both": "both new",
}
FARTHEST = 2.0  # spans of the better half of the models; what lies farther off stands at the edge


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One line of the figure.

    Attributes:
        label: Name of the model.
        value: Mean of the metric.
        low: Lower end of the 95 % interval, or None for a published figure.
        high: Upper end.
        source: Where it was published; None if it was measured here.
        p: Largest p of the paired test against ours over splits, or None.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    source: str | None = None
    p: float | None = None

    @property
    def ours(self) -> bool:
        """Whether it is our model, or a variant of it."""
        return self.label.split(",")[0].split(" with")[0] == OURS  # without a part, with the test date


def dots(rows: Sequence[Mapping[str, Any]], metric: str, part: str) -> list[Dot]:
    """Return a dot a model, best first; value and ends of the interval are means over seeds and splits."""
    frame = pd.DataFrame(rows)
    if metric not in frame:
        return []
    frame = frame[(frame["part"] == part) & frame[metric].notna()]
    found = []
    for model, group in frame.groupby("model", sort=False):
        source = str(group["source"].iloc[0])
        if source == THIS_RUN:
            low, high = (float(group[f"{metric} {end}"].mean()) for end in ("low", "high"))
            tested = group[f"{metric} p"].dropna() if f"{metric} p" in group else ()
            p = float(max(tested)) if len(tested) else None
            found.append(Dot(label=str(model), value=float(group[metric].mean()), low=low, high=high, p=p))
        else:
            dated = ", used the date of the test rating" if group["uses_test_date"].any() else ""
            found.append(Dot(label=str(model), value=float(group[metric].mean()), source=f"{source}{dated}"))
    return sorted(found, key=lambda dot: dot.value if metric in LOWER_IS_BETTER else -dot.value)


def write_figure(rows: Sequence[Mapping[str, Any]], protocol: Protocol, part: str, out: Path) -> list[Path]:
    """Draw the first metric of the protocol for one part as PNG and SVG.

    Args:
        rows: Rows of the benchmark.
        protocol: What was measured.
        part: Which test part.
        out: Folder of `PROTOCOL-PART.png` and `.svg`.

    Returns:
        The files; none if no model has the metric there.
    """
    # Here, for it takes half a second that no other command should wait.
    from matplotlib.figure import Figure

    metric = protocol.metrics[0]
    found = dots(rows, metric, part)
    if not found:
        return []
    figure = Figure(figsize=(9.0, 1.5 + 0.34 * len(found)), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, found, metric)
    axes.set_title(f"{protocol.name}: {PART_NAMES.get(part, part)}", loc="left", fontweight="bold", fontsize=12)
    better = "lower" if metric in LOWER_IS_BETTER else "higher"
    axes.set_xlabel(f"{METRIC_NAMES.get(metric, metric)} on the test ratings ({better} is better)")
    figure.text(0.01, -0.01, _caption(found), va="top", fontsize=8, color=GREY)
    return save_figure(figure, out, f"{protocol.name}-{part}")


def _draw(axes: Any, found: Sequence[Dot], metric: str) -> None:
    left, right = _limits(found, metric)
    axes.set_xlim(left, right)
    axes.set_ylim(len(found) - 0.4, -0.6)
    ours = next((dot for dot in found if dot.label == OURS), None)
    if ours is not None and ours.low is not None:
        axes.axvspan(ours.low, ours.high, color=BLUE, alpha=0.08, linewidth=0)
    for place, dot in enumerate(found):
        colour = BLUE if dot.ours else GREY if dot.source else DARK
        axes.axhline(place, color="#eeeeee", linewidth=0.8, zorder=0)
        beyond = not left <= dot.value <= right
        at = min(max(dot.value, left), right)
        if beyond:
            axes.plot(at, place, ">" if dot.value > right else "<", color=colour, clip_on=False, markersize=6)
        else:
            if dot.low is not None and dot.high is not None:
                axes.plot([max(dot.low, left), min(dot.high, right)], [place, place], color=colour, linewidth=1.8)
            face = "white" if dot.source else colour
            axes.plot(at, place, "o", color=colour, markerfacecolor=face, markersize=8 if dot.label == OURS else 6)
        for text, offset, weight in ((_number(dot), 12, "bold" if dot.ours else "normal"), (_p(dot), 58, "normal")):
            axes.annotate(
                text,
                (1.0, place),
                xycoords=("axes fraction", "data"),
                xytext=(offset, 0),
                textcoords="offset points",
                va="center",
                color=colour,
                fontweight=weight,
                fontsize=9,
            )
    axes.set_yticks(range(len(found)), [f"{dot.label}\n{dot.source}" if dot.source else dot.label for dot in found])
    for text, dot in zip(axes.get_yticklabels(), found, strict=True):
        text.set_color(BLUE if dot.ours else GREY if dot.source else DARK)
        text.set_fontweight("bold" if dot.ours else "normal")
        text.set_fontsize(7.5 if dot.source else 9.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _number(dot: Dot) -> str:
    """Write published figures as they were: most with three digits, some with four."""
    written = f"{dot.value:.4f}"
    return written.removesuffix("0") if dot.source else written


def _p(dot: Dot) -> str:
    if dot.p is None:
        return ""
    return "p < 0.001" if dot.p < 0.001 else f"p = {dot.p:.3f}"


def _limits(found: Sequence[Dot], metric: str) -> tuple[float, float]:
    """Show ours and the better half of the models with their intervals, and what is not far off; the rest at the edge."""
    better = [*found[: max(2, (len(found) + 1) // 2)], *(dot for dot in found if dot.label == OURS)]
    ends = np.array([end for dot in better for end in (dot.low, dot.high, dot.value) if end is not None])
    span = max(float(ends.max() - ends.min()), 1e-6)
    near = [dot for dot in found if ends.min() - FARTHEST * span <= dot.value <= ends.max() + FARTHEST * span]
    ends = np.array([end for dot in near for end in (dot.low, dot.high, dot.value) if end is not None])
    margin = 0.04 * float(ends.max() - ends.min() or span)
    return float(ends.min() - margin), float(ends.max() + margin)


def _caption(found: Sequence[Dot]) -> str:
    lines = [
        "Filled: measured in one run on the same split, with the 95 % bootstrap interval over users; the band is ours.",
        "p: paired test against kgrec on the same ratings and users, which intervals of single models cannot show.",
    ]
    if any(dot.source for dot in found):
        lines.append("Hollow: published figures, some of other splits or inputs, without an interval.")
    return "\n".join([*lines, "The axis does not begin at 0; an arrow marks a model beyond it."])
