"""What newcomers give and what is predicted, the bias baseline against its formula, and the code path of `recommend`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from typer.testing import CliRunner

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from kg.ratings import Ratings
from models.baselines import Biases
from models.lists.content import Content
from training.bundle import load_run
from training.chosen_baselines import BASELINES
from training.cli import app
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.runs import train_run
from training.studies.asking import INFORMATIVE, POPULAR, RANDOM, interviews
from training.studies.few_shot import (
    concepts_of,
    draw_given,
    item_curve,
    served,
    user_curve,
)
from training.studies.few_shot_baselines import baseline_curves


def part(counts: list[int], num_items: int = 50) -> Ratings:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(len(counts)), counts)
    item = np.concatenate([rng.choice(num_items, count, replace=False) for count in counts])
    return Ratings(
        user=user, item=item, value=rng.integers(1, 6, len(user)), num_users=len(counts), num_items=num_items
    )


def test_test_ratings_are_the_same_for_every_number_and_never_given() -> None:
    ratings = part([40, 29, 30, 12])
    draw = draw_given(ratings, by="user", seed=0)
    assert draw.newcomers.tolist() == [0, 2]  # 30 ratings at least
    assert draw.given.shape == (2, 20)
    assert not np.isin(draw.given, draw.test).any()
    for place, user in enumerate(draw.newcomers):
        mine = np.concatenate([draw.given[place], draw.of(place)])
        np.testing.assert_array_equal(np.sort(mine), np.flatnonzero(ratings.user == user))


def test_a_draw_is_decided_by_the_seed_and_does_not_depend_on_the_others() -> None:
    first, again, other = (draw_given(part([40, 35]), by="user", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.given, again.given)
    assert not np.array_equal(first.given, other.given)
    assert len(draw_given(part([40] * 9), by="user", limit=4, seed=0).newcomers) == 4


def test_too_few_ratings_are_told() -> None:
    with pytest.raises(InputError, match="no held-out user has 30 ratings"):
        draw_given(part([12, 29]), by="user", seed=0)


def test_the_bias_baseline_moves_with_the_given_ratings_as_its_formula_says() -> None:
    held_out = part([30, 35])
    rng = np.random.default_rng(1)
    train = Ratings(
        user=np.repeat(np.arange(2, 42), 20),
        item=np.concatenate([rng.choice(50, 20, replace=False) for _ in range(40)]),
        value=rng.integers(1, 6, 800),
        num_users=42,
        num_items=50,
    )
    held_out = Ratings(user=held_out.user, item=held_out.item, value=held_out.value, num_users=42, num_items=50)
    draw = draw_given(held_out, by="user", seed=0)
    nothing = sparse.csr_array((50, 1), dtype=np.float32)
    content = Content(np.eye(50, dtype=np.float32), nothing, nothing)
    known = {"content": content, "scale": (1, 5), "relevant_from": 4.0}
    settings = BASELINES["biases"].chosen(train, None, **known)["stars"]
    curves = baseline_curves(train, draw, content, (1, 5), 4.0, (0, 5), lists=True)
    for number in (0, 5):
        known = train.concat(held_out.select(draw.given[:, :number].ravel()))
        fitted = Biases((1, 5), **settings).fit(known)
        for place in range(len(draw.newcomers)):
            rows = draw.given[place, :number]
            moved = (held_out.value[rows] - fitted.mean - fitted.of_item[held_out.item[rows]]).sum()
            moved /= number + settings["lambda_user"]
            expected = fitted.mean + moved + fitted.of_item[held_out.item[draw.of(place)]]
            found = curves["biases"][number].stars[draw.owner == place]  # type: ignore[index]
            np.testing.assert_allclose(found, np.clip(expected, 1, 5), atol=1e-4)
    assert curves["EASE"][5].stars is None
    assert curves["popularity"][0].ndcg is not None


DESCRIPTION = """name: genres
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: id, concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id, concepts: {club: {column: club}}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, stand_in_encoder: None) -> Path:
    """A short run on a world where half the people like one genre; with new users and new items."""
    folder = tmp_path_factory.mktemp("few-shot")
    rng = np.random.default_rng(0)
    users, items = [f"u{number}" for number in range(120)], [f"i{number}" for number in range(60)]
    quality = rng.normal(0, 0.7, 60)
    rows = [
        (user, item, int(np.clip(round(3 + quality[j] + (0.9 if i % 2 == j % 2 else -0.9) + rng.normal(0, 0.5)), 1, 5)))
        for i, user in enumerate(users)
        for j, item in enumerate(items)
        if rng.random() < 0.7
    ]
    pd.DataFrame(rows, columns=["user", "item", "rating"]).to_csv(folder / "ratings.csv", index=False)
    genres = ["war" if number % 2 else "drama" for number in range(60)]
    pd.DataFrame({"id": items, "genre": genres}).to_csv(folder / "items.csv", index=False)
    clubs = ["veterans" if number % 2 else "theatre" for number in range(120)]  # each has the people of one genre
    pd.DataFrame({"id": users, "club": clubs}).to_csv(folder / "users.csv", index=False)
    (folder / "genres.yaml").write_text(DESCRIPTION)
    build(Description.load(folder / "genres.yaml")).save(folder / "graph")
    config = RunConfig(
        split=SplitConfig(name="cold-both", test_share=0.3),
        text=TextConfig(num_features=0),
        model=ModelConfig(embedding_size=4, leave_out=("text",)),
        training=LangevinConfig(epochs=160, burn_in=80, hold=40, keep_every=5),
    )
    train_run(folder / "graph", config, folder / "run")
    return folder / "run"


def test_curves_answer_by_the_code_path_of_recommend(run: Path) -> None:
    loaded = load_run(run)
    recommender = loaded.recommender
    held_out = loaded.experiment.split.test["cold_users"]
    draw = draw_given(held_out, by="user", most=5, least_test=5, limit=3, seed=0)
    curve = user_curve(recommender, draw, (0, 5))
    ids = recommender.graph.items.vocabulary
    rows = draw.given[1, :5]
    history = {ids.id_of(int(held_out.item[row])): float(held_out.value[row]) for row in rows}
    listed = recommender.recommend(history=history, k=len(ids), exclude_seen=False).set_index("id")["score"]
    expected = [listed[ids.id_of(int(item))] for item in held_out.item[draw.of(1)]]
    np.testing.assert_allclose(curve[5].stars[draw.owner == 1], expected, rtol=1e-5)  # type: ignore[index]
    _, scores = served(recommender, history)
    best = [ids.id_of(int(item)) for item in np.argsort(-scores, kind="stable")[:10]]
    assert best == list(recommender.recommend(history=history, k=10, exclude_seen=False)["id"])


def test_the_concepts_of_new_users_are_told_where_wanted_and_bring_their_error_down(run: Path) -> None:
    loaded = load_run(run)
    recommender = loaded.recommender
    held_out = loaded.experiment.split.test["cold_users"]
    draw = draw_given(held_out, by="user", most=5, least_test=5, seed=0)
    user = int(draw.newcomers[0])
    club = "veterans" if int(recommender.graph.users.vocabulary.id_of(user)[1:]) % 2 else "theatre"
    assert concepts_of(recommender, user) == {"club": [club]}
    plain, informed = (user_curve(recommender, draw, (0, 1), informed=told) for told in (False, True))
    values = held_out.value[draw.test]
    for number in (0, 1):
        errors = [np.sqrt(np.mean((curve[number].stars - values) ** 2)) for curve in (plain, informed)]
        assert errors[1] < 0.9 * errors[0]
    listed = recommender.recommend(history={}, concepts={"club": club}, k=60).set_index("id")["score"]
    ids = recommender.graph.items.vocabulary
    expected = [listed[ids.id_of(int(item))] for item in held_out.item[draw.of(0)]]
    np.testing.assert_allclose(informed[0].stars[draw.owner == 0], expected, rtol=1e-5)  # type: ignore[index]


def test_ratings_bring_the_error_of_new_items_down(run: Path) -> None:
    loaded = load_run(run)
    held_out = loaded.experiment.split.test["cold_items"]
    draw = draw_given(held_out, by="item", most=10, least_test=5, seed=0)
    curve = item_curve(loaded.recommender, draw, (0, 10))
    errors = [np.sqrt(np.mean((curve[number].stars - held_out.value[draw.test]) ** 2)) for number in (0, 10)]
    assert errors[1] < errors[0]


def test_interviews_ask_only_what_may_be_asked_and_random_questions_are_rarely_answered(run: Path) -> None:
    loaded = load_run(run)
    held_out = loaded.experiment.split.test["cold_users"]
    found, predicted = interviews(loaded.recommender, held_out, (0, 4), limit=6)
    assert all(len(interview.stars) == len(predicted) for interview in found)
    assert len(np.unique(predicted.user)) == 6
    answered = {interview.strategy: interview.answered for interview in found if interview.asked == 4}
    assert set(answered) == {INFORMATIVE, POPULAR, RANDOM}
    assert all((counts >= 0).all() and (counts <= 4).all() for counts in answered.values())
    start = [interview.stars for interview in found if interview.asked == 0]
    np.testing.assert_array_equal(start[0], start[1])  # before the first question all know the same


def test_questions_on_the_command_line(run: Path) -> None:
    result = CliRunner().invoke(app, ["questions", str(run), "--count", "3", "--json"])
    assert result.exit_code == 0, result.output
    recommender = load_run(run).recommender
    asked = recommender.questions(k=3)
    assert f'"id": "{asked["id"][0]}"' in result.output
    assert asked["id"].is_unique
    assert asked["known"].between(0, 1).all()
    given = {str(asked["id"][0]): 5.0}
    assert str(asked["id"][0]) not in list(recommender.questions(given, k=3)["id"])
