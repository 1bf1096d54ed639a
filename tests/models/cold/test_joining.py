"""New items and users in a trained model: an item taken out and added back is what evaluation measures.

The world: some users love drama, others war. `without` takes items out of everything a trained recommender holds, by plain
slicing; `add_items` must bring them back.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kg.build import build
from kg.description import Description
from kg.errors import InputError, UnknownNameError
from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.vocabulary import Vocabulary
from models.lists.content import Content
from models.lists.item_item import ItemItemModel
from models.posterior import PhasedPosterior, Posterior
from models.recommender import Recommender
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: world
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{plot}", concepts: {genre: {column: genre, split: "|"}, country: {column: country}}}
users:
  - {file: users.csv, id: id, concepts: {age: {column: age, bins: [18, 30]}, job: {column: job}}}
splits:
  last: {test: test.csv}
"""
DRAMA, WAR = [f"d{number}" for number in range(14)], [f"w{number}" for number in range(14)]
NEW = ["d13", "w13", "both", "bare"]  # nobody has rated these
ITEMS = [*DRAMA[:13], *WAR[:13], *NEW]
GENRES = {
    **dict.fromkeys(DRAMA, "Drama"),
    **dict.fromkeys(WAR, "War"),
    "both": "Drama|War",
    "bare": "",
}
USERS = [f"u{number}" for number in range(16)] + [f"v{number}" for number in range(16)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    rows = [
        (user, item, rng.integers(4, 6) if (user[0] == "u") == (item[0] == "d") else rng.integers(1, 3), 1000 + number)
        for number, (user, item) in enumerate((user, item) for user in USERS for item in ITEMS)
        if item not in NEW and rng.random() < 0.7
    ]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    ratings.to_csv(folder / "ratings.csv", index=False)
    ratings.tail(1).to_csv(folder / "test.csv", index=False)
    plots = {item: f"A {GENRES[item].replace('|', ' and ')} film, number {item}." for item in ITEMS if item != "bare"}
    items = [
        (
            item,
            "" if item == "bare" else f"Film {item}",
            GENRES[item],
            "Chile" if GENRES[item] else "",
            plots.get(item, ""),
        )
        for item in ITEMS
    ]
    pd.DataFrame(items, columns=["id", "title", "genre", "country", "plot"]).to_csv(folder / "items.csv", index=False)
    people = [
        (user, 20 + 20 * (number % 2), "actor" if user[0] == "u" else "soldier") for number, user in enumerate(USERS)
    ]
    pd.DataFrame([*people, ("stranger", 20, "actor")], columns=["id", "age", "job"]).to_csv(
        folder / "users.csv", index=False
    )
    (folder / "world.yaml").write_text(DESCRIPTION)
    config = RunConfig(
        split=SplitConfig(name="last"),
        text=TextConfig(num_features=4),
        model=ModelConfig(embedding_size=3),
        training=LangevinConfig(epochs=240, burn_in=90, hold=50, keep_every=3),
    )
    experiment = Experiment(build(Description.load(folder / "world.yaml")), config)
    return experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))


def without(recommender: Recommender, ids: list[str]) -> Recommender:
    """Take items out of a trained recommender, which must be the last ones and have no ratings."""
    graph = recommender.graph
    kept = len(graph.items) - len(ids)
    assert graph.items.vocabulary.ids[kept:].tolist() == ids
    edges = {}
    for edge_type, found in graph.edges.items():
        mine = np.ones(len(found), dtype=bool)
        for row, kind in ((0, edge_type.source), (1, edge_type.target)):
            if kind == ITEM:
                mine &= found.index[row] < kept
        edges[edge_type] = Edges(index=found.index[:, mine], provenance=found.provenance[mine], lines=found.lines[mine])
    columns = {name: getattr(graph.items, name)[:kept] for name in ("labels", "texts", "iris")}
    items = Nodes(vocabulary=Vocabulary(ITEM, graph.items.vocabulary.ids[:kept]), **columns)
    data = copy.copy(recommender.data)
    data[ITEM].num_nodes = kept
    for message_type in recommender.data[ITEM].content:
        old, new = recommender.data[message_type], data[message_type]
        mine = old.edge_index[1] < kept
        new.edge_index, new.edge_weight, new.table_row = (
            old.edge_index[:, mine],
            old.edge_weight[mine],
            old.table_row[mine],
        )
    data[ITEM].features = {
        group: {name: values[:kept] for name, values in found.items()}
        for group, found in recommender.data[ITEM].features.items()
    }
    data[USER].hop_sources = {name: values[:kept] for name, values in recommender.data[USER].hop_sources.items()}

    def cut(posterior: Posterior) -> Posterior:
        names = ("items.factors.rows", "cold_items.residual.rows")
        return Posterior(
            {name: found[:, :kept] if name in names else found for name, found in posterior.parameters.items()}
        )

    content = recommender.content
    return replace(
        recommender,
        graph=KnowledgeGraph(name=graph.name, nodes={**graph.nodes, ITEM: items}, edges=edges, sources=graph.sources),
        train=Ratings(**{**vars_of(recommender.train), "num_items": kept}),
        posterior=PhasedPosterior(cut(recommender.posterior.samples), recommender.posterior.num_cold),
        data=data,
        item_vectors=recommender.item_vectors[:kept],
        item_item=ItemItemModel(recommender.item_item.weights[:kept, :kept], recommender.item_item.base[:kept]),
        content=Content(
            content.text[:kept],
            content.concepts[:kept],
            content.shared[:kept],
            content.mean,
            content.rarity,
            content.columns,
        ),
    )


def vars_of(ratings: Ratings) -> dict[str, Any]:
    return {name: getattr(ratings, name) for name in ("user", "item", "value", "time", "num_users")}


def record(recommender: Recommender, item: str) -> dict[str, Any]:
    """What the graph says of an item."""
    graph, index = recommender.graph, recommender.graph.items.vocabulary.index_of(item)
    concepts = {
        edge_type.relation: graph.nodes[edge_type.target].labels[found.index[1][found.index[0] == index]].tolist()
        for edge_type, found in graph.edges.items()
        if edge_type.source == ITEM
    }
    return {"id": item, "label": graph.items.labels[index], "text": graph.items.texts[index], "concepts": concepts}


@pytest.fixture(scope="module")
def smaller(trained: Recommender) -> Recommender:
    return without(trained, NEW)


@pytest.fixture(scope="module")
def extended(trained: Recommender, smaller: Recommender) -> Recommender:
    return smaller.add_items([record(trained, item) for item in NEW])


def content_of(recommender: Recommender, item: str) -> torch.Tensor:
    """An item's rows in every sample without what is drawn at random."""
    index = recommender.graph.items.vocabulary.index_of(item)
    drawn = recommender.posterior.cold_samples.parameters["cold_items.residual.rows"][:, index].float()
    return recommender.predictor.cold_samples.items[:, index] - drawn


# What evaluation measures of a cold item


@pytest.mark.parametrize("item", NEW)
def test_an_item_taken_out_and_added_back_is_read_as_in_training(
    trained: Recommender, extended: Recommender, item: str
) -> None:
    torch.testing.assert_close(content_of(extended, item), content_of(trained, item), atol=1e-5, rtol=0)


def test_its_predictions_are_those_of_evaluation_but_for_the_residual(
    trained: Recommender, extended: Recommender
) -> None:
    """With the residual of the item in the graph in place of the one that was drawn anew, they are the same to rounding."""
    first = len(ITEMS) - len(NEW)
    residual = trained.posterior.cold_samples.parameters["cold_items.residual.rows"]
    anew = extended.posterior.cold_samples.parameters["cold_items.residual.rows"]
    items = extended.predictor.cold_samples.items.clone()
    items[:, first:] += residual[:, first:].float() - anew[:, first:].float()
    same = replace(extended.predictor.cold_samples, items=items)
    user, item = (
        part.flatten() for part in torch.meshgrid(torch.arange(33), torch.arange(first, len(ITEMS)), indexing="ij")
    )
    evaluated = trained.predictor.probabilities(user, item)
    torch.testing.assert_close(same.probabilities(user, item), evaluated, atol=1e-5, rtol=0)


def test_the_residual_is_drawn_as_that_of_items_in_the_graph(trained: Recommender, extended: Recommender) -> None:
    """Drawn by id and not by place: other draws, the same distribution; and pairs of samples cancel around what is expected."""
    name = "cold_items.residual.rows"
    residuals = trained.residuals(ITEM)
    assert residuals.expected is not None
    beyond = extended.posterior.cold_samples.parameters[name][:, -len(NEW) :].float() - residuals.expected[:, None]
    pairs = beyond[: len(beyond) // 2 * 2].unflatten(0, (-1, 2))
    torch.testing.assert_close(pairs[:, 0], -pairs[:, 1], atol=2e-3, rtol=0)  # rounded to half precision
    many = residuals.draw(ITEM, [str(number) for number in range(300)])
    was = trained.posterior.cold_samples.parameters[name][:, -len(NEW) :].float()
    ratio = (many - residuals.expected[:, None]).square().mean((0, 1)).sqrt() / (
        was - residuals.expected[:, None]
    ).square().mean((0, 1)).sqrt()
    assert ((0.7 < ratio) & (ratio < 1.4)).all()


def test_exposure_is_that_of_an_item_nobody_rated_in_training(trained: Recommender, extended: Recommender) -> None:
    users = np.arange(33)
    np.testing.assert_allclose(extended.item_item_of(users), trained.item_item_of(users), atol=2e-5)
    for item in range(len(ITEMS) - len(NEW), len(ITEMS)):
        np.testing.assert_allclose(
            extended.item_item.of_item(extended.train, item), extended.item_item_of(users)[:, item], atol=1e-6
        )


def test_encoding_everything_anew_gives_the_same_rows(extended: Recommender) -> None:
    """What is placed one by one is what the graph network says of the grown graph."""
    for recommender in (extended, extended.add_users([{"id": "n", "age": 50, "job": "Soldier"}])):
        anew = recommender.posterior.predictor(
            recommender.network.model, recommender.network.inputs, recommender.learned(USER), recommender.learned(ITEM)
        )
        for phase in ("samples", "cold_samples"):
            for side in ("users", "items", "preferences"):
                mine, other = (getattr(getattr(found, phase), side) for found in (recommender.predictor, anew))
                torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


def test_nothing_known_changes(smaller: Recommender, extended: Recommender) -> None:
    pairs = [(user, item) for user in ("u3", "v5", "stranger") for item in ITEMS[:26]]
    pd.testing.assert_frame_equal(smaller.predict(pairs), extended.predict(pairs))
    before = smaller.recommend(history={"d1": 5, "w2": 1}, k=26)
    after = extended.recommend(history={"d1": 5, "w2": 1}, k=26, candidates=ITEMS[:26])
    pd.testing.assert_frame_equal(before, after)
    assert len(smaller.graph.items) == 26
    assert not smaller.notes


# New items in every call


def test_whoever_asks_first_newcomers_are_told_by_those_that_training_knew(smaller: Recommender) -> None:
    """What newcomers are like is worked out when it is asked for, and shared by a recommender and those grown from it."""
    histories, pairs = {"ann": {"d0": 5, "w0": 1, "d1": 4}}, [("ann", item) for item in ("d2", "w3", "w7")]
    before, after = (replace(smaller) for _ in range(2))
    wanted = before.predict_for_histories(histories, pairs)
    new = [{"id": f"n{number}", "genre": "War", "ratings": dict.fromkeys(USERS, 1 + number % 5)} for number in range(9)]
    extended = after.add_items(new)
    of_grown = extended.predict_for_histories(histories, pairs)
    pd.testing.assert_frame_equal(after.predict_for_histories(histories, pairs), wanted)
    pd.testing.assert_frame_equal(of_grown, wanted)
    drawn = extended.residuals(USER).draw(USER, ["someone"])
    torch.testing.assert_close(drawn, before.residuals(USER).draw(USER, ["someone"]))


def test_reasons_of_an_audience_are_those_of_the_samples_that_predict(smaller: Recommender) -> None:
    new = {"id": "rated", "genre": "War", "country": "Chile", "ratings": {"v0": 5, "v1": 4, "v2": 5}}
    extended = smaller.add_items([new])
    audience = extended.audience("rated", k=8)
    for user, reason in zip(audience["id"], audience["reason"], strict=True):
        listed = extended.recommend(user=user, k=1, candidates=["rated"], exclude_seen=False)
        assert listed["reason"].tolist() == [reason]


def test_a_new_item_is_predicted_listed_and_explained(smaller: Recommender) -> None:
    extended = smaller.add_items(
        [{"id": "n", "title": "A new one", "text": "A war film, nothing else.", "genre": "war|Opera"}], source="new.csv"
    )
    rows = extended.recommend(user="v3", k=40, exclude_seen=False).set_index("id")
    row = rows.loc["n"]
    assert row["label"] == "A new one"
    assert row["source"] == "cold: text+concepts"
    assert row["reason"] == "genre: War"
    assert row["evidence"] == [{"reason": "genre: War", "source": "new.csv", "line": 1}]
    assert row["score"] == pytest.approx(float(extended.predict([("v3", "n")])["score"][0]), abs=1e-5)
    assert row["score"] > extended.predict([("u3", "n")])["score"][0] + 1
    assert set(extended.audience("n", k=8)["id"]) <= {user for user in USERS if user[0] == "v"}
    assert extended.notes == ("genre 'Opera' of item 'n' is not known to the graph and says nothing",)
    alike = extended.similar_items("n", k=8)
    assert {GENRES[item] for item in alike["id"]} == {"War"}
    assert set(alike["shares"]) == {"genre: War"}


def test_a_few_ratings_move_a_new_item(smaller: Recommender) -> None:
    """Lovers of drama dislike a drama film: it is no drama to the model any more."""
    film = {"id": "n", "text": "A drama film.", "genre": "Drama"}
    plain = smaller.add_items([film])
    rated = smaller.add_items([{**film, "ratings": {f"u{number}": 1 for number in range(6)}}])
    others = [(user, "n") for user in USERS[6:16]]
    assert (rated.predict(others)["score"] < plain.predict(others)["score"] - 0.3).all()
    assert set(rated.predict(others)["source"]) == {"warm"}
    two = smaller.add_items([{**film, "ratings": {"u1": 1, "u2": 1}}])
    assert set(two.predict(others)["source"]) == {"few ratings"}
    assert "n" not in set(two.recommend(user="u1", k=40)["id"])
    assert "n" in set(two.recommend(user="u3", k=40)["id"])
    pairs = [(user, item) for user in USERS for item in ITEMS[:26]]
    pd.testing.assert_frame_equal(smaller.predict(pairs), two.predict(pairs))


def test_items_added_one_after_the_other_are_those_added_at_once(trained: Recommender, smaller: Recommender) -> None:
    at_once = smaller.add_items([record(trained, item) for item in NEW])
    by_and_by = smaller
    for item in NEW:
        by_and_by = by_and_by.add_items([record(trained, item)])
    pairs = [(user, item) for user in USERS for item in NEW]
    np.testing.assert_allclose(at_once.predict(pairs)["score"], by_and_by.predict(pairs)["score"], atol=1e-5)
    users = np.arange(33)
    np.testing.assert_allclose(at_once.rank_scores(users), by_and_by.rank_scores(users), atol=1e-5)
    for name in ("items.factors.rows", "cold_items.residual.rows", "head.preferences"):
        for phase in ("samples", "cold_samples"):
            one, other = (getattr(found.posterior, phase).parameters[name] for found in (at_once, by_and_by))
            assert torch.equal(one, other)


def test_an_item_of_which_nothing_is_known_is_an_average_one(smaller: Recommender) -> None:
    extended = smaller.add_items([{"id": "x"}, {"id": "y", "text": "  ", "concepts": {}}])
    assert len(extended.notes) == 2
    assert "neither text nor a known concept" in extended.notes[0]
    for item in ("x", "y"):
        lovers, haters = (extended.predict([(f"{side}{number}", item) for number in range(16)]) for side in "uv")
        assert abs(lovers["score"].mean() - haters["score"].mean()) < 0.8  # no side is taken
        assert not extended.item_vectors[extended.graph.items.vocabulary.index_of(item)].any()
        assert len(extended.similar_items(item, k=3)) == 3


def test_a_very_long_text_and_another_script_are_read(smaller: Recommender) -> None:
    extended = smaller.add_items(
        [{"id": "long", "text": "war and " * 12_500}, {"id": "script", "text": "静かな戦争の映画"}]
    )
    assert np.isfinite(extended.predict([("u1", "long"), ("u1", "script")])["score"]).all()
    assert extended.graph.items.texts[-2] == "war and " * 12_500


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([{"title": "no id"}], "item number 1 has no id"),
        ([{"id": " "}], "item number 1 has no id"),
        ([{"id": True}], "item number 1 has no id"),
        ([{"id": "d3"}], "'d3' is known already"),
        ([{"id": "n"}, {"id": "n"}], "'n' stands twice"),
        ([{"id": "n", "gener": "War"}], "'gener' is no field or relation of items.*Did you mean 'genre'"),
        ([{"id": "n", "concepts": {"genres": "War"}}], "'genres' is no relation of items.*Did you mean 'genre'"),
        ([{"id": "n", "concepts": "War"}], "expected relation: values"),
        ([{"id": "n", "ratings": {"nobody": 5}}], "user 'nobody' is not among"),
        ([{"id": "n", "ratings": {"u1": 6}}], "'u1' is 6; the scale is 1 to 5"),
        ([{"id": "n", "ratings": {"u1": "good"}}], "the scale is 1 to 5"),
        ([{"id": "n", "ratings": 5}], "expected id: stars"),
        (["n"], "item number 1 is 'n'; expected a record"),
        ({"id": "n"}, "expected a list of items"),
        ([{"id": "n", "text": "half a \ud800 pair"}], "characters that are not text"),
    ],
)
def test_records_that_cannot_be_used(smaller: Recommender, records: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        smaller.add_items(records)


def test_a_table_says_the_same_as_records(smaller: Recommender) -> None:
    table = pd.DataFrame(
        {"id": ["n", "m"], "title": ["N", None], "text": ["A war film.", None], "genre": ["War", "Drama|War"]}
    )
    of_table = smaller.add_items(table)
    of_records = smaller.add_items(
        [
            {"id": "n", "label": "N", "text": "A war film.", "concepts": {"genre": "War"}},
            {"id": "m", "genre": ["Drama", "War"]},
        ]
    )
    pairs = [(user, item) for user in USERS[::4] for item in ("n", "m")]
    pd.testing.assert_frame_equal(of_table.predict(pairs), of_records.predict(pairs))
    assert of_table.graph.items.labels[-2:].tolist() == ["N", "m"]


# New users


def test_a_new_user_with_ratings_is_someone_with_that_history(smaller: Recommender) -> None:
    history = {"d1": 5.0, "w1": 1.0, "d4": 4.0}
    extended = smaller.add_users([{"id": "n", "ratings": history}])
    mine = extended.recommend(user="n", k=30).drop(columns=["evidence"])
    theirs = smaller.recommend(history=history, k=30).drop(columns=["evidence"])
    assert mine["id"].tolist() == theirs["id"].tolist()
    np.testing.assert_allclose(mine["score"], theirs["score"], atol=2e-3)  # samples are kept in half precision
    assert mine["source"].tolist() == theirs["source"].tolist()


def test_a_new_user_with_ratings_and_concepts_is_someone_with_both(smaller: Recommender) -> None:
    history = {"d1": 4.0, "w1": 3.0}
    extended = smaller.add_users([{"id": "n", "ratings": history, "age": 40, "job": "soldier"}])
    mine = extended.recommend(user="n", k=30).set_index("id")["score"]
    theirs = smaller.recommend(history=history, concepts={"age": 40, "job": "soldier"}, k=30).set_index("id")["score"]
    np.testing.assert_allclose(mine, theirs.loc[mine.index], atol=2e-3)  # samples are kept in half precision
    plain = smaller.recommend(history=history, k=30).set_index("id")["score"].loc[theirs.index]
    war = theirs.index.isin(ITEMS[13:26])  # all soldiers love war
    assert (theirs - plain)[war].mean() > (theirs - plain)[~war].mean() + 0.1


def test_all_samples_answer_for_someone_new_and_known_items(smaller: Recommender) -> None:
    person = smaller.user_query(history={"d1": 5.0, "w1": 1.0})
    assert person.warm is not None
    assert len(person.warm.rows) == len(smaller.posterior.samples)
    assert torch.equal(person.cold.rows, person.warm.rows[: smaller.posterior.num_cold])
    chances = person.chances(smaller.predictor)
    for known, phase, taste in (
        (True, smaller.predictor.samples, person.warm),
        (False, smaller.predictor.cold_samples, person.cold),
    ):
        items = torch.nonzero(smaller.predictor.known_items == known)[:, 0]
        torch.testing.assert_close(chances[items], phase.for_rows(taste.rows, taste.preferences, items))


def test_age_and_job_alone_speak_for_a_new_user(smaller: Recommender) -> None:
    """All soldiers love war."""
    extended = smaller.add_users(
        [{"id": "a", "age": 40, "job": "soldier"}, {"id": "b", "concepts": {"age": "18-29", "job": "Actor"}}]
    )
    war, drama = (
        extended.predict([(user, item) for item in ITEMS[first : first + 13]])["score"].mean()
        for user, first in (("a", 13), ("a", 0))
    )
    assert war > drama + 0.3
    listed = extended.recommend(user="a", k=5)
    assert set(listed["source"]) == {"cold: demographics"}
    assert not extended.notes
    ages = extended.graph.edges[next(found for found in extended.graph.edges if found.relation == "age")]
    assert ages.index[1][-2:].tolist() == [
        extended.graph.nodes["age"].vocabulary.index_of(label) for label in ("30+", "18-29")
    ]
    said = smaller.recommend(history={}, concepts={"age": 40, "job": "soldier"}, k=26)
    assert set(said["source"]) == {"cold: demographics"}
    scores = said.set_index("id")["score"]
    assert scores[ITEMS[13:26]].mean() > scores[ITEMS[:13]].mean() + 0.3


def test_a_new_user_and_a_new_item_meet(smaller: Recommender) -> None:
    extended = smaller.add_items([{"id": "n", "text": "war", "genre": "War"}]).add_users(
        [{"id": "fan", "ratings": {"w1": 5, "w2": 5, "d1": 1, "n": 5}}, {"id": "foe", "ratings": {"w1": 1, "d1": 5}}]
    )
    fan, foe = extended.predict([("fan", "n"), ("foe", "n")])["score"]
    assert fan > foe + 0.5
    assert "n" not in set(extended.recommend(user="fan", k=40)["id"])
    assert "n" in set(extended.recommend(user="foe", k=40)["id"])
    assert {"fan", "foe"} & set(extended.audience("w3", k=40)["id"])


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"history": {}, "concepts": {"job": "astronaut"}}, "job 'astronaut' is not known"),
        ({"history": {}, "concepts": {"jobs": "actor"}}, "Did you mean 'job'"),
        ({"user": "u1", "concepts": {"job": "actor"}}, "give history as well"),
    ],
)
def test_concepts_of_people_that_cannot_be_used(smaller: Recommender, wish: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        smaller.recommend(**wish)


def test_predictions_for_histories_are_those_of_lists(smaller: Recommender) -> None:
    histories: dict[str, dict[str, float]] = {"p": {"d1": 5, "w2": 1}, "q": {}, "r": {"w2": 4}}
    pairs = [(name, item) for item in ITEMS[3:26:4] for name in histories]
    found = smaller.predict_for_histories(histories, pairs)
    for name, history in histories.items():
        mine = found[found["user"] == name].set_index("item")
        listed = smaller.recommend(history=history, k=30, exclude_seen=False).set_index("id").loc[mine.index]
        np.testing.assert_allclose(mine["score"], listed["score"], atol=1e-5)
        assert mine["source"].tolist() == listed["source"].tolist()
    with pytest.raises(InputError, match="'z', of whom there is no history"):
        smaller.predict_for_histories(histories, [("z", "d1")])


# Filters and candidates


def test_filters_keep_what_has_all_that_is_asked_for(trained: Recommender) -> None:
    def ids(**filters: Any) -> set[str]:
        return set(trained.recommend(history={}, k=40, filters=filters)["id"])

    assert ids(genre="war") == {item for item in ITEMS if "War" in GENRES[item]}
    assert ids(genre=["War", "Drama"], country="Chile") == set(ITEMS) - {"bare"}
    whole = trained.recommend(history={}, k=40)
    kept = trained.recommend(history={}, k=40, filters={"genre": "War"})
    assert kept["id"].tolist() == [item for item in whole["id"] if "War" in GENRES[item]]


def test_conditions_that_contradict_each_other_leave_an_empty_list(trained: Recommender) -> None:
    rows = trained.recommend(history={}, filters={"genre": "War"}, candidates=DRAMA)
    assert len(rows) == 0
    assert list(rows) == list(trained.recommend(history={}))
    assert len(trained.recommend(user="u1", candidates=[])) == 0


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"genres": "War"}, "Did you mean 'genre'"),
        ({"genre": "Warr"}, "no item has the genre 'Warr'. Did you mean 'War'"),
    ],
)
def test_filters_that_nothing_is_known_of(trained: Recommender, filters: dict[str, str], sentence: str) -> None:
    with pytest.raises(UnknownNameError, match=sentence):
        trained.recommend(history={}, filters=filters)


# The head of a list


def test_the_top_is_the_head_of_the_list(extended: Recommender) -> None:
    for who in ({"user": "u3"}, {"user": "stranger"}, {"history": {"d1": 5, "w2": 1}}, {"history": {}}):
        found = extended.top(k=7, **who)
        listed = extended.recommend(k=7, **who)  # type: ignore[arg-type]
        assert [item for item, _ in found] == listed["id"].tolist()
    for wrong in ({}, {"text": "war"}, {"user": "u3", "history": {}}):
        with pytest.raises(InputError, match="exactly one of user and history"):
            extended.top(**wrong)
