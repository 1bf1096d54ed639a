"""Deletion and insertion curves as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.studies.drawing import BLUE, DARK, GREY, save_figure

__all__ = ["draw_curves"]

_COLOURS = {"account": BLUE, "account by size": "#7fb2e5", "GNNExplainer": "#b5482a", "random": GREY}


def draw_curves(report: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw the curves of `faithfulness` as `faithfulness.png` and `.svg`.

    The upper row shows the account and a random order on all pairs; the lower one, if there is one, the pairs that
    GNNExplainer explained as well.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    rows = [report, *([report["gnn_explainer"]] if "gnn_explainer" in report else [])]
    figure = Figure(figsize=(9.0, 0.6 + 3.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 2, squeeze=False)
    for axes, shown in zip(grid, rows, strict=True):
        _draw(axes, shown, report["shares"])
    figure.suptitle("Is the explanation what the model does?", fontweight="bold", fontsize=12)
    figure.text(
        0.01,
        -0.01,
        "Messages (concepts, rated items) are removed from the inputs, and the network predicts again. The order is that "
        "of the parts,\nlargest first; “by size” whichever way they point, as the masks of GNNExplainer do. Means over "
        "held-out pairs.",
        va="top",
        fontsize=8,
        color=GREY,
    )
    return save_figure(figure, out, "faithfulness")


def _draw(axes: Any, shown: Mapping[str, Any], shares: list[float]) -> None:
    for place, (measure, words) in enumerate((("deletion", "removed"), ("insertion", "kept"))):
        plot = axes[place]
        plot.axhline(0, color="#dddddd", linewidth=0.8, zorder=0)
        for name, curve in shown["curves"].items():
            style = "--" if name == "random" else "-"
            plot.plot(
                [100 * share for share in shares],
                curve[measure],
                style,
                marker="o",
                markersize=3.5,
                linewidth=1.8,
                color=_COLOURS.get(name, DARK),
                label=name,
            )
        plot.set_title(f"{measure}: {shown['num_pairs']:,} pairs", loc="left", fontsize=10)
        plot.set_xlabel(f"messages {words}, %", fontsize=9)
        plot.tick_params(labelsize=8)
        for side in ("top", "right"):
            plot.spines[side].set_visible(False)
    axes[0].set_ylabel("change of the prediction, stars", fontsize=9)
    axes[1].legend(frameon=False, fontsize=8)
