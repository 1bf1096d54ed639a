"""`kgrec query`: what people see, and that nothing runs for ever."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kg.dataset import Dataset
from training import cli
from training.commands import console

ENDLESS = "SELECT (COUNT(*) AS ?n) { " + " ".join(f"?a{n} ?b{n} ?c{n} ." for n in range(9)) + " }"


@pytest.fixture(scope="module")
def graph(small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "small"
    small_dataset.save(folder)
    return folder


def run(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["kgrec", "query", *map(str, arguments)])
    monkeypatch.setattr(console.out, "_width", 118)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_table_with_short_names_and_a_word_on_what_was_cut(
    graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "SELECT ?item ?label { ?item a kv:item ; rdfs:label ?label } ORDER BY ?label"
    assert run(graph, text, "--limit", 2, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines() if ":" in line] == [
        ["item:03", "03"],
        ["item:a%20b", "Alpha", "(1999)"],
    ]
    assert "there are more than these 2 rows" in said.err


def test_json_of_a_query_in_a_file_with_ratings(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.rq").write_text("SELECT ?v { ?r schema:author user:007 ; schema:ratingValue ?v } ORDER BY ?v")
    assert run(graph, "--file", tmp_path / "q.rq", "--ratings", "--json", monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["v"]["value"] for row in found["results"]["bindings"]] == ["1.5", "5"]


def test_without_a_query_it_says_what_can_be_asked(
    graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(graph, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert "kv:director" in said
    assert "# items without a text" in said
    assert run(graph, "--json", monkeypatch=monkeypatch) == 0
    assert len(json.loads(capsys.readouterr().out)["examples"]) == 5


def test_an_endless_query_is_stopped(
    graph: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(graph, ENDLESS, "--seconds", 0.5, monkeypatch=monkeypatch) == 2
    assert "the query was stopped after 0.5 seconds; make it narrower" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ASK {}", "--file", "q.rq"), "give the query itself or --file, not both"),
        (("ASK {}", "--seconds", 0), "a time limit above 0 seconds, got 0"),
        (("ASK {", "--json"), "the query is not valid SPARQL in line 1"),
    ],
)
def test_what_can_be_mended_is_one_sentence(
    graph: Path,
    arguments: tuple[object, ...],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(graph, *arguments, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
