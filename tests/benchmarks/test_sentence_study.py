"""`python -m benchmarks sentences` on a world of two tastes, with an encoder that hears words but no capitals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.commands import app
from benchmarks.sentence_study import sentence_study, strangers_of
from kg.build import build
from kg.description import Description
from kg.errors import InputError
from training.bundle import load_run
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.runs import train_run
from training.synthetic_users import with_sentences

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: tastes
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{title}. {genre}. {mood}.", concepts: {genre: {column: genre}, mood: {column: mood}}}
users:
  - {file: users.csv, id: id}
"""
NUM_USERS, NUM_ITEMS = 40, 80
CONFIG = RunConfig(
    split=SplitConfig(name="cold-users", test_share=0.3),
    text=TextConfig(num_features=4, synthetic_texts=60),
    model=ModelConfig(embedding_size=2),
    training=LangevinConfig(epochs=40, burn_in=20, hold=10, keep_every=2),
)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Even users love drama, odd ones war; each rates most films of the loved genre and few of the other; a quarter is noir."""
    folder = tmp_path_factory.mktemp("tastes")
    rng = np.random.default_rng(0)
    rows, items = ["user,item,rating"], ["id,title,genre,mood"]
    for user in range(NUM_USERS):
        for item in range(NUM_ITEMS):
            loved = item % 2 == user % 2
            if rng.random() < (0.7 if loved else 0.2):
                rows.append(f"{user},{item},{(4 if loved else 1) + rng.integers(2)}")
    items += [
        f"{item},Film {item},{'War' if item % 2 else 'Drama'},{'bright' if item // 2 % 4 else 'noir'}"
        for item in range(NUM_ITEMS)
    ]
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    (folder / "users.csv").write_text("id\n" + "".join(f"{user}\n" for user in range(NUM_USERS)))
    (folder / "tastes.yaml").write_text(DESCRIPTION)
    build(Description.load(folder / "tastes.yaml")).save(folder / "graph")
    return folder / "graph"


@pytest.fixture(scope="module")
def run(graph: Path) -> Path:
    train_run(graph, CONFIG, graph.parent / "run")
    return graph.parent / "run"


def ask(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["sentences", *map(str, arguments)])


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    return sentence_study(load_run(run), sentences=8)


def test_what_people_say_beats_popularity_where_tastes_are_two(report: dict[str, Any]) -> None:
    for voice in ("plain", "other"):
        models = report["lists"][voice]
        assert models["kgrec"]["ndcg@20"]["value"] > models["popularity"]["ndcg@20"]["value"] + 0.1
        assert models["popularity"]["p"] < 0.05
        assert 0 <= models["kgrec"]["recall@20"]["low"] <= models["kgrec"]["recall@20"]["high"] <= 1
    assert set(report["lists"]) == {"plain", "other", "wish"}
    assert set(report["lists"]["plain"]) - set(report["lists"]["wish"]) == {"without the map", "their ratings instead"}


def test_a_named_topic_is_what_is_listed(report: dict[str, Any]) -> None:
    """Only noir is asked for: all others have more than 30 % of the items."""
    topics = report["topics"]
    assert topics["num_topics"] == 1
    assert topics["kgrec"] > 0.9
    assert topics["popularity"] < 0.5


def test_lists_are_the_same_in_other_letters_for_who_hears_no_capitals(report: dict[str, Any]) -> None:
    robustness = report["robustness"]
    assert robustness["num_sentences"] == 8
    for change in ("upper case", "lower case"):
        assert robustness["changes"][change]["overlap@20"]["value"] == 1.0
    assert robustness["changes"]["typos, 10 % of letters"]["overlap@20"]["value"] < 1.0


def test_it_says_the_same_again_to_machines_and_in_tables(run: Path, report: dict[str, Any]) -> None:
    again = ask(run, "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["lists"] == json.loads(json.dumps(report["lists"]))
    shown = ask(run)
    for title in ("plain: lists of", "other: lists of", "wish: lists of", "how alike lists are after a change"):
        assert title in shown.stdout


def test_the_half_that_speaks_is_not_the_half_that_judges(run: Path) -> None:
    loaded = load_run(run)
    strangers = strangers_of(loaded)
    assert len(strangers) > NUM_USERS * 0.2
    learned = set(loaded.recommender.train.user.tolist())
    assert not learned & set(loaded.experiment.split.test["cold_users"].user.tolist())
    ids = loaded.recommender.graph.items.vocabulary.ids
    for stranger in strangers:
        assert not set(stranger.told) & set(stranger.liked)
        assert {ids[item] for item in stranger.told} == set(stranger.history)


def test_a_refusal_moves_items_away(run: Path) -> None:
    recommender = load_run(run).recommender
    drama = np.array([int(raw_id) % 2 == 0 for raw_id in recommender.graph.items.vocabulary.ids])
    for text, wanted in (("Drama.", drama), ("No war.", drama), ("I hate drama!", ~drama)):
        nearness = recommender.user_query(text=text).nearness
        assert nearness is not None
        assert nearness[wanted].mean() > nearness[~wanted].mean() + 0.5, text


def test_a_loaded_run_says_of_a_sentence_what_was_learned(run: Path) -> None:
    there = load_run(run).recommender
    here = with_sentences(replace(there, sentences=None), most=CONFIG.text.synthetic_texts)
    assert here.sentences is not None
    assert there.sentences is not None
    told, again = (who.recommend(text="quiet drama", k=NUM_ITEMS).set_index("id") for who in (here, there))
    np.testing.assert_allclose(told["score"], again["score"][told.index], atol=0.02)  # kept in half precision
    assert set(told.index[:20]) == set(again.index[:20])


def test_newcomers_are_found_by_a_sentence(run: Path) -> None:
    """The map was learned before they came; nearness and what is known of their content speak for them."""
    grown = load_run(run).recommender.add_items([{"id": "new", "title": "New", "text": "A violin.", "genre": "Drama"}])
    assert grown.user_query(text="a violin").seen[-1] == 0
    assert "new" in set(grown.recommend(text="a violin", k=NUM_ITEMS + 1)["id"])
    nearness = grown.user_query(text="a violin").nearness
    assert nearness is not None
    assert nearness.argmax() == len(nearness) - 1


def test_a_run_without_held_out_users_or_without_the_map_is_refused(graph: Path, run: Path, tmp_path: Path) -> None:
    train_run(graph, CONFIG.updated(["split.name=random"]), tmp_path / "random")
    with pytest.raises(InputError, match="holds out no users"):
        strangers_of(load_run(tmp_path / "random"))
    loaded = load_run(run)
    with pytest.raises(InputError, match=r"text\.synthetic_texts above 0"):
        sentence_study(replace(loaded, recommender=replace(loaded.recommender, sentences=None)))


def test_no_portraits_no_map(graph: Path, tmp_path: Path) -> None:
    train_run(graph, CONFIG.updated(["text.synthetic_texts=0"]), tmp_path / "run")
    recommender = load_run(tmp_path / "run").recommender
    assert recommender.sentences is None
    rows = recommender.recommend(text="drama", k=5)
    assert all(int(raw_id) % 2 == 0 for raw_id in rows["id"])
