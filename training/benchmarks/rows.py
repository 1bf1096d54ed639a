"""A row of a benchmark: planned here, measured in a process of its own, kept on disk."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from kg.storage.manifest import canonical, sha256
from training.answers import Answers, Fitted
from training.benchmarks.measurement import Measurement
from training.benchmarks.peers import Material, Peer
from training.bundle import load_run
from training.config import RunConfig
from training.evaluate import fitted_recommender
from training.isolation import in_child
from training.peak_memory import peak_memory_mb
from training.progress import Progress, silent
from training.runs import train_run

__all__ = ["NOT_LIKED", "UNRATED", "UNSEEN", "Row", "measured_row"]

UNRATED = "unrated"
NOT_LIKED = "not liked"
UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is to be measured.

    Attributes:
        model: Name in the table.
        config: Our configuration; of a peer, what its split and inputs are made by.
        peer: The peer; None for our own model.
        repeat: Number of the repetition of the split.
        candidates: What is ranked for a user: `UNRATED`, items they did not rate in training; `NOT_LIKED`, items they
            did not like in training; or `UNSEEN`, items they rated neither in training nor in validation.
        dates: Whether the model is told the dates of the ratings to be predicted.
    """

    model: str
    config: RunConfig
    peer: Peer | None = None
    repeat: int = 0
    candidates: str = UNRATED
    dates: bool = False

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
        return sha256(canonical([fingerprint, config, self.candidates, *(["dates"] if self.dates else [])]))


def measured_row(row: Row, graph: Path, fingerprint: str, out: Path, *, progress: Progress = silent) -> Measurement:
    """Return the measurement of a row: the one kept in `out/rows` if it is the same, else a new one, which is kept.

    Args:
        row: What to measure.
        graph: Graph directory.
        fingerprint: Fingerprint of the data set in it.
        out: Where `rows/` and, for our own model, `runs/` are.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If a setting is wrong.
        ChildError: If the model failed.
    """
    file, run = out / "rows" / f"{row.slug}.safetensors", out / "runs" / row.slug
    identity = row.identity(fingerprint)
    kept = Measurement.read(file)
    # A run that was trained again since counts as another one.
    if kept and kept.facts["identity"] == identity and (row.peer is not None or kept.facts["run"] == _checksum(run)):
        return kept
    job = partial(_measure_peer, row, graph) if row.peer is not None else partial(_measure_run, row, graph, run)
    found: Measurement = in_child(job, progress=progress)
    facts = {**found.facts, "identity": identity, "model": row.model, "seed": row.seed, "run": _checksum(run)}
    found = Measurement(
        answers=found.answers, train_seconds=found.train_seconds, peak_memory_mb=found.peak_memory_mb, facts=facts
    )
    found.write(file)
    return found


def _checksum(run: Path) -> str | None:
    try:
        found: str = json.loads((run / "manifest.json").read_bytes())["checksum"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def _measure_run(row: Row, graph: Path, out: Path, progress: Progress) -> Measurement:
    with threadpool_limits(1):
        train_run(graph, row.config, out, overwrite=True, keep_same=True, progress=progress)
        run = load_run(out)
        material = Material(graph, row.config)
        return _measurement(
            row,
            material,
            fitted_recommender(run.recommender, implicit=run.experiment.dataset.implicit),
            seconds=run.manifest["train_seconds"],
            memory=run.manifest["peak_memory_mb"],
            software=f"kgrec {version('kgrec')}",
        )


def _measure_peer(row: Row, graph: Path, progress: Progress) -> Measurement:
    peer = row.peer
    assert peer is not None
    with threadpool_limits(1):
        material = Material(graph, row.config, progress=progress)
        _ = material.train
        started = time.perf_counter()
        fitted = peer.fit(material, **peer.settings)
        seconds, memory = time.perf_counter() - started, peak_memory_mb()
        return _measurement(row, material, fitted, seconds=seconds, memory=memory, software=_software(peer))


def _software(peer: Peer) -> str:
    return f"{peer.package or 'kgrec'} {peer.version}"


def _measurement(
    row: Row, material: Material, fitted: Fitted, *, seconds: float, memory: float, software: str
) -> Measurement:
    known = material.liked if row.candidates == NOT_LIKED else material.train
    if row.candidates == UNSEEN and material.validation is not None:
        known = known.concat(material.validation)
    levels = material.levels
    answers = {
        part: Answers.ask(
            fitted,
            part,
            ratings,
            known=known,
            levels=levels,
            relevant_from=material.relevant_from,
            dates=row.dates,
        )
        for part, ratings in material.test.items()
    }
    facts: dict[str, Any] = {"levels": levels.tolist(), "software": software, "chosen": dict(fitted.chosen)}
    return Measurement(answers=answers, train_seconds=round(seconds, 3), peak_memory_mb=round(memory, 1), facts=facts)
