"""A published protocol in one command: ours over several seeds, baselines and peers beside it, and what others reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.protocols import Protocol
from benchmarks.summary_table import published_rows
from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.storage.atomic import write_file
from training.comparison.benchmark_run import BenchmarkRun, measured_runs
from training.comparison.peers import Peer
from training.comparison.result_rows import OURS, table_rows
from training.config import RunConfig
from training.experiment import Experiment
from training.progress import Progress, silent
from training.recipes import standard
from training.splits import liked_from
from training.spreadsheet import as_csv

__all__ = ["ABLATIONS", "Results", "run_benchmark"]

ABLATIONS: Mapping[str, str] = {
    "without concepts": "model.leave_out=[concepts]",
    "without text": "model.leave_out=[text]",
    "without concepts and text": "model.leave_out=[concepts, text]",
    "without neighbours and two hops": "model.leave_out=[neighbours, two_hops]",
    "without two hops": "model.leave_out=[two_hops]",
    "without cold training": "model.cold_weight=0",
}


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a benchmark found.

    Attributes:
        protocol: Its name.
        rows: One a model, seed, repetition of the split and part: metrics with 95 % intervals, p against ours,
            seconds, memory, whether the date of the rating to predict was used.
        notes: What a reader must know of some models: settings, or why one was left out or failed.
    """

    protocol: str
    rows: list[dict[str, Any]]
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints and `results.json` holds."""
        return asdict(self)


def run_benchmark(
    protocol: Protocol,
    data: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    recipe: Callable[[int], RunConfig] = standard,
    settings: Sequence[str] = (),
    variants: bool = True,
    ablate: bool = False,
    peers: Sequence[Peer] = (),
    progress: Progress = silent,
) -> Results:
    """Build, fit and measure every row in a process of its own; what is there from an earlier call is kept.

    All rows see the same training ratings and are asked about the same test ratings and users, on one thread.

    Args:
        protocol: Data, split and metrics.
        data: Folder of the data.
        out: Where `graph/`, `runs/`, `rows/`, `results.csv` and `results.json` are written.
        seeds: Seeds of our model; each is a row. The other rows are compared with the first.
        recipe: Makes the configuration from the number of ratings.
        settings: Changes to it, as `section.field=value`.
        variants: Also measure the protocol's variants of our model, on the first seed.
        ablate: Also leave out one part of our model at a time, on the first seed.
        peers: Other people's models.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If an input or a setting of our model is wrong, or the settings change the split to one without a
            part of the protocol.
    """
    dataset = build(Description.load(protocol.description, data=data), data=data)
    graph = out / "graph"
    if not graph.exists() or Dataset.load(graph).fingerprint != dataset.fingerprint:
        dataset.save(graph)
    notes: list[str] = []
    base = recipe(len(dataset.ratings)).updated(["text.synthetic_texts=0"])  # nobody writes a sentence here
    changes: dict[str, tuple[str, ...]] = {}
    if variants:
        changes |= {f"{OURS}, {name}": change for name, change in protocol.variants.items()}
    if ablate:
        changes |= {f"{OURS} {name}": (change,) for name, change in ABLATIONS.items()}
    rows: list[dict[str, Any]] = []
    for repeat, repeated in enumerate(protocol.repeats):
        config = base.updated([*protocol.split, *repeated, *settings])
        parts = Experiment(dataset, config).split.test
        for part in protocol.parts:
            if part not in parts:
                raise InputError(
                    f"the protocol {protocol.name!r} measures {part!r}, and the split {config.split.name!r} has only "
                    f"{', '.join(parts)}; leave the split as the protocol has it"
                )
        plan = _ours(protocol, config, repeat, seeds, changes, notes)
        plan += [
            BenchmarkRun(model=peer.name, config=config, peer=peer, repeat=repeat, candidates=protocol.candidates)
            for peer in (*protocol.baselines, *peers)
        ]
        measured, of_split = measured_runs(plan, graph, dataset.fingerprint, out, progress=progress)
        notes += of_split
        shown = {part: parts[part] for part in protocol.parts}
        rows += table_rows(measured, shown, liked_from(dataset.scale), lengths=protocol.lengths, tested=protocol.tested)
    rows += published_rows(protocol)
    results = Results(protocol=protocol.name, rows=rows, notes=list(dict.fromkeys(notes)))
    write_file(out / "results.json", json.dumps(results.as_json(), indent=1) + "\n")
    table = pd.DataFrame(rows)
    whole = {column: "Int64" for column in ("seed", "split") if column in table}  # published rows have neither
    write_file(out / "results.csv", as_csv(table.astype(whole)))
    return results


def _ours(
    protocol: Protocol,
    config: RunConfig,
    repeat: int,
    seeds: Sequence[int],
    changes: Mapping[str, Sequence[str]],
    notes: list[str],
) -> list[BenchmarkRun]:
    configs = [(OURS, config.updated([f"seed={seed}"])) for seed in seeds]
    for name, change in changes.items():
        try:
            configs.append((name, config.updated([f"seed={seeds[0]}", *change])))
        except InputError as error:
            notes.append(f"{name}: left out, since {error}.")
    return [
        BenchmarkRun(model=name, config=changed, repeat=repeat, candidates=protocol.candidates)
        for name, changed in configs
    ]
