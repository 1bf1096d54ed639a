"""Profiles on a world of which the tastes are known: some users love drama, the others war, nobody both."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from kg.build import build
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from kg.schema import ITEM
from models.people.concept_weights import ConceptWeights
from models.people.edits import what_ratings_settle
from models.people.interests import TasteSpace
from models.people.own_tastes import OwnTastes
from models.people.relation_ridges import relation_ridges
from models.recommender import Recommender
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: genres
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "A {genre} film, {title}.", concepts: {genre: {column: genre}, decade: {column: decade}}}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
splits:
  last: {test: test.csv}
"""
GENRES = ("Drama", "War")
ITEMS = [f"{genre[0].lower()}{number}" for genre in GENRES for number in range(14)] + ["plain", "d cold"]
GENRE_OF = {item: {"d": "Drama", "w": "War"}.get(item[0], "") for item in ITEMS}
LOVERS = {"Drama": [f"u{number}" for number in range(16)], "War": [f"v{number}" for number in range(16)]}
DAY = 86_400


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    rows = [
        (user, item, rng.integers(4, 6) if GENRE_OF[item] in (genre, "") else rng.integers(1, 3), number * DAY)
        for genre, users in LOVERS.items()
        for user in users
        for number, item in enumerate(ITEMS)
        if item != "d cold" and rng.random() < 0.7
    ]
    rows += [("once", "d0", 5, 0), ("once", "d1", 5, 0)]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    ratings.to_csv(folder / "ratings.csv", index=False)
    ratings.tail(1).to_csv(folder / "test.csv", index=False)  # "once" keeps one rating
    decades = ["1980s", "1990s"]
    table = [
        (item, f"Film {item}", GENRE_OF[item], decades[place % 2] * (item != "plain"))
        for place, item in enumerate(ITEMS)
    ]
    pd.DataFrame(table, columns=["id", "title", "genre", "decade"]).to_csv(folder / "items.csv", index=False)
    people = [(user, "spy" if genre == "War" else "nurse") for genre, users in LOVERS.items() for user in users]
    people += [("once", "nurse"), ("stranger", "spy")]
    pd.DataFrame(people, columns=["id", "job"]).to_csv(folder / "users.csv", index=False)
    (folder / "genres.yaml").write_text(DESCRIPTION)
    config = RunConfig(
        split=SplitConfig(name="last"),
        text=TextConfig(num_features=4),
        model=ModelConfig(embedding_size=3),
        training=LangevinConfig(epochs=200, burn_in=90, hold=50, keep_every=5),
    )
    experiment = Experiment(build(Description.load(folder / "genres.yaml")), config)
    return experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))


# What a profile says


@pytest.mark.parametrize(("user", "loved", "hated"), [("u3", "Drama", "War"), ("v3", "War", "Drama")])
def test_what_a_user_loves_and_hates_comes_first(recommender: Recommender, user: str, loved: str, hated: str) -> None:
    found = recommender.profile(user)
    assert found.source == "warm"
    assert found.unit == "stars"
    first, worst = found.interests[0], found.dislikes[0]
    assert (first.name, worst.name) == (f"genre: {loved}", f"genre: {hated}")
    assert 0 < first.low <= first.weight <= first.high
    assert worst.low <= worst.weight <= worst.high < 0
    assert (first.chance, worst.chance) == (1.0, 0.0)
    assert loved in found.tags
    assert hated not in found.tags
    assert found.sentence.startswith(f"Prefers {loved} (genre)")
    assert f"avoids {hated}" in found.sentence


def test_evidence_is_the_users_own_ratings(recommender: Recommender) -> None:
    train, graph = recommender.train, recommender.graph
    mine = train.user == graph.users.vocabulary.index_of("u3")
    ids = [graph.items.vocabulary.id_of(int(item)) for item in train.item[mine]]
    evidence = recommender.profile("u3").interest("Drama").evidence
    assert sorted(evidence.items) == sorted(item for item in ids if GENRE_OF[item] == "Drama")
    assert evidence.count == len(evidence.items)
    assert evidence.above_expected is not None
    assert evidence.above_expected > 0.5
    share = evidence.count / len(ids)
    of_all = np.mean([GENRE_OF[graph.items.vocabulary.id_of(int(item))] == "Drama" for item in train.item])
    assert evidence.lift == pytest.approx(share / of_all)


def test_users_of_like_taste_are_similar(recommender: Recommender) -> None:
    similar = recommender.profile("u3").similar
    assert "u3" not in {one["id"] for one in similar}
    assert {one["id"][0] for one in similar[:8]} == {"u"}
    values = [one["similarity"] for one in similar]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5


def test_groups_and_habits_are_those_of_the_data(recommender: Recommender) -> None:
    found = recommender.profile("v3")
    assert found.groups == ("job: spy",)
    mine = recommender.train.user == recommender.graph.users.vocabulary.index_of("v3")
    assert found.habits.num_ratings == mine.sum()
    assert found.habits.mean_stars == pytest.approx(recommender.train.value[mine].mean())


def test_a_profile_is_json_and_frozen(recommender: Recommender) -> None:
    found = recommender.profile("u3")
    read = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert read["interests"][0]["name"] == "genre: Drama"
    assert {"sentence", "tags", "habits", "drift", "similar", "edits", "groups", "unit"} <= set(read)
    with pytest.raises(FrozenInstanceError):
        found.sentence = "other"  # type: ignore[misc]


# People and items of whom little is known


def test_an_unknown_user_is_an_error(recommender: Recommender) -> None:
    with pytest.raises(UnknownNameError, match="nobody"):
        recommender.profile("nobody")


def test_a_user_without_ratings_has_the_taste_of_people_like_them_and_is_told_so(recommender: Recommender) -> None:
    found = recommender.profile("stranger")
    assert found.source == "cold: demographics"
    assert found.habits.num_ratings == 0
    assert "has rated nothing yet" in found.sentence.lower()
    assert "job: spy" in found.sentence
    assert found.weight("War") > found.weight("Drama")  # as spies do
    assert found.interest("War").evidence.count == 0
    assert len(found.recommend(5)) == 5
    json.dumps(found.as_json(), allow_nan=False)


def test_one_rating_says_little(recommender: Recommender) -> None:
    one, many = recommender.profile("once"), recommender.profile("u3")
    assert one.source == "few ratings"
    assert one.drift.status == "too short a time to tell"
    width = {
        who: found.interest("Drama").high - found.interest("Drama").low for who, found in (("one", one), ("many", many))
    }
    assert width["one"] > width["many"]


def test_items_without_concepts_leave_a_profile_without_interests(recommender: Recommender) -> None:
    data = copy(recommender.data)
    data[ITEM].content = []
    silent = replace(recommender, data=data)
    silent.__dict__["predictor"] = recommender.predictor  # its model has concepts
    found = silent.profile("u3")
    assert found.interests == found.dislikes == ()
    assert found.habits.num_ratings == recommender.profile("u3").habits.num_ratings
    assert found.habits.breadth is None
    assert found.sentence.startswith("Shows no clear preference yet")
    json.dumps(found.as_json(), allow_nan=False)
    with pytest.raises(UnknownNameError):
        found.set("War", 0.1)
    with pytest.raises(InputError, match="nothing can set users apart"):
        silent.segments(2)


# Editing


def test_after_set_the_weight_is_the_given_one_and_the_old_profile_is_as_before(recommender: Recommender) -> None:
    before = recommender.profile("u3")
    weight = before.weight("War")
    after = before.set("genre: War", 0.75)
    assert after.weight("War") == pytest.approx(0.75, abs=1e-4)
    assert after.interest("War").low == pytest.approx(0.75, abs=1e-4)
    assert before.weight("War") == weight
    assert (before.edits, after.edits) == ({}, {"genre:war": 0.75})
    assert "edited" in after.sentence


def test_wishes_hold_together_in_any_order_and_the_last_word_on_a_concept_counts(recommender: Recommender) -> None:
    start = recommender.profile("u3")
    one = start.set("War", 0.5).set("1990s", -0.2)
    other = start.set("1990s", -0.2).set("War", -0.9).set("War", 0.5)
    for concept, weight in (("War", 0.5), ("1990s", -0.2)):
        assert one.weight(concept) == pytest.approx(weight, abs=1e-4)
        assert other.weight(concept) == pytest.approx(weight, abs=1e-4)
    assert one.weight("Drama") == pytest.approx(other.weight("Drama"), abs=1e-4)


def test_setting_what_already_holds_in_every_sample_changes_nothing(recommender: Recommender) -> None:
    once = recommender.profile("u3").set("War", 0.5)
    again = once.set("War", 0.5)
    pd.testing.assert_frame_equal(once.recommend(10), again.recommend(10))


def test_an_edit_is_the_least_change_in_the_metric_of_the_covariance(recommender: Recommender) -> None:
    """No other row with the wanted weight is nearer: moves along the constraint only add length."""
    before, after = recommender.profile("u3"), recommender.profile("u3").set("War", 0.6)
    space, concept = recommender.behaviour.warm, recommender.behaviour.concepts.find("War")
    moved = (after._reader.warm.rows - before._reader.warm.rows).double()
    direction = space.directions([concept])[:, 0].double()
    user, train = recommender.graph.users.vocabulary.index_of("u3"), recommender.train
    mine = train.user == user
    item, level = (
        torch.from_numpy(train.item[mine]),
        torch.from_numpy(np.searchsorted(recommender.levels, train.value[mine])),
    )
    metric = what_ratings_settle(recommender.samples, user, item, level)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        along = torch.randn(moved.shape, generator=generator, dtype=torch.float64) * 0.1
        along -= direction * ((along * direction).sum(1) / direction.square().sum(1))[:, None]
        length = torch.einsum("sd,sde,se->s", moved, metric, moved)
        other = torch.einsum("sd,sde,se->s", moved + along, metric, moved + along)
        assert (other >= length * (1 - 1e-4)).all()


def test_lists_follow_an_edit(recommender: Recommender) -> None:
    found = recommender.profile("u3")

    def place(profile: Any) -> float:
        rows = profile.recommend(100)
        return float(np.mean([number for number, item in enumerate(rows["id"]) if GENRE_OF[item] == "War"]))

    assert place(found.set("War", 2.0)) < place(found) <= place(found.set("War", -2.0))


def test_an_unedited_profile_lists_what_the_recommender_lists(recommender: Recommender) -> None:
    for user in ("u3", "once", "stranger"):
        mine, theirs = recommender.profile(user).recommend(8), recommender.recommend(user=user, k=8)
        pd.testing.assert_frame_equal(mine, theirs[list(mine)], rtol=1e-4)


@pytest.mark.parametrize(
    ("concept", "weight", "told"),
    [("Horror", 0.1, "no concept"), ("War", 9.0, "expected -4 to 4"), ("War", float("nan"), "expected -4 to 4")],
)
def test_wrong_edits_are_told(recommender: Recommender, concept: str, weight: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        recommender.profile("u3").set(concept, weight)


def test_contradictory_wishes_are_told(recommender: Recommender) -> None:
    """Every film but one has one genre and one decade, so both relations add up alike, by their ridges: what that one film lacks."""
    found = recommender.profile("u3")
    with pytest.raises(InputError, match="cannot hold together"):
        found.set("War", 1.0).set("Drama", 1.0).set("1990s", 1.0).set("1980s", -1.0)
    concepts = recommender.behaviour.concepts
    ridge = relation_ridges(concepts, recommender.predictor.samples, recommender.train)
    sums = [
        sum(found.weight(concept) * ridge[concepts.find(concept)] for concept in relation)
        for relation in (GENRES, ("1980s", "1990s"))
    ]
    assert sums[0] == pytest.approx(sums[1], abs=1e-4)


# Segments


def test_segments_part_those_who_love_drama_from_those_who_love_war(recommender: Recommender) -> None:
    found = recommender.segments(2)
    number = found.members.set_index("user")["segment"]
    of_lovers = {genre: number[users] for genre, users in LOVERS.items()}
    assert all(len(set(numbers)) == 1 for numbers in of_lovers.values())
    assert of_lovers["Drama"].iloc[0] != of_lovers["War"].iloc[0]
    assert found.stability_seeds == pytest.approx(1.0)
    for genre, job in (("Drama", "nurse"), ("War", "spy")):
        segment = found.segments[of_lovers[genre].iloc[0] - 1]
        assert segment.name.startswith(genre)
        first = segment.likes[0]
        assert first.name == f"genre: {genre}"
        assert 0 < first.weight_low <= first.weight <= first.weight_high
        shares = {group.name: group for group in segment.groups}
        assert shares[f"job: {job}"].share > 0.9 > 0.6 > shares[f"job: {job}"].share_of_all
    assert "stranger" not in number.index  # who rated nothing is in no segment


@pytest.mark.parametrize("k", [1, 100])
def test_impossible_numbers_of_segments_are_told(recommender: Recommender, k: int) -> None:
    with pytest.raises(InputError, match="from 2 to the 33 users"):
        recommender.segments(k)


# Directions


def test_directions_and_weights_agree(recommender: Recommender) -> None:
    space, rows = recommender.behaviour.warm, recommender.predictor.samples.users[:, 3]
    chosen = range(len(space.concepts))
    product = (space.directions(chosen) @ (rows - space.average)[..., None])[..., 0]
    np.testing.assert_allclose(space.weights(rows), product.numpy(), atol=1e-4)
    users = recommender.predictor.samples.users[:, [3, 5]]
    np.testing.assert_allclose(space.mean_weights(users)[0], space.weights(rows).mean(0), atol=1e-4)


def test_ridge_regression_gives_back_planted_rows(recommender: Recommender) -> None:
    """Item rows made of concepts alone are read as these concepts."""
    concepts, predictor = recommender.behaviour.concepts, recommender.predictor.samples
    genres = [concepts.find(genre) for genre in GENRES]
    planted = torch.zeros(len(predictor.items), len(concepts), predictor.items.shape[2])
    planted[:, genres[0]], planted[:, genres[1]] = 1.0, -1.0
    made = torch.from_numpy(concepts.membership.toarray()) @ planted
    space = TasteSpace.of(concepts, replace(predictor, items=made), recommender.train, 1.0, ridge=1e-3)
    found = space.directions(genres)
    # A constant can go to either genre or to the mean of all items; their difference cannot.
    torch.testing.assert_close(
        found[:, 0, :-1] - found[:, 1, :-1], torch.full_like(found[:, 0, :-1], 2.0), rtol=1e-2, atol=1e-2
    )


def test_concepts_are_found_by_key_name_and_label(recommender: Recommender) -> None:
    concepts = recommender.behaviour.concepts
    assert len({concepts.find(name) for name in ("genre:war", "genre: War", "War", "war", "GENRE:WAR")}) == 1
    with pytest.raises(UnknownNameError, match="Did you mean 'genre: drama'"):
        concepts.find("genre: Drana")
    assert {concepts.labels[one] for one in concepts.broad} == {"Drama", "War"}


# How sure weights are


def test_intervals_count_what_samples_leave_out() -> None:
    drawn = np.random.default_rng(0).normal(0.2, [0.3, 0.3, 1e-9], (40_000, 3))
    found = ConceptWeights.of(drawn, np.array([0.0, 0.16, 0.0]))
    spread = np.array([0.3, 0.5, 1e-9])  # 0.09 + 0.16 is the square of 0.5
    np.testing.assert_allclose(found.mean, 0.2, atol=0.01)
    np.testing.assert_allclose(found.high - found.low, 2 * norm.ppf(0.9) * spread, rtol=0.02)
    np.testing.assert_allclose(found.chance, norm.cdf(0.2 / spread), atol=0.01)


@pytest.mark.parametrize("num_samples", [1, 2, 7, 160])
def test_intervals_end_where_numpy_says(num_samples: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(num_samples, 5))
    found = ConceptWeights.of(drawn, np.zeros(5))
    np.testing.assert_allclose([found.low, found.high], np.quantile(drawn, (0.1, 0.9), axis=0), atol=1e-12)


def test_a_single_sample_has_the_doubt_that_it_leaves_out() -> None:
    found = ConceptWeights.of(np.array([[0.1, -0.2, 0.3]]), np.array([1.0, 0.04, 0.0]))
    spread = np.array([1.0, 0.2, 0.0])
    np.testing.assert_allclose(found.high - found.low, 2 * norm.ppf(0.9) * spread, rtol=0.02)
    np.testing.assert_allclose(found.chance, norm.cdf([0.1, -1.0, np.inf]), atol=0.02)


def test_a_weight_that_was_set_is_certain_and_others_stay_open(recommender: Recommender) -> None:
    before = recommender.profile("u3")
    after = before.set("War", 0.5)
    assert after.interest("War").low == pytest.approx(0.5, abs=1e-4)
    assert after.interest("War").high == pytest.approx(0.5, abs=1e-4)
    assert before.interest("War").high - before.interest("War").low > 0.05
    assert after.interest("1990s").high - after.interest("1990s").low > 0.01


def test_a_rating_of_a_concept_makes_its_weight_surer(recommender: Recommender) -> None:
    behaviour = recommender.behaviour
    assert behaviour.own is not None
    held = behaviour.concepts.membership[[0]]
    certain = OwnTastes(np.full(len(behaviour.concepts), 0.4))
    nobody, once = (certain.left_open(held[:count], np.full(count, 0.3)) for count in (0, 1))
    has = held.toarray()[0] > 0
    assert (once[has] < nobody[has]).all()
    assert (once[~has] == nobody[~has]).all()
