"""The figures of the cold-start study, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kg.storage.atomic import make_directory
from training.comparison.result_rows import OURS
from training.studies.asking import INFORMATIVE, POPULAR
from training.studies.cold_start import PARTS, Study
from training.studies.cold_tables import INFORMED
from training.studies.drawing import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    LIGHT_BLUE,
    NOT_FROM_0,
    ORANGE,
    interval,
    name_line_ends,
    name_rows,
    panels,
    save_figure,
    styled,
)

__all__ = ["FIGURES", "draw", "write_figures"]

PART_TITLES = {"cold_items": "new items", "cold_users": "new users", "cold_both": "both new"}
OF_PARTS = {"cold_items": (BLUE, "o"), "cold_users": (LIGHT_BLUE, "s"), "cold_both": ("#14304f", "^")}  # all are ours
COLOURS = {
    OURS: BLUE,
    INFORMED: LIGHT_BLUE,
    "biases": ORANGE,
    "content kNN": GREEN,
    "EASE": ORANGE,
    INFORMATIVE: BLUE,
    POPULAR: ORANGE,
}  # others are grey
MARKERS = {
    "biases": "s",
    "EASE": "s",
    POPULAR: "s",
    "content kNN": "^",
    "popularity": "D",
    "random": "D",
}  # ours: a dot
SHORT = {INFORMATIVE: "informative", INFORMED: "concepts known"}  # names at the ends of lines


def settings(study: Study) -> Any:
    """Each model's RMSE in the three settings, with 95 % intervals over users."""
    table = study.tables["gains"]
    table = table[~table["model"].str.startswith(f"{OURS} without")]
    models = table[table["part"] == "cold_items"].sort_values("rmse")["model"]
    order = [OURS, *(model for model in models if model != OURS)]
    figure, axes = panels(3, (10.5, 2.9), sharex=True, sharey=True)
    for axis, part in zip(axes, PARTS, strict=True):
        rows = table[table["part"] == part].set_index("model").reindex(order).dropna(subset=["rmse"])
        for height, (model, row) in enumerate(rows.iterrows()):
            colour = COLOURS.get(str(model), GREY)
            interval(axis, height, row["low"], row["high"], colour)
            axis.plot(row["rmse"], height, "o", color=colour, markersize=7)
            at = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
            axis.annotate(f"{row['rmse']:.3f}", (row["rmse"], height), **at, fontsize=8.5)
        axis.axvspan(rows.loc[OURS, "low"], rows.loc[OURS, "high"], color=BLUE, alpha=0.07, linewidth=0)
        axis.set_title(PART_TITLES[part])
        name_rows(axis, [str(model) for model in rows.index])
    axes[1].set_xlabel("RMSE in stars (lower is better; the axis does not begin at 0)")
    return figure


def parts_left_out(study: Study) -> Any:
    """What each part of the model brings in each setting: the rise of RMSE when it is left out."""
    table = study.tables["gains"]
    table = table[table["model"].str.startswith(f"{OURS} without")]
    if table.empty:
        return None
    models = list(dict.fromkeys(table["model"]))
    figure, axes = panels(3, (10.5, 1.3 + 0.42 * len(models)), sharex=True, sharey=True)
    for axis, part in zip(axes, PARTS, strict=True):
        rows = table[table["part"] == part].set_index("model").loc[models]
        colours = np.where(rows["p_holm"] < 0.05, BLUE, GREY)
        axis.barh(range(len(models)), 100 * rows["gain"], color=colours, height=0.55, alpha=0.85)
        axis.hlines(range(len(models)), 100 * rows["gain_low"], 100 * rows["gain_high"], color=DARK, linewidth=1.2)
        axis.axvline(0, color=DARK, linewidth=0.8)
        axis.set_title(PART_TITLES[part])
        name_rows(axis, [model.removeprefix(f"{OURS} ") for model in models])
    axes[1].set_xlabel("how much lower the RMSE of the whole model is, in % (grey: not significant)")
    return figure


def few_shot_users(study: Study) -> Any:
    """The few-shot curve of new users: error, and quality of the lists, as ratings come in."""
    table = study.tables["few_shot_users"]
    figure, (stars, lists) = panels(2, (10.5, 4.1))
    models = (OURS, "biases", "content kNN")
    _curves(stars, table, ("rmse", "low", "high"), (*models, INFORMED), banded=models)
    stars.set(title="stars: lower is better", ylabel=NOT_FROM_0, xlabel="ratings the new user has given")
    _curves(lists, table, ("ndcg", "ndcg_low", "ndcg_high"), (OURS, "EASE", "popularity", "content kNN"))
    lists.set(title="lists: higher is better", ylabel="NDCG@20", xlabel="ratings the new user has given")
    return figure


def few_shot_items(study: Study) -> Any:
    """The few-shot curve of new items."""
    figure, (axis,) = panels(1, (6.6, 4.1))
    _curves(axis, study.tables["few_shot_items"], ("rmse", "low", "high"), (OURS, "biases", "content kNN"))
    title = "new items: text and concepts at 0, ratings from then on"
    axis.set(title=title, ylabel=NOT_FROM_0, xlabel="ratings the new item has received")
    return figure


def bins(study: Study) -> Any:
    """Cold items by what is known of them."""
    table = study.tables["bins"]
    kinds = list(dict.fromkeys(table["by"]))
    figure, axes = panels(len(kinds), (11.0, 3.8), sharey=True)
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
    figure, (central, *of_parts) = panels(4, (12.0, 3.3))
    central.plot([0.45, 1], [0.45, 1], color=GREY, linewidth=1, linestyle="--")
    for axis, (part, (colour, marker)) in zip(of_parts, OF_PARTS.items(), strict=True):
        rows = table[(table["part"] == part) & (table["what"] == "interval")]
        ends = [rows["share"] - rows["low"], rows["high"] - rows["share"]]
        line = {"color": colour, "markersize": 5, "linewidth": 1.3, "label": PART_TITLES[part]}
        central.errorbar(rows["at"], rows["share"], yerr=ends, fmt=f"{marker}-", **line)
        rows = table[(table["part"] == part) & (table["what"] == "pit")]
        density = rows["share"] * len(rows)
        axis.bar(rows["at"] + 0.05, density, width=0.09, color=colour, alpha=0.8)
        axis.axhline(1, color=DARK, linewidth=1, linestyle="--")
        axis.set(title=f"PIT, {PART_TITLES[part]}", xlabel="place in the predicted distribution")
        axis.set_ylim(0, max(1.6, 1.1 * float(density.max())))
        axis.grid(axis="x", visible=False)
    of_parts[0].set_ylabel("density (flat at 1: calibrated)")
    central.legend(fontsize=8.5, loc="upper left")
    central.set(title="central intervals", xlabel="promised share", ylabel="share of ratings inside")
    return figure


def questions(study: Study) -> Any:
    """How fast the error falls by the way of asking, paired with the other ways, and how many questions are answered."""
    table = study.tables["questions"].rename(columns={"strategy": "model", "asked": "given"})
    ways = tuple(dict.fromkeys(table["model"]))
    figure, axes = panels(3, (12.0, 3.8))
    error, gain, answers = axes
    _curves(error, table, ("rmse", "low", "high"), ways, banded=(INFORMATIVE,))
    error.set(title="error after some questions", ylabel=NOT_FROM_0)
    percent = table.assign(**{name: 100 * table[name] for name in ("gain", "gain_low", "gain_high")})
    _curves(gain, percent, ("gain", "gain_low", "gain_high"), ways[1:])
    gain.axhline(0, color=DARK, linewidth=0.9)
    gain.set(title="informative against ...", ylabel="lower RMSE, in %")
    _curves(answers, table, ("answered", "answered", "answered"), ways, banded=())
    answers.set(title="answers; the rest were “unknown”", ylabel="questions answered")
    for axis in axes:
        axis.set_xlabel("questions asked")
    return figure


FIGURES: Mapping[str, Callable[[Study], Any]] = {
    figure.__name__: figure
    for figure in (settings, parts_left_out, few_shot_users, few_shot_items, bins, calibration, questions)
}


@styled
def draw(study: Study, name: str) -> Any:
    """Return one figure as a `matplotlib.figure.Figure`, or None where the study has nothing to show in it."""
    return FIGURES[name](study)


def write_figures(study: Study, out: Path) -> dict[str, str]:
    """Draw every figure into `out/figures` as PNG and SVG, and return the SVG texts by name."""
    make_directory(out / "figures")
    drawings = {}
    for name in FIGURES:
        figure = draw(study, name)
        if figure is not None:
            _, svg = save_figure(figure, out / "figures", name)
            drawings[name] = svg.read_text(encoding="utf-8")
    return drawings


def _curves(
    axis: Any,
    table: pd.DataFrame,
    columns: tuple[str, str, str],
    models: tuple[str, ...],
    *,
    banded: tuple[str, ...] | None = None,
) -> None:
    """Draw a line a model over evenly spaced numbers of ratings, with a band of its interval; names at the ends.

    Bands that nearly are one hide each other: `banded` names the models that have one, by default all.
    """
    value, low, high = columns
    numbers = sorted(table["given"].unique())
    ends = []
    for model in models:
        rows = table[table["model"] == model]
        rows = rows.dropna(subset=[value]).sort_values("given") if value in table else rows[:0]
        if rows.empty:
            continue
        x = np.searchsorted(numbers, rows["given"])
        colour, ours = COLOURS.get(model, GREY), model in (OURS, INFORMATIVE)
        if banded is None or model in banded:
            axis.fill_between(x, rows[low], rows[high], color=colour, alpha=0.13, linewidth=0)
        style = f"{MARKERS.get(model, 'o')}-"
        width, size = (2.2, 5.5) if ours else (1.5, 4.5)
        axis.plot(x, rows[value], style, color=colour, linewidth=width, markersize=size)
        ends.append((float(rows[value].iloc[-1]), float(x[-1]), SHORT.get(model, model), colour, ours))
    name_line_ends(axis, ends)
    axis.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    axis.set_xlim(-0.25, len(numbers) - 0.85)
    axis.grid(axis="x", visible=False)
