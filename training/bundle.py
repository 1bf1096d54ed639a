"""The saved run: everything that answers need, in dull formats, sealed by hashes, whole or absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.atomic import staged_file, write_file
from kg.storage.manifest import refuse_foreign, seal, unseal
from models.cold.sentence_map import SentenceMap
from models.lists.exposure import Exposure
from models.posterior import PhasedPosterior
from models.recommender import Recommender
from training.additions import read_additions, replayed
from training.config import RunConfig
from training.experiment import Experiment

__all__ = [
    "COMMAND",
    "FORMAT_NAME",
    "FORMAT_VERSION",
    "OLDEST_VERSION",
    "Run",
    "load_run",
    "refuse_other_run",
    "write_run",
]

FORMAT_VERSION = 4
OLDEST_VERSION = 4
FORMAT_NAME = "kgrec run"
COMMAND = "kgrec train"
_LIBRARIES = ("numpy", "torch", "torch-geometric", "transformers", "sentence-transformers", "safetensors")


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A trained run as it lies on disk.

    Attributes:
        directory: Where it lies.
        experiment: Its data set, split and configuration.
        recommender: What answers, with the items and users that joined since.
        trained: The same as it was trained, which is what evaluation measures.
        manifest: Versions, hashes, training time.
    """

    directory: Path
    experiment: Experiment
    recommender: Recommender
    trained: Recommender
    manifest: dict[str, Any]


def refuse_other_run(directory: Path) -> None:
    """Raise `InputError` if a directory holds anything but a run, which may be replaced."""
    refuse_foreign(directory, form=FORMAT_NAME, noun="run", also=("tensorboard/events.out.tfevents.*",))


def write_run(
    experiment: Experiment, recommender: Recommender, graph: Path, folder: Path, facts: dict[str, Any]
) -> None:
    """Write a finished run into a folder.

    Args:
        experiment: What was run.
        recommender: What came out.
        graph: Graph directory the run was trained on; copied, so that a run needs nothing else.
        folder: An empty or unfinished directory; the caller gives it its final name.
        facts: Training time, memory and the like.
    """
    shutil.rmtree(folder / "graph", ignore_errors=True)
    shutil.copytree(graph, folder / "graph", ignore=shutil.ignore_patterns(".*"))  # no store of answered queries
    with staged_file(folder / "model.safetensors") as temporary:
        save_file(recommender.posterior.tensors(), temporary)
    arrays: dict[str, NDArray[np.generic]] = {
        "item_vectors": recommender.item_vectors.astype(np.float32),
        "exposure_weights": recommender.exposure.weights.astype(np.float16),
        "exposure_base": recommender.exposure.base,
        **(recommender.sentences.arrays() if recommender.sentences is not None else {}),
    }
    if recommender.exposure.head is not None:
        arrays["exposure_head"] = recommender.exposure.head
    write_file(folder / "lists.safetensors", save_arrays(arrays))
    write_file(folder / "config.yaml", experiment.config.dump())
    write_file(folder / "metrics.json", json.dumps(facts, indent=1) + "\n")
    experiment.history.write(folder)
    content = {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "graph": experiment.dataset.graph.name,
        "fingerprint": experiment.dataset.fingerprint,
        "identity": experiment.identity,
        "seed": experiment.config.seed,
        "encoder": experiment.encoder.fingerprint,
        "libraries": {name: version(name) for name in _LIBRARIES},
        **facts,
    }
    files = ("model.safetensors", "lists.safetensors", "config.yaml", "metrics.json", "history.csv")
    seal(folder, content, (*files, "graph/manifest.json"))


def load_run(directory: Path) -> Run:
    """Read a run.

    Raises:
        InputError: If it is no run, of a newer format, incomplete or damaged.
    """
    manifest = unseal(
        directory, form=FORMAT_NAME, version=FORMAT_VERSION, oldest=OLDEST_VERSION, noun="run", command=COMMAND
    )
    config = RunConfig.load(directory / "config.yaml")
    experiment = Experiment(Dataset.load(directory / "graph"), config)
    arrays = load_arrays(directory / "lists.safetensors")
    weights = load_file(directory / "model.safetensors")
    _refuse_non_numbers(arrays, directory / "lists.safetensors")
    _refuse_non_numbers(weights, directory / "model.safetensors")
    exposure = Exposure(
        arrays["exposure_weights"].astype(np.float32), arrays["exposure_base"], head=arrays.get("exposure_head")
    )
    experiment.use_vectors(arrays["item_vectors"])
    posterior = PhasedPosterior.of_tensors(weights)
    trained = experiment.recommender(posterior, exposure, manifest["encoder"]).with_map(SentenceMap.of_arrays(arrays))
    return Run(
        directory=directory,
        experiment=experiment,
        recommender=replayed(trained, read_additions(directory, manifest["files"])),
        trained=trained,
        manifest=manifest,
    )


def _refuse_non_numbers(weights: Mapping[str, Tensor | NDArray[np.generic]], file: Path) -> None:
    """Raise `InputError` if weights are infinite or no numbers: every answer would be."""
    for name, weight in weights.items():
        tensor = torch.as_tensor(weight)
        if tensor.is_floating_point() and not tensor.isfinite().all():
            wrong = int((~tensor.isfinite()).sum())
            raise InputError(
                f"expected finite weights, found {wrong:,} in {name!r} that are infinite or no numbers; train the run again "
                f"with `{COMMAND} --overwrite`",
                file=file,
            )
