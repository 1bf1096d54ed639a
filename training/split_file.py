"""The split of a run as row numbers, so that no later version draws another one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file

from kg.dataset import Dataset
from kg.ratings import Ratings
from kg.storage.atomic import staged_file
from training.splits import Split

__all__ = ["SPLIT_FILE", "read_split", "rows_of", "write_split"]

SPLIT_FILE = "split.safetensors"
_TEST = "test/"


def rows_of(part: Ratings, ratings: Ratings) -> NDArray[np.int64]:
    """Return in which rows of all ratings those of a part stand, `[num_part_ratings]`; a pair is rated once."""
    pairs = ratings.user * ratings.num_items + ratings.item
    order = np.argsort(pairs, kind="stable")
    wanted = part.user * part.num_items + part.item
    return order[np.searchsorted(pairs, wanted, sorter=order)]


def write_split(split: Split, dataset: Dataset, folder: Path) -> None:
    """Write which rows of a data set train, validate and test."""
    parts = {"train": split.train, "validation": split.validation}
    parts |= {_TEST + name: held_out for name, held_out in split.test.items()}
    rows = {name: rows_of(part, dataset.ratings) for name, part in parts.items() if part is not None}
    if split.shown is not None and dataset.shown is not None:
        rows["shown"] = rows_of(split.shown, dataset.shown)
    # One entry: safetensors writes several in no fixed order, and the same split gives the same bytes.
    metadata = {"split": json.dumps({"name": split.name, "sentence": split.sentence, "test": list(split.test)})}
    with staged_file(folder / SPLIT_FILE) as temporary:
        save_file({name: torch.from_numpy(part) for name, part in rows.items()}, temporary, metadata=metadata)


def read_split(dataset: Dataset, folder: Path) -> Split:
    """Return the split that `write_split` wrote, of the same data set."""
    with safe_open(folder / SPLIT_FILE, framework="np") as file:
        named = json.loads(file.metadata()["split"])
        rows = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    chosen = {name: dataset.ratings.select(part) for name, part in rows.items() if name != "shown"}
    return Split(
        name=named["name"],
        sentence=named["sentence"],
        train=chosen["train"],
        validation=chosen.get("validation"),
        test={name: chosen[_TEST + name] for name in named["test"]},
        shown=None if "shown" not in rows or dataset.shown is None else dataset.shown.select(rows["shown"]),
    )
