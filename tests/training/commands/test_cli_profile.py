"""`kgrec profile` and `kgrec segments` in this process, with stars and without; texts get stand-in vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
Kgrec = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(
    tastes: dict[str, Path], train_tastes: Callable[..., dict[str, Path]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    return {"stars": tastes["run"], "score": train_tastes(tmp_path_factory.mktemp("choices"), implicit=True)["run"]}


@pytest.mark.parametrize("kind", ["stars", "score"])
def test_a_profile_says_its_unit_and_whether_there_are_stars(runs: dict[str, Path], kgrec: Kgrec, kind: str) -> None:
    code, out, _ = kgrec("profile", runs[kind], "--user", "000", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["unit"] == kind
    assert (found["habits"]["mean_stars"] is None) == (kind == "score")
    assert (found["habits"]["generosity"] is None) == (kind == "score")
    assert found["drift"]["status"] == "no times"
    code, out, _ = kgrec("profile", runs[kind], "--user", "000")
    assert code == 0
    assert found["sentence"][:30] in out
    assert ("mean" in out) == (kind == "stars")


@pytest.mark.parametrize("kind", ["stars", "score"])
def test_an_edit_holds_and_gives_a_list(runs: dict[str, Path], kgrec: Kgrec, kind: str) -> None:
    arguments = ("profile", runs[kind], "--user", "000", "--set", "genre: War=0.4")
    code, out, _ = kgrec(*arguments, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["edits"] == {"genre:war": 0.4}
    assert 3 <= len(found["items"]) <= 10
    assert {one["name"]: one["weight"] for one in found["interests"]}["genre: War"] == pytest.approx(0.4, abs=1e-3)
    assert kgrec(*arguments)[0] == 0


@pytest.mark.parametrize("kind", ["stars", "score"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_all_profiles_are_a_table_and_a_page(
    runs: dict[str, Path], kgrec: Kgrec, tmp_path: Path, kind: str, ending: str
) -> None:
    table = tmp_path / "new" / f"profiles.{ending}"
    code, out, _ = kgrec("profile", runs[kind], "--all", "--out", table, "--json")
    assert code == 0
    assert json.loads(out)["num_users"] == 16
    read = pd.read_parquet(table) if ending == "parquet" else pd.read_csv(table, dtype={"user": str})
    assert read["user"].tolist() == [f"{user:03}" for user in range(16)]
    assert read["source"].iloc[-1] == "cold: demographics"
    assert read["sentence"].str.len().min() > 10
    page = table.with_suffix(".html").read_text()
    assert "&lt;spy&gt;" in page  # what users are called is no markup
    assert "<spy>" not in page


@pytest.mark.parametrize("kind", ["stars", "score"])
def test_segments_hold_each_user_once(runs: dict[str, Path], kgrec: Kgrec, tmp_path: Path, kind: str) -> None:
    code, out, _ = kgrec("segments", runs[kind], "--k", "2", "--json", "--out", tmp_path / "segments")
    found = json.loads(out)
    assert code == 0
    assert json.loads((tmp_path / "segments" / "segments.json").read_text()) == found
    members = pd.read_csv(tmp_path / "segments" / "members.csv", dtype={"user": str})
    assert members["user"].is_unique
    assert len(members) == found["num_users"] == sum(one["size"] for one in found["segments"])
    assert members["segment"].value_counts().to_dict() == {one["number"]: one["size"] for one in found["segments"]}
    for one in found["segments"]:
        for trait in one["likes"] + one["dislikes"]:
            assert trait["weight_low"] <= trait["weight"] <= trait["weight_high"]
            assert trait["lift_low"] <= trait["lift"] <= trait["lift_high"]
    assert kgrec("segments", runs[kind], "--k", "2")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("profile", "{run}", "--user", "nobody"), "nobody"),
        (("profile", "{run}"), "give --user ID or --all"),
        (("profile", "{run}", "--all"), "needs --out"),
        (("profile", "{run}", "--all", "--out", "{tmp}/profiles.xlsx"), ".parquet or .csv"),
        (("profile", "{run}", "--all", "--out", "{tmp}/mine.csv"), "mine.csv: this file is there already"),
        (("profile", "{run}", "--all", "--out", "{tmp}/page.csv"), "page.html: this file is there already"),
        (("profile", "{run}", "--user", "000", "--out", "{tmp}/one.csv"), "goes with --all"),
        (
            ("segments", "{run}", "--out", "{tmp}"),
            "members.csv: this file is there already and was not written by this",
        ),
        (("segments", "{run}", "--out", "{run}/graph"), "this is the directory of a graph, which nothing is added to"),
        (("segments", "{run}", "--out", "{tmp}/mine.csv"), "no directory can be made here"),
        (("profile", "{run}", "--user", "000", "--set", "War"), "expected concept=weight"),
        (("profile", "{run}", "--user", "000", "--set", "Horror=1"), "no concept 'Horror'"),
        (("profile", "{run}", "--user", "000", "--set", "War=99"), "expected -4 to 4"),
        (("segments", "{run}", "--k", "99"), "from 2 to the 15 users"),
        (("profile", "{tmp}", "--user", "000"), "run directory"),
    ],
)
def test_wrong_input_is_one_sentence(
    runs: dict[str, Path], kgrec: Kgrec, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    mine = [tmp_path / name for name in ("mine.csv", "page.html", "members.csv")]
    for file in mine:
        file.write_text("mine")
    code, out, err = kgrec(*(part.format(run=runs["stars"], tmp=tmp_path) for part in arguments))
    assert code == 2
    assert out == ""
    assert told in err.replace("\n", " ")
    assert [file.read_text() for file in mine] == ["mine"] * 3
