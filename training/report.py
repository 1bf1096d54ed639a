"""What `kgrec evaluate` says of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kg.errors import InputError
from training.bundle import Run
from training.evaluate import evaluate
from training.peak_memory import peak_memory_mb

__all__ = ["evaluation_report"]


def evaluation_report(
    run: Run,
    *,
    baselines: bool = True,
    mask_validation: bool = False,
    at: Sequence[int] = (),
) -> dict[str, Any]:
    """Measure a run on the test parts of its split; the options are those of `evaluate`.

    Returns:
        `run`, `protocol`, `parts`, `baselines`, `seconds`, `peak_memory_mb` and the like, as JSON values.
    """
    started = time.perf_counter()
    experiment = run.experiment
    parts, scale = experiment.split.test, experiment.dataset.scale
    if not parts:
        raise InputError(
            f"this run holds out nothing (split {experiment.split.name!r}), so there is nothing to measure it on; train "
            "another one with a split, such as random",
            file=run.directory,
        )
    figures = evaluate(
        run.trained,
        parts,
        scale,
        baselines=baselines,
        removed=experiment.dataset.graph.items.vocabulary.removed,
        validation=experiment.split.validation,
        mask_validation=mask_validation,
        at=at,
    )
    return {
        "run": str(run.directory),
        "protocol": experiment.config.split.name,
        "split": experiment.split.sentence,
        "uses_test_date": False,
        "validation_masked": mask_validation,
        **figures,
        "diagnostics": run.manifest.get("diagnostics"),
        "seconds": {"train": run.manifest["train_seconds"], "evaluate": round(time.perf_counter() - started, 3)},
        "peak_memory_mb": max(run.manifest["peak_memory_mb"], round(peak_memory_mb(), 1)),
    }
