"""The cold-start study as one page of HTML: what was found, in words computed from the tables, with figures and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from kg.storage.atomic import write_file
from training.comparison.result_rows import OURS
from training.studies.asking import INFORMATIVE
from training.studies.cold_start import PARTS, Study
from training.studies.cold_tables import INFORMED
from training.studies.rendered_page import rendered_page

__all__ = ["findings", "write_page"]

_WHERE = {
    "cold_items": "known users rating new items",
    "cold_users": "new users rating known items",
    "cold_both": "new users rating new items",
}


def findings(study: Study) -> dict[str, list[str]]:
    """Say in sentences what each figure shows; every number and every comparison is taken from the tables."""
    return {
        "settings": _settings(study.tables["gains"]),
        "parts_left_out": _left_out(study.tables["gains"]),
        "few_shot_users": _few_shot(study.tables["few_shot_users"], "user"),
        "few_shot_items": _few_shot(study.tables["few_shot_items"], "item"),
        "bins": _bins(study.tables["bins"]),
        "calibration": _calibration(study.tables["calibration"]),
        "questions": _questions(study.tables["questions"]),
    }


def write_page(study: Study, figures: Mapping[str, str], out: Path) -> Path:
    """Write `out/index.html`, which needs no other file; its words are in `templates/cold_start.html.j2`.

    Args:
        study: What was found.
        figures: SVG texts by name, of `training.studies.study_figures.write_figures`.
        out: Folder.
    """
    page = rendered_page(
        "cold_start.html.j2",
        title=f"Cold start: {study.facts['graph']}",
        facts=study.facts,
        findings=findings(study),
        figures={name: Markup(_inline(svg, name)) for name, svg in figures.items()},
        tables={
            name: (list(table.columns), table.map(_cell).to_numpy().tolist()) for name, table in study.tables.items()
        },
    )
    write_file(out / "index.html", page)
    return out / "index.html"


def _settings(table: pd.DataFrame) -> list[str]:
    sentences = []
    for part in PARTS:
        rows = table[(table["part"] == part) & ~table["model"].str.startswith(f"{OURS} without")].set_index("model")
        ours, others = rows.loc[OURS], rows.drop(index=OURS)
        best = others.iloc[int(others["rmse"].argmin())]
        sentences.append(
            f"For {_WHERE[part]}, kgrec's RMSE is {ours['rmse']:.3f}; the best baseline there, {best.name}, has "
            f"{best['rmse']:.3f}: {_compared(best)}."
        )
    return sentences


def _left_out(table: pd.DataFrame) -> list[str]:
    table = table[table["model"].str.startswith(f"{OURS} without")]
    sentences = []
    for part in PARTS if len(table) else ():
        rows = table[table["part"] == part]
        rows = rows.set_index(rows["model"].str.removeprefix(f"{OURS} without "))
        most = rows.iloc[int(rows["gain"].argmax())]
        if most["gain"] > 0:
            first = f"the model is hurt most without {most.name}: {_compared(most)}."
        else:
            first = (
                f"the model misses nothing that was left out; against the one without {most.name}, {_compared(most)}."
            )
        unclear = list(rows.index[~(rows["p_holm"] < 0.05)])
        if len(unclear) == len(rows) > 1:
            rest = " None of what was left out makes a significant difference there."
        else:
            rest = f" Leaving out {_listed(unclear)} makes no significant difference there." if unclear else ""
        sentences.append(f"For {_WHERE[part]}, {first}{rest}")
    return sentences


def _few_shot(table: pd.DataFrame, who: str) -> list[str]:
    ours = table[table["model"] == OURS].sort_values("given").reset_index(drop=True)
    values, low, high = (ours[column].to_numpy() for column in ("rmse", "low", "high"))
    if (np.diff(values) <= 0).all():
        shape = "It falls at every step"
    elif (values[1:] <= high[:-1]).all() and (low[1:] <= values[:-1]).all():
        shape = "It falls within its intervals, though not at every step"
    else:
        shape = "It does not fall throughout"
    five, first, last = ours[ours["given"] == 5].iloc[0], ours.iloc[0], ours.iloc[-1]
    sentences = [
        f"With 5 ratings of a new {who}, the RMSE is {five['rmse']:.3f}; against the bias baseline with the same ratings: "
        f"{_compared(five)}.",
        f"The curve goes from {first['rmse']:.3f} without any rating to {last['rmse']:.3f} with {int(last['given'])}. {shape}. "
        f"At {int(last['given'])} ratings, against the bias baseline: {_compared(last)}.",
    ]
    for _, row in table[(table["model"] == INFORMED) & (table["given"] == 5)].iterrows():
        sentences.append(
            f"Where the {who}'s concepts, such as age and occupation, are known as well, it is {row['rmse']:.3f} with 5 "
            f"ratings: {_compared(row)}."
        )
    return sentences


def _bins(table: pd.DataFrame) -> list[str]:
    better = int(((table["gain"] > 0) & (table["p_holm"] < 0.05)).sum())
    sentences = [f"In {better} of {len(table)} groups of new items, kgrec is significantly better than the biases."]
    for by, rows in table.groupby("by", sort=False):
        hardest, easiest = (rows.iloc[int(place)] for place in (rows["rmse"].argmax(), rows["rmse"].argmin()))
        apart = hardest["low"] > easiest["high"]
        verdict = "their intervals do not overlap" if apart else "their intervals overlap, so the order may be chance"
        sentences.append(
            f"By {by}, new items are hardest at {hardest['bin']} (RMSE {hardest['rmse']:.3f}) and easiest at "
            f"{easiest['bin']} ({easiest['rmse']:.3f}); {verdict}."
        )
    return sentences


def _calibration(table: pd.DataFrame) -> list[str]:
    share = table[(table["what"] == "interval") & (table["at"] == 0.8)].set_index("part")["share"]
    shares = ", ".join(f"{100 * share[part]:.1f} % of ratings for {_WHERE[part]}" for part in PARTS)
    off = [_WHERE[part] for part in PARTS if not 0.78 <= share[part] <= 0.82]
    verdict = f"Outside of 78 to 82 %: {_listed(off)}." if off else "All lie between 78 and 82 %."
    return [f"Intervals that promise 80 % hold {shares}. {verdict}"]


def _questions(table: pd.DataFrame) -> list[str]:
    last = int(table["asked"].max())
    at_end = table[table["asked"] == last].set_index("strategy")
    rmse = at_end["rmse"][INFORMATIVE]
    before = table.loc[(table["strategy"] == INFORMATIVE) & (table["asked"] == 0), "rmse"].iloc[0]
    others = (f"against {name} ones: {_compared(row, 'it is')}" for name, row in at_end.drop(INFORMATIVE).iterrows())
    answered = ", ".join(f"{row['answered']:.1f} of {name} ones" for name, row in at_end.iterrows())
    return [
        f"After {last} questions chosen for what their answers tell, and for being known, the RMSE is "
        f"{rmse:.3f} (it was {before:.3f}); {'; '.join(others)}.",
        f"Of {last} questions, people can answer {answered}, on average.",
    ]


def _compared(row: pd.Series, subject: str = "kgrec's is") -> str:
    size, ends = abs(100 * row["gain"]), (100 * row["gain_low"], 100 * row["gain_high"])
    way = "lower" if row["gain"] >= 0 else "higher"
    if row["gain"] < 0:
        ends = (-ends[1], -ends[0])
    p = "p < 0.001" if row["p_holm"] < 0.001 else f"p = {row['p_holm']:.3f}"
    verdict = "" if row["p_holm"] < 0.05 else ", not significant"
    return f"{subject} {size:.1f} % {way} (95 % interval {ends[0]:.1f} to {ends[1]:.1f} %, {p}{verdict})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cell(value: object) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4f}" if isinstance(value, float | np.floating) else str(value)


def _inline(svg: str, name: str) -> str:
    """Return the drawing alone, with ids of its own: two drawings of one page must not share any."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="', f'id="{name}-', drawing)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", drawing)
