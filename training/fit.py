"""From tables to a recommender in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kg.dataset import Dataset
from kg.errors import InputError, did_you_mean
from kg.frame_build import build
from kg.frame_description import RATING_SETTINGS
from models.recommender import Recommender
from training.config import RunConfig
from training.progress import Progress, silent
from training.recipes import recipe_named
from training.runs import train_run
from training.splits import NONE

__all__ = ["fit"]


def fit(
    ratings: Any,
    items: Any = None,
    users: Any = None,
    knowledge: Any = None,
    *,
    columns: Mapping[str, str] | None = None,
    path: str | Path | None = None,
    overwrite: bool = False,
    recipe: str = "standard",
    progress: Progress = silent,
    **settings: Any,
) -> Recommender:
    """Build a graph, train on it, and return what answers.

    The same as `kgrec build` and `kgrec train` on the same data, but for the split: here all ratings are trained on, unless
    `split` names one, such as `"random"`.

    Args:
        ratings: Tables, or a description, as `kgrec.build` takes them; or what `kgrec.build` returned.
        items: See `kgrec.build`.
        users: See `kgrec.build`.
        knowledge: See `kgrec.build`.
        columns: See `kgrec.build`.
        path: Directory that receives the run, for `kgrec.load` and the command line; by default none is kept. A training
            that was killed goes on there, and the same one is not done twice.
        overwrite: Whether another run at `path` is replaced.
        recipe: `standard`, `quick` or `adamw`.
        progress: Called with (stage, done, total, message).
        **settings: Fields of the configuration, sections as mappings: `seed=1`, `split="by-time"`,
            `training={"chains": 4}`, `model={"embedding_size": 32}`; and what `kgrec.build` takes, such as `scale=(0.5, 5)`.

    Raises:
        InputError: If an input or a setting is wrong, or another run is at `path`.
    """
    of_ratings = {name: settings.pop(name) for name in RATING_SETTINGS if name in settings}
    known = (*RunConfig.model_fields, *RATING_SETTINGS)
    for name in settings:
        if name not in known:
            raise InputError(
                f"there is no setting {name!r}; expected some of {', '.join(known)}.{did_you_mean(name, known)}"
            )
    if not isinstance(ratings, Dataset):
        dataset = build(ratings, items, users, knowledge, columns=columns, **of_ratings)
    elif of_ratings or any(given is not None for given in (items, users, knowledge, columns)):
        raise InputError("a data set is built already; give what it is built from to kgrec.build")
    else:
        dataset = ratings
    config = _with_settings(recipe_named(recipe)(len(dataset.ratings)), {"split": {"name": NONE}, **settings})
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run" if path is None else Path(path)
        dataset.save(Path(folder) / "graph")
        train_run(Path(folder) / "graph", config, out, overwrite=overwrite, progress=progress)
        return Recommender.load(out)


def _with_settings(config: RunConfig, settings: Mapping[str, Any]) -> RunConfig:
    """Return a configuration with some fields changed; another method of training begins with its own defaults."""
    values = config.model_dump(mode="json")
    for section, given in settings.items():
        before = {} if isinstance(given, Mapping) and "method" in given else values[section]
        if section == "split" and isinstance(given, str):
            given = {"name": given}
        values[section] = {**before, **given} if isinstance(given, Mapping) and isinstance(before, dict) else given
    return RunConfig.checked(values)
