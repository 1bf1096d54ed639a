"""Forgetting: a person is in no file any more, and everything else is where it was."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from kg.forgotten import Forgotten
from kg.growth.forget import forget, forget_in_graph
from kg.growth.traces import traces
from kg.growth.update import update
from kg.report import report_lines
from models.posterior import Posterior
from training.bundle import load_run
from training.cli import app
from training.config import LangevinConfig, ModelConfig, RunConfig, TextConfig
from training.forgetting import RunForgetting
from training.runs import train_run

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
JANE = "jane.doe/é@mail.example"
DESCRIPTION = """name: club
ratings: {file: ratings.csv, scale: [1, 5], unknown_ids: drop}
items:
  - {file: items.csv, id: id, label: title, text: "{title}", concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id, label: name, text: "{name} of {town}", concepts: {town: {column: town}, sex: {column: sex}}}
splits:
  held: {test: held.csv}
"""
CONFIG = RunConfig(
    text=TextConfig(num_features=2),
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=6, burn_in=2, hold=1, keep_every=1),
)


@pytest.fixture
def club(tmp_path: Path) -> Path:
    """Nine members, of whom Jane is the only one from her town; the item `7` and the user `7` are two nodes."""
    users = [*map(str, range(8)), JANE]
    rows = [
        [user, str(item), 1 + (number * item + item) % 5, 86_400 * (number + item)]
        for number, user in enumerate(users)
        for item in range(7)
    ]
    table = ["user,item,rating,time", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "ratings.csv").write_text("\n".join([*table, "nobody,1,3,5\n"]))
    (tmp_path / "held.csv").write_text("\n".join([table[0], *table[3::5]]) + "\n")
    items = [f"{item},Film {item},{'Drama' if item % 2 else 'War'}" for item in range(8)]
    (tmp_path / "items.csv").write_text("\n".join(["id,title,genre", *items]) + "\n")
    people = [
        f"{user},Member {user},{'Jane Town' if user == JANE else 'Ulm'},{'f' if len(user) > 1 else 'm'}x"
        for user in users
    ]
    (tmp_path / "users.csv").write_text("\n".join(["id,name,town,sex", *people, ""]))
    (tmp_path / "club.yaml").write_text(DESCRIPTION)
    build(Description.load(tmp_path / "club.yaml")).save(tmp_path / "graph")
    return tmp_path


def everything(directory: Path) -> str:
    """All that a directory holds, decoded without the product's own search: cells, statistics, RDF, JSON, raw bytes."""
    found = []
    for path in directory.rglob("*"):
        if path.suffix == ".parquet":
            found += [str(pq.read_table(path).to_pylist()), str(pq.ParquetFile(path).metadata.to_dict())]
        if path.suffix == ".gz":
            found.append(gzip.decompress(path.read_bytes()).decode())
        if path.is_file():
            found.append(path.read_bytes().decode("utf-8", errors="replace"))
    return "\n".join(found)


@pytest.mark.parametrize("word", [JANE, "jane.doe%2F", "Member jane", "Jane Town", "jane town"])
def test_nothing_in_the_directory_speaks_of_the_person(club: Path, word: str) -> None:
    assert word in everything(club / "graph")
    forget_in_graph(club / "graph", [JANE])
    assert word not in everything(club / "graph")


def test_all_others_stay_where_they_were(club: Path) -> None:
    before = Dataset.load(club / "graph")
    counts = forget_in_graph(club / "graph", [JANE]).counts
    after = Dataset.load(club / "graph")
    assert dict(counts) == {"people": 1, "ratings": 7, "edges": 2, "concepts": 2}
    assert list(after.graph.users.vocabulary)[:8] == list(before.graph.users.vocabulary)[:8]
    assert (len(after.graph.users), after.graph.users.num_present, after.ledger_version) == (9, 8, 2)
    assert after.graph.items.vocabulary == before.graph.items.vocabulary
    theirs = before.ratings.user == 8
    assert after.ratings.value.tolist() == before.ratings.value[~theirs].tolist()
    held = before.splits["held"].test_ratings
    assert held is not None
    others = [(before.ratings.user[row], before.ratings.item[row]) for row in held if not theirs[row]]
    rows = after.splits["held"].test_ratings
    assert rows is not None
    assert [(after.ratings.user[row], after.ratings.item[row]) for row in rows] == others
    assert after.report["forgotten"] | {"people": 1, "ratings": 7} == after.report["forgotten"]  # type: ignore[operator, index]
    assert any("stay left out: 1" in line for line in report_lines(after.report))


def test_the_person_stays_out_of_updates_and_of_a_rebuild_in_place(club: Path) -> None:
    forget_in_graph(club / "graph", [JANE])
    with (club / "ratings.csv").open("a") as file:
        file.write("0,7,5,1\n")
    description = Description.load(club / "club.yaml")
    update(description, club / "graph")
    assert JANE not in everything(club / "graph")
    after = Dataset.load(club / "graph")
    assert len(after.ratings) == 8 * 7 + 1
    files: Any = after.report["files"]
    assert files["ratings.csv"]["dropped"]["of a forgotten person"] == 7
    assert files["users.csv"]["dropped"] == {"of a forgotten person": 1}
    result = CliRunner().invoke(app, ["build", str(club / "club.yaml"), "--out", str(club / "graph")])
    assert result.exit_code == 0, result.output
    rebuilt = Dataset.load(club / "graph")
    assert (len(rebuilt.graph.users), JANE in everything(club / "graph")) == (8, False)
    build(description).save(club / "elsewhere")
    assert JANE in Dataset.load(club / "elsewhere").graph.users.vocabulary


def test_a_person_whom_an_update_removed_is_forgotten_too(club: Path) -> None:
    users = (club / "users.csv").read_text().splitlines()
    (club / "users.csv").write_text("\n".join([*users[:-1], ""]))
    (club / "held.csv").write_text("user,item,rating,time\n0,2,3,172800\n")
    update(Description.load(club / "club.yaml"), club / "graph")
    assert JANE in everything(club / "graph")  # the tombstone, and the example of an unknown user in the report
    forget_in_graph(club / "graph", [JANE])
    assert JANE not in everything(club / "graph")


def test_an_id_that_other_nodes_have_is_told_apart(club: Path) -> None:
    forget_in_graph(club / "graph", ["7"])
    after = Dataset.load(club / "graph")
    assert "7" not in after.graph.users.vocabulary
    assert "7" in after.graph.items.vocabulary
    assert traces(club / "graph", ["7"], after.namespace) == []
    assert traces(club / "graph", ["6"], after.namespace) == ["kg.nq.gz, an IRI", "nodes.parquet, column 'id'"]


def test_the_search_finds_what_is_left_in_reports(club: Path) -> None:
    path = club / "graph" / "report.json"
    assert traces(club / "graph", ["nobody"], "https://kgrec.example/") == ["report.json, an example"]
    path.write_text(json.dumps({"notes": ["'ann' is there twice"], "files": {"ann": 1}}))
    assert traces(club / "graph", ["ann"], "https://kgrec.example/") == ["report.json, a note"]


def test_unknown_and_known_ids(club: Path) -> None:
    before = {path.name: path.read_bytes() for path in (club / "graph").iterdir()}
    with pytest.raises(UnknownNameError, match="user 'jane' is not among the 9"):
        forget_in_graph(club / "graph", ["7", "jane"])
    assert {path.name: path.read_bytes() for path in (club / "graph").iterdir()} == before
    forget_in_graph(club / "graph", [JANE])
    assert forget_in_graph(club / "graph", [JANE]).counts["people"] == 0


def test_what_a_kill_left_beside_the_graph_goes_as_well(club: Path) -> None:
    forget_in_graph(club / "graph", [JANE])
    for name in (".graph.old", ".graph.partial"):
        shutil.copytree(club / "graph", club / name)
    forget_in_graph(club / "graph", [JANE])
    assert {path.name for path in club.iterdir() if path.is_dir()} == {"graph"}


def test_a_trace_keeps_the_old_graph(club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in (club / "graph").iterdir()}
    monkeypatch.setattr("kg.growth.forget.traces", lambda *_: ["report.json, an example"])
    with pytest.raises(InputError, match="a trace of a forgotten person is left"):
        forget_in_graph(club / "graph", [JANE])
    assert {path.name: path.read_bytes() for path in (club / "graph").iterdir()} == before


def test_the_list_knows_ids_but_does_not_tell_them() -> None:
    one, two = Forgotten().adding(["a", "é"]), Forgotten().adding(["a"])
    assert one.mask(["a", "b", "é", "a"]).tolist() == [True, False, True, True]
    assert Forgotten().mask(["a"]).tolist() == [False]
    assert not one.hashes & two.hashes
    assert Forgotten.of_json(json.loads(json.dumps(one.as_json()))) == one
    assert one.placeholder("user", 3) != two.placeholder("user", 3)
    for wrong in ({"salt": "x", "hashes": []}, {"salt": "", "hashes": ["00"]}):
        with pytest.raises(ValueError, match="list of the forgotten"):
            Forgotten.of_json(wrong)


def test_a_list_that_cannot_be_read_stops_a_build_in_place(club: Path) -> None:
    (club / "graph" / "manifest.json").write_text('{"format": "kgrec graph", "forgotten": {"salt": 1}}')
    with pytest.raises(InputError, match="forgotten people in this manifest cannot be read"):
        Forgotten.of_directory(club / "graph")


@pytest.mark.parametrize("split", ["held", "random", "cold-items"])
def test_a_run_answers_on_without_the_person(club: Path, split: str) -> None:
    config = CONFIG.updated([f'split.name="{split}"', "split.validation_share=0.1", "split.test_share=0.2"])
    train_run(club / "graph", config, club / "run")
    before = load_run(club / "run")
    RunForgetting.prepare(club / "run", [JANE]).write()
    after = load_run(club / "run")
    assert JANE not in everything(club / "run")
    assert (after.recommender.graph.users.vocabulary.find([JANE, "7"])).tolist() == [-1, 7]
    old, new = before.experiment.split, after.experiment.split
    for was, now in ((old.train, new.train), (old.validation, new.validation), (old.test["warm"], new.test["warm"])):
        assert pairs(now) == {pair for pair in pairs(was) if pair[0] != 8}
    for name in ("users.factors.rows", "head.preferences", "cold_users.residual.rows"):
        old_rows, new_rows = (
            before.recommender.posterior.samples.parameters[name],
            after.recommender.posterior.samples.parameters[name],
        )
        assert not new_rows[:, 8].any()
        assert torch.equal(new_rows[:, :8], old_rows[:, :8])
    with pytest.raises(UnknownNameError):
        after.recommender.recommend(user=JANE)
    assert len(after.recommender.recommend(user="7", k=3, exclude_seen=False)) == 3
    assert after.manifest["identity"] != before.manifest["identity"]
    forget_in_graph(club / "graph", [JANE])
    outcome = train_run(club / "graph", config, club / "run", overwrite=True, keep_same=True)
    assert outcome.trained  # the remedy is never taken as done


def test_no_row_of_the_person_is_left_in_a_file_of_the_run(club: Path) -> None:
    train_run(club / "graph", CONFIG, club / "run")
    before = load_file(club / "run" / "inputs.safetensors")
    assert (before["ratings/user"] == 8).any()
    RunForgetting.prepare(club / "run", [JANE]).write()
    files = {name: load_file(club / "run" / f"{name}.safetensors") for name in ("embeddings", "inputs", "newcomers")}
    inputs, rows = files["inputs"], files["embeddings"]
    assert not (inputs["ratings/user"] == 8).any()
    shape = json.loads((club / "run" / "recommender.json").read_text())["inputs"]
    for number, edge_type in enumerate(shape["edge_types"]):
        for row in (row for row in (0, 1) if edge_type[2 * row] == "user"):
            assert not (inputs[f"edges/{number}/edge_index"][row] == 8).any(), edge_type
        if edge_type[0] == "user":
            assert not (inputs[f"edges/{number}/senders"] == 8).any(), edge_type
    assert not any(part[8].any() for name, part in inputs.items() if name.startswith("features/user/"))
    # What is left of the person's place is what all have in common.
    shared = load_run(club / "run").trained.posterior.samples.shared("user").numpy()
    np.testing.assert_array_equal(rows["embeddings/users"][:, 8], shared)
    assert not rows["embeddings/preferences"][:, 8].any()
    split, ratings = load_file(club / "run" / "split.safetensors"), Dataset.load(club / "run" / "graph").ratings
    assert sorted(row for part in split.values() for row in part.tolist()) == list(range(len(ratings)))


def test_a_row_that_is_left_keeps_the_old_run(club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_run(club / "graph", CONFIG, club / "run")
    before = {path.name: path.read_bytes() for path in (club / "run").iterdir() if path.is_file()}
    forgetting = Posterior.forgetting
    monkeypatch.setattr(
        Posterior, "forgetting", lambda posterior, users, *rest: forgetting(posterior, users[:0], *rest)
    )
    with pytest.raises(InputError, match="a row of a forgotten person is left in this run"):
        RunForgetting.prepare(club / "run", [JANE]).write()
    assert {path.name: path.read_bytes() for path in (club / "run").iterdir() if path.is_file()} == before


def pairs(ratings: Any) -> set[tuple[int, int]]:
    return set(zip(ratings.user.tolist(), ratings.item.tolist(), strict=True))


def test_a_run_of_an_older_ledger_version_goes_on(club: Path) -> None:
    train_run(club / "graph", CONFIG, club / "run")
    before = load_run(club / "run").recommender.recommend(user="3", k=3)
    items = (club / "items.csv").read_text().splitlines()
    (club / "items.csv").write_text("\n".join([items[0], *items[2:], "new,Film new,War", ""]))
    update(Description.load(club / "club.yaml"), club / "graph")
    assert Dataset.load(club / "graph").ledger_version == 2
    assert load_run(club / "run").recommender.recommend(user="3", k=3).equals(before)


def test_a_removed_item_is_recommended_to_nobody(club: Path) -> None:
    items = (club / "items.csv").read_text().splitlines()
    (club / "items.csv").write_text("\n".join([*items[:-1], "new,Film new,War", ""]))  # nobody rated item 7
    update(Description.load(club / "club.yaml"), club / "graph")
    train_run(club / "graph", CONFIG, club / "run")
    recommender = load_run(club / "run").recommender
    assert list(recommender.graph.items.vocabulary)[7:] == ["7", "new"]
    for wish in ({"user": "3"}, {"history": {"1": 5.0}}, {"history": {}}, {"text": "war"}):
        rows = recommender.recommend(**wish, k=20, exclude_seen=False)  # type: ignore[arg-type]
        assert "7" not in set(rows["id"])
        assert "new" in set(rows["id"])
    assert np.isneginf(recommender.rank_scores(np.arange(3))[:, 7]).all()


def test_the_command_removes_from_graph_and_run(club: Path) -> None:
    train_run(club / "graph", CONFIG, club / "run")
    call = ["forget", str(club / "graph"), "--user", JANE, "--run", str(club / "run")]
    told = CliRunner().invoke(app, call)
    assert told.exit_code == 0, told.output
    assert "removed 1 person, 7 ratings" in told.output
    assert "only a new training" in told.output
    again = CliRunner().invoke(app, [*call, "--json"])
    assert json.loads(again.stdout)["forgotten"][str(club / "graph")]["people"] == 0
    assert JANE not in everything(club / "run") + everything(club / "graph")


def test_forgetting_equals_a_build_of_sources_without_the_person(club: Path) -> None:
    dataset = forget(Dataset.load(club / "graph"), [JANE]).dataset
    for name in ("ratings.csv", "users.csv", "held.csv"):
        lines = (club / name).read_text().splitlines()
        (club / name).write_text("\n".join([*(line for line in lines if not line.startswith(JANE)), ""]))
    fresh = build(Description.load(club / "club.yaml"))
    assert len(dataset.ratings) == len(fresh.ratings)
    for kind, nodes in fresh.graph.nodes.items():
        mine = dataset.graph.nodes[kind]
        assert list(mine.vocabulary.ids[mine.present]) == list(nodes.vocabulary)
    sizes = {edge_type: len(edges) for edge_type, edges in dataset.graph.edges.items()}
    assert sizes == {edge_type: len(edges) for edge_type, edges in fresh.graph.edges.items()}
