"""What people call, on a world of which the tastes are known: some users love drama, the others war, nobody both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kg.build import build
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from models.lists.boosts_and_filters import BoostsAndFilters
from models.recommender import FEW, Recommender
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: genres
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "A {genre} film, {title}.", concepts: {genre: {column: genre}, country: {column: country}}}
users:
  - {file: users.csv, id: id}
splits:
  last: {test: test.csv}
"""
DRAMA = ("007", "7", "a b", "é/1", "9223372036854775807", *(f"d{number}" for number in range(5, 14)))
WAR = tuple(f"w{number}" for number in range(14))
COLD, RARE = {"d13", "w13"}, {"d12": 3, "w12": 2}  # nobody rated these; few rated those
LOVERS = {"Drama": [f"u {number}" for number in range(16)], "War": [f"v/{number}" for number in range(16)]}
GENRE_OF = {**dict.fromkeys(DRAMA, "Drama"), **dict.fromkeys(WAR, "War")}
ITEMS = (*DRAMA, *WAR)


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    rows = [
        (user, item, rng.integers(4, 6) if GENRE_OF[item] == genre else rng.integers(1, 3))
        for genre, users in LOVERS.items()
        for number, user in enumerate(users)
        for item in ITEMS
        if item not in COLD and (number < RARE[item] if item in RARE else rng.random() < 0.7)
    ]
    rows += [("newish", item, 5) for item in DRAMA[:3]]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating"])
    ratings.to_csv(folder / "ratings.csv", index=False)
    ratings.tail(1).to_csv(folder / "test.csv", index=False)  # "newish" keeps two ratings
    titles = [(item, f"Film {item}", GENRE_OF[item], "Chile") for item in ITEMS]
    pd.DataFrame(titles, columns=["id", "title", "genre", "country"]).to_csv(folder / "items.csv", index=False)
    users = [*LOVERS["Drama"], *LOVERS["War"], "newish", "stranger"]
    pd.DataFrame({"id": users}).to_csv(folder / "users.csv", index=False)
    (folder / "genres.yaml").write_text(DESCRIPTION)
    config = RunConfig(
        split=SplitConfig(name="last"),
        text=TextConfig(num_features=4),
        model=ModelConfig(embedding_size=3),
        training=LangevinConfig(epochs=160, burn_in=90, hold=50, keep_every=5),
    )
    experiment = Experiment(build(Description.load(folder / "genres.yaml")), config)
    return experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))


def rated_by(recommender: Recommender, user: str) -> set[str]:
    mine = recommender.train.user == recommender.graph.users.vocabulary.index_of(user)
    return {recommender.graph.items.vocabulary.id_of(int(item)) for item in recommender.train.item[mine]}


def genres(rows: pd.DataFrame) -> list[str]:
    return [GENRE_OF[item] for item in rows["id"]]


# Known users


@pytest.mark.parametrize(("user", "genre"), [("u 3", "Drama"), ("v/3", "War")])
def test_a_lover_of_a_genre_is_given_it_first(recommender: Recommender, user: str, genre: str) -> None:
    rows = recommender.recommend(user=user, k=100)
    loved = np.array([found == genre for found in genres(rows)])
    assert loved[:3].all()
    assert rows["score"][loved].min() > 4 > 2.5 > rows["score"][~loved].max()
    assert rows["label"].tolist() == [f"Film {item}" for item in rows["id"]]
    assert (1 <= rows["low"]).all()
    assert (rows["low"] <= rows["high"]).all()
    assert (rows["high"] <= 5).all()


def test_items_seen_in_training_are_left_out_unless_wanted(recommender: Recommender) -> None:
    seen = rated_by(recommender, "u 3")
    assert set(recommender.recommend(user="u 3", k=100)["id"]) == set(ITEMS) - seen
    assert set(recommender.recommend(user="u 3", k=100, exclude_seen=False)["id"]) == set(ITEMS)


def test_a_held_out_item_is_not_taken_as_seen(recommender: Recommender) -> None:
    assert rated_by(recommender, "newish") == set(DRAMA[:2])
    assert DRAMA[2] in set(recommender.recommend(user="newish", k=100)["id"])


def test_the_list_has_the_length_asked_for_and_its_head_does_not_depend_on_it(recommender: Recommender) -> None:
    long = recommender.recommend(user="v/5", k=8)
    assert len(long) == 8
    pd.testing.assert_frame_equal(recommender.recommend(user="v/5", k=3), long.head(3))


@pytest.mark.parametrize("user", ["u 3", "v/0", "newish", "stranger"])
def test_a_list_and_a_prediction_say_the_same_of_a_pair(recommender: Recommender, user: str) -> None:
    listed = recommender.recommend(user=user, k=100, exclude_seen=False)
    predicted = recommender.predict([(user, item) for item in listed["id"]])
    for column in ("score", "low", "high"):
        np.testing.assert_allclose(listed[column], predicted[column], atol=1e-4)
    assert listed["source"].tolist() == predicted["source"].tolist()


# Predictions


def test_a_prediction_is_the_mean_of_its_distribution(recommender: Recommender) -> None:
    pairs = [("u 0", "007"), ("v/2", "w13"), ("stranger", "é/1"), ("newish", "d13")]
    rows = recommender.predict(pairs)
    for (user, item), score in zip(pairs, rows["score"], strict=True):
        index = recommender.graph.users.vocabulary.index_of(user), recommender.graph.items.vocabulary.index_of(item)
        chances = recommender.predictor.probabilities(*(torch.tensor([number]) for number in index))[0]
        assert float(chances.sum()) == pytest.approx(1, abs=1e-5)
        expected = sum(float(chance) * stars for chance, stars in zip(chances, (1, 2, 4, 5), strict=True))
        assert score == pytest.approx(expected, abs=1e-4)
    assert list(zip(rows["user"], rows["item"], strict=True)) == pairs


def test_no_pairs_have_no_predictions(recommender: Recommender) -> None:
    assert len(recommender.predict([])) == 0


def test_unknown_ids_are_named(recommender: Recommender) -> None:
    with pytest.raises(UnknownNameError, match="user '07' is not among"):
        recommender.predict([("07", "007")])
    with pytest.raises(UnknownNameError, match="item '07' is not among"):
        recommender.predict([("u 0", "07")])
    with pytest.raises(UnknownNameError, match="item '07' is not among"):
        recommender.audience("07")


# What an answer is based on


def test_every_source_is_told_from_counts(recommender: Recommender) -> None:
    def source(user: str, item: str) -> str:
        return str(recommender.predict([(user, item)])["source"][0])

    assert source("u 0", "007") == "warm"
    assert source("u 0", "w12") == "few ratings"  # the item has 4 ratings
    assert source("newish", "007") == "few ratings"  # the user has 2
    assert source("u 0", "d13") == source("newish", "w13") == source("stranger", "d13") == "cold: text+concepts"
    assert source("stranger", "007") == source("stranger", "w12") == "popularity"  # nothing is known of that user


def test_sources_of_newcomers(recommender: Recommender) -> None:
    assert set(recommender.recommend(history={})["source"]) == {"popularity"}
    assert set(recommender.recommend(text="war")["source"]) == {"cold: text+concepts"}
    few = recommender.recommend(history={"007": 5}, k=100).set_index("id")["source"]
    assert (few["d13"], few["d5"]) == ("cold: text+concepts", "few ratings")
    many = recommender.recommend(history=dict.fromkeys(DRAMA[:FEW], 5.0), k=100).set_index("id")["source"]
    assert (many["d13"], many["w12"], many["w5"]) == ("cold: text+concepts", "few ratings", "warm")


# Newcomers


def test_more_likes_of_a_genre_raise_it(recommender: Recommender) -> None:
    def advantage(likes: int) -> float:
        history = {**dict.fromkeys(DRAMA[5 : 5 + likes], 5.0), **dict.fromkeys(WAR[5 : 5 + likes], 1.0)}
        rows = recommender.recommend(history=history, k=100)
        return float(rows["score"].groupby(np.array(genres(rows))).mean() @ pd.Series({"Drama": 1.0, "War": -1.0}))

    gains = [advantage(likes) for likes in (0, 1, 3, 6)]
    assert gains == sorted(gains)
    assert gains[0] < 0.5
    assert gains[-1] > 1.5


def test_a_history_of_the_other_taste_turns_the_list_round(recommender: Recommender) -> None:
    for loved, other in ((DRAMA, WAR), (WAR, DRAMA)):
        rows = recommender.recommend(history={**dict.fromkeys(loved[5:9], 5), **dict.fromkeys(other[5:9], 1)}, k=3)
        assert genres(rows) == [GENRE_OF[loved[0]]] * 3


def test_the_order_of_a_history_does_not_matter(recommender: Recommender) -> None:
    history = {"007": 5.0, "w3": 1.0, "é/1": 4.0, "w13": 2.0, "d6": 5.0}
    there, back = (
        recommender.recommend(history=dict(pairs), k=100) for pairs in (history.items(), [*history.items()][::-1])
    )
    there, back = there.set_index("id"), back.set_index("id").loc[there["id"]]
    np.testing.assert_allclose(there["score"], back["score"], atol=1e-3)
    assert not set(history) & set(there.index)


def test_the_same_question_has_the_same_answer(recommender: Recommender) -> None:
    for wish in ({"history": {"007": 4}}, {"history": {}}, {"text": "drama"}, {"user": "u 1"}):
        first, second = (recommender.recommend(**wish) for _ in range(2))  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(first, second)


def test_a_sentence_finds_items_of_its_words(recommender: Recommender) -> None:
    assert genres(recommender.recommend(text="a quiet DRAMA", k=6)) == ["Drama"] * 6
    assert genres(recommender.recommend(text="  the war ", k=6)) == ["War"] * 6
    assert set(recommender.recommend(text="war", k=100)["id"]) == set(ITEMS)


def test_without_ratings_the_most_met_come_first(recommender: Recommender) -> None:
    listed = recommender.recommend(history={}, k=100)["id"].tolist()
    assert set(listed) == set(ITEMS)
    assert not (COLD | RARE.keys()) & set(listed[:10])


def test_someone_who_knows_everything_gets_an_empty_list(recommender: Recommender) -> None:
    rows = recommender.recommend(history=dict.fromkeys(ITEMS, 4.0))
    assert len(rows) == 0
    assert list(rows) == list(recommender.recommend(user="u 0"))


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({}, "exactly one"),
        ({"user": "u 0", "text": "war"}, "exactly one"),
        ({"user": "u 0", "history": {}}, "exactly one"),
        ({"user": "nobody"}, "user 'nobody' is not among"),
        ({"history": {"07": 5}}, "item '07' is not among"),
        ({"history": {"007": 0.5}}, r"'007' has 0.5 stars; the scale is 1 to 5"),
        ({"history": {"007": float("nan")}}, "the scale is 1 to 5"),
        ({"text": "\n "}, "the text is empty"),
        ({"user": "u 0", "k": 0}, "at least 1, got 0"),
        ({"user": "u 0", "k": -3}, "at least 1, got -3"),
    ],
)
def test_wishes_that_cannot_be_met(recommender: Recommender, wish: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        recommender.recommend(**wish)


# Audiences


@pytest.mark.parametrize(("item", "genre"), [("d13", "Drama"), ("w13", "War")])
def test_the_audience_of_a_new_item_loves_its_genre(recommender: Recommender, item: str, genre: str) -> None:
    rows = recommender.audience(item, k=100)
    everyone = {*LOVERS["Drama"], *LOVERS["War"], "newish"}
    assert set(rows["id"]) == everyone  # whoever rated anything; nobody has rated the item
    fans = {*LOVERS[genre], *(["newish"] if genre == "Drama" else [])}
    assert set(rows["id"][: len(LOVERS[genre])]) <= fans
    assert set(rows["source"]) == {"cold: text+concepts"}
    assert len(recommender.audience(item, k=4)) == 4


def test_those_who_rated_an_item_are_no_audience_of_it(recommender: Recommender) -> None:
    listed = set(recommender.audience("d5", k=100)["id"])
    for user in (*LOVERS["Drama"], *LOVERS["War"], "newish"):
        assert (user in listed) != ("d5" in rated_by(recommender, user))


def test_an_audience_has_the_scores_of_predictions(recommender: Recommender) -> None:
    rows = recommender.audience("d12", k=100)
    predicted = recommender.predict([(user, "d12") for user in rows["id"]])
    for column in ("score", "low", "high"):
        np.testing.assert_allclose(rows[column], predicted[column], atol=1e-4)
    assert rows["source"].tolist() == predicted["source"].tolist()


def test_an_audience_of_nobody_is_refused(recommender: Recommender) -> None:
    with pytest.raises(InputError, match="at least 1"):
        recommender.audience("d13", k=0)


# Reasons


def test_reasons_are_concepts_of_the_item(recommender: Recommender) -> None:
    for user, genre in (("u 2", "Drama"), ("v/2", "War")):
        rows = recommender.recommend(user=user, k=100, exclude_seen=False)
        for item, reason in zip(rows["id"], rows["reason"], strict=True):
            allowed = {f"genre: {GENRE_OF[item]}", "country: Chile", "overall taste"}
            assert set(reason.split("; ")) <= allowed
            assert ("genre" in reason) == (GENRE_OF[item] == genre)  # what someone dislikes is no reason


def test_every_reason_names_the_line_that_states_it(recommender: Recommender) -> None:
    rows = recommender.recommend(user="u 2", k=100, exclude_seen=False)
    for item, reason, evidence in zip(rows["id"], rows["reason"], rows["evidence"], strict=True):
        line = 2 + ITEMS.index(item)
        named = [name for name in reason.split("; ") if name != "overall taste"]
        assert evidence == [{"reason": name, "source": "items.csv", "line": line} for name in named]


def test_the_number_of_reasons_can_be_chosen(recommender: Recommender) -> None:
    assert set(recommender.recommend(user="u 2", num_reasons=0)["reason"]) == {"overall taste"}
    one = recommender.recommend(user="u 2", num_reasons=1)["reason"]
    assert not one.str.contains(";").any()
    assert one[0] == "genre: Drama"


# Ranking


def test_rank_scores_order_the_list(recommender: Recommender) -> None:
    index = recommender.graph.users.vocabulary.index_of("v/4")
    scores = recommender.rank_scores(np.array([0, index]))[1]
    listed = recommender.graph.items.vocabulary.indices(recommender.recommend(user="v/4", k=5)["id"].tolist())
    assert (np.diff(scores[listed]) <= 1e-6).all()
    unseen = np.setdiff1d(np.arange(len(ITEMS)), recommender.train.item[recommender.train.user == index])
    assert scores[listed].min() >= np.sort(scores[unseen])[-5] - 1e-6


def test_a_level_of_liking_that_nobody_gave_in_training_still_ranks(recommender: Recommender) -> None:
    strict = replace(recommender, relevant_from=float(recommender.levels[-1]) + 1)
    assert np.isfinite(strict.rank_scores(np.array([0]))).all()
    assert len(strict.recommend(user="u 0", k=3)) == 3


@pytest.mark.parametrize("wish", [{"user": "u 3"}, {"history": {"w1": 5.0, "d5": 1.0, "w4": 4.0}}, {"history": {}}])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_list_is_the_head_of_all_scores_whatever_is_left_out(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any], exclude_seen: bool
) -> None:
    """Items that cannot enter a list are not scored; with few scored at a time that is so in this small world, too."""
    monkeypatch.setattr("models.lists.top_items.FIRST", 2)
    person, ids = recommender.user_query(**wish), recommender.graph.items.vocabulary.ids
    hidden = np.isin(ids, ["w2", "d7", "007"])
    allowed = np.isin(ids, [*WAR[:9], *DRAMA[:9]])
    of_war = np.isin(ids, WAR)
    hide = BoostsAndFilters(hidden=hidden, boost=np.zeros(len(ids), dtype=np.float32))
    for conditions, there in [
        ({}, np.ones(len(ids), dtype=bool)),
        ({"candidates": ids[allowed].tolist()}, allowed),
        ({"filters": {"genre": "War"}, "rules": hide}, of_war & ~hidden),
        ({"candidates": ids[allowed].tolist(), "filters": {"genre": "War"}, "rules": hide}, allowed & of_war & ~hidden),
    ]:
        scores = recommender.scores_of(person)
        scores[~there | (person.seen > 0 if exclude_seen else False)] = -np.inf
        wanted = ids[np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]]
        for k in (1, 4, len(ids)):
            found = recommender.recommend(**wish, k=k, exclude_seen=exclude_seen, num_reasons=0, **conditions)
            assert found["id"].tolist() == wanted[:k].tolist()


# What a call takes and hands out


def test_pairs_and_histories_may_be_tables(recommender: Recommender) -> None:
    pairs = [("u 0", "007"), ("u 3", "w5")]
    expected = recommender.predict(pairs)
    table = pd.DataFrame(pairs, columns=["user", "item"])
    for given in (
        table,
        table.convert_dtypes(),
        table.astype("category"),
        table.convert_dtypes(dtype_backend="pyarrow"),
    ):
        pd.testing.assert_frame_equal(recommender.predict(given), expected)
    listed = recommender.recommend(history={"007": 5, "w5": 1}, k=3)
    history = pd.DataFrame({"item": ["007", "w5"], "rating": [5, 1]}).convert_dtypes()
    pd.testing.assert_frame_equal(recommender.recommend(history=history, k=3), listed)
    series = pd.Series([5, 1], index=["007", "w5"], dtype="Int64")
    pd.testing.assert_frame_equal(recommender.recommend(history=series, k=3), listed)
    assert set(
        recommender.recommend(user="u 0", k=9, candidates=pd.Series(["7", "d13"]), exclude_seen=False)["id"]
    ) == {
        "7",
        "d13",
    }
    pd.testing.assert_frame_equal(
        recommender.predict([("u 0", 7)]).drop(columns="item"), recommender.predict([("u 0", "7")]).drop(columns="item")
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda found: found.predict("ab"), "expected pairs"),
        (lambda found: found.recommend(user=None, history=[1, 2]), "expected a history"),
        (lambda found: found.recommend(user=2.5), "expected the id of one user"),
        (lambda found: found.recommend(text=5), "expected a text in words, got 5"),
        (lambda found: found.recommend(user="u 0", k="3"), "must be a whole number"),
        (lambda found: found.recommend(user="u 0", filters=["War"]), "expected filters as relation: values"),
        (lambda found: found.recommend(user="u 0", candidates="007"), "expected a list of item ids"),
        (lambda found: found.audience(None), "expected the id of one item"),
        (lambda found: found.add_items(7), "expected a list of items"),
        (lambda found: found.questions({"007": "5"}), "expected a number of stars"),
    ],
)
def test_wrong_types_are_told_in_a_sentence(recommender: Recommender, call: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call(recommender)


def test_arrays_that_are_handed_out_cannot_be_written_to(recommender: Recommender) -> None:
    for array in (
        recommender.levels,
        recommender.item_vectors,
        recommender.train.item_counts,
        recommender.graph.items.labels,
        recommender.with_concepts["item"],
    ):
        assert not array.flags.writeable
