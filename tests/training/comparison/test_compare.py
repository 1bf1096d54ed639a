"""`kgrec compare` on a small world: figures are those of `evaluate`, and what is absent is said once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from training.bundle import load_run
from training.cli import app
from training.comparison import benchmark_run, compare
from training.comparison.compare import Comparison
from training.comparison.measurement import Measurement
from training.comparison.peers import BenchmarkData, Peer
from training.predictions import Scorers
from training.progress import Progress, silent
from training.report import evaluation_report
from training.splits import make_split

DESCRIPTION = """name: genres
ratings: {{file: ratings.csv, {form}}}
items:
  - {{file: items.csv, id: id, label: title, concepts: {{genre: {{column: genre}}}}}}
users:
  - {{file: users.csv, id: id}}
"""
SETTINGS = (
    "split.test_share=0.3",
    "text.num_features=0",
    "training.epochs=6",
    "training.burn_in=3",
    "training.hold=1",
    "training.keep_every=1",
    "model.embedding_size=2",
)
NAMES = ["mean", "biases", "content kNN", "popularity", "EASE"]


def fit_threes(data: BenchmarkData) -> Scorers:
    return Scorers(stars=lambda user, item: np.full(len(user), 3.0))


def fit_nothing(data: BenchmarkData) -> Scorers:
    raise AssertionError("an absent package is never asked")


@pytest.fixture(scope="module", autouse=True)
def in_this_process(stand_in_encoder: None) -> Iterator[None]:
    """Fit here, beside a peer that is there and two that are not, with stand-in texts."""

    def here(job: Callable[[Progress], Measurement], *, progress: Progress = silent) -> Measurement:
        return job(progress)

    absent = [Peer(name=name, fit=fit_nothing, package=f"no-such-{name}") for name in ("stars", "lists")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_run, "in_child", here)
        patch.setattr(compare, "OF_STARS", (Peer(name="threes", fit=fit_threes), absent[0]))
        patch.setattr(compare, "OF_LISTS", (absent[1],))
        yield


def graph_of(folder: Path, form: str = "scale: [1, 5]") -> Path:
    """Thirty users, twelve items; even users love drama, odd ones war."""
    rng = np.random.default_rng(0)
    rows = [
        f"{user},{item},{5 if user % 2 == item % 2 else rng.integers(1, 4)}"
        for user in range(30)
        for item in range(12)
        if rng.random() < 0.8
    ]
    (folder / "ratings.csv").write_text("\n".join(["user,item,rating", *rows]) + "\n")
    items = [f"{item},Film {item},{('Drama', 'War')[item % 2]}" for item in range(12)]
    (folder / "items.csv").write_text("\n".join(["id,title,genre", *items]) + "\n")
    (folder / "users.csv").write_text("\n".join(["id", *map(str, range(30))]) + "\n")
    (folder / "genres.yaml").write_text(DESCRIPTION.format(form=form))
    build(Description.load(folder / "genres.yaml")).save(folder / "graph")
    return folder / "graph"


def asked(graph: Path, out: Path, *arguments: str) -> Any:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return CliRunner().invoke(app, ["compare", str(graph), "--out", str(out), *settings, *arguments])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a graph."""
    folder = tmp_path_factory.mktemp("world")
    graph_of(folder)
    return folder


@pytest.fixture(scope="module")
def printed(world: Path) -> dict[str, Any]:
    """Two seeds of ours beside all others, with lists of three as well."""
    answer = asked(world / "graph", world / "out", "--seeds", "2", "--at", "3", "--json")
    assert answer.exit_code == 0, answer.output
    read: dict[str, Any] = json.loads(answer.stdout)
    return read


def test_the_rows_are_what_evaluate_says_of_the_same_models(world: Path, printed: dict[str, Any]) -> None:
    out = world / "out"
    assert printed == json.loads((out / "compare.json").read_text())
    rows = printed["rows"]
    assert [(row["model"], row["seed"]) for row in rows[:2]] == [("kgrec", 0), ("kgrec", 1)]
    assert [row["model"] for row in rows[2:]] == [*NAMES, "threes"]
    assert pd.read_csv(out / "compare.csv")["model"].tolist() == [row["model"] for row in rows]
    by_name = {row["model"]: row for row in rows[1:]} | {"kgrec": rows[0]}
    report = evaluation_report(load_run(out / "runs" / "kgrec-0"), at=(3,))
    assert printed["protocol"] == report["protocol"] == "random"
    for name, figures in (
        ("kgrec", report["parts"]["warm"]),
        ("biases", report["baselines"]["biases"]["warm"]),
        ("EASE", report["baselines"]["ease"]["warm"]),
    ):
        for metric in ("rmse", "mae", "coverage_80", "ndcg@20", "recall@20", "ndcg@3", "mrr@3"):
            expected = figures.get(metric)
            if expected is not None:
                row = [by_name[name].get(column) for column in (metric, f"{metric} low", f"{metric} high")]
                assert row == [expected["value"], expected["low"], expected["high"]], (name, metric)
    split = make_split(Dataset.load(world / "graph"), "random", test_share=0.3)
    by_hand = float(np.sqrt(np.mean((split.test["warm"].value - 3.0) ** 2)))
    assert by_name["threes"]["rmse"] == pytest.approx(by_hand)
    assert {metric for metric in by_name["biases"] if metric.endswith(" p")} == {"rmse p", "ndcg@20 p", "ndcg@3 p"}
    assert not [metric for metric in rows[0] if metric.endswith(" p")]


def test_what_is_not_installed_is_one_note_with_its_remedy(world: Path, printed: dict[str, Any]) -> None:
    answer = asked(world / "graph", world / "out")  # an earlier comparison may be replaced, and its rows are kept
    assert answer.exit_code == 0, answer.output
    notes = [line for line in answer.stdout.splitlines() if "no-such" in line or "pip install" in line]
    assert notes == ["left out, not installed: no-such-stars, no-such-lists; `pip install -e '.[peers]'` gets them."]
    for text in ("kgrec", *NAMES, "threes", "rmse", "ndcg@20", "warm"):
        assert text in answer.stdout


def test_a_file_of_others_is_never_replaced(world: Path, tmp_path: Path) -> None:
    (tmp_path / "compare.csv").write_text("mine")
    answer = asked(world / "graph", tmp_path)
    assert isinstance(answer.exception, InputError)
    assert "was not written by this command" in str(answer.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["compare.csv"]
    assert (tmp_path / "compare.csv").read_text() == "mine"


def test_implicit_feedback_has_no_peers_of_stars_and_no_stars(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, "feedback: implicit")
    answer = asked(graph, tmp_path / "out", "--peer", "threes")
    assert isinstance(answer.exception, InputError)
    assert str(answer.exception) == "no peer has a name that begins with 'threes'; there are lists"
    answer = asked(graph, tmp_path / "out", "--json")
    assert answer.exit_code == 0, answer.output
    rows = json.loads(answer.stdout)["rows"]
    assert [row["model"] for row in rows] == ["kgrec", *NAMES]
    assert all("ndcg@20" in row and "rmse" not in row for row in rows)


def test_the_table_shows_means_over_seeds_intervals_and_the_largest_p() -> None:
    rows = [
        {"model": "kgrec", "part": "warm", "rmse": value, "rmse low": value - 0.1, "rmse high": value + 0.1, "train_seconds": 3.4}
        for value in (0.8, 0.9)
    ] + [{"model": "mean", "part": "warm", "rmse": 1.2, "rmse low": 1.0, "rmse high": 1.4, "rmse p": 0.02, "train_seconds": 0.1}]  # fmt: skip
    table = Comparison(graph="g", protocol="random", split="", rows=rows, notes=[]).table("warm").set_index("model")
    spread = np.std([0.8, 0.9], ddof=1)
    assert table.loc["kgrec, 2 seeds", "rmse"] == [f"0.8500 ± {spread:.4f}", "0.750 - 0.950"]
    assert table["p, rmse"].tolist() == ["", "0.020"]
    assert table["seconds"].tolist() == ["3", "0"]
