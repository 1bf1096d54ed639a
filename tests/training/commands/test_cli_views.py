"""The commands that look into a graph, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kg.dataset import Dataset
from training.commands import cli_views

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(small_dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kgrec: Run) -> Run:
    """Run `kgrec COMMAND GRAPH ...`; gives exit code, standard output and errors."""
    small_dataset.save(tmp_path / "graph")
    monkeypatch.setenv("KGREC_CACHE", str(tmp_path / "cache"))
    return lambda command, *arguments: kgrec(command, tmp_path / "graph", *arguments)


def test_show_names_the_line_of_each_edge(run: Run) -> None:
    code, out, _ = run("show", "item:é/1")
    assert code == 0
    assert "Beta (2001)" in out
    assert "items.csv, line 3" in out
    assert "1.5 stars" in out
    page = json.loads(run("show", "item:é/1", "--json")[1])
    assert page["node"]["id"] == "é/1"
    assert {edge["relation"] for edge in page["edges"]} >= {"RATED", "genre", "wiki:follows"}


def test_show_says_how_many_more_there_are_and_who_is_farther(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_views, "_SHOWN", 1)
    _, out, _ = run("show", "user:007", "--hops", "2")
    assert "and 1 more" in out
    assert "2 hops away:" in out


def test_paths_in_words_and_as_json(run: Run) -> None:
    code, out, _ = run("paths", "user:8", "item:é/1")
    assert code == 0
    assert "user 8\n  -- RATED -> (3 stars) [ratings] Alpha (1999) (item a b)" in out
    found = json.loads(run("paths", "user:8", "item:é/1", "-k", "2", "--json")[1])
    assert len(found["paths"]) == 2
    assert found["paths"][0]["length"] <= found["paths"][1]["length"]
    found = json.loads(run("paths", "person:Bo Ek", "genre:war", "--json")[1])
    assert (found["from"], found["to"]) == ("person:bo ek", "genre:war")
    assert "No path of at most 1 edge;" in run("paths", "user:8", "item:é/1", "--cutoff", "1")[1]


def test_stats_in_tables_and_as_json(run: Run) -> None:
    code, out, _ = run("stats")
    assert code == 0
    assert "components" in out
    assert "hubs" in out
    without, with_ratings = (json.loads(run("stats", *flag, "--json")[1]) for flag in ((), ("--ratings",)))
    assert with_ratings["edges"] == without["edges"] + 4


def test_search_by_meaning(run: Run) -> None:
    code, out, _ = run("search", "Drama (genre).", "--kind", "genre", "-k", "1")
    assert code == 0
    assert "1.000" in out
    found = json.loads(run("search", "Drama (genre).", "--json", "-k", "3")[1])
    assert [found["query"], found["nodes"][0]["id"], len(found["nodes"])] == ["Drama (genre).", "drama", 3]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "item:a  b"), "Did you mean 'a b'"),
        (("show", "drama"), "expected a node as kind:id"),
        (("paths", "user:8", "gerne:drama"), "Did you mean 'genre'"),
        (("search", " "), "nothing to look for"),
        (("search", "x", "--kind", "gerne"), "Did you mean 'genre'"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sentence in err
