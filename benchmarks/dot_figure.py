"""The table of a benchmark as a figure: one dot a model, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.protocols import Protocol
from training.comparison.result_rows import LOWER_IS_BETTER, OURS, THIS_RUN
from training.studies.drawing import (
    BLUE,
    DARK,
    GREY,
    beside,
    interval,
    name_rows,
    panels,
    save_figure,
    styled,
    under,
)

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
    metric = protocol.metrics[0]
    models = dots(rows, metric, part)
    if not models:
        return []
    return save_figure(
        _figure(models, metric, f"{protocol.name}: {PART_NAMES.get(part, part)}"), out, f"{protocol.name}-{part}"
    )


@styled
def _figure(models: Sequence[Dot], metric: str, title: str) -> Any:
    figure, (axis,) = panels(1, (9.0, 1.5 + 0.34 * len(models)))
    left, right = _limits(models)
    for height, dot in enumerate(models):
        colour = BLUE if dot.ours else GREY if dot.source else DARK
        if not left <= dot.value <= right:
            axis.plot(
                right if dot.value > right else left,
                height,
                ">" if dot.value > right else "<",
                color=colour,
                clip_on=False,
            )
        else:
            if dot.low is not None and dot.high is not None:
                interval(axis, height, dot.low, dot.high, colour)
            face = "white" if dot.source else colour
            axis.plot(
                dot.value, height, "o", color=colour, markerfacecolor=face, markersize=8 if dot.label == OURS else 6
            )
        if dot.label == OURS and dot.low is not None:
            axis.axvspan(dot.low, dot.high, color=BLUE, alpha=0.08, linewidth=0)
        # Published figures as they were written: most with three digits, some with four.
        value = f"{dot.value:.4f}".removesuffix("0") if dot.source else f"{dot.value:.4f}"
        beside(axis, height, value, colour, offset=12, bold=dot.ours)
        if dot.p is not None:
            beside(axis, height, "p < 0.001" if dot.p < 0.001 else f"p = {dot.p:.3f}", colour, offset=58)
    axis.set_xlim(left, right)
    name_rows(axis, [f"{dot.label}\n{dot.source}" if dot.source else dot.label for dot in models])
    for text, dot in zip(axis.get_yticklabels(), models, strict=True):
        text.set(color=BLUE if dot.ours else DARK, fontsize=7.5 if dot.source else 9.5)
    better = "lower" if metric in LOWER_IS_BETTER else "higher"
    axis.set(title=title, xlabel=f"{METRIC_NAMES.get(metric, metric)} on the test ratings ({better} is better)")
    published = "Hollow: published figures, some of other splits or inputs, without an interval.\n"
    under(
        figure,
        "Filled: measured in one run on the same split, with the 95 % bootstrap interval over users; the band is ours.\n"
        "p: paired test against kgrec on the same ratings and users, which intervals of single models cannot show.\n"
        f"{published if any(dot.source for dot in models) else ''}"
        "The axis does not begin at 0; an arrow marks a model beyond it.",
    )
    return figure


def _limits(models: Sequence[Dot]) -> tuple[float, float]:
    """Return limits that show ours and the better half of the models with their intervals, and what is not far off."""

    def ends(some: Sequence[Dot]) -> tuple[float, float]:
        values = [end for dot in some for end in (dot.low, dot.high, dot.value) if end is not None]
        return min(values), max(values)

    low, high = ends([*models[: max(2, (len(models) + 1) // 2)], *(dot for dot in models if dot.label == OURS)])
    far = FARTHEST * max(high - low, 1e-6)
    low, high = ends([dot for dot in models if low - far <= dot.value <= high + far])
    margin = 0.04 * max(high - low, 1e-6)
    return low - margin, high + margin
