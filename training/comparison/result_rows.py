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

__all__ = ["LOWER_IS_BETTER", "OURS", "TESTED", "THIS_RUN", "largest_p", "mean_and_spread", "table_rows"]

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
    ours = next((measurement for run, measurement in measured if run.model == OURS), None)
    rows = []
    for run, measurement in measured:
        levels = np.array(measurement.facts["levels"], dtype=np.float32)
        for part, ratings in parts.items():
            predictions = measurement.predictions[part]
            row: dict[str, Any] = {
                "model": run.model,
                "part": part,
                "seed": run.seed,
                "split": run.repeat,
                "train_seconds": measurement.train_seconds,
                "peak_memory_mb": measurement.peak_memory_mb,
            }
            for metric, value in measure(predictions, ratings, levels, relevant_from, lengths).items():
                if isinstance(value, Mapping):
                    row |= {metric: value["value"], f"{metric} low": value["low"], f"{metric} high": value["high"]}
            if ours is not None and run.model != OURS:
                by_user = _by_user(ours.predictions[part], ratings, relevant_from, lengths)
                row |= _compared(by_user, _by_user(predictions, ratings, relevant_from, lengths), tested)
            if measurement.facts.get("chosen"):
                row["chosen"] = measurement.facts["chosen"]
            software = measurement.facts["software"]
            rows.append(row | {"source": THIS_RUN, "software": software, "uses_test_date": False})
    return rows


_ByUser = Mapping[str, tuple[NDArray[np.float64], NDArray[np.int64]]]


def _compared(ours: _ByUser, others: _ByUser, tested: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for metric in (metric for metric in tested if metric in ours and metric in others):
        (values, users), (of_other, _) = ours[metric], others[metric]
        if len(np.unique(users)) >= 2:
            row[f"{metric} p"] = paired_bootstrap_p(values, of_other, users, rng=SEED)
            less, more = values.mean() < of_other.mean(), values.mean() > of_other.mean()
            row[f"{metric} {OURS} better"] = bool(less if metric in LOWER_IS_BETTER else more)
    return row


def _by_user(predictions: Predictions, ratings: Ratings, relevant_from: float, lengths: Sequence[int]) -> _ByUser:
    """Return the values of each metric that can be tested and the user of each value."""
    by_user = {}
    if predictions.stars is not None:
        by_user["rmse"] = (predictions.errors(ratings) ** 2, ratings.user)
    if predictions.lists is not None and len(predictions.lists):
        for metric, of_users in predictions.list_measures(ratings, relevant_from, lengths).items():
            by_user[metric] = (of_users, np.arange(len(of_users)))
    return by_user


def largest_p(p: pd.Series) -> str:
    """Return the largest of some p in text; nothing of none."""
    if not len(p):
        return ""
    return "< 0.001" if p.max() < 0.001 else f"{p.max():.3f}"


def mean_and_spread(values: pd.Series) -> str:
    """Return a mean in text, ± the standard deviation where there are several values; nothing of none."""
    known = values.dropna()
    spread = f" ± {known.std():.4f}" if len(known) > 1 else ""
    return f"{known.mean():.4f}{spread}" if len(known) else ""
