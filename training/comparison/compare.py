"""Our model beside the baselines and other people's models, on one's own graph and one split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.atomic import write_file
from models.baselines import Ease
from training.comparison.benchmark_run import BenchmarkRun, measured_runs
from training.comparison.peer_baselines import ALL_BASELINES, EASE
from training.comparison.peers import peers_named
from training.comparison.peers_implicit import ALS
from training.comparison.peers_lightfm import LIGHTFM
from training.comparison.peers_myfm import MYFM
from training.comparison.peers_surprise import SURPRISE
from training.comparison.result_rows import OURS, TESTED, largest_p, mean_and_spread, table_rows
from training.config import RunConfig
from training.experiment import Experiment
from training.predictions import LIST_LENGTH, LIST_MEASURES
from training.progress import Progress, silent
from training.splits import liked_from
from training.spreadsheet import as_csv

__all__ = ["FILES", "Comparison", "compare"]

FILES = ("compare.json", "compare.csv")
OF_STARS = (*MYFM[:2], *SURPRISE)  # implicit feedback has no stars
OF_LISTS = (ALS, LIGHTFM)
SHOWN = ("rmse", "mae", f"ndcg@{LIST_LENGTH}", f"recall@{LIST_LENGTH}")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was measured.

    Attributes:
        graph: Directory of the graph.
        protocol: Name of the split.
        split: What was held out, as a sentence.
        rows: One a model, seed and test part, as in `table_rows`.
        notes: What a reader must know of some models: settings, or why one was left out or failed.
    """

    graph: str
    protocol: str
    split: str
    rows: list[dict[str, Any]]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints and `compare.json` holds."""
        return asdict(self)

    def table(self, part: str, length: int | None = None) -> pd.DataFrame:
        """Return the table people read for one test part: a row a model, in text.

        A figure is the mean over seeds, ± their standard deviation where there are several; below it its 95 % interval,
        then the p of a paired bootstrap against ours.

        Args:
            part: The test part.
            length: Show how good lists so long are, instead of stars and lists of 20.
        """
        frame = pd.DataFrame(self.rows)
        frame = frame[frame["part"] == part]
        metrics = SHOWN if length is None else tuple(f"{name}@{length}" for name in LIST_MEASURES)
        lines = []
        for model, group in frame.groupby("model", sort=False):
            line: dict[str, Any] = {"model": f"{model}, {len(group)} seeds" if len(group) > 1 else str(model)}
            for metric in (metric for metric in metrics if metric in frame):
                line[metric] = _figure(group, metric)
                if f"{metric} p" in frame:
                    line[f"p, {metric}"] = largest_p(group[f"{metric} p"].dropna())
            line["seconds"] = f"{group['train_seconds'].median():.0f}"
            lines.append(line)
        return pd.DataFrame(lines)


def compare(
    graph: Path,
    config: RunConfig,
    out: Path,
    *,
    seeds: int = 1,
    peers: Sequence[str] = (),
    at: Sequence[int] = (),
    progress: Progress = silent,
) -> Comparison:
    """Train ours, fit baselines and peers on the same split, and write `compare.json` and `compare.csv`.

    Every model is fitted on one thread in a process of its own; what an earlier, perhaps killed, call has measured in
    `out` is kept. The settings of baselines, and those of ALS, are chosen on validation ratings.

    Args:
        graph: Graph directory.
        config: How our model is trained, and the split.
        out: Where the two files, `runs/` and `rows/` are written.
        seeds: Number of trainings of our model; the others are compared with the first.
        peers: Beginnings of the names of other people's models that are wanted; all by default.
        at: Further lengths at which lists are measured, beside 20.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If no peer has such a name, or a setting of our model is wrong.
    """
    dataset = Dataset.load(graph)
    config = config.updated(["text.synthetic_texts=0"])  # nobody writes a sentence here
    of_data = OF_LISTS if dataset.implicit else (*OF_STARS, *OF_LISTS)
    others = peers_named(peers, of_data) if peers else of_data
    split = Experiment(dataset, config).split
    notes, baselines = [], list(ALL_BASELINES)
    if len(dataset.graph.items) > Ease.max_items:
        baselines.remove(EASE)
        notes.append(f"EASE: left out, since its table of items by items takes at most {Ease.max_items:,} items.")
    lengths = tuple(sorted({LIST_LENGTH, *at}))
    ours = [
        BenchmarkRun(model=OURS, config=config.updated([f"seed={config.seed + more}"]), length=lengths[-1])
        for more in range(seeds)
    ]
    plan = ours + [
        BenchmarkRun(model=peer.name, config=config, peer=peer, length=lengths[-1]) for peer in (*baselines, *others)
    ]
    measured, of_models = measured_runs(plan, graph, dataset.fingerprint, out, progress=progress)
    if not any(run.model == OURS for run, _ in measured):
        raise InputError(f"our own model failed, so there is nothing to compare with: {of_models[0]}")
    tested = dict.fromkeys([*TESTED, *(f"ndcg@{length}" for length in at)])
    rows = table_rows(measured, split.test, liked_from(dataset.scale), lengths=lengths, tested=tuple(tested))
    comparison = Comparison(
        graph=str(graph), protocol=config.split.name, split=split.sentence, rows=rows, notes=[*notes, *of_models]
    )
    write_file(out / FILES[0], json.dumps(comparison.as_json(), indent=1) + "\n")
    write_file(out / FILES[1], as_csv(pd.DataFrame(rows)))
    return comparison


def _figure(group: pd.DataFrame, metric: str) -> list[str] | str:
    mean = mean_and_spread(group[metric])
    low, high = (group[f"{metric} {end}"].mean() for end in ("low", "high"))
    return [mean, f"{low:.3f} - {high:.3f}"] if mean else ""
