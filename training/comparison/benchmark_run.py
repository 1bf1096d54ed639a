"""One model that a comparison measures: planned here, measured in a process of its own, kept on disk."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from kg.errors import InputError
from kg.storage.manifest import canonical, read_content, sha256
from training.bundle import load_run
from training.chosen_baselines import settings_sentence
from training.comparison.measurement import Measurement
from training.comparison.peers import BenchmarkData, Peer
from training.config import RunConfig
from training.evaluate import fitted_recommender
from training.isolation import ChildError, in_child
from training.peak_memory import peak_memory_mb
from training.predictions import LIST_LENGTH, Predictions, Scorers
from training.progress import Progress, silent
from training.runs import train_run

__all__ = ["NOT_LIKED", "UNRATED", "UNSEEN", "BenchmarkRun", "measured_run", "measured_runs"]

logger = logging.getLogger(__name__)

UNRATED = "unrated"
NOT_LIKED = "not liked"
UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """What is to be measured.

    Attributes:
        model: Name in the table.
        config: Our configuration; of a peer, what its split and inputs are made by.
        peer: The peer; None for our own model.
        repeat: Number of the repetition of the split.
        candidates: What is ranked for a user: `UNRATED`, items they did not rate in training; `NOT_LIKED`, items they
            did not like in training; or `UNSEEN`, items they rated neither in training nor in validation.
        length: Length of the lists.
    """

    model: str
    config: RunConfig
    peer: Peer | None = None
    repeat: int = 0
    candidates: str = UNRATED
    length: int = LIST_LENGTH

    @property
    def seed(self) -> int:
        """Seed of the model."""
        return self.config.seed if self.peer is None else int(self.peer.settings.get("seed", 0))

    @property
    def slug(self) -> str:
        """Name of its files."""
        name = re.sub(r"[^a-z0-9]+", "-", self.model.replace("++", "pp").lower()).strip("-")
        return f"{name}-{self.seed}" + (f"-split-{self.repeat}" if self.repeat else "")

    def identity(self, fingerprint: str) -> str:
        """Return a hash of all that decides the figures, given the data set's fingerprint."""
        config = self.config.model_dump(mode="json")
        if self.peer is not None:
            inputs = {"split": config["split"], "text": config["text"], "leave_out": config["model"]["leave_out"]}
            config = {"peer": self.peer.name, "version": self.peer.version, **self.peer.settings, **inputs}
        unusual = [self.length] if self.length != LIST_LENGTH else []
        return sha256(canonical([fingerprint, config, self.candidates, *unusual]))


def measured_runs(
    plan: Sequence[BenchmarkRun], graph: Path, fingerprint: str, out: Path, *, progress: Progress = silent
) -> tuple[list[tuple[BenchmarkRun, Measurement]], list[str]]:
    """Return the measurements of a plan (`measured_run`), and as notes what a reader must know of some models.

    A peer that is not installed, or fails, is left out with a note.

    Raises:
        InputError: If a setting of our own model is wrong.
    """
    measured, notes = [], []
    absent = dict.fromkeys(str(run.peer.package) for run in plan if run.peer is not None and run.peer.version is None)
    if absent:
        notes.append(f"left out, not installed: {', '.join(absent)}; `pip install -e '.[peers]'` gets them.")
    for number, run in enumerate(plan):
        progress("benchmark", number, len(plan), run.model)
        if run.peer is not None and run.peer.version is None:
            continue
        try:
            measurement = measured_run(run, graph, fingerprint, out, progress=progress)
        except (ChildError, InputError) as error:
            if run.peer is None and isinstance(error, InputError):
                raise
            logger.warning("%s failed: %s", run.model, error)
            notes.append(f"{run.model}: left out, since it failed ({error}).")
            continue
        measured.append((run, measurement))
        if measurement.facts.get("chosen"):
            split = f" (split {run.repeat})" if run.repeat else ""
            notes.append(f"{run.model}{split}: {settings_sentence(measurement.facts['chosen'])}.")
        if run.peer is not None and run.peer.note:
            notes.append(f"{run.model}: {run.peer.note}.")
    progress("benchmark", len(plan), len(plan), "done")
    return measured, notes


def measured_run(
    run: BenchmarkRun, graph: Path, fingerprint: str, out: Path, *, progress: Progress = silent
) -> Measurement:
    """Return the measurement of a model: the one kept in `out/rows` if it is the same, else a new one, which is kept.

    All models are fitted on one thread, on the same training ratings, in a process of their own.

    Args:
        run: What to measure.
        graph: Graph directory.
        fingerprint: Fingerprint of the data set in it.
        out: Where `rows/` and, for our own model, `runs/` are.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If a setting is wrong.
        ChildError: If the model failed.
    """
    file, directory = out / "rows" / f"{run.slug}.safetensors", out / "runs" / run.slug
    identity = run.identity(fingerprint)
    kept = Measurement.read(file)
    # A run that was trained again since counts as another one.
    trained_since = run.peer is None and kept is not None and kept.facts["run"] != _checksum(directory)
    if kept is not None and kept.facts["identity"] == identity and not trained_since:
        return kept
    job = partial(_measure_peer, run, graph) if run.peer is not None else partial(_measure_ours, run, graph, directory)
    new: Measurement = in_child(job, progress=progress)
    known = {"identity": identity, "model": run.model, "seed": run.seed, "run": _checksum(directory)}
    new = replace(new, facts={**new.facts, **known})
    new.write(file)
    return new


def _checksum(directory: Path) -> str | None:
    return read_content(directory / "manifest.json").get("checksum")


def _measure_ours(run: BenchmarkRun, graph: Path, out: Path, progress: Progress) -> Measurement:
    with threadpool_limits(1):
        train_run(graph, run.config, out, overwrite=True, keep_same=True, progress=progress)
        trained = load_run(out)
        return _measurement(
            run,
            BenchmarkData(graph, run.config),
            fitted_recommender(trained.recommender, implicit=trained.experiment.dataset.implicit),
            seconds=trained.manifest["train_seconds"],
            memory=trained.manifest["peak_memory_mb"],
            software=f"kgrec {version('kgrec')}",
        )


def _measure_peer(run: BenchmarkRun, graph: Path, progress: Progress) -> Measurement:
    peer = run.peer
    assert peer is not None
    with threadpool_limits(1):
        data = BenchmarkData(graph, run.config, progress=progress)
        started = time.perf_counter()
        fitted = peer.fit(data, **peer.settings)
        seconds, memory = time.perf_counter() - started, peak_memory_mb()
        software = f"{peer.package or 'kgrec'} {peer.version}"
        return _measurement(run, data, fitted, seconds=seconds, memory=memory, software=software)


def _measurement(
    run: BenchmarkRun, data: BenchmarkData, fitted: Scorers, *, seconds: float, memory: float, software: str
) -> Measurement:
    known = data.liked if run.candidates == NOT_LIKED else data.train
    if run.candidates == UNSEEN and data.validation is not None:
        known = known.concat(data.validation)
    predictions = {
        part: Predictions.ask(
            fitted,
            part,
            ratings,
            known=known,
            levels=data.levels,
            relevant_from=data.relevant_from,
            removed=data.removed,
            length=run.length,
        )
        for part, ratings in data.test.items()
    }
    facts: dict[str, Any] = {"levels": data.levels.tolist(), "software": software, "chosen": dict(fitted.chosen)}
    return Measurement(
        predictions=predictions, train_seconds=round(seconds, 3), peak_memory_mb=round(memory, 1), facts=facts
    )
