"""Directories of runs: trained once, replaced only when asked, refused early."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import models.lists.item_item
import training.runs
from kg.dataset import Dataset
from kg.errors import InputError
from kg.storage.only_writer import only_writer
from models.text import TextEncoder
from training.bundle import load_run
from training.config import RunConfig
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
SHORT = [
    "training.epochs=4",
    "training.burn_in=2",
    "training.hold=1",
    "training.keep_every=1",
    "model.embedding_size=2",
]


@pytest.fixture
def graph(small_dataset: Dataset, tmp_path: Path) -> Path:
    small_dataset.save(tmp_path / "graph")
    return tmp_path / "graph"


def config(*settings: str) -> RunConfig:
    return RunConfig().updated(["split.test_share=0.25", *SHORT, *settings])


def test_the_same_run_is_trained_once_unless_asked(graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train_run(graph, config(), out).trained
    assert not train_run(graph, config(), out).trained
    assert not train_run(graph, config(), out, overwrite=True, keep_same=True).trained
    assert train_run(graph, config(), out, overwrite=True).trained
    with pytest.raises(InputError, match="another graph, configuration or seed"):
        train_run(graph, config("seed=1"), out)
    assert train_run(graph, config("seed=1"), out, overwrite=True, keep_same=True).trained
    assert load_run(out).manifest["seed"] == 1


def test_a_second_training_into_the_same_directory_is_told(graph: Path, tmp_path: Path) -> None:
    """Both used to end with success told, and a run that did not load."""
    with ThreadPoolExecutor(1) as pool, only_writer(tmp_path / "run"):
        second = pool.submit(train_run, graph, config(), tmp_path / "run")
        with pytest.raises(InputError, match=r"process \d+ .* is writing here; wait until it has ended"):
            second.result()


def test_what_the_user_put_into_a_run_is_not_deleted(graph: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train_run(graph, config(), out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"also holds 'notes\.txt', which would be lost"):
        train_run(graph, config(), out, overwrite=True)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert train_run(graph, config(), out, overwrite=True).trained


def test_a_link_to_where_runs_lie_stays(graph: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run")
    train_run(graph, config(), tmp_path / "run")
    assert train_run(graph, config("seed=1"), tmp_path / "run", overwrite=True).trained
    assert (tmp_path / "run").is_symlink()
    assert load_run(tmp_path / "disk" / "run").manifest["seed"] == 1


def test_an_interrupt_says_that_the_training_is_kept(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(training.runs, "with_sentences", interrupt)
        with pytest.raises(KeyboardInterrupt) as stopped:
            train_run(graph, config(), out)
    assert stopped.value.__notes__ == [f"what {out} has reached is kept, and the same command goes on from there"]
    assert train_run(graph, config(), out).trained
    load_run(out)


def test_a_run_of_a_large_catalogue_keeps_the_head_of_its_lists(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.lists.item_item, "LARGEST_CATALOGUE", 2)
    monkeypatch.setattr(models.lists.item_item, "HEAD", 2)
    train_run(graph, config(), tmp_path / "run")
    recommender = load_run(tmp_path / "run").recommender
    assert recommender.item_item.head is not None
    assert recommender.item_item.weights.shape == (2, 2)
    grown = recommender.add_items([{"id": "brand new", "text": "a tale"}])
    rows = grown.recommend(history={}, k=100)
    assert len(rows) == recommender.graph.items.num_present + 1
    assert "brand new" in set(rows["id"])


def test_a_sentence_needs_the_encoder_that_read_the_items(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(graph, config(), tmp_path / "run")
    recommender = load_run(tmp_path / "run").recommender
    assert len(recommender.recommend(text="a tale")) > 0
    monkeypatch.setattr(TextEncoder, "fingerprint", "another")
    with pytest.raises(InputError, match="not the one that read the items"):
        recommender.recommend(text="a tale")
    with pytest.raises(InputError, match="characters that are not text"):
        recommender.recommend(text="a \udcff tale")


def test_a_sentence_may_be_in_any_script(graph: Path, tmp_path: Path) -> None:
    """Joiners are no printable signs, but Hindi, Persian and many emoji are written with them."""
    train_run(graph, config(), tmp_path / "run")
    recommender = load_run(tmp_path / "run").recommender
    for text in (
        "\u0915\u094d\u200d\u0937 film",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f468\u200d\U0001f680",
    ):
        assert len(recommender.recommend(text=text)) > 0
