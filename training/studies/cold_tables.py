"""The tables of the cold-start study: every figure with its interval, every comparison with its adjusted p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from kg.graph import KnowledgeGraph
from kg.rating_levels import nearest_level
from kg.ratings import Ratings
from kg.schema import ITEM
from training.comparison.measurement import Measurement
from training.comparison.paired_gains import holm, rmse_gain
from training.comparison.result_rows import OURS
from training.metrics import bootstrap, interval_coverage, paired_bootstrap_p, randomised_pit
from training.studies.asking import INFORMATIVE, Interview
from training.studies.few_shot import Curve, Draw

__all__ = [
    "INFORMED",
    "asking_table",
    "bins_table",
    "calibration_table",
    "few_shot_table",
    "part_gains",
    "with_holm",
]

INFORMED = f"{OURS}, concepts known"  # the same run, told the age, the occupation, ... of a new user
SEED = 0
PIT_BINS = 10
BINS = 4
Rows = NDArray[np.int64]


def with_holm(table: pd.DataFrame, *, family: Sequence[str]) -> pd.DataFrame:
    """Add `p_holm` beside `p`, adjusted over each group of rows with equal `family` columns; over all without any."""
    groups = table.groupby(list(family), sort=False)["p"] if family else table.groupby(lambda _: 0)["p"]
    return table.assign(p_holm=groups.transform(lambda p: pd.Series(holm(p.to_numpy()), p.index)))


def part_gains(measured: Mapping[str, Measurement], parts: Mapping[str, Ratings]) -> pd.DataFrame:
    """Compare our model with every other on each part: by which share its RMSE is lower, interval and p over users.

    Returns:
        Rows: `part`, `model`, `rmse`, `low`, `high`, `gain`, `gain_low`, `gain_high`, `p`, `p_holm` (over the models
        of a part). Our own row has no gain.
    """
    lines = []
    for part, ratings in parts.items():
        ours = measured[OURS].predictions[part].errors(ratings)
        for model, measurement in measured.items():
            if measurement.predictions[part].stars is None:
                continue
            errors = measurement.predictions[part].errors(ratings)
            line = {"part": part, "model": model, **_rmse(errors, ratings.user)}
            lines.append(line if model == OURS else line | _against(ours, errors, ratings.user))
    return with_holm(pd.DataFrame(lines), family=["part"])


def few_shot_table(curves: Mapping[str, Curve], draw: Draw, levels: NDArray[np.float32]) -> pd.DataFrame:
    """Return a row a model and number of given ratings, with intervals over the newcomers.

    Returns:
        `model`, `given`, `rmse`, `low`, `high`, `ndcg`, `ndcg_low`, `ndcg_high`; of models with chances `coverage_80` and
        `log_loss` (mean of -ln of the chance of what was given, nats); and of our model against the bias
        baseline with the same ratings: `gain`, `gain_low`, `gain_high`, `p`, `p_holm` (over the numbers),
        also where the concepts of new users are known to it.
    """
    values, owner = draw.part.value[draw.test], draw.owner
    lines = []
    for model, curve in curves.items():
        for number, served in curve.items():
            line: dict[str, Any] = {"model": model, "given": number}
            if served.stars is not None:
                line |= _rmse(served.stars - values, owner)
            if served.ndcg is not None and len(served.ndcg):
                ndcg = bootstrap(served.ndcg, rng=SEED)
                line |= {"ndcg": ndcg.value, "ndcg_low": ndcg.low, "ndcg_high": ndcg.high}
            if served.probabilities is not None:
                level = nearest_level(values, levels)
                pit = randomised_pit(served.probabilities, level, SEED)
                line["coverage_80"] = float(interval_coverage(pit).mean())
                line["log_loss"] = float(log_loss(level, served.probabilities, labels=range(len(levels))))
            if model in (OURS, INFORMED) and served.stars is not None:
                reference = curves["biases"][number].stars
                assert reference is not None
                line |= _against(served.stars - values, reference - values, owner)
            lines.append(line)
    return with_holm(pd.DataFrame(lines), family=["model"])


def bins_table(
    measured: Mapping[str, Measurement], ratings: Ratings, graph: KnowledgeGraph, texts: Sequence[str | None]
) -> pd.DataFrame:
    """Return our RMSE and that of the biases on cold items, by what is known of the items.

    Items are put into four groups of about equally many ratings by their number of edges to concepts, the length of
    their text in characters, and the number of their held-out ratings, which stands for their popularity.
    Intervals are over items.

    Returns:
        Rows: `by`, `bin` (its range), `items`, `ratings`, `rmse`, `low`, `high`, `biases`, `gain`, `gain_low`,
        `gain_high`, `p`, `p_holm` (over all bins).
    """
    degree = np.zeros(ratings.num_items, dtype=np.int64)
    for edge_type, edges in graph.edges.items():
        for kind, ends in ((edge_type.source, edges.index[0]), (edge_type.target, edges.index[1])):
            if kind == ITEM:
                degree += np.bincount(ends, minlength=ratings.num_items)
    length = np.array([len(text or "") for text in texts])
    ours, biases = (measured[model].predictions["cold_items"].errors(ratings) for model in (OURS, "biases"))
    lines = []
    for by, size in (("edges to concepts", degree), ("characters of text", length), ("ratings", ratings.item_counts)):
        of_rating = size[ratings.item]
        ends = np.unique(np.quantile(of_rating, np.linspace(0, 1, BINS + 1)[1:-1], method="nearest"))
        place = np.searchsorted(ends, of_rating, side="left")
        for number in np.unique(place):
            rows = place == number
            items = ratings.item[rows]
            if len(np.unique(items)) < 2:
                continue
            low, high = of_rating[rows].min(), of_rating[rows].max()
            lines.append(
                {
                    "by": by,
                    "bin": f"{low:,}" if low == high else f"{low:,} to {high:,}",
                    "items": len(np.unique(items)),
                    "ratings": int(rows.sum()),
                    **_rmse(ours[rows], items),
                    "biases": float(np.sqrt(np.mean(biases[rows] ** 2))),
                    **_against(ours[rows], biases[rows], items),
                }
            )
    return with_holm(pd.DataFrame(lines), family=[])


def calibration_table(measured: Measurement, parts: Mapping[str, Ratings]) -> pd.DataFrame:
    """Return how many ratings lie in central intervals of their predictive distribution, and the PIT histogram.

    Returns:
        Rows: `part`, `what` (`interval` or `pit`), `at` (nominal coverage, or lower end of the bin), `share`, and for
        intervals `low`, `high` over items where items are new, else over users.
    """
    levels = np.array(measured.facts["levels"], dtype=np.float32)
    lines: list[dict[str, Any]] = []
    for part, ratings in parts.items():
        probabilities = measured.predictions[part].probabilities
        assert probabilities is not None
        pit = randomised_pit(probabilities.astype(np.float64), nearest_level(ratings.value, levels), SEED)
        groups = ratings.item if part == "cold_items" else ratings.user
        for nominal in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            share = bootstrap(interval_coverage(pit, nominal).astype(np.float64), groups=groups, rng=SEED)
            ends = {"share": share.value, "low": share.low, "high": share.high}
            lines.append({"part": part, "what": "interval", "at": nominal, **ends})
        counts = np.histogram(pit, bins=PIT_BINS, range=(0, 1))[0] / len(pit)
        lines += [
            {"part": part, "what": "pit", "at": number / PIT_BINS, "share": float(share)}
            for number, share in enumerate(counts)
        ]
    return pd.DataFrame(lines)


def asking_table(interviews: Sequence[Interview], owner: Rows, values: NDArray[np.floating]) -> pd.DataFrame:
    """Return the error after each number of questions, and how asking for information compares with the other ways.

    Returns:
        Rows: `strategy`, `asked`, `answered` (mean), `rmse`, `low`, `high`, and for the other strategies `gain`,
        `gain_low`, `gain_high` of informative questions against them, `p`, `p_holm`.
    """
    ours = {interview.asked: interview.stars - values for interview in interviews if interview.strategy == INFORMATIVE}
    lines = []
    for interview in interviews:
        errors, asked = interview.stars - values, interview.asked
        line: dict[str, Any] = {"strategy": interview.strategy, "asked": asked}
        line |= {"answered": float(interview.answered.mean()), **_rmse(errors, owner)}
        if interview.strategy != INFORMATIVE and asked > 0:
            line |= _against(ours[asked], errors, owner)
        lines.append(line)
    return with_holm(pd.DataFrame(lines), family=["strategy"])


def _rmse(errors: NDArray[np.floating], groups: Rows) -> dict[str, float]:
    rmse = bootstrap(np.square(errors), statistic="root_mean", groups=groups, rng=SEED)
    return {"rmse": rmse.value, "low": rmse.low, "high": rmse.high}


def _against(ours: NDArray[np.floating], other: NDArray[np.floating], groups: Rows) -> dict[str, float]:
    gain = rmse_gain(ours, other, groups, rng=SEED)
    p = paired_bootstrap_p(np.square(ours), np.square(other), groups, rng=SEED)
    return {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high, "p": p}
