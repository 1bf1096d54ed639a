"""Training as a directory: started, killed, gone on with, finished, never half there."""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.atomic import partial_of, prepare, staged_directory
from kg.storage.only_writer import only_writer
from models.saved import check_run
from training.bundle import refuse_other_run, write_run
from training.checkpoint import Checkpoint
from training.config import RunConfig
from training.diagnostics import run_diagnostics
from training.experiment import Experiment
from training.peak_memory import peak_memory_mb
from training.progress import Progress, silent
from training.synthetic_users import with_sentences

__all__ = ["Outcome", "train_run"]

logger = logging.getLogger(__name__)

_CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `train_run` did.

    Attributes:
        directory: The finished run.
        trained: False if the same run was there already.
        seconds: Wall time, without what an interrupted run had spent before.
        sentence: How the data was split.
    """

    directory: Path
    trained: bool
    seconds: float
    sentence: str


def train_run(
    graph: Path,
    config: RunConfig,
    out: Path,
    *,
    overwrite: bool = False,
    keep_same: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Train on a graph directory and write the run.

    A run that was killed goes on from its last checkpoint and ends with the same figures. A finished run
    of the same graph, configuration and seed is not trained again.

    Args:
        graph: Graph directory.
        config: What to do.
        out: Directory of the run.
        overwrite: Replace another run of this name.
        keep_same: With `overwrite`: keep a run that is the same, replace only others.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If another run is there and `overwrite` is false, or an input is wrong.
    """
    started = time.perf_counter()
    experiment = Experiment(Dataset.load(graph), config, progress=progress)
    sentence = experiment.split.sentence
    experiment.check()
    refuse_other_run(out)
    with only_writer(out):
        prepare(out)
        if out.is_dir() and any(out.iterdir()) and (keep_same or not overwrite):
            there = check_run(out)
            if there["identity"] == experiment.identity:
                shutil.rmtree(partial_of(out), ignore_errors=True)
                return Outcome(directory=Path(os.path.abspath(out)), trained=False, seconds=0.0, sentence=sentence)
            if not overwrite:
                raise InputError(
                    "a run of another graph, configuration or seed is here; give another name, or --overwrite", file=out
                )
        if partial_of(out).exists() and Checkpoint.read(partial_of(out) / _CHECKPOINT) is None:
            logger.warning("found an unfinished %s without a usable checkpoint; starts clean", out.name)
            shutil.rmtree(partial_of(out))
        with staged_directory(out, replaceable=refuse_other_run, keep=_CHECKPOINT) as folder:
            checkpoint = folder / _CHECKPOINT
            posterior = experiment.run(checkpoint)
            recommender = experiment.recommender(posterior)
            trained = time.perf_counter() - started
            recommender = with_sentences(recommender, most=config.text.synthetic_texts, progress=progress)
            facts: dict[str, Any] = {
                "train_seconds": round(trained, 3),
                "sentences_seconds": round(time.perf_counter() - started - trained, 3),
                "peak_memory_mb": round(peak_memory_mb(), 1),
                "num_training_ratings": len(experiment.split.train),
                "num_samples": len(posterior.samples),
                "epochs": len(experiment.history.records),
                "guard": experiment.guard_events,
            }
            tuned = recommender.encoder.tuned
            facts["language_model"] = {
                "precision": recommender.encoder.precision,
                "tuning": None if tuned is None else {"strategy": tuned.adaptation.strategy, **tuned.record},
            }
            facts["diagnostics"] = run_diagnostics(experiment, recommender)
            write_run(experiment, recommender, graph, folder, facts)
            refuse_other_run(out)  # while there is a checkpoint to go on from
            checkpoint.unlink(missing_ok=True)
    return Outcome(
        directory=Path(os.path.abspath(out)), trained=True, seconds=time.perf_counter() - started, sentence=sentence
    )
