"""A search for better settings as a directory: on validation ratings alone, resumed where it was killed."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from kg.counted import counted
from kg.dataset import Dataset
from kg.errors import InputError, did_you_mean
from kg.storage.atomic import make_directory, prepare, write_file
from kg.storage.kept import kept
from kg.storage.manifest import refuse_foreign, seal, unseal
from kg.storage.only_writer import only_writer
from kg.storage.unwritable import unwritable_as
from training.config import RunConfig
from training.experiment import Experiment
from training.loop import NonFiniteLossError
from training.progress import Progress, silent
from training.search.search_space import Number, search_space
from training.search.study import Study, Trial
from training.search.yardstick import YARDSTICKS, newness, validation_of
from training.spreadsheet import as_csv

__all__ = ["Tuning", "tune"]

logger = logging.getLogger(__name__)

FORMAT_NAME = "kgrec search"
FORMAT_VERSION = 1
COMMAND = "kgrec tune"
_UNNAMED = ("trials.csv", "best.yaml", "trial-*")  # what a search writes beside its manifest
VALIDATION_SHARE = 0.1  # of the training ratings, where the configuration holds none out


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What `tune` did; at least one of its trials came to an end.

    Attributes:
        study: Its trials.
        config: The configuration with the best settings, otherwise as it was given.
        num_ratings: Number of validation ratings that judged.
        newness: Share of them whose item or user has no training rating.
    """

    study: Study
    config: RunConfig
    num_ratings: int
    newness: float

    @property
    def best(self) -> Trial:
        """The best trial."""
        best = self.study.best
        assert best is not None, "tune() refuses to end without one"
        return best

    def comparison(self) -> pd.DataFrame:
        """Return the table people read: a row a setting, at the start and in the best trial, then the metric."""
        default, best, importance = self.study.trials[0], self.best, self.study.importance
        rows = [
            {
                "setting": name,
                "default": f"{default.settings[name]:g}",
                "best": f"{value:g}",
                "importance": f"{importance[name]:.0%}" if importance else "",
            }
            for name, value in best.settings.items()
        ]
        of_default = "no result" if default.value is None else f"{default.value:.4f}"
        rows.append({"setting": self.study.yardstick.name, "default": of_default, "best": f"{best.value:.4f}"})
        return pd.DataFrame(rows).fillna("")

    @property
    def sentence(self) -> str:
        """What was done, and how far to believe it."""
        failed, gain = sum(trial.value is None for trial in self.study.trials), self.study.gain
        sentence = counted(len(self.study.trials), "trial") + (f", {failed} of them without result" if failed else "")
        sentence += (
            f", judged on {self.num_ratings:,} validation ratings, {self.newness:.1%} of them of new items or users."
        )
        if gain is None:
            return sentence
        if not gain:
            return f"{sentence} None is better than the default."
        return (
            f"{sentence} The best is better than the default by {gain:.4f}; part of that is luck, since the best of many "
            "trials looks better than it is, and another seed moves the figure, too."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the search as JSON values."""
        return {
            "metric": self.study.yardstick.name,
            "num_validation_ratings": self.num_ratings,
            "newness": self.newness,
            "default": self.study.trials[0].value,
            "best": self.best.value,
            "gain": self.study.gain,
            "settings": self.best.settings,
            "importance": self.study.importance,
            "trials": self.study.records(),
        }


def tune(
    graph: Path,
    config: RunConfig,
    out: Path,
    *,
    trials: int = 20,
    minutes: float | None = None,
    metric: str = "rmse",
    only: Sequence[str] = (),
    overwrite: bool = False,
    progress: Progress = silent,
) -> Tuning:
    """Search for better settings and write `manifest.json` (the search), `trials.csv` and `best.yaml`.

    Every trial trains on the ratings that are left when the test part and the validation part are taken out,
    and is judged on the validation part; nobody looks at the test part. All trials have the seed of the
    configuration, so that they differ by their settings alone. The first has the settings of the configuration.

    Args:
        graph: Graph directory.
        config: Where the search starts; without a validation share, a tenth is held out in the search.
        out: Directory of the search.
        trials: Number of trials altogether, with those of earlier calls.
        minutes: No further trial starts after this time.
        metric: `rmse` or `ndcg@20`.
        only: Names of the settings to search; empty for all that fit.
        overwrite: Start clean in place of another search.
        progress: Called with (stage, done, total, message).

    Raises:
        InputError: If another search is there and `overwrite` is false, an input is wrong, or no trial came to an end.
    """
    started = time.monotonic()
    if metric not in YARDSTICKS:
        known = ", ".join(YARDSTICKS)
        hint = did_you_mean(metric, YARDSTICKS)
        raise InputError(f"there is no metric {metric!r} to search by; there are {known}.{hint}")
    yardstick = YARDSTICKS[metric]
    dataset = Dataset.load(graph)
    if dataset.implicit and yardstick.name == "rmse":
        raise InputError("implicit feedback has no stars to predict, so rmse says nothing of it; give --metric ndcg@20")
    Experiment(dataset, config).check()  # what train would refuse is not worth a search
    judged = config.updated([f"split.validation_share={config.split.validation_share or VALIDATION_SHARE}"])
    first = Experiment(dataset, judged, progress=progress)
    share = newness(first.split)
    if config.split.name.startswith("cold-") and share <= 0.5:
        logger.warning(
            "the validation ratings of %s are of known items and users, so this search does not see what helps new ones",
            config.split.name,
        )
    space = search_space(config, only=only, cold=share > 0.5)
    start = {setting.name: value for setting in space if (value := setting.value_in(config)) is not None}
    study = Study(space=space, start=start, yardstick=yardstick, seed=config.seed)
    identity = sha256(f"{first.identity}\n{metric}\n{space}".encode()).hexdigest()
    refuse_foreign(out, form=FORMAT_NAME, noun="search", also=_UNNAMED)
    with kept(f"the trials that were finished are kept in {out}"), only_writer(out), unwritable_as(out, prepare(out)):
        study = replace(study, trials=_earlier(out, identity, overwrite))
        make_directory(out)
        _write(out, identity, study, config)  # before the first trial, so that a killed one is known as ours
        while len(study.trials) < trials and (
            not study.trials or minutes is None or time.monotonic() - started < 60 * minutes
        ):
            settings = study.proposal()
            experiment = Experiment(dataset, _with(judged, settings), progress=progress)
            experiment.use_vectors(first.item_vectors)
            study = replace(study, trials=(*study.trials, _trial(experiment, study, settings, out)))
            _write(out, identity, study, config)
            for done in out.glob("trial-*"):
                shutil.rmtree(done, ignore_errors=True)
            best = study.best
            message = f"best {metric} {best.value:.4f}, trial {best.number}" if best else "nothing finished yet"
            progress("tune", len(study.trials), trials, message)
    if study.best is None:
        raise InputError(f"no trial came to an end: {study.trials[0].problem}", file=out)
    num_ratings = len(validation_of(first.split))
    return Tuning(study=study, config=_with(config, study.best.settings), num_ratings=num_ratings, newness=share)


def _earlier(out: Path, identity: str, overwrite: bool) -> tuple[Trial, ...]:
    """Return the trials of the same search that are there already."""
    if not out.exists() or not any(out.iterdir()):
        return ()
    if overwrite:
        for entry in out.iterdir():  # the directory itself may be a link
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return ()
    manifest = unseal(out, form=FORMAT_NAME, version=FORMAT_VERSION, noun="search", command=COMMAND)
    if manifest["identity"] != identity:
        raise InputError(
            "a search with another graph, configuration, metric or choice of settings is here; give another name, or --overwrite",
            file=out,
        )
    trials = tuple(Trial(**record) for record in manifest["trials"])
    logger.info("found %d trials of this search; goes on", len(trials))
    return trials


def _write(out: Path, identity: str, study: Study, config: RunConfig) -> None:
    """Write the search, then what people read of it; a kill in between leaves them one trial behind."""
    content = {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "identity": identity,
        "metric": study.yardstick.name,
        "trials": study.records(),
    }
    seal(out, content, ())
    if study.trials:
        write_file(out / "trials.csv", as_csv(study.table()))
    if study.best is not None:
        write_file(out / "best.yaml", _with(config, study.best.settings).dump())


def _trial(experiment: Experiment, study: Study, settings: dict[str, Number], out: Path) -> Trial:
    """Train and judge; a training that was cut off goes on from its checkpoint."""
    number, started, value, problem = len(study.trials), time.perf_counter(), None, ""
    folder = out / f"trial-{number}"
    make_directory(folder)
    try:
        value = study.yardstick.measure(experiment, experiment.run(folder / "checkpoint.safetensors"))
    except NonFiniteLossError as error:
        problem = str(error)
        logger.warning("trial %d came to nothing: %s", number, problem)
    seconds = round(time.perf_counter() - started, 3)
    return Trial(number=number, settings=settings, value=value, seconds=seconds, problem=problem)


def _with(config: RunConfig, settings: dict[str, Number]) -> RunConfig:
    return config.updated([f"{name}={json.dumps(value)}" for name, value in settings.items()])
