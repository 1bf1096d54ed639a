"""The cold-start study as one page of HTML: what was asked, how, what was found, in words computed from the tables."""

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
from training.studies.cold_tables import INFORMED, RETRAINED
from training.studies.rendered_page import rendered_page

__all__ = ["findings", "write_page"]

_WHERE = {
    "cold_items": "known users rating new items",
    "cold_users": "new users rating known items",
    "cold_both": "new users rating new items",
}

_TITLES = {
    "settings": (
        "New items, new users, both",
        "RMSE with 95 % bootstrap intervals over users. One training; the band is kgrec's interval. kgrec knows a new "
        "user's concepts here (such as age or occupation), where the graph has them.",
    ),
    "parts_left_out": (
        "What each part brings",
        "Each bar: by how much the RMSE of the whole model is below that of a model trained without the part; "
        "lines are 95 % intervals over users, paired. Grey: p above 0.05 after Holm's correction over all models.",
    ),
    "few_shot_users": (
        "The first ratings of a new user",
        "Bands are 95 % bootstrap intervals over users. Everyone is predicted on the same test ratings whatever they have "
        "given. The model knows only the history, as in <code>recommend --history</code>; where it also knows age, occupation "
        "and the like, the line says so.",
    ),
    "few_shot_items": (
        "The first ratings of a new item",
        "Bands are 95 % bootstrap intervals over items. The same items, and the same test ratings, at every number.",
    ),
    "bins": (
        "Which new items are hard",
        "Cold items in four groups of about equally many ratings. Lines are 95 % intervals over items. Popularity is counted "
        "in the held-out ratings, which no model saw.",
    ),
    "calibration": (
        "Does it know what it does not know?",
        "Left: share of ratings inside central intervals of the predicted distribution, against what is promised "
        "(95 % bootstrap intervals). Right: where ratings fall in their predicted distributions (randomised, as stars are "
        "discrete); a hump in the middle means too wide, horns at the ends too narrow.",
    ),
    "questions": (
        "What to ask someone new",
        "Each user can answer about half of what they rated; the other half is predicted and never asked about. Questions "
        "about anything else are answered with \u201cI do not know it\u201d, and cost a question. On the left the band is the 95 % "
        "interval of the informative ones, over users. In the middle: how much lower the RMSE is than with "
        "the other ways, paired by user, with 95 % bootstrap intervals.",
    ),
}


def findings(study: Study) -> dict[str, list[str]]:
    """Say in sentences what each figure shows; every number and every comparison is taken from the tables."""
    return {
        "settings": _settings(study),
        "parts_left_out": _left_out(study),
        "few_shot_users": _few_shot(study, "few_shot_users", "user"),
        "few_shot_items": _few_shot(study, "few_shot_items", "item"),
        "bins": _bins(study),
        "calibration": _calibration(study),
        "questions": _questions(study),
    }


def write_page(study: Study, figures: Mapping[str, str], out: Path) -> Path:
    """Write `out/index.html`, which needs no other file.

    Args:
        study: What was found.
        figures: SVG texts by name, of `training.studies.study_figures.write_figures`.
        out: Folder.
    """
    told = findings(study)
    sections = []
    for name, (title, caption) in _TITLES.items():
        if told[name]:
            source = {"settings": "gains", "parts_left_out": "gains"}.get(name, name)
            table = study.tables[source]
            sections.append(
                {
                    "title": title,
                    "sentences": told[name],
                    "figure": Markup(_inline(figures[name], name)),
                    "caption": Markup(caption),  # ours, with tags
                    "file": f"{source}.csv",
                    "heads": list(table.columns),
                    "rows": [[_cell(value) for value in row] for row in table.itertuples(index=False)],
                }
            )
    title = f"Cold start: {study.facts['graph']}"
    page = rendered_page("cold_start.html.j2", title=title, facts=study.facts, sections=sections)
    write_file(out / "index.html", page)
    return out / "index.html"


def _settings(study: Study) -> list[str]:
    table, said = study.tables["gains"], []
    for part in PARTS:
        rows = table[(table["part"] == part) & ~table["model"].str.startswith(f"{OURS} without")]
        ours = rows[rows["model"] == OURS].iloc[0]
        others = rows[rows["model"] != OURS]
        best = others.iloc[int(others["rmse"].argmin())]
        said.append(
            f"For {_WHERE[part]}, kgrec's RMSE is {ours['rmse']:.3f}; the best baseline there, {best['model']}, has "
            f"{best['rmse']:.3f}: {_compared(best)}."
        )
    return said


def _left_out(study: Study) -> list[str]:
    table = study.tables["gains"]
    table = table[table["model"].str.startswith(f"{OURS} without")]
    said = []
    for part in PARTS:
        rows = table[table["part"] == part]
        if rows.empty:
            return []
        most = rows.iloc[int(rows["gain"].argmax())]
        nothing = [model.removeprefix(f"{OURS} without ") for model in rows.loc[~(rows["p_holm"] < 0.05), "model"]]
        rest = f" Leaving out {_listed(nothing)} makes no significant difference there." if nothing else ""
        if len(nothing) == len(rows) > 1:
            rest = " None of what was left out makes a significant difference there."
        what = most["model"].removeprefix(f"{OURS} without ")
        if most["gain"] > 0:
            first = f"For {_WHERE[part]}, the model is hurt most without {what}: {_compared(most)}."
        else:
            first = f"For {_WHERE[part]}, the model misses nothing that was left out; against the one without {what}, {_compared(most)}."
        said.append(f"{first}{rest}")
    return said


def _few_shot(study: Study, name: str, who: str) -> list[str]:
    table = study.tables[name]
    ours = table[table["model"] == OURS].sort_values("given").reset_index(drop=True)
    values, low, high = (ours[column].to_numpy() for column in ("rmse", "low", "high"))
    falls = bool((np.diff(values) <= 0).all())
    within = bool((values[1:] <= high[:-1]).all() and (low[1:] <= values[:-1]).all())
    shape = (
        "It falls at every step"
        if falls
        else "It falls within its intervals, though not at every step"
        if within
        else "It does not fall throughout"
    )
    five = ours[ours["given"] == 5].iloc[0]
    first, last = ours.iloc[0], ours.iloc[-1]
    informed = [
        f"Where the {who}'s concepts, such as age and occupation, are known as well, it is {row['rmse']:.3f} with 5 ratings: "
        f"{_compared(row)}."
        for _, row in table[(table["model"] == INFORMED) & (table["given"] == 5)].iterrows()
    ]
    anew = [
        f"Trained anew with {int(row['given'])} ratings of every new {who} among the others, it is {row['rmse']:.3f}: {_compared(row)}."
        for _, row in table[table["model"] == RETRAINED].iterrows()
    ]
    return [
        f"With 5 ratings of a new {who}, the RMSE is {five['rmse']:.3f}; against the bias baseline with the same ratings: "
        f"{_compared(five)}.",
        f"The curve goes from {first['rmse']:.3f} without any rating to {last['rmse']:.3f} with {int(last['given'])}. {shape}. "
        f"At {int(last['given'])} ratings, against the bias baseline: {_compared(last)}.",
        *informed,
        *anew,
    ]


def _bins(study: Study) -> list[str]:
    said = []
    table = study.tables["bins"]
    for by, rows in table.groupby("by", sort=False):
        hardest, easiest = (rows.iloc[int(place)] for place in (rows["rmse"].argmax(), rows["rmse"].argmin()))
        apart = hardest["low"] > easiest["high"]
        verdict = "their intervals do not overlap" if apart else "their intervals overlap, so the order may be chance"
        said.append(
            f"By {by}, new items are hardest at {hardest['bin']} (RMSE {hardest['rmse']:.3f}) and easiest at "
            f"{easiest['bin']} ({easiest['rmse']:.3f}); {verdict}."
        )
    better = int(((table["gain"] > 0) & (table["p_holm"] < 0.05)).sum())
    said.insert(0, f"In {better} of {len(table)} groups of new items, kgrec is significantly better than the biases.")
    return said


def _calibration(study: Study) -> list[str]:
    table = study.tables["calibration"]
    rows = table[(table["what"] == "interval") & (table["at"] == 0.8)].set_index("part")["share"]
    share = {part: float(rows.loc[part]) for part in PARTS}
    shares = ", ".join(f"{100 * share[part]:.1f} % of ratings for {_WHERE[part]}" for part in PARTS)
    off = [_WHERE[part] for part in PARTS if not 0.78 <= share[part] <= 0.82]
    verdict = "All lie between 78 and 82 %." if not off else f"Outside of 78 to 82 %: {_listed(off)}."
    return [f"Intervals that promise 80 % hold {shares}. {verdict}"]


def _questions(study: Study) -> list[str]:
    table = study.tables["questions"]
    last = int(table["asked"].max())
    at_end = table[table["asked"] == last].set_index("strategy")
    ours = at_end.loc[INFORMATIVE]
    said = [
        f"After {last} questions chosen for what their answers tell, and for being known, the RMSE is {ours['rmse']:.3f} "
        f"(it was {table.loc[(table['strategy'] == INFORMATIVE) & (table['asked'] == 0), 'rmse'].iloc[0]:.3f}); "
        + "; ".join(
            f"against {name} ones: {_compared(row, 'it is')}" for name, row in at_end.iterrows() if name != INFORMATIVE
        )
        + "."
    ]
    counts = ", ".join(f"{row['answered']:.1f} of {name} ones" for name, row in at_end.iterrows())
    said.append(f"Of {last} questions, people can answer {counts}, on average.")
    return said


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
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.4f}"
    return "" if value is None else str(value)


def _inline(svg: str, name: str) -> str:
    """Return the drawing alone, with ids of its own: two drawings of one page must not share any."""
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="', f'id="{name}-', drawing)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", drawing)
