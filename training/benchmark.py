"""A published protocol in one command: ours over several seeds, our baselines, and what others reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kg.atomic import write_file
from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from training.bundle import load_run
from training.config import RunConfig
from training.progress import Progress, silent
from training.protocols import Protocol
from training.recipes import standard
from training.report import evaluation_report
from training.runs import train_run

__all__ = ["ABLATIONS", "run_benchmark", "summary"]

THIS_RUN = "this run"
ABLATIONS: Mapping[str, str] = {
    "without concepts": "model.leave_out=[concepts]",
    "without text": "model.leave_out=[text]",
    "without concepts and text": "model.leave_out=[concepts, text]",
    "without neighbours and two hops": "model.leave_out=[neighbours, two_hops]",
    "without two hops": "model.leave_out=[two_hops]",
    "without dates": "model.leave_out=[dates]",
    "without cold training": "model.cold_weight=0",
}


def run_benchmark(
    protocol: Protocol,
    data: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    recipe: Callable[[int], RunConfig] = standard,
    settings: Sequence[str] = (),
    ablate: bool = False,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Build, train and measure; what is there already from an earlier call is not trained again.

    Args:
        protocol: Data, split and metrics.
        data: Folder of the data.
        out: Where `graph/`, the runs, `results.csv` and `results.json` are written.
        seeds: Seeds of our model; each is a row.
        recipe: Makes the configuration from the number of ratings.
        settings: Changes to it, as `section.field=value`.
        ablate: Also train with one part left out at a time, on the first seed.
        progress: Called with (stage, done, total, message).

    Returns:
        One row a model, seed and part: metrics with intervals, seconds, memory, whether the test date was used.
    """
    dataset = build(Description.load(protocol.description, data=data), data=data)
    graph = out / "graph"
    if not graph.exists() or Dataset.load(graph).fingerprint != dataset.fingerprint:
        dataset.save(graph)
    base = recipe(len(dataset.ratings)).updated([*protocol.split, *settings])
    plan = [("kgrec", seed, base.updated([f"seed={seed}"])) for seed in seeds]
    if ablate:
        plan += [
            (f"kgrec {name}", seeds[0], base.updated([f"seed={seeds[0]}", change]))
            for name, change in ABLATIONS.items()
        ]
    rows: list[dict[str, Any]] = []
    for number, (model, seed, config) in enumerate(plan):
        report = _measured(graph, config, out / "runs" / f"{model.replace(' ', '-')}-{seed}", number == 0, progress)
        common = {"seed": seed, "train_seconds": report["seconds"]["train"], "peak_memory_mb": report["peak_memory_mb"]}
        rows += [_row(model, part, report["parts"][part], **common) for part in protocol.parts]
        for name, parts in report["baselines"].items():
            rows += [_row(name, part, parts[part]) for part in protocol.parts]
    for part in protocol.parts[:1]:
        rows += [
            {
                "model": found.model,
                "part": part,
                **found.figures,
                "source": found.source,
                "uses_test_date": found.uses_test_date,
            }
            for found in protocol.published
        ]
    write_file(out / "results.json", json.dumps({"protocol": protocol.name, "rows": rows}, indent=1) + "\n")
    write_file(out / "results.csv", pd.DataFrame(rows).to_csv(index=False))
    return rows


def _measured(graph: Path, config: RunConfig, out: Path, baselines: bool, progress: Progress) -> dict[str, Any]:
    train_run(graph, config, out, overwrite=True, keep_same=True, progress=progress)
    return evaluation_report(load_run(out), baselines=baselines)


def _row(model: str, part: str, measured: Mapping[str, Any], **common: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model, "part": part, **common}
    for metric, value in measured.items():
        if isinstance(value, Mapping):
            row |= {metric: value["value"], f"{metric} low": value["low"], f"{metric} high": value["high"]}
    return {**row, "source": THIS_RUN, "uses_test_date": False}


def summary(rows: Sequence[Mapping[str, Any]], protocol: Protocol, part: str) -> pd.DataFrame:
    """Return the table people read for one part: a row a model, mean over seeds with its standard deviation."""
    frame = pd.DataFrame(rows)
    frame = frame[frame["part"] == part]
    metrics = [metric for metric in protocol.metrics if metric in frame]
    lines = []
    for model, group in frame.groupby("model", sort=False):
        seeds, source = group["seed"].notna().sum(), str(group["source"].iloc[0])
        about = f", {seeds} seeds" if seeds > 1 else f" ({source})" if source != THIS_RUN else ""
        line: dict[str, str] = {"model": f"{model}{about}"}
        for metric in metrics:
            values = group[metric].dropna()
            spread = f" ± {values.std():.4f}" if len(values) > 1 else ""
            line[metric] = f"{values.mean():.4f}{spread}" if len(values) else ""
        seconds = group["train_seconds"].dropna()
        line["seconds"] = f"{seconds.mean():.0f}" if len(seconds) else ""
        line["test date"] = "used" if group["uses_test_date"].any() else ""
        lines.append(line)
    return pd.DataFrame(lines)
