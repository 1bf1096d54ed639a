"""The command line in this process, on a world of two genres; texts get stand-in vectors."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.main import get_command

from kg.description import ready_made
from training import cli
from training.config import RunConfig

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
FAST = (
    *("--set", "training.epochs=8", "--set", "training.burn_in=4", "--set", "training.hold=2"),
    *("--set", "training.keep_every=1", "--set", "model.embedding_size=2"),
)
TRAIN = ("train", "{graph}", "--out", "{tmp}/new", *FAST)
RECOMMEND = ("recommend", "{run}", "--json")


Kgrec = Callable[..., Any]


@pytest.fixture
def places(tastes: dict[str, Path], tmp_path: Path) -> dict[str, str]:
    return {"tmp": str(tmp_path)} | {name: str(path) for name, path in tastes.items()}


@pytest.fixture(name="kgrec")
def kgrec_with_places(kgrec: Kgrec, places: dict[str, str]) -> Kgrec:
    """Run a command line; `{graph}`, `{run}`, `{description}` and `{tmp}` stand for paths."""
    return lambda *arguments: kgrec(*(argument.format(**places) for argument in arguments))


def refused(kgrec: Kgrec, folder: Path, *arguments: str) -> str:
    """Return the one sentence of a refusal, having checked that it is one and that nothing was written."""
    before = {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
    finished = kgrec(*arguments)
    assert finished.code == 2
    assert finished.out == ""
    assert finished.err.startswith("error: ")
    assert finished.err.count("\n") == 1
    assert {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")} == before
    return finished.err


# Help


@pytest.mark.parametrize("command", sorted(get_command(cli.app).commands))  # type: ignore[attr-defined]
def test_every_command_shows_an_example(kgrec: Kgrec, command: str) -> None:
    finished = kgrec(command, "--help")
    assert finished.code == 0
    assert f"Example: kgrec {command}" in finished.out


def test_help_names_every_ready_made_description(kgrec: Kgrec) -> None:
    shown = kgrec("build", "--help").out
    assert [name for name in ready_made() if name not in shown] == []


def test_the_version_is_that_of_the_project_file(kgrec: Kgrec) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert kgrec("--version") == (0, f"kgrec {project['version']}\n", "")


def test_help_keeps_square_brackets(kgrec: Kgrec) -> None:
    assert "'.[peers]'" in kgrec("compare", "--help").out


# JSON for machines


def test_build_prints_its_report_as_one_object(kgrec: Kgrec) -> None:
    finished = kgrec("build", "{description}", "--out", "{tmp}/graph", "--json")
    assert finished.code == 0
    assert finished.json["graph"].endswith("/graph")
    assert len(finished.json["fingerprint"]) == 64
    assert "kept" in finished.out


def test_train_prints_one_object_and_trains_the_same_run_once(kgrec: Kgrec) -> None:
    first = kgrec(*TRAIN, "--json")
    assert (first.code, first.json["trained"]) == (0, True)
    assert first.json["seconds"]["train"] > 0
    assert "training: 8 of 8" in first.err
    again = kgrec(*TRAIN, "--json")
    assert (again.code, again.json["trained"]) == (0, False)


def test_another_configuration_replaces_a_run_only_when_told(kgrec: Kgrec, tmp_path: Path) -> None:
    assert kgrec(*TRAIN).code == 0
    assert "--overwrite" in refused(kgrec, tmp_path, *TRAIN, "--seed", "1")
    assert kgrec(*TRAIN, "--seed", "1", "--overwrite", "--json").json["trained"] is True
    assert json.loads((tmp_path / "new" / "manifest.json").read_text())["seed"] == 1


def test_settings_reach_the_configuration_of_the_run(kgrec: Kgrec, tmp_path: Path) -> None:
    assert kgrec(*TRAIN, "--split", "cold-items", "--seed", "7", "--set", "split.test_share=0.3").code == 0
    config = RunConfig.load(tmp_path / "new" / "config.yaml")
    assert (config.seed, config.split.name, config.split.test_share) == (7, "cold-items", 0.3)
    assert (config.model.embedding_size, config.training.epochs) == (2, 8)
    assert kgrec("train", "{graph}", "--out", "{tmp}/again", "--config", "{tmp}/new/config.yaml").code == 0
    assert RunConfig.load(tmp_path / "again" / "config.yaml") == config


def test_a_configuration_file_may_name_a_few_settings_only(kgrec: Kgrec, tmp_path: Path) -> None:
    few = "training:\n  epochs: 8\n  burn_in: 4\n  hold: 2\nmodel:\n  embedding_size: 2\n"
    (tmp_path / "few.yaml").write_text(few)
    assert kgrec("train", "{graph}", "--out", "{tmp}/new", "--config", "{tmp}/few.yaml").code == 0
    assert RunConfig.load(tmp_path / "new" / "config.yaml").training.method == "langevin"


def test_evaluate_prints_what_machines_read(kgrec: Kgrec, places: dict[str, str]) -> None:
    report = kgrec("evaluate", "{run}", "--json").json
    assert (report["run"], report["protocol"]) == (places["run"], "random")
    assert set(report["seconds"]) == {"train", "evaluate"}
    assert report["peak_memory_mb"] > 0
    assert report["uses_test_date"] is False
    assert set(report["baselines"]) >= {"mean", "biases", "content_knn"}
    warm = report["parts"]["warm"]
    assert warm["num_ratings"] > 0
    for metric in ("rmse", "mae", "ndcg@20", "recall@20", "coverage_80"):
        assert set(warm[metric]) == {"value", "low", "high"}
        assert warm[metric]["low"] <= warm[metric]["value"] <= warm[metric]["high"]
    for name in ("mean", "biases", "content_knn"):
        assert set(report["baselines"][name]) == set(report["parts"])
        assert set(report["baselines"][name]["warm"]["rmse"]) == {"value", "low", "high"}


def test_evaluate_measures_lists_of_other_lengths(kgrec: Kgrec, tmp_path: Path) -> None:
    warm = kgrec("evaluate", "{run}", "--no-baselines", "--at", "5,10", "--json").json["parts"]["warm"]
    for length in (5, 10, 20):
        for name in ("ndcg", "recall", "hit_rate", "mrr"):
            assert 0 <= warm[f"{name}@{length}"]["value"] <= 1
    assert warm["recall@5"]["value"] <= warm["recall@10"]["value"] <= warm["recall@20"]["value"]
    for wrong in ("0", "5,ten", "", "5,1001"):
        assert "lengths of lists from 1 to 1000" in refused(kgrec, tmp_path, "evaluate", "{run}", "--at", wrong)
    told = refused(kgrec, tmp_path, "evaluate", "{run}", "--no-baselines", "--mask-validation")
    assert "no validation ratings to take out of the lists" in told


def test_evaluate_can_leave_the_baselines_out_and_says_the_same_of_the_model(kgrec: Kgrec) -> None:
    short = kgrec("evaluate", "{run}", "--no-baselines", "--json").json
    assert short["baselines"] == {}
    assert short["parts"] == kgrec("evaluate", "{run}", "--json").json["parts"]


@pytest.mark.parametrize(
    ("who", "echo"),
    [
        (("--user", "003"), {"user": "003"}),
        (("--history", "d1=5,w2=1.0"), {"history": {"d1": 5.0, "w2": 1.0}}),
        (("--history", ""), {"history": {}}),
        (("--text", "quiet drama"), {"text": "quiet drama", "understood": ["genre Drama"]}),
    ],
)
def test_recommend_prints_what_machines_read(kgrec: Kgrec, who: tuple[str, ...], echo: dict[str, Any]) -> None:
    finished = kgrec(*RECOMMEND, *who, "-k", "2")
    assert finished.code == 0
    assert {name: value for name, value in finished.json.items() if value is not None and name != "items"} == echo
    assert len(finished.json["items"]) == 2
    for row in finished.json["items"]:
        assert row["label"] == f"Film {row['id']}"
        assert 1 <= row["low"] <= row["high"] <= 5
        assert 1 <= row["score"] <= 5
        assert row["source"] in {"warm", "few ratings", "cold: text+concepts", "popularity"}


def test_audience_prints_what_machines_read(kgrec: Kgrec) -> None:
    found = kgrec("audience", "{run}", "--item", "d1", "-k", "1", "--json").json
    assert found["item"] == "d1"
    assert set(found["users"][0]) >= {"id", "label", "score", "low", "high", "source"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "{run}"),
        ("recommend", "{run}", "--user", "003"),
        ("recommend", "{run}", "--text", "[b]square[/b] brackets [/x]"),
        ("audience", "{run}", "--item", "d1"),
        ("build", "{description}", "--out", "{tmp}/graph"),
        TRAIN,
    ],
)
def test_people_get_plain_output(kgrec: Kgrec, arguments: tuple[str, ...]) -> None:
    finished = kgrec(*arguments)
    assert finished.code == 0
    assert finished.out.strip()


# Refusals


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*TRAIN, "--recipe", "standrd"), "standard"),
        ((*TRAIN, "--set", "training.epoch=5"), "Did you mean 'epochs'?"),
        ((*TRAIN, "--set", "training.epochs=many"), "training.epochs"),
        ((*TRAIN, "--set", "training.epochs"), "section.field=value"),
        ((*TRAIN, "--set", "seed.of=1"), "'seed'"),
        ((*TRAIN, "--set", "training.epochs=[1"), "training.epochs"),
        ((*TRAIN, "--set", "training.burn_in=8"), "burn_in"),
        ((*TRAIN, "--set", "split.test_share=2"), "split.test_share"),
        ((*TRAIN, "--seed", "-1"), "seed"),
        ((*TRAIN, "--split", "u1"), "cold-items"),
        ((*TRAIN, "--split", "by-time"), "time"),
        ((*TRAIN, "--set", "model.rating_dates=true"), "what a day adds to a user brought nothing"),
        (("train", "{graph}", "--out", "{tmp}/new", "--recipe", "adamw", "--set", "split.validation_share=0"), "0.05"),
        (("train", "{tmp}/none", "--out", "{tmp}/new"), "expected a graph directory"),
        (("train", "{run}", "--out", "{tmp}/new"), "not the manifest of a graph"),
        (("train", "{graph}", "--out", "{tmp}/file", *FAST), "file of this name"),
        (("train", "{graph}", "--out", "{tmp}/new", "--config", "{tmp}/none.yaml"), "cannot be read"),
        (("train", "{graph}", "--out", "{tmp}/new", "--config", "{tmp}/config.yaml"), "config.yaml, line 4"),
        (("build", "{tmp}/none.yaml", "--out", "{tmp}/new"), "none.yaml"),
        (("build", "{description}", "--out", "{tmp}/file"), "file of this name"),
        (("evaluate", "{tmp}/none"), "expected a run directory"),
        (("evaluate", "{graph}"), "not the manifest of a run"),
        ((*RECOMMEND, "--user", "3"), "user '3'"),
        ((*RECOMMEND, "--history", "d1=5,d77=4"), "item 'd77'"),
        ((*RECOMMEND, "--history", "d1"), "item=stars"),
        ((*RECOMMEND, "--history", "d1=good"), "item=stars"),
        ((*RECOMMEND, "--history", "=5"), "item=stars"),
        ((*RECOMMEND, "--history", "d1=5,d1=4"), "twice"),
        ((*RECOMMEND, "--history", "d1=6"), "1 to 5"),
        ((*RECOMMEND, "--history", "d1=nan"), "1 to 5"),
        ((*RECOMMEND, "--text", " "), "the text is empty"),
        ((*RECOMMEND, "--user", "003", "-k", "0"), "at least 1"),
        ((*RECOMMEND, "--user", "003", "--text", "war"), "exactly one"),
        ((*RECOMMEND, "--history", "d1=5", "--text", "war"), "exactly one"),
        (RECOMMEND, "exactly one"),
        (("recommend", "{tmp}/none", "--user", "003"), "expected a run directory"),
        (("audience", "{run}", "--item", "d77"), "item 'd77'"),
        (("audience", "{run}", "--item", "d1", "-k", "0"), "at least 1"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    kgrec: Kgrec, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "config.yaml").write_text("training:\n  method: langevin\n  epochs: 9\n  epoch: 5\n")
    assert sentence in refused(kgrec, tmp_path, *arguments)


def test_a_scale_of_many_levels_trains(kgrec: Kgrec, write_tastes: Callable[..., Path], tmp_path: Path) -> None:
    write_tastes(tmp_path / "fine", step=0.05)
    assert kgrec("build", "{tmp}/fine/description.yaml", "--out", "{tmp}/graph").code == 0
    assert kgrec("train", "{tmp}/graph", "--out", "{tmp}/new", *FAST).code == 0
    shown = json.loads(kgrec("recommend", "{tmp}/new", "--user", "000", "--json").out)["items"][0]
    assert 1 <= shown["low"] <= shown["score"] <= shown["high"] <= 5


def test_several_problems_are_a_line_each_and_a_line_break_of_the_data_is_none(
    kgrec: Kgrec, write_tastes: Callable[..., Path], tmp_path: Path
) -> None:
    description = write_tastes(tmp_path / "spoilt")
    with (description.parent / "ratings.csv").open("a") as file:
        file.write('000,d0,nine\n001,d1,"ni\nne"\n')
    finished = kgrec("build", str(description), "--out", "{tmp}/graph")
    assert finished.code == 2
    heading, *problems = finished.err.strip().split("\n")
    assert heading == "error: 2 problems:"
    assert len(problems) == 2
    assert r"ni\nne" in problems[1]


def test_a_misspelt_recipe_gets_a_suggestion(kgrec: Kgrec, tmp_path: Path) -> None:
    assert "Did you mean 'standard'?" in refused(kgrec, tmp_path, *TRAIN, "--recipe", "standrd")


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "{description}", "--out", "{tmp}/mine"),
        ("train", "{graph}", "--out", "{tmp}/mine", *FAST),
        ("train", "{graph}", "--out", "{tmp}/mine", *FAST, "--overwrite"),
    ],
    ids=["build", "train", "train --overwrite"],
)
def test_a_folder_with_something_else_in_it_is_never_replaced(
    kgrec: Kgrec, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert str(tmp_path / "mine") in refused(kgrec, tmp_path, *arguments)


def test_an_empty_folder_is_as_good_as_none(kgrec: Kgrec, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert kgrec("build", "{description}", "--out", "{tmp}/empty").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "{graph}", "--out", "{tmp}/new", "--seed", "99999999999999999999"), "seed"),
        (("train", "{graph}", "--out", "{tmp}/new", "--set", "seed=" + "[" * 3000), "not valid YAML"),
        (("train", "{graph}", "--out", "{tmp}/new", "--split", "no"), "no split 'no'"),
        (("train", "{graph}", "--out", "{tmp}/new", "--config", "c.yaml", "--recipe", "quick"), "not both"),
        (("build", "{description}", "--out", "/proc/graph"), "nothing can be written here"),
    ],
)
def test_odd_input_ends_in_a_sentence(kgrec: Kgrec, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(kgrec, tmp_path, *arguments)


def test_blanks_around_an_id_of_a_history_are_forgiven(kgrec: Kgrec) -> None:
    plain, spaced = (
        kgrec("recommend", "{run}", "--history", text, "--json") for text in ("d1=5,w1=2", " d1 = 5 , w1=2 ")
    )
    assert plain.code == spaced.code == 0
    assert json.loads(plain.out)["items"] == json.loads(spaced.out)["items"]


def test_settings_of_a_method_may_stand_before_it(kgrec: Kgrec, tmp_path: Path) -> None:
    settings = ("training.epochs=3", "training.method=adamw", "split.validation_share=0.2")
    flags = [part for setting in settings for part in ("--set", setting)]
    assert kgrec("train", "{graph}", "--out", "{tmp}/new", *flags).code == 0
    assert len((tmp_path / "new" / "history.csv").read_text().splitlines()) == 1 + 3


RULES = """rules:
  - hide: {genre: Drama}
  - boost: {item: w3}
    stars: 4
    name: more of w3
  - hide: {sparql: "SELECT ?item { ?item rdfs:label 'Film w4' }"}
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    (tmp_path / "rules.yaml").write_text(RULES)
    return str(tmp_path / "rules.yaml")


def test_rules_say_how_many_items_they_are_about(kgrec: Kgrec, rules: str) -> None:
    found = kgrec("rules", "{graph}", rules, "--json").json
    assert [(row["action"], row["items"]) for row in found["rules"]] == [("hide", 6), ("boost", 1), ("hide", 1)]
    assert (found["items_left"], found["notes"]) == (5, [])
    table = kgrec("rules", "{graph}", rules).out
    assert "more of w3" in table
    assert "5 of 12 items can be listed." in table


@pytest.mark.parametrize("who", [("--user", "001"), ("--history", "d0=1,w0=5"), ("--text", "a war film")])
def test_lists_keep_to_rules_and_name_them(kgrec: Kgrec, rules: str, who: tuple[str, str]) -> None:
    plain = kgrec(*RECOMMEND, *who).json["items"]
    ruled = kgrec(*RECOMMEND, *who, "--rules", rules).json["items"]
    assert all("rules" not in row for row in plain)
    assert ruled
    assert {row["id"] for row in ruled} <= {"w0", "w1", "w2", "w3", "w5"}
    told = {row["id"]: row["rules"] for row in ruled}
    assert all((text == "more of w3") == (item == "w3") for item, text in told.items())


def test_the_lists_of_all_keep_to_rules_too(kgrec: Kgrec, rules: str, tmp_path: Path) -> None:
    assert kgrec("recommend", "{run}", "--all", "--out", "{tmp}/lists.parquet", "--rules", rules).code == 0
    assert set(pd.read_parquet(tmp_path / "lists.parquet")["item"]) <= {"w0", "w1", "w2", "w3", "w5"}


def test_a_boost_is_a_part_of_an_explanation(kgrec: Kgrec, rules: str) -> None:
    plain = kgrec("explain", "{run}", "--user", "001", "--item", "w3", "--json").json
    ruled = kgrec("explain", "{run}", "--user", "001", "--item", "w3", "--rules", rules, "--json").json
    boosts = [part for part in ruled["parts"] if part["kind"] == "rule"]
    assert [(part["name"], part["stars"]) for part in boosts] == [("rule: more of w3", 4)]
    assert ruled["score"] == pytest.approx(plain["score"] + 4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--user", "001", "--rules", "{tmp}/none.yaml"), ("none.yaml",)),
        (("--user", "001", "--diversity", "1.5"), ("diversity", "1.5")),
        (("--user", "001", "--diversity", "0.6", "--novelty", "0.6"), ("share a weight of 1",)),
        (("--all", "--out", "{tmp}/lists.parquet", "--novelty", "0.5"), ("leave out --all",)),
        (("--all", "--out", "{tmp}/lists.xlsx"), ("expected a file that ends in .parquet", "lists.xlsx")),
        (("--all", "--out", "{tmp}/few.yaml"), ("expected a file that ends in .parquet",)),
        (("--all", "--out", "{run}/lists.parquet"), ("this is the directory of a run",)),
    ],
)
def test_wrong_rules_and_weights_are_one_sentence(
    kgrec: Kgrec, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    told = refused(kgrec, tmp_path, "recommend", "{run}", *arguments)
    assert all(word in told for word in words)


def test_variety_of_weight_zero_is_the_plain_list(kgrec: Kgrec) -> None:
    plain = kgrec(*RECOMMEND, "--user", "001").json
    assert kgrec(*RECOMMEND, "--user", "001", "--diversity", "0", "--novelty", "0").json == plain


def test_measures_beyond_accuracy_beside_the_baselines(kgrec: Kgrec, tmp_path: Path) -> None:
    found = kgrec("beyond", "{run}", "--out", "{tmp}/beyond", "--json").json
    assert set(found["models"]) == {"kgrec", "popularity", "content_knn", "ease"}
    for measures in found["models"].values():
        for estimate in measures.values():
            assert estimate["low"] <= estimate["high"]
    assert found["concept"] == "genre"
    assert "activity" in found["groups"]
    plain = [row for row in found["trade_off"] if row["weight"] == 0]
    for row in plain:  # without weights the curve starts at the model's own lists
        assert row["diversity"] == pytest.approx(found["models"]["kgrec"]["diversity"]["value"], abs=1e-6)
    written = {path.name for path in (tmp_path / "beyond").iterdir()}
    assert written == {"beyond.json", "trade-off.csv", "trade-off.png", "trade-off.svg"}
    assert "coverage" in kgrec("beyond", "{run}").out
