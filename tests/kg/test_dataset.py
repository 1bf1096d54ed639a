from __future__ import annotations

import csv
import json
import shutil
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.named_split import TEST_PARTS, NamedSplit
from kg.ratings import Ratings
from kg.saved.store import from_rdf
from kg.storage.manifest import seal


def test_save_and_load_give_back_everything(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    loaded = Dataset.load(tmp_path / "graph")
    for name in ("user", "item", "value", "time"):
        np.testing.assert_array_equal(getattr(loaded.ratings, name), getattr(small_dataset.ratings, name))
    assert loaded.scale == small_dataset.scale
    assert loaded.report == small_dataset.report
    assert set(loaded.splits) == {"canonical", "cold"}
    for name, split in small_dataset.splits.items():
        np.testing.assert_equal(loaded.splits[name].roles, split.roles)


@given(
    rows=st.permutations(range(12)),
    cuts=st.lists(st.integers(0, 12), min_size=2, max_size=5).map(sorted),
    validation=st.booleans(),
)
def test_splits_of_any_parts_come_back_in_order(rows: list[int], cuts: list[int], validation: bool) -> None:
    pieces = [np.sort(np.array(rows[start:end], dtype=np.int64)) for start, end in pairwise([0, *cuts])]
    held_out = pieces.pop() if validation else None
    split = NamedSplit(parts=dict(zip(TEST_PARTS, pieces, strict=False)), validation_ratings=held_out)
    again = NamedSplit.of_roles(split.roles)
    assert list(again.parts) == list(split.parts)
    np.testing.assert_equal(again.roles, split.roles)


def test_a_graph_of_the_first_format_is_still_read(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    content = json.loads((tmp_path / "graph" / "manifest.json").read_text())
    files = content.pop("files")
    del content["checksum"]
    assert content["splits"] == {"canonical": ["test_ratings"], "cold": ["test_items"]}
    seal(tmp_path / "graph", {**content, "format_version": 1}, files)
    loaded = Dataset.load(tmp_path / "graph")
    assert loaded.splits["canonical"].test_ratings.tolist() == [0, 2]
    assert (loaded.implicit, loaded.fingerprint) == (False, small_dataset.fingerprint)


def test_a_graph_without_lines_of_edges_is_still_read(small_dataset: Dataset, tmp_path: Path) -> None:
    small_dataset.save(tmp_path / "graph")
    content = json.loads((tmp_path / "graph" / "manifest.json").read_text())
    files = content.pop("files")
    del content["checksum"]
    edges = pq.read_table(tmp_path / "graph" / "edges.parquet")
    pq.write_table(edges.drop_columns("line"), tmp_path / "graph" / "edges.parquet")
    assert any(found.lines.any() for found in small_dataset.graph.edges.values())
    seal(tmp_path / "graph", {**content, "format_version": 2}, files)
    for edge_type, loaded in Dataset.load(tmp_path / "graph").graph.edges.items():
        expected = small_dataset.graph.edges[edge_type]
        np.testing.assert_array_equal(loaded.index, expected.index)
        assert not loaded.lines.any()


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


IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), min_size=1).filter(str.strip),
    st.integers(-(2**63), 2**64).map(str),
    st.sampled_from(["007", "a/b", " a b ", "🎬", "nan", "NULL", "1e5", "True", '"', ",", "\u00e9", "e\u0301"]),
)


@given(
    users=st.lists(IDS, min_size=1, max_size=4, unique=True), items=st.lists(IDS, min_size=1, max_size=4, unique=True)
)
def test_ids_of_any_kind_go_from_the_tables_to_the_graph_directory_and_back(users: list[str], items: list[str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, rows in {
            "users.csv": [["id"], *([user] for user in users)],
            "items.csv": [["id"], *([item] for item in items)],
            "ratings.csv": [["user", "item", "rating"], *([user, item, "3"] for user in users for item in items)],
        }.items():
            with (folder / file).open("w", newline="", encoding="utf-8") as opened:
                csv.writer(opened, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
        description = Description.model_validate(
            {
                "name": "ids",
                "ratings": {"file": "ratings.csv"},
                "users": [{"file": "users.csv", "id": "id"}],
                "items": [{"file": "items.csv", "id": "id"}],
            }
        )
        build(description, data=folder).save(folder / "graph")
        loaded = Dataset.load(folder / "graph")
        assert list(loaded.graph.users.vocabulary) == users
        assert list(loaded.graph.items.vocabulary) == items
        assert len(loaded.ratings) == len(users) * len(items)
        from_quads = from_rdf(folder / "graph" / "kg.nq.gz")
        assert from_quads.users.vocabulary == loaded.graph.users.vocabulary
        assert from_quads.items.vocabulary == loaded.graph.items.vocabulary
