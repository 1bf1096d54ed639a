"""`kgrec profile` and `kgrec segments` in this process, with stars and without; texts get stand-in vectors."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.text import TextEncoder
from training import cli
from training.commands import console

DESCRIPTION = """name: genres
ratings: {file: ratings.csv, %s}
items:
  - {file: items.csv, id: id, label: title, text: "{title}. {genre}.", concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
"""
FAST = (
    "--set",
    "training.epochs=30",
    "--set",
    "training.burn_in=10",
    "--set",
    "training.hold=5",
    "--set",
    "model.embedding_size=2",
)
Finished = tuple[int, str, str]
Kgrec = Callable[..., Finished]


def stand_in_vectors(encoder: TextEncoder, texts: list[str], **_: Any) -> np.ndarray:
    rows = [np.random.default_rng(list(sha256(text.encode()).digest())).normal(size=8) for text in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def write_world(folder: Path, kind: str) -> Path:
    """Sixteen users, twelve items; even users love drama, odd ones war; the last user rates nothing."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    items = [(f"{genre[0].lower()}{number}", genre) for genre in ("Drama", "War") for number in range(6)]
    rows = []
    for user in range(15):
        for item, _ in items:
            loved = item[0] == "dw"[user % 2]
            if rng.random() < (0.8 if loved or kind == "stars" else 0.1):
                rows.append((f"{user:03}", item, int(rng.integers(4, 6) if loved else rng.integers(1, 3))))
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    (table if kind == "stars" else table[["user", "item"]]).to_csv(folder / "ratings.csv", index=False)
    pd.DataFrame([(item, f"Film {item}", g) for item, g in items], columns=["id", "title", "genre"]).to_csv(
        folder / "items.csv", index=False
    )
    jobs = [(f"{user:03}", "<spy>") for user in range(16)]
    pd.DataFrame(jobs, columns=["id", "job"]).to_csv(folder / "users.csv", index=False)
    (folder / "genres.yaml").write_text(DESCRIPTION % ("scale: [1, 5]" if kind == "stars" else "feedback: implicit"))
    return folder / "genres.yaml"


@pytest.fixture(scope="module", autouse=True)
def stand_in_encoder() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextEncoder, "encode", stand_in_vectors)
        patch.setattr(TextEncoder, "fingerprint", "stand-in")
        patch.setattr(console, "set_up_logging", lambda: None)  # would outlive this file
        yield


def call(patch: pytest.MonkeyPatch, *arguments: object) -> int:
    patch.setattr(sys, "argv", ["kgrec", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("cli")
    for kind in ("stars", "score"):
        with pytest.MonkeyPatch.context() as patch:
            assert call(patch, "build", write_world(folder / kind, kind), "--out", folder / f"{kind}-graph") == 0
            assert call(patch, "train", folder / f"{kind}-graph", "--out", folder / f"{kind}-run", *FAST) == 0
    return {kind: folder / f"{kind}-run" for kind in ("stars", "score")}


@pytest.fixture
def kgrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Kgrec:
    def run(*arguments: object) -> Finished:
        capsys.readouterr()
        code = call(monkeypatch, *arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return run


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
