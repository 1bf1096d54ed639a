from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.ratings import Ratings


def test_save_and_load_give_back_everything(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    loaded = Dataset.load(tmp_path / "graph")
    for name in ("user", "item", "value", "time"):
        np.testing.assert_array_equal(getattr(loaded.ratings, name), getattr(small_dataset.ratings, name))
    assert loaded.scale == small_dataset.scale
    assert loaded.report == small_dataset.report
    assert set(loaded.splits) == {"canonical", "cold"}
    for name, split in small_dataset.splits.items():
        for role, rows in vars(split).items():
            np.testing.assert_equal(getattr(loaded.splits[name], role), rows)


def test_a_rebuild_has_the_same_fingerprint_and_another_rating_another(small_world: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(small_world, tmp_path / "elsewhere"))
    one, two = (build(Description.load(folder / "description.yaml")) for folder in (small_world, other))
    assert one.fingerprint == two.fingerprint
    one.save(tmp_path / "graph")
    assert Dataset.load(tmp_path / "graph").fingerprint == one.fingerprint
    (other / "ratings.tsv").write_text((other / "ratings.tsv").read_text().replace("\t4\t400", "\t3\t400"))
    assert build(Description.load(other / "description.yaml")).fingerprint != one.fingerprint


def test_ratings_of_other_nodes_are_refused(small_dataset: Dataset) -> None:
    ratings = Ratings(user=[0], item=[0], value=[1], num_users=9, num_items=3)
    with pytest.raises(ValueError, match="9 users and 3 items; the graph has 3 and 3"):
        Dataset(graph=small_dataset.graph, ratings=ratings, scale=(1, 5))


def test_ratings_outside_the_scale_are_refused(small_dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"1\.5 \.\. 5; the scale is 2 \.\. 5"):
        Dataset(graph=small_dataset.graph, ratings=small_dataset.ratings, scale=(2, 5))
