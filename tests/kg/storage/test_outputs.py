"""What a user put somewhere stays: graphs, runs and results are written around it or refused with its name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.manifest import refuse_foreign, refuse_sealed
from kg.storage.outputs import claim_file, claim_folder


@pytest.fixture
def graph(small_dataset: Dataset, tmp_path: Path) -> Path:
    small_dataset.save(tmp_path / "graph")
    return tmp_path / "graph"


@pytest.mark.parametrize("name", ["notes.txt", "notes/deep.txt", ".hidden", "storerooms"])
def test_what_the_manifest_does_not_name_is_refused_with_its_name(
    graph: Path, small_dataset: Dataset, name: str
) -> None:
    (graph / name).parent.mkdir(exist_ok=True)
    (graph / name).write_text("mine")
    with pytest.raises(InputError, match=rf"this graph is not replaced, for its directory also holds '{name}'"):
        small_dataset.save(graph)
    assert (graph / name).read_text() == "mine"
    (graph / name).unlink()
    if "/" in name:
        with pytest.raises(InputError, match="also holds 'notes'"):  # an empty folder is somebody's as well
            small_dataset.save(graph)
        (graph / name).parent.rmdir()
    small_dataset.save(graph)


def test_a_link_in_a_graph_is_refused_and_not_followed(graph: Path, small_dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    (graph / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="also holds 'link'"):
        small_dataset.save(graph)
    assert (tmp_path / "elsewhere" / "precious").exists()


def test_the_store_of_queries_may_go(graph: Path, small_dataset: Dataset) -> None:
    (graph / ".store" / "0123").mkdir(parents=True)
    (graph / ".store" / "0123" / "CURRENT").touch()
    small_dataset.save(graph)
    assert not (graph / ".store").exists()


def test_a_folder_within_is_judged_by_its_own_manifest(graph: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    graph.rename(run / "graph")
    (run / "manifest.json").write_text(
        json.dumps({"format": "kgrec run", "files": {"graph/manifest.json": "", "config.yaml": ""}})
    )
    (run / "config.yaml").touch()
    refuse_foreign(run, form="kgrec run", noun="run")
    (run / "graph" / "mine").touch()
    with pytest.raises(InputError, match="also holds 'graph/mine'"):
        refuse_foreign(run, form="kgrec run", noun="run")


def test_nothing_is_added_to_a_graph(graph: Path) -> None:
    for place in (graph, graph / "reports", graph / "lists.parquet"):
        with pytest.raises(InputError, match="this is the directory of a graph, which nothing is added to"):
            refuse_sealed(place)
    with pytest.raises(InputError, match="the directory of a graph"):
        claim_folder(graph, ["segments.json"], key="segments", overwrite=True)
    refuse_sealed(graph.parent)


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    claim_file(tmp_path / "new" / "lists.parquet", overwrite=False, endings=(".parquet",))
    assert (tmp_path / "new").is_dir()
    (tmp_path / "lists.parquet").write_text("mine")
    with pytest.raises(InputError, match=r"lists\.parquet: this file is there already.*--overwrite"):
        claim_file(tmp_path / "lists.parquet", overwrite=False)
    claim_file(tmp_path / "lists.parquet", overwrite=True)
    with pytest.raises(InputError, match="this is a directory"):
        claim_file(tmp_path / "new", overwrite=True)


def test_a_name_that_says_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a file that ends in \.parquet or \.csv, got 'x\.xlsx'"):
        claim_file(tmp_path / "x.xlsx", overwrite=True, endings=(".parquet", ".csv"))


def test_results_replace_those_of_an_earlier_call_and_nothing_else(tmp_path: Path) -> None:
    folder, names = tmp_path / "report", ("a.json", "b.csv")
    claim_folder(folder, names, key="tables", overwrite=False)
    assert os.listdir(folder) == []
    (folder / "b.csv").write_text("mine")
    with pytest.raises(InputError, match=r"b\.csv: this file is there already and was not written by this command"):
        claim_folder(folder, names, key="tables", overwrite=False)
    claim_folder(folder, names, key="tables", overwrite=True)
    (folder / "a.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match=r"a\.json: this file is there already"):
        claim_folder(folder, names, key="tables", overwrite=False)
    (folder / "a.json").write_text('{"tables": 1}')
    claim_folder(folder, names, key="tables", overwrite=False)
