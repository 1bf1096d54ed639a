"""The table of a benchmark as people read it: a row a model, beside what others reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.protocols import Protocol
from training.comparison.result_rows import OURS, THIS_RUN, largest_p, mean_and_spread

__all__ = ["published_rows", "summary"]

PUBLISHED = Path(__file__).with_name("published.csv")


def published_rows(protocol: Protocol) -> list[dict[str, Any]]:
    """Return what others reported of a protocol, as rows of its first part."""
    table = pd.read_csv(PUBLISHED, true_values=["yes"], false_values=["no"])
    rows = table[table["protocol"] == protocol.name].assign(part=protocol.parts[0]).drop(columns="protocol")
    return [{str(name): value for name, value in row.dropna().items()} for _, row in rows.iterrows()]


def summary(rows: Sequence[Mapping[str, Any]], protocol: Protocol, part: str) -> pd.DataFrame:
    """Return the table people read for one part: a row a model, in text.

    Metrics are means over seeds and repetitions of the split, ± their standard deviation where there are several;
    p is the largest over the repetitions, seconds and memory are medians.
    """
    frame = pd.DataFrame(rows)
    if frame.empty:  # every model failed
        return pd.DataFrame(columns=["model"])
    frame = frame[frame["part"] == part]
    metrics = [metric for metric in protocol.metrics if metric in frame]
    repeated = len(protocol.repeats) > 1
    lines = []
    for model, group in frame.groupby("model", sort=False):
        source = str(group["source"].iloc[0])
        line: dict[str, str] = {"model": f"{model}{_about(group, source, repeated)}"}
        line |= {metric: mean_and_spread(group[metric]) for metric in metrics}
        for metric in (metric for metric in metrics if f"{metric} p" in frame):
            line[f"p, {metric}"] = largest_p(group[f"{metric} p"].dropna())
        if repeated and f"{metrics[0]} {OURS} better" in frame:
            better = group[f"{metrics[0]} {OURS} better"].dropna()
            line[f"{OURS} better"] = f"{int(better.sum())} of {len(better)}" if len(better) else ""
        for column, heading in (("train_seconds", "seconds"), ("peak_memory_mb", "MB")):
            costs = group[column].dropna() if column in group else pd.Series(dtype=float)
            line[heading] = f"{costs.median():.0f}" if len(costs) else ""  # the first row may have read the texts
        line["test date"] = "used" if group["uses_test_date"].any() else ""
        lines.append(line)
    return pd.DataFrame(lines)


def _about(group: pd.DataFrame, source: str, repeated: bool) -> str:
    if source != THIS_RUN:
        return f" ({source})"
    if repeated:
        return f", {group['split'].nunique()} splits"
    seeds = group["seed"].nunique()
    return f", {seeds} seeds" if seeds > 1 else ""
