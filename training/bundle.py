"""A finished training as a directory: the recommender (`models.saved`), and beside it graph, configuration, split and curves."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.atomic import write_file
from kg.storage.manifest import refuse_foreign, seal
from models.recommender import Recommender
from models.saved import COMMAND, FORMAT_NAME, check_run, read_run, write_parts
from training.config import RunConfig
from training.experiment import Experiment
from training.split_file import SPLIT_FILE, read_split, write_split

__all__ = ["Run", "load_run", "refuse_other_run", "write_run"]

TRAINING_FILES = ("config.yaml", "metrics.json", "history.csv", SPLIT_FILE)


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A trained run as it lies on disk.

    Attributes:
        directory: Where it lies.
        recommender: What answers, with the items and users that joined since.
        manifest: Versions, hashes, training time.
    """

    directory: Path
    recommender: Recommender
    manifest: dict[str, Any]

    @property
    def trained(self) -> Recommender:
        """The recommender as it was trained, which is what evaluation measures."""
        return self.recommender.origin or self.recommender

    @cached_property
    def experiment(self) -> Experiment:
        """Its data set, split and configuration, read when they are first asked for; no answer needs them.

        Raises:
            InputError: If the recommender was saved without them.
        """
        if "config.yaml" not in self.manifest["files"]:
            raise InputError(
                "this recommender was saved alone, and only a run as training writes it holds the configuration and the split "
                f"that this needs; make one with `{COMMAND}`",
                file=self.directory,
            )
        dataset, trained = Dataset.load(self.directory / "graph"), self.trained
        config = RunConfig.of_run(self.directory / "config.yaml")
        experiment = Experiment(dataset, config, split=read_split(dataset, self.directory))
        experiment.use(
            encoder=trained.encoder,
            item_vectors=trained.item_vectors,
            projection=trained.projection,
            data=trained.data,
            levels=trained.levels,
        )
        return experiment


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
    content, names = write_parts(recommender, folder)
    write_file(folder / "config.yaml", experiment.config.dump())
    write_file(folder / "metrics.json", json.dumps(facts, indent=1) + "\n")
    experiment.history.write(folder)
    write_split(experiment.split, experiment.dataset, folder)
    training = {
        "fingerprint": experiment.dataset.fingerprint,
        "identity": experiment.identity,
        "seed": experiment.config.seed,
        **facts,
    }
    seal(folder, {**content, **training}, (*names, *TRAINING_FILES, "graph/manifest.json"))


def load_run(directory: Path) -> Run:
    """Read a run.

    Raises:
        InputError: If it is no run, of another format version, incomplete or damaged.
    """
    manifest = check_run(directory)
    return Run(directory=directory, recommender=read_run(Recommender, directory, manifest), manifest=manifest)
