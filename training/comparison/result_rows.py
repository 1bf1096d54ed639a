"""From measured rows to the table: metrics with intervals, paired tests against ours, means over seeds and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.ratings import Ratings
from training.comparison.benchmark_run import BenchmarkRun
from training.comparison.measurement import Measurement
from training.evaluate import measure
from training.metrics import paired_bootstrap_p
from training.predictions import LIST_LENGTH, SEED, Predictions

__all__ = ["LOWER_IS_BETTER", "OURS", "TESTED", "THIS_RUN", "largest_p", "table_rows"]

OURS = "kgrec"
THIS_RUN = "this run"
LOWER_IS_BETTER = ("rmse", "mae")
TESTED = ("rmse", "ndcg@20")


def table_rows(
    measured: Sequence[tuple[BenchmarkRun, Measurement]],
    parts: Mapping[str, Ratings],
    relevant_from: float,
    *,
    lengths: Sequence[int] = (LIST_LENGTH,),
    tested: Sequence[str] = TESTED,
) -> list[dict[str, Any]]:
    """Return a row a model and part: every metric with its 95 % interval, and how it compares with ours.

    `rmse p`, `ndcg@20 p` and the like are the two-sided p of a paired bootstrap over users (`paired_bootstrap_p`)
    between the first row of our model and the other row: squared errors of the same ratings, NDCG of the same users.
    `rmse kgrec better` says which way.

    Args:
        measured: Rows of one split; those that failed are not among them.
        parts: The test parts.
        relevant_from: A rating of at least so many stars says that the item was liked.
        lengths: Lengths at which lists are measured.
        tested: Metrics that are compared with ours.
    """
    reference = next((found for row, found in measured if row.model == OURS), None)
    rows = []
    for row, found in measured:
        for part, ratings in parts.items():
            predictions = found.predictions[part]
            line: dict[str, Any] = {
                "model": row.model,
                "part": part,
                "seed": row.seed,
                "split": row.repeat,
                "train_seconds": found.train_seconds,
                "peak_memory_mb": found.peak_memory_mb,
            }
            levels = np.array(found.facts["levels"], dtype=np.float32)
            for metric, value in measure(predictions, ratings, levels, relevant_from, lengths).items():
                if isinstance(value, Mapping):
                    line |= {metric: value["value"], f"{metric} low": value["low"], f"{metric} high": value["high"]}
            if reference is not None and row.model != OURS:
                line |= _compared(reference.predictions[part], predictions, ratings, relevant_from, lengths, tested)
            if found.facts.get("chosen"):
                line["chosen"] = found.facts["chosen"]
            rows.append(line | {"source": THIS_RUN, "software": found.facts["software"], "uses_test_date": False})
    return rows


def _compared(
    ours: Predictions,
    other: Predictions,
    ratings: Ratings,
    relevant_from: float,
    lengths: Sequence[int],
    tested: Sequence[str],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    mine, theirs = (_by_user(predictions, ratings, relevant_from, lengths) for predictions in (ours, other))
    for metric in (metric for metric in tested if metric in mine and metric in theirs):
        (values, groups), (others, _) = mine[metric], theirs[metric]
        if len(np.unique(groups)) < 2:
            continue
        found[f"{metric} p"] = paired_bootstrap_p(values, others, groups, rng=SEED)
        less = values.mean() < others.mean()
        found[f"{metric} {OURS} better"] = bool(less if metric in LOWER_IS_BETTER else others.mean() < values.mean())
    return found


def _by_user(
    predictions: Predictions, ratings: Ratings, relevant_from: float, lengths: Sequence[int]
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Return the values of each metric that can be tested and the user of each value."""
    found = {}
    if predictions.stars is not None:
        found["rmse"] = (predictions.errors(ratings) ** 2, ratings.user)
    if predictions.lists is not None and len(predictions.lists):
        for metric, of_users in predictions.list_measures(ratings, relevant_from, lengths).items():
            found[metric] = (of_users, np.arange(len(of_users)))
    return found


def largest_p(p: pd.Series) -> str:
    """Return the largest of some p in text; nothing of none."""
    if not len(p):
        return ""
    return "< 0.001" if p.max() < 0.001 else f"{p.max():.3f}"
