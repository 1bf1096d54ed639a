"""The figures of the cold-start study, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kg.storage.atomic import write_file
from training.comparison.result_rows import OURS
from training.figure_files import rendered
from training.studies.asking import INFORMATIVE, POPULAR
from training.studies.cold_start import PARTS, Study
from training.studies.cold_tables import INFORMED

__all__ = ["FIGURES", "PART_TITLES", "STYLE", "draw", "write_figures"]

PART_TITLES = {"cold_items": "new items", "cold_users": "new users", "cold_both": "both new"}
BLUE, LIGHT_BLUE, ORANGE, GREEN = "#1f5fa8", "#79aee3", "#d9772b", "#3a8f6b"
DARK, GREY, PALE = "#2f3437", "#8f979d", "#e8ebee"
MARKERS = {
    "biases": "s",
    "EASE": "s",
    POPULAR: "s",
    "content kNN": "^",
    "popularity": "D",
    "random": "D",
}  # ours: a dot
SHORT = {INFORMATIVE: "informative", INFORMED: "concepts known"}  # names at the ends of lines
SETTINGS = {"cold_items": (BLUE, "o"), "cold_users": (LIGHT_BLUE, "s"), "cold_both": ("#14304f", "^")}  # all are ours
NOT_FROM_0 = "RMSE in stars (the axis does not begin at 0)"
COLOURS = {
    OURS: BLUE,
    INFORMED: LIGHT_BLUE,
    "biases": ORANGE,
    "content kNN": GREEN,
    "mean": GREY,
    "popularity": GREY,
    "EASE": ORANGE,
    INFORMATIVE: BLUE,
    POPULAR: ORANGE,
    "random": GREY,
}
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
    "grid.color": PALE,
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


def settings(study: Study) -> Any:
    """Each model's RMSE in the three settings, with 95 % intervals over users."""
    table = study.tables["gains"]
    table = table[~table["model"].str.startswith(f"{OURS} without")]
    figure, axes = _figure(1, 3, (10.5, 2.9), sharex=True, sharey=True)
    order = [*table[table["part"] == "cold_items"].sort_values("rmse")["model"]]
    order = [OURS, *(model for model in order if model != OURS)]
    for place, (axis, part) in enumerate(zip(axes, PARTS, strict=True)):
        rows = table[table["part"] == part].set_index("model").reindex(order).dropna(subset=["rmse"])
        for height, (model, row) in enumerate(rows.iterrows()):
            colour = COLOURS.get(str(model), GREY)
            axis.plot([row["low"], row["high"]], [height, height], color=colour, linewidth=2.2, alpha=0.55)
            axis.plot(row["rmse"], height, "o", color=colour, markersize=7)
            axis.annotate(
                f"{row['rmse']:.3f}",
                (row["rmse"], height),
                (0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
            )
        axis.axvspan(rows.loc[OURS, "low"], rows.loc[OURS, "high"], color=BLUE, alpha=0.07, linewidth=0)
        axis.set_title(PART_TITLES[part])
        axis.set_yticks(range(len(rows)), list(rows.index))
        axis.set_ylim(len(rows) - 0.45, -0.75)
        axis.grid(axis="y", visible=False)
        if place == 1:
            axis.set_xlabel("RMSE in stars (lower is better; the axis does not begin at 0)")
    return figure


def parts_left_out(study: Study) -> Any:
    """What each part of the model brings in each setting: the rise of RMSE when it is left out."""
    table = study.tables["gains"]
    table = table[table["model"].str.startswith(f"{OURS} without")]
    if table.empty:
        return None
    models = list(dict.fromkeys(table["model"]))
    figure, axes = _figure(1, 3, (10.5, 1.3 + 0.42 * len(models)), sharex=True, sharey=True)
    for place, (axis, part) in enumerate(zip(axes, PARTS, strict=True)):
        rows = table[table["part"] == part].set_index("model").loc[models]
        for height, (_, row) in enumerate(rows.iterrows()):
            clear = row["p_holm"] < 0.05
            colour = BLUE if clear else GREY
            axis.barh(height, 100 * row["gain"], color=colour, height=0.55, alpha=0.85)
            axis.plot([100 * row["gain_low"], 100 * row["gain_high"]], [height, height], color=DARK, linewidth=1.2)
        axis.axvline(0, color=DARK, linewidth=0.8)
        axis.set_title(PART_TITLES[part])
        axis.set_yticks(range(len(models)), [model.removeprefix(f"{OURS} ") for model in models])
        axis.set_ylim(len(models) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
        if place == 1:
            axis.set_xlabel("how much lower the RMSE of the whole model is, in % (grey: not significant)")
    return figure


def few_shot_users(study: Study) -> Any:
    """The few-shot curve of new users: error, and quality of the lists, as ratings come in."""
    table = study.tables["few_shot_users"]
    figure, axes = _figure(1, 2, (10.5, 4.1))
    stars, lists = (OURS, "biases", "content kNN"), (OURS, "EASE", "popularity", "content kNN")
    _curves(axes[0], table, ("rmse", "low", "high"), (*stars, INFORMED), banded=stars)
    axes[0].set_ylabel(NOT_FROM_0)
    axes[0].set_title("stars: lower is better")
    _curves(axes[1], table, ("ndcg", "ndcg_low", "ndcg_high"), lists)
    axes[1].set_ylabel("NDCG@20")
    axes[1].set_title("lists: higher is better")
    for axis in axes:
        axis.set_xlabel("ratings the new user has given")
    return figure


def few_shot_items(study: Study) -> Any:
    """The few-shot curve of new items."""
    figure, axes = _figure(1, 1, (6.6, 4.1))
    _curves(axes[0], study.tables["few_shot_items"], ("rmse", "low", "high"), (OURS, "biases", "content kNN"))
    axes[0].set_ylabel(NOT_FROM_0)
    axes[0].set_xlabel("ratings the new item has received")
    axes[0].set_title("new items: text and concepts at 0, ratings from then on")
    return figure


def bins(study: Study) -> Any:
    """Cold items by what is known of them."""
    table = study.tables["bins"]
    kinds = list(dict.fromkeys(table["by"]))
    figure, axes = _figure(1, len(kinds), (11.0, 3.8), sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        rows = table[table["by"] == kind].reset_index(drop=True)
        x = np.arange(len(rows))
        axis.vlines(x - 0.06, rows["low"], rows["high"], color=BLUE, linewidth=2.2, alpha=0.5)
        axis.plot(x - 0.06, rows["rmse"], "o-", color=BLUE, markersize=6, linewidth=1.2, label=OURS)
        axis.plot(x + 0.06, rows["biases"], "s--", color=ORANGE, markersize=5, linewidth=1.2, label="biases")
        axis.set_xticks(x, [f"{row.bin}\n{row['items']} items" for _, row in rows.iterrows()], fontsize=8.5)
        axis.set_title({"ratings": "popularity (held-out ratings)"}.get(kind, kind))
        axis.set_xlim(-0.5, len(rows) - 0.5)
    axes[0].set_ylabel(NOT_FROM_0)
    axes[0].legend(loc="upper right", fontsize=9)
    return figure


def calibration(study: Study) -> Any:
    """Whether the intervals hold what they promise: coverage, and the PIT histogram."""
    table = study.tables["calibration"]
    figure, axes = _figure(1, 4, (12.0, 3.3))
    axis = axes[0]
    axis.plot([0.45, 1], [0.45, 1], color=GREY, linewidth=1, linestyle="--")
    for part, (colour, marker) in SETTINGS.items():
        rows = table[(table["part"] == part) & (table["what"] == "interval")]
        axis.errorbar(
            rows["at"],
            rows["share"],
            yerr=[rows["share"] - rows["low"], rows["high"] - rows["share"]],
            fmt=f"{marker}-",
            color=colour,
            markersize=5,
            linewidth=1.3,
            label=PART_TITLES[part],
        )
    axis.legend(fontsize=8.5, loc="upper left")
    axis.set_xlabel("promised share")
    axis.set_ylabel("share of ratings inside")
    axis.set_title("central intervals")
    for axis, (part, (colour, _)) in zip(axes[1:], SETTINGS.items(), strict=True):
        rows = table[(table["part"] == part) & (table["what"] == "pit")]
        axis.bar(rows["at"] + 0.05, rows["share"] * len(rows), width=0.09, color=colour, alpha=0.8)
        axis.axhline(1, color=DARK, linewidth=1, linestyle="--")
        axis.set_ylim(0, max(1.6, float(rows["share"].max() * len(rows)) * 1.1))
        axis.set_title(f"PIT, {PART_TITLES[part]}")
        axis.set_xlabel("place in the predicted distribution")
        axis.grid(axis="x", visible=False)
    axes[1].set_ylabel("density (flat at 1: calibrated)")
    return figure


def questions(study: Study) -> Any:
    """How fast the error falls by the way of asking, paired with the other ways, and how many questions are answered."""
    table = study.tables["questions"]
    figure, axes = _figure(1, 3, (12.0, 3.8))
    renamed = table.rename(columns={"strategy": "model", "asked": "given"})
    strategies = tuple(dict.fromkeys(table["strategy"]))
    _curves(axes[0], renamed, ("rmse", "low", "high"), strategies, banded=(INFORMATIVE,))
    axes[0].set_ylabel(NOT_FROM_0)
    axes[0].set_title("error after some questions")
    percent = renamed.assign(**{name: 100 * renamed[name] for name in ("gain", "gain_low", "gain_high")})
    _curves(axes[1], percent, ("gain", "gain_low", "gain_high"), strategies[1:])
    axes[1].axhline(0, color=DARK, linewidth=0.9)
    axes[1].set_ylabel("lower RMSE, in %")
    axes[1].set_title("informative against ...")
    _curves(axes[2], renamed, ("answered", "answered", "answered"), strategies)
    axes[2].set_ylabel("questions answered")
    axes[2].set_title("answers; the rest were \u201cunknown\u201d")
    for axis in axes:
        axis.set_xlabel("questions asked")
    return figure


FIGURES: Mapping[str, Callable[[Study], Any]] = {
    "settings": settings,
    "parts_left_out": parts_left_out,
    "few_shot_users": few_shot_users,
    "few_shot_items": few_shot_items,
    "bins": bins,
    "calibration": calibration,
    "questions": questions,
}


def draw(study: Study, name: str) -> Any:
    """Return one figure as a `matplotlib.figure.Figure`, or None where the study has nothing to show in it."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return FIGURES[name](study)


def write_figures(study: Study, out: Path) -> dict[str, str]:
    """Draw every figure into `out/figures` as PNG and SVG, and return the SVG texts by name."""

    from kg.storage.atomic import make_directory

    make_directory(out / "figures")
    found = {}
    for name in FIGURES:
        figure = draw(study, name)
        if figure is None:
            continue
        for kind in ("png", "svg"):
            content = rendered(figure, kind, salt=name, dpi=170, style=STYLE)
            write_file(out / "figures" / f"{name}.{kind}", content)
            if kind == "svg":
                found[name] = content.decode()
    return found


def _figure(
    rows: int, columns: int, size: tuple[float, float], *, sharex: bool = False, sharey: bool = False
) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    return figure, list(axes.ravel())


def _curves(
    axis: Any,
    table: pd.DataFrame,
    columns: tuple[str, str, str],
    models: tuple[str, ...],
    *,
    banded: tuple[str, ...] | None = None,
) -> None:
    """Draw a line a model over evenly spaced numbers, with a band where there is an interval; names at the ends.

    Bands that nearly are one hide each other: `banded` names the models that have one, by default all.
    The names stand right of the axis: the layout of the figure makes room for the longest.
    """
    value, low, high = columns
    numbers = sorted(table["given"].unique())
    ends = []
    for model in models:
        rows = (
            table[(table["model"] == model)].dropna(subset=[value]).sort_values("given")
            if value in table
            else table[:0]
        )
        if rows.empty:
            continue
        x = np.array([numbers.index(number) for number in rows["given"]])
        colour, ours = COLOURS.get(model, GREY), model in (OURS, INFORMATIVE)
        if low != high and (banded is None or model in banded):
            axis.fill_between(x, rows[low], rows[high], color=colour, alpha=0.13, linewidth=0)
        marker = MARKERS.get(model, "o")
        axis.plot(
            x, rows[value], f"{marker}-", color=colour, linewidth=2.2 if ours else 1.5, markersize=5.5 if ours else 4.5
        )
        ends.append((float(rows[value].iloc[-1]), float(x[-1]), model, colour, ours))
    low_end, high_end = axis.get_ylim()
    least, last = 0.055 * (high_end - low_end), -np.inf
    for end, x_end, model, colour, ours in sorted(ends):  # names of lines that meet are moved apart
        last = max(end, last + least)
        axis.text(
            x_end + 0.12,
            last,
            SHORT.get(model, model),
            color=colour,
            va="center",
            fontsize=9,
            fontweight="bold" if ours else "normal",
        )
    axis.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    axis.set_xlim(-0.25, len(numbers) - 0.85)
    axis.grid(axis="x", visible=False)
