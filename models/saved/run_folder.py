"""The folder of a run: every part of a recommender in a file of its own, sealed by hashes, whole or absent."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kg.saved.mapped_graph import GRAPH_FILES, read_mapped_graph, write_mapped_graph
from kg.storage.atomic import staged_directory, write_file
from kg.storage.manifest import pretty, refuse_foreign, seal, unseal
from models.language.tuned_weights import TunedWeights
from models.lists.trained import Trained
from models.network.assembly import ModelSettings
from models.posterior import PhasedPosterior, Posterior
from models.saved.arrays import (
    arrays_of,
    cold_start_of,
    data_of,
    lists_of,
    predictor_of,
    projection_of,
    ratings_of,
    shape_of,
)
from models.saved.dates_of_before import without_dates
from models.saved.flat import read_tensors, refuse_non_numbers, write_tensors
from models.saved.ledger import read_ledger, replayed, said_of, write_ledger
from models.text import TextEncoder

__all__ = ["COMMAND", "FORMAT_NAME", "FORMAT_VERSION", "check_run", "read_run", "save_run", "write_parts"]

FORMAT_VERSION = 5  # and the oldest that can be read: older runs hold neither their text basis nor their split
FORMAT_NAME = "kgrec run"
COMMAND = "kgrec train"
LIBRARIES = ("numpy", "torch", "torch-geometric", "transformers", "sentence-transformers", "safetensors")
TUNED_FILE = "encoder.safetensors"  # what tuning changed of the language model, where it was tuned
TENSOR_FILES = ("model", "embeddings", "inputs", "lists", "newcomers")

Model = TypeVar("Model", bound=Trained)


def check_run(directory: Path) -> dict[str, Any]:
    """Check a run against its manifest and return the manifest.

    Raises:
        InputError: If it is no run, of another format version, incomplete or damaged.
    """
    return unseal(directory, form=FORMAT_NAME, version=FORMAT_VERSION, noun="run", command=COMMAND)


def write_parts(trained: Trained, folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write all parts of a recommender but what joined it into a folder that is not sealed yet.

    Returns:
        What the manifest says of them, and the names of the files.

    Raises:
        InputError: If a weight is infinite or no number.
    """
    write_mapped_graph(trained.graph, folder)
    for name, tensors in arrays_of(trained).items():
        write_tensors(folder / f"{name}.safetensors", tensors)
    tuned = trained.encoder.tuned
    if tuned is not None:
        tuned.write(folder / TUNED_FILE)
    facts = {
        "levels": trained.levels.tolist(),
        "scale": list(trained.scale),
        "relevant_from": trained.relevant_from,
        "settings": asdict(trained.settings),
        "encoder": {
            "name": trained.encoder.name,
            "max_length": trained.encoder.max_length,
            "precision": trained.encoder.precision,
            "tuned": tuned is not None,
        },
        "num_cold": trained.posterior.num_cold,
        "expects_users": trained.posterior.expects_users,
        **shape_of(trained),
    }
    write_file(folder / "recommender.json", pretty(facts))
    content = {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "graph": trained.graph.name,
        "encoder": trained.encoder_fingerprint,
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    tensor_files = (*(f"{name}.safetensors" for name in TENSOR_FILES), *([TUNED_FILE] if tuned is not None else []))
    return content, ("recommender.json", *GRAPH_FILES, *tensor_files)


def save_run(trained: Trained, directory: Path) -> None:
    """Write a recommender, with what joined it, as a whole; see `models.recommender.Recommender.save`."""
    origin = trained.origin or trained

    def replaceable(there: Path) -> None:
        refuse_foreign(there, form=FORMAT_NAME, noun="run")

    with staged_directory(directory, replaceable=replaceable) as folder:
        content, names = write_parts(origin, folder)
        added = write_ledger(said_of(trained), folder)
        # No training has this identity: to train again is never taken as done.
        seal(folder, {**content, "identity": "saved without a configuration"}, (*names, *added))


def read_run(model: type[Model], directory: Path, manifest: dict[str, Any]) -> Model:
    """Read the recommender of a run that was checked, with what joined it; nothing is computed but that.

    Args:
        model: Class of the recommender.
        directory: The run.
        manifest: Its manifest.
    """
    facts = json.loads((directory / "recommender.json").read_bytes())
    samples, embeddings, inputs, lists, cold_start = (
        read_tensors(directory / f"{name}.safetensors") for name in TENSOR_FILES
    )
    refuse_non_numbers(samples, directory / "model.safetensors")  # every answer would be
    graph = read_mapped_graph(directory)
    low, high = facts["scale"]
    data = data_of(inputs, facts["inputs"])
    posterior = PhasedPosterior(
        without_dates(Posterior(samples), data, embeddings), facts["num_cold"], facts["expects_users"]
    )
    settings = {name: value for name, value in facts["settings"].items() if name != "session_scale"}
    of_lists, content_regression = lists_of(lists, facts["content"])
    trained = model(
        graph=graph,
        train=ratings_of(inputs, len(graph.users), len(graph.items)),
        levels=np.array(facts["levels"], dtype=np.float32),
        settings=ModelSettings(**settings),
        posterior=posterior,
        data=data,
        encoder=_encoder_of(facts["encoder"], directory),
        encoder_fingerprint=manifest["encoder"],
        scale=(low, high),
        relevant_from=facts["relevant_from"],
        projection=projection_of(inputs),
        **of_lists,
    )
    trained.restore(
        predictor=predictor_of(embeddings, posterior.num_cold),
        content_regression=content_regression,
        **cold_start_of(cold_start),
    )
    return replayed(trained, read_ledger(directory, manifest["files"]))


def _encoder_of(facts: dict[str, Any], directory: Path) -> TextEncoder:
    """Return the language model of a run; runs of before say nothing of its precision, which was float32."""
    return TextEncoder(
        facts["name"],
        max_length=facts["max_length"],
        precision=facts.get("precision", "float32"),
        tuned=TunedWeights.read(directory / TUNED_FILE) if facts.get("tuned") else None,
    )
