"""The command `kgrec explain` on a tiny run; on real data, 10,000 sums."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from kg.graph import KnowledgeGraph
from kg.schema import ITEM
from models.attribution.attributions import attributions
from models.recommender import Recommender
from training import cli
from training.bundle import load_run

SUMS = 1e-5  # stars


@pytest.fixture(scope="module")
def run(tiny_run: Path, stand_in_encoder: None) -> Path:
    return tiny_run


def explained(run: Path, *arguments: object) -> dict[str, Any]:
    found = CliRunner().invoke(cli.app, ["explain", str(run), *map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    read: dict[str, Any] = json.loads(found.stdout)
    return read


def assert_edges_of(graph: KnowledgeGraph, path: list[dict[str, Any]]) -> None:
    """Each step after the rated item is an edge of the graph, on the line it names."""
    for start, end in pairwise(path[1:]):
        ends = (start, end) if end["forward"] else (end, start)
        kinds, ids = zip(*(step["node"].split(":", 1) for step in ends), strict=True)
        edge_type = next(
            one
            for one in graph.edges
            if (one.source, one.relation, one.target) == (kinds[0], end["relation"], kinds[1])
        )
        places = [graph.nodes[kind].vocabulary.index_of(raw_id) for kind, raw_id in zip(kinds, ids, strict=True)]
        edges = graph.edges[edge_type]
        at = np.flatnonzero((edges.index.T == places).all(axis=1))
        stated = {(graph.sources[int(edges.provenance[one])], int(edges.lines[one])) for one in at}
        assert (end["source"], end.get("line", 0)) in stated


@pytest.mark.parametrize(("user", "item"), [("007", "3"), ("a b", "7"), ("8", "0"), ("8", "6")])
def test_one_json_object_with_parts_that_sum_and_paths_of_the_graph(run: Path, user: str, item: str) -> None:
    found = explained(run, "--user", user, "--item", item)
    assert list(found) == ["user", "item", "label", "score", "sentence", "parts", "paths"]
    assert (found["user"], found["item"], found["label"]) == (user, item, f"Film {item}")
    recommender = load_run(run).recommender
    assert found["score"] == pytest.approx(recommender.predict([(user, item)])["score"][0], abs=SUMS)
    assert sum(part["stars"] for part in found["parts"]) == pytest.approx(found["score"], abs=SUMS)
    for part in found["parts"]:
        assert {"kind", "side", "name", "stars"} <= part.keys() <= {"kind", "side", "name", "stars", "source", "line"}
        assert ("source" in part) == (part["kind"] == "concept")
    genre = next(part for part in found["parts"] if part["kind"] == "concept" and part["side"] == ITEM)
    assert (genre["name"], genre["source"]) == (f"genre: {'Drama' if int(item) % 2 else 'War'}", "items.csv")
    assert genre["line"] == int(item) + 2  # below the header
    assert found["sentence"].startswith(f"Film {item}: {found['score']:.2f} stars expected")
    for path in found["paths"]:
        assert (path[0]["node"], path[-1]["node"]) == (f"user:{user}", f"item:{item}")
        assert_edges_of(recommender.graph, path)


def test_someone_new_is_explained_from_their_history(run: Path) -> None:
    found = explained(run, "--history", "3=5,0=1", "--item", "7")
    assert (found["user"], found["history"]) == (None, {"3": 5.0, "0": 1.0})
    rated = {part["name"] for part in found["parts"] if part["kind"] == "rated"}
    assert rated == {"rated: Film 3, 5 stars", "rated: Film 0, 1 star"}
    wanted = load_run(run).recommender.predict_for_histories({"n": {"3": 5.0, "0": 1.0}}, [("n", "7")])["score"][0]
    assert sum(part["stars"] for part in found["parts"]) == pytest.approx(wanted, abs=SUMS)
    assert len(found["paths"]) <= 3


def test_people_read_a_sentence_and_a_table_that_leads_to_the_prediction(run: Path) -> None:
    said = CliRunner().invoke(cli.app, ["explain", str(run), "--user", "007", "--item", "3", "-k", "2"])
    assert said.exit_code == 0
    found = explained(run, "--user", "007", "--item", "3")
    assert said.stdout.startswith(found["sentence"])
    others = len(found["parts"]) - 1 - 2  # the mean has a row, and two parts
    assert f"{others} other parts" in said.stdout
    assert f"{found['score']:.2f}" in said.stdout.split("prediction")[1]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_figure_is_drawn_and_the_same_each_time(run: Path, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("matplotlib")
    files = [tmp_path / f"{name}.{kind}" for name in ("one", "two")]
    for file in files:
        explained(run, "--user", "007", "--item", "3", "--figure", file)
    one, two = (file.read_bytes() for file in files)
    assert one == two
    if kind == "png":
        assert one.startswith(b"\x89PNG\r\n")
    else:
        assert ElementTree.fromstring(one).tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--user", "nobody", "--item", "3"), "'nobody'"),
        (("--user", "007", "--item", "no such film"), "'no such film'"),
        (("--user", "7", "--history", "3=5", "--item", "3"), "give exactly one of user and history"),
        (("--item", "3"), "give exactly one of user and history"),
        (("--user", "007"), "give --item"),
        (("--history", "no such film=5", "--item", "3"), "'no such film'"),
        (("--history", "3=9", "--item", "3"), "the scale is 1 to 5"),
        (("--user", "007", "--item", "3", "--figure", "why.txt"), ".png or .svg"),
    ],
)
def test_wrong_questions_end_in_one_sentence(
    run: Path, kgrec: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = kgrec("explain", run, *arguments)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())


# Real data


@pytest.fixture(scope="module")
def quick(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on the canonical first fold of MovieLens 100K."""
    folder = tmp_path_factory.mktemp("explain")
    for arguments in (
        ("build", "movielens-100k", "--data", str(real_data), "--out", str(folder / "graph")),
        ("train", str(folder / "graph"), "--split", "u1", "--recipe", "quick", "--out", str(folder / "u1")),
    ):
        command = [sys.executable, "-m", "kgrec", *arguments, "--json"]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
    return folder / "u1"


@pytest.fixture(scope="module")
def real(quick: Path) -> Recommender:
    return load_run(quick).recommender


@pytest.mark.slow
def test_parts_of_ten_thousand_pairs_sum_to_the_predictions(real: Recommender) -> None:
    rng, counts = np.random.default_rng(0), real.train.item_counts
    new, rated = np.flatnonzero(counts == 0), np.flatnonzero(counts)
    some_items = np.concatenate([new[:5], rng.choice(rated, 45, replace=False)])
    some_users = rng.choice(real.train.num_users, 200, replace=False)
    sources: set[str] = set()
    for start in range(0, len(some_users), 20):  # messages of a node are read once a block
        users, items = (one.ravel() for one in np.meshgrid(some_users[start : start + 20], some_items))
        ids = [
            (real.graph.users.vocabulary.id_of(int(user)), real.graph.items.vocabulary.id_of(int(item)))
            for user, item in zip(users, items, strict=True)
        ]
        wanted = real.predict(ids)
        found = [float(attribution.stars.sum()) for attribution in attributions(real, users, items)]
        np.testing.assert_allclose(found, wanted["score"], rtol=0, atol=SUMS)
        sources |= set(wanted["source"])
    assert sources == {"warm", "few ratings", "cold: text+concepts"}
