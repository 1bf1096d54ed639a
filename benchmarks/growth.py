"""How time and memory grow with the number of ratings, on simulated data and with the real training code."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric

from benchmarks.scaling import check_sizes, exponent_table, exponents, in_own_process, rounded, write_rows
from benchmarks.synthetic import FEWEST_RATINGS, simulate_ratings
from kg.errors import InputError
from kg.storage.atomic import make_directory
from training.config import LangevinConfig
from training.experiment import THREADS, Experiment
from training.loop import train
from training.objective import RatingObjective
from training.peak_memory import peak_memory_mb
from training.progress import Progress, silent
from training.recipes import standard
from training.sampling import LangevinTraining

__all__ = ["COSTS", "SIZES", "Growth", "growth_tables", "measure", "run_growth"]

SIZES = (100_000, 1_000_000, 10_000_000)
FEWEST_STEPS, WARM_UP = 20, 5
COSTS = ("prepare_seconds", "step_seconds", "run_seconds", "peak_memory_mb", "run_memory_mb")


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What training on so many ratings costs, with the standard recipe on one thread.

    Seconds are those of the processor, which on one thread of a quiet machine are those of the clock. Memory is the
    largest resident memory, simulation and libraries included.
    """

    num_ratings: int  # of which a tenth is held out
    num_users: int
    num_items: int
    embedding_size: int  # latent dimensions that the recipe takes at this size
    prepare_seconds: float  # from ratings in memory to the first step: split, inputs, model, first curvature
    step_seconds: float  # median of a step that also trains the cold view
    run_seconds: float  # projected for all steps and what happens between them, with the preparation
    step_wall_seconds: float  # median of a step by the clock: more where others use the machine
    peak_memory_mb: float  # until the last measured step
    run_memory_mb: float  # projected at the end of a run: with all kept samples, and once more while they are stacked


def measure(num_ratings: int, *, steps: int, embedding_size: int | None = None, seed: int = 0) -> Growth:
    """Simulate, prepare, and take some steps of every phase; nothing is saved.

    Steps before the end of the burn-in also watch the stiffest direction, those after it keep samples, and those after
    the cold phase are cheaper; a whole run is the sum of the three. Building lists, which is a matter of items,
    not of ratings, is not measured.

    Args:
        num_ratings: Number of ratings.
        steps: Number of steps to measure while the cold view is trained; half as many follow without it.
        embedding_size: Latent dimensions; the recipe's where it is None.
        seed: Seed of data and model.
    """
    torch.set_num_threads(THREADS)
    world = simulate_ratings(num_ratings, seed=seed)
    config = standard(num_ratings).updated([f"seed={seed}"])
    if embedding_size is not None:
        config = config.updated([f"model.embedding_size={embedding_size}"])
    assert isinstance(config.training, LangevinConfig)
    started = time.process_time()
    experiment = Experiment(world.dataset, config)
    experiment.use_vectors(world.item_vectors)
    generator = torch.Generator().manual_seed(seed)
    model = experiment.new_model(generator)
    objective = RatingObjective(experiment.inputs, weight=config.model.cold_weight)
    batch, priors = experiment.training_batch, experiment.priors(model)
    method = LangevinTraining(model, objective, batch, config.training, priors, generator)
    prepared = time.process_time() - started
    fabric = Fabric(accelerator="cpu", devices=1)
    module, optimizer = fabric.setup(model, method.optimizer)
    settings, half = config.training, steps // 2

    def watch(epochs: range) -> tuple[list[list[float]], float]:
        """Take steps; return processor and wall seconds of each, and processor seconds with what is done after it."""
        single, at = [], time.process_time()
        started = at
        for record in train(module, optimizer, method.loss, method.batches, fabric=fabric, epochs=epochs):
            single.append([time.process_time() - at, record.seconds])
            method.after(record)
            at = time.process_time()
        return single, (at - started) / max(len(epochs), 1)

    watch(range(settings.burn_in - half - WARM_UP, settings.burn_in - half))
    first, burning = watch(range(settings.burn_in - half, settings.burn_in))
    num_cold = method.last_cold + 1 - settings.burn_in if method.last_cold >= 0 else 0
    second, sampling = watch(range(settings.burn_in, settings.burn_in + half))
    if num_cold:
        watch(range(method.last_cold, method.last_cold + 1))  # ends the cold phase
    _, warm = watch(range(method.first_warm, method.first_warm + half))
    step_seconds, step_wall_seconds = np.median(np.array(first + second), axis=0).tolist()
    num_warm = settings.epochs - settings.burn_in - num_cold
    run_seconds = prepared + burning * settings.burn_in + sampling * num_cold + warm * num_warm
    kept_mb = sum(tensor.nbytes for tensor in method.warm[0].values()) / 1e6
    num_kept = math.ceil(num_cold / settings.keep_every)
    num_kept += math.ceil((settings.epochs - method.first_warm) / settings.keep_every)
    peak = peak_memory_mb()
    return Growth(
        num_ratings=num_ratings,
        num_users=world.dataset.ratings.num_users,
        num_items=world.dataset.ratings.num_items,
        embedding_size=config.model.embedding_size,
        prepare_seconds=prepared,
        step_seconds=step_seconds,
        run_seconds=run_seconds,
        step_wall_seconds=step_wall_seconds,
        peak_memory_mb=peak,
        run_memory_mb=peak + kept_mb * (2 * num_kept - len(method.warm) - len(method.cold)),
    )


def run_growth(
    out: Path,
    *,
    sizes: Sequence[int] = SIZES,
    steps: int = 40,
    embedding_size: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure every size in a process of its own; after each, write `growth.json` and `growth.csv`.

    Args:
        out: Directory of the results.
        sizes: Numbers of ratings, rising.
        steps: Steps to measure at each size, at least 20.
        embedding_size: Latent dimensions; the recipe's for each size where it is None.
        progress: Called with (stage, done, total, message).

    Returns:
        What `growth.json` holds: `protocol`, `rows` (`Growth`) and `exponents`.

    Raises:
        InputError: If sizes do not rise or are too small, steps are too few, or a process died.
    """
    check_sizes(sizes, FEWEST_RATINGS, "ratings")
    if steps < FEWEST_STEPS:
        raise InputError(f"steps must be {FEWEST_STEPS} or more, so that all work between steps is seen; got {steps}")
    make_directory(out)
    rows: list[Growth] = []
    content: dict[str, Any] = {}
    for number, size in enumerate(sizes):
        progress("growth", number, len(sizes), f"{size:,} ratings")
        rows.append(in_own_process(partial(_measure, size, steps, embedding_size), f"{size:,} ratings"))
        slopes = exponents(rows, "num_ratings", COSTS)
        content = {"protocol": "growth", "rows": [rounded(row) for row in rows], "exponents": slopes}
        write_rows(out, content)
    progress("growth", len(sizes), len(sizes), "done")
    return content


def _measure(size: int, steps: int, embedding_size: int | None, _: Progress) -> Growth:
    return measure(size, steps=steps, embedding_size=embedding_size)


def growth_tables(content: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Return the tables people read, by title: a row a size, and the exponents between sizes."""
    costs = pd.DataFrame(
        {
            "ratings": f"{row['num_ratings']:,} ({row['num_users']:,} x {row['num_items']:,})",
            "D": str(row["embedding_size"]),
            "prepare": f"{row['prepare_seconds']:.1f} s",
            "step": f"{1e3 * row['step_seconds']:.1f} ms",
            "step a rating": f"{1e9 * row['step_seconds'] / row['num_ratings']:.0f} ns",
            "whole run": f"{row['run_seconds'] / 60:.1f} min",
            "peak": f"{row['peak_memory_mb'] / 1e3:.2f} GB",
            "with samples": f"{row['run_memory_mb'] / 1e3:.2f} GB",
        }
        for row in content["rows"]
    )
    headings = ("prepare", "step", "whole run", "peak", "with samples")
    return {
        "growth: simulated ratings, seconds of one processor": costs,
        "exponents: 1 is proportional to the number of ratings": exponent_table(content["exponents"], headings),
    }
