"""Attributions on a tiny world: their parts sum to what `predict` says, and each is what a plain computation finds."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.removed_messages import predict_without
from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.graph import Edges
from kg.schema import ITEM, USER, EdgeType
from models.attribution.attributions import Attribution, attribution_of_history, attributions
from models.attribution.contributions import (
    BIAS,
    CONCEPT,
    FACTORS,
    LEVELS,
    MEAN,
    NEIGHBOUR,
    NEW,
    RATERS,
    RELATED,
    TEXTS,
    PartKey,
)
from models.attribution.secants import Secants
from models.inputs import InputLimits, graph_inputs, relation_name
from models.network.encoder import parameter_key
from models.network.message_names import HOP, RATED
from models.posterior import Posterior, Predictor
from models.recommender import Recommender
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: world
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{title}", concepts: {genre: {column: genre, split: "|"}, country: {column: country}}}
users:
  - {file: users.csv, id: id, concepts: {job: {column: job}}}
splits:
  last: {test: test.csv}
"""
NUM_USERS, NUM_ITEMS = 14, 16  # of each the last two have no ratings; the ids are not the indices
SUMS = 1e-5  # stars
FRIEND, SEQUEL = EdgeType(USER, "friend", USER), EdgeType(ITEM, "sequel", ITEM)
GENRE = (EdgeType(ITEM, "genre", "genre"), ("genre", "genre", ITEM))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", int(rng.integers(1, 6)), int(rng.integers(4)) * 86_400 * 9)
        for user in range(NUM_USERS - 2)
        for item in range(NUM_ITEMS - 2)
        if rng.random() < 0.6
    ]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating", "time"])
    ratings.to_csv(folder / "ratings.csv", index=False)
    ratings.iloc[::9].to_csv(folder / "test.csv", index=False)
    items = [
        (
            f"i{item}",
            f"Film {item}",
            "Drama|War" if item % 3 == 0 else "War|Epic" if item % 3 == 1 else "Drama",
            "Chile",
        )
        for item in range(NUM_ITEMS)
    ]
    pd.DataFrame(items, columns=["id", "title", "genre", "country"]).to_csv(folder / "items.csv", index=False)
    users = [(f"u{user}", ("cook", "smith")[user % 2]) for user in range(NUM_USERS)]
    pd.DataFrame(users, columns=["id", "job"]).to_csv(folder / "users.csv", index=False)
    (folder / "world.yaml").write_text(DESCRIPTION)
    return build(Description.load(folder / "world.yaml"))


def trained(dataset: Dataset, folder: Path, **model: Any) -> tuple[Recommender, Experiment]:
    config = RunConfig(
        split=SplitConfig(name="last"),
        text=TextConfig(num_features=3),
        model=ModelConfig(embedding_size=3, **model),
        training=LangevinConfig(epochs=80, burn_in=40, hold=20, keep_every=4),
    )
    experiment = Experiment(dataset, config)
    return experiment.recommender(experiment.run(folder / "checkpoint.safetensors")), experiment


@pytest.fixture(scope="module")
def experiment(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, Experiment]:
    return trained(dataset, tmp_path_factory.mktemp("stars"))


@pytest.fixture(scope="module")
def recommender(experiment: tuple[Recommender, Experiment]) -> Recommender:
    return experiment[0]


@pytest.fixture(scope="module")
def implicit(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    def chosen(ratings: Any) -> Any:
        return replace(ratings, value=np.ones(len(ratings)))

    ratings = chosen(dataset.ratings)
    choices = replace(dataset, ratings=ratings, scale=(1.0, 1.0), splits=dataset.splits)
    config = RunConfig(
        split=SplitConfig(name="random"),
        text=TextConfig(num_features=3),
        model=ModelConfig(embedding_size=3),
        training=LangevinConfig(epochs=40, burn_in=20, hold=10, keep_every=4),
    )
    experiment = Experiment(choices, config)
    return experiment.recommender(experiment.run(tmp_path_factory.mktemp("implicit") / "checkpoint.safetensors"))


@pytest.fixture(scope="module")
def related(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The same world, where each names the next but one as friend, u3 one without ratings, and films are sequels of the one before."""
    edges = dict(dataset.graph.edges)
    for edge_type, pairs in (
        (FRIEND, [(user, 13 if user == 3 else (user + 2) % 12) for user in range(12)]),
        (SEQUEL, [(item + 1, item) for item in range(12)]),
    ):
        edges[edge_type] = Edges(index=np.array(pairs).T, provenance=np.zeros(len(pairs), dtype=np.int16))
    graph = replace(dataset.graph, edges=edges)
    return trained(replace(dataset, graph=graph), tmp_path_factory.mktemp("related"))[0]


def every_pair(recommender: Recommender) -> tuple[np.ndarray, np.ndarray]:
    user, item = np.indices((recommender.train.num_users, recommender.train.num_items)).reshape(2, -1)
    return user, item


def predicted(recommender: Recommender, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    ids = [
        (nodes.vocabulary.id_of, found)
        for nodes, found in ((recommender.graph.users, user), (recommender.graph.items, item))
    ]
    names = [[name(int(one)) for one in found] for name, found in ids]
    found: np.ndarray = recommender.predict(list(zip(*names, strict=True)))["score"].to_numpy()
    return found


def sums(found: list[Attribution]) -> np.ndarray:
    return np.array([attribution.stars.sum() for attribution in found])


def stars_of(attribution: Attribution) -> dict[PartKey, float]:
    found = dict(zip(attribution.keys, attribution.stars.tolist(), strict=True))
    assert len(found) == len(attribution.keys)
    return found


def index(recommender: Recommender, user: str, item: str) -> tuple[int, int]:
    return recommender.graph.users.vocabulary.index_of(user), recommender.graph.items.vocabulary.index_of(item)


def attribution_of_pair(recommender: Recommender, user: int, item: int) -> Attribution:
    return attributions(recommender, np.array([user]), np.array([item]))[0]


# Sums


@pytest.mark.parametrize("which", ["recommender", "implicit", "related"])
def test_the_parts_of_every_pair_sum_to_the_prediction(which: str, request: pytest.FixtureRequest) -> None:
    recommender: Recommender = request.getfixturevalue(which)
    user, item = every_pair(recommender)
    found = attributions(recommender, user, item)
    np.testing.assert_allclose(sums(found), predicted(recommender, user, item), rtol=0, atol=SUMS)
    assert max(attribution.error for attribution in found) < 1e-6  # rows are float32


def test_the_world_asks_both_phases_for_known_and_new(recommender: Recommender) -> None:
    assert recommender.posterior.num_cold < len(recommender.posterior.samples)
    assert recommender.learned(USER).sum() == NUM_USERS - 2
    assert recommender.predictor.known_users.all()  # what is expected of the two stands in all samples
    assert recommender.predictor.known_items.sum() == NUM_ITEMS - 2


def test_joined_items_and_users_with_and_without_ratings_are_attributed(recommender: Recommender) -> None:
    extended = recommender.add_items(
        [
            {"id": "rated", "title": "A", "genre": "War", "ratings": {"u0": 5, "u1": 1}},
            {"id": "plain", "genre": "Drama"},
        ]
    ).add_users([{"id": "n1", "job": "cook", "ratings": {"i0": 5, "rated": 2, "i15": 1}}, {"id": "n2"}])
    user, item = every_pair(extended)
    assert len(user) == (NUM_USERS + 2) * (NUM_ITEMS + 2)
    np.testing.assert_allclose(
        sums(attributions(extended, user, item)), predicted(extended, user, item), rtol=0, atol=SUMS
    )
    nothing: list[tuple[PartKey, ...]] = [()] * len(user)
    np.testing.assert_allclose(
        predict_without(extended, user, item, nothing), predicted(extended, user, item), rtol=0, atol=SUMS
    )


@pytest.mark.parametrize("history", [{}, {"i0": 5.0}, {"i3": 1.0, "i0": 4.5, "i15": 2.0, "i7": 3.0}])
@pytest.mark.parametrize("item", ["i1", "i15"])
def test_the_parts_of_a_newcomer_sum_to_the_prediction(
    recommender: Recommender, history: dict[str, float], item: str
) -> None:
    found = recommender.explain(item, history=history)
    wanted = recommender.predict_for_histories({"n": history}, [("n", item)])["score"][0]
    assert sum(part.stars for part in found.parts) == pytest.approx(wanted, abs=SUMS)
    assert found.score == pytest.approx(wanted, abs=SUMS)
    assert sum(part.kind == NEIGHBOUR for part in found.parts) == len(history)


def test_boosts_are_parts_of_their_own(recommender: Recommender) -> None:
    plain = recommender.explain("i1", user="u2")
    moved = recommender.explain("i1", user="u2", boosts={"autumn": 0.5, "old stock": -0.125})
    assert moved.score == pytest.approx(plain.score + 0.375)
    assert sum(part.stars for part in moved.parts) == pytest.approx(moved.score, abs=SUMS)
    rules = {part.name: part.stars for part in moved.parts if part.kind == "rule"}
    assert rules == {"rule: autumn": 0.5, "rule: old stock": -0.125}


# What parts there are


def test_a_known_pair_has_the_parts_that_make_its_rows(recommender: Recommender) -> None:
    user, item = index(recommender, "u2", "i0")
    found = attribution_of_pair(recommender, user, item)
    kinds = {(key.kind, key.side) for key in found.keys}
    own = {(kind, side) for kind in (BIAS, FACTORS) for side in (USER, ITEM)}
    assert kinds == own | {
        (LEVELS, USER),
        (MEAN, ""),
        (CONCEPT, USER),
        (CONCEPT, ITEM),
        (TEXTS, ITEM),
        (NEIGHBOUR, USER),
        (RATERS, ITEM),
    }
    rated = set(recommender.train.item[recommender.train.user == user].tolist())
    assert {key.sender for key in found.keys if key.kind == NEIGHBOUR} == rated
    genres = {recommender.graph.nodes["genre"].labels[key.sender] for key in found.keys if key.message == GENRE[1]}
    assert genres == {"Drama", "War"}


def test_a_new_pair_has_what_is_known_of_the_new(recommender: Recommender) -> None:
    found = attribution_of_pair(recommender, *index(recommender, "u13", "i15"))
    kinds = {(key.kind, key.side) for key in found.keys}
    assert {(NEW, USER), (NEW, ITEM), (CONCEPT, ITEM), (TEXTS, ITEM)} < kinds
    assert not {kind for kind, _ in kinds} & {NEIGHBOUR, RATERS}


def test_what_the_related_rated_is_one_part_of_each_relation(related: Recommender) -> None:
    def parts(user: str, item: str) -> dict[tuple[str, str], float]:
        found = related.explain(item, user=user).parts
        return {(part.side, part.name): part.stars for part in found if part.kind == RELATED}

    of_friends, of_sequel = (
        (USER, "what the related people rated (friend)"),
        (ITEM, "who rated the related items (sequel)"),
    )
    found = parts("u0", "i1")
    back = {(USER, "what the related people rated (friend of)"), (ITEM, "who rated the related items (sequel of)")}
    assert set(found) == {of_friends, of_sequel} | back
    assert min(map(abs, found.values())) > 0
    assert of_friends not in parts("u3", "i1")  # a friend without ratings says nothing of this kind
    assert (USER, "what the related people rated (friend of)") in parts("u2", "i0")
    pair = index(related, "u0", "i1")
    key = PartKey(RELATED, USER, (ITEM, "rated_over_friend", USER))
    silent = without_row(related, "users.interactions.tables.rated_over_friend<item", slice(None))
    before, after = attribution_of_pair(related, *pair), attribution_of_pair(silent, *pair)
    assert stars_of(before)[key] == pytest.approx(found[of_friends])
    assert stars_of(after)[key] == 0
    user, item = every_pair(related)
    nothing: list[tuple[PartKey, ...]] = [()] * len(user)
    np.testing.assert_allclose(
        predict_without(related, user, item, nothing), predicted(related, user, item), rtol=0, atol=SUMS
    )


# Oracles


def without_row(recommender: Recommender, table: str, row: int | slice) -> Recommender:
    """Zero one row of a table in every sample: a message that is sent, but says nothing."""
    samples = dict(recommender.posterior.samples.parameters)
    samples[table] = samples[table].clone()
    samples[table][:, row] = 0
    return replace(recommender, posterior=replace(recommender.posterior, samples=Posterior(samples)))


def genre_of(recommender: Recommender, item: int, label: str) -> tuple[PartKey, str, int]:
    """Return the part of an item's genre, the table its message stands in, and the row."""
    number = recommender.graph.nodes["genre"].labels.tolist().index(label)
    edges = recommender.data[GENRE[1]]
    mine = (edges.edge_index[0] == number) & (edges.edge_index[1] == item)
    table = f"items.content.tables.{parameter_key(relation_name(GENRE[1]))}"
    return PartKey(CONCEPT, ITEM, GENRE[1], number), table, int(edges.table_row[mine][0])


def integrated(phase: Predictor, levels: np.ndarray, user: int, item: int, latent: np.ndarray) -> float:
    """Integrate the slope of the expected rating from nothing known to all, by small steps, times a part of the score.

    Half of it goes along the path of someone without preferences for levels, half along that of the user.
    """
    z_u, z_i = phase.users[:, user].double().numpy(), phase.items[:, item].double().numpy()
    score = (z_u[:, :-1] * z_i[:, :-1]).sum(1) + z_u[:, -1] + z_i[:, -1]
    own, cuts = phase.preferences[:, user].double().numpy(), phase.thresholds.double().numpy()
    found, steps, short = 0.0, 1000, 1e-4
    for wanted in (np.zeros_like(own), own):
        for time in (np.arange(steps) + 0.5) / steps:
            ahead, behind = (mean_rating(time * score + move, cuts, wanted, levels) for move in (short, -short))
            found += float(((ahead - behind) / (2 * short) * latent).mean()) / steps / 2
    return found


def mean_rating(score: np.ndarray, cuts: np.ndarray, preferences: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The expected rating in each sample, in stars."""
    mass = np.diff(1 / (1 + np.exp(score[:, None] - cuts)), axis=1, prepend=0.0, append=1.0) * np.exp(preferences)
    found: np.ndarray = (mass * levels).sum(1) / mass.sum(1)
    return found


@pytest.mark.parametrize(("user", "item"), [("u2", "i0"), ("u2", "i15"), ("u13", "i0"), ("u13", "i15")])
def test_the_part_of_a_concept_is_what_its_message_adds_along_the_path(
    recommender: Recommender, user: str, item: str
) -> None:
    u, i = index(recommender, user, item)
    key, table, row = genre_of(recommender, i, "Drama" if item == "i0" or item == "i15" else "War")
    silent = without_row(recommender, table, row)
    name = (
        "samples" if recommender.predictor.known_users[u] and recommender.predictor.known_items[i] else "cold_samples"
    )
    phase, without = getattr(recommender.predictor, name), getattr(silent.predictor, name)
    message = (phase.items[:, i].double() - without.items[:, i].double()).numpy()
    assert np.abs(message).max() > 1e-3
    latent = message[:, -1] + 0.5 * (message[:, :-1] * phase.users[:, u, :-1].double().numpy()).sum(1)
    wanted = integrated(phase, recommender.levels, u, i, latent)
    assert stars_of(attribution_of_pair(recommender, u, i))[key] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("item", ["i0", "i15"])
def test_the_part_of_a_silent_message_vanishes_and_the_prediction_is_that_without_it(
    recommender: Recommender, item: str
) -> None:
    user = np.arange(NUM_USERS)
    i = recommender.graph.items.vocabulary.index_of(item)
    key, table, row = genre_of(recommender, i, "Drama")
    silent = without_row(recommender, table, row)
    items = np.full(NUM_USERS, i)
    before, after = attributions(recommender, user, items), attributions(silent, user, items)
    assert min(abs(stars_of(attribution)[key]) for attribution in before) > 0
    assert [stars_of(attribution)[key] for attribution in after] == [0.0] * NUM_USERS
    np.testing.assert_allclose(sums(after), predicted(silent, user, items), rtol=0, atol=SUMS)
    removed = predict_without(recommender, user, items, [(key,)] * NUM_USERS)
    np.testing.assert_allclose(removed, predicted(silent, user, items), rtol=0, atol=SUMS)


def test_a_fact_never_stated_is_a_graph_without_its_edge(experiment: tuple[Recommender, Experiment]) -> None:
    recommender, _ = experiment
    user, i = np.arange(NUM_USERS), recommender.graph.items.vocabulary.index_of("i15")
    key, _, _ = genre_of(recommender, i, "Drama")
    edges = recommender.graph.edges[GENRE[0]]
    stays = ~((edges.index[0] == i) & (edges.index[1] == key.sender))
    assert stays.sum() == len(stays) - 1
    less = Edges(index=edges.index[:, stays], provenance=edges.provenance[stays], lines=edges.lines[stays])
    graph = replace(recommender.graph, edges={**recommender.graph.edges, GENRE[0]: less})
    text = recommender.data[ITEM].features["content"]["text"].numpy()
    data = graph_inputs(graph, recommender.train, text, InputLimits())
    oracle = replace(recommender, graph=graph, data=data)
    items = np.full(NUM_USERS, i)
    found = predict_without(recommender, user, items, [(key,)] * NUM_USERS, renormalise=True)
    np.testing.assert_allclose(found, predicted(oracle, user, items), rtol=0, atol=SUMS)
    assert np.abs(found - predict_without(recommender, user, items, [(key,)] * NUM_USERS)).max() > 1e-4


@pytest.mark.parametrize("which", ["recommender"])
def test_a_rated_item_is_removed_with_all_it_sends(which: str, request: pytest.FixtureRequest) -> None:
    recommender: Recommender = request.getfixturevalue(which)
    user, item = index(recommender, "u2", "i1")
    rated = int(recommender.train.item[recommender.train.user == user][0])
    data = copy.deepcopy(recommender.data)
    edges = data[ITEM, RATED, USER]
    edges.edge_weight[(edges.edge_index[0] == rated) & (edges.edge_index[1] == user)] = 0.0
    share = float(recommender.train.user_counts[user]) ** -0.5
    for name, centred in data[USER].hop_sources.items():
        data[USER].features["interactions"][HOP + name][user] -= centred[rated] * share
    silent = replace(recommender, data=data)
    wanted = predicted(silent, np.array([user]), np.array([item]))
    key = PartKey(NEIGHBOUR, USER, sender=rated)
    found = predict_without(recommender, np.array([user]), np.array([item]), [(key,)])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=SUMS)
    assert abs(found[0] - predicted(recommender, np.array([user]), np.array([item]))[0]) > 1e-4


def test_without_its_draw_a_newcomers_taste_is_all_in_the_ratings(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "randn", lambda shape, **_: torch.zeros(shape))
    history = {"i0": 5.0, "i4": 1.0, "i9": 2.0}
    person = recommender.user_query(history=history)
    items = recommender.graph.items.vocabulary.indices(list(history)).tolist()
    attribution = attribution_of_history(recommender, person, dict(zip(items, history.values(), strict=True)), 1)
    found = stars_of(attribution)
    assert found[PartKey(FACTORS, USER)] == pytest.approx(0, abs=2e-3)
    assert found[PartKey(BIAS, USER)] == pytest.approx(0, abs=2e-3)
    assert max(abs(found[PartKey(NEIGHBOUR, USER, sender=item)]) for item in items) > 0.02


def numbers(count: int, low: float, high: float) -> st.SearchStrategy[Tensor]:
    one = st.floats(low, high, allow_nan=False)
    return st.lists(one, min_size=count, max_size=count).map(lambda found: torch.tensor(found, dtype=torch.float64))


@given(numbers(8, -3, 3), numbers(8, -3, 3), numbers(8, -9, 9), numbers(2, -2, 2), numbers(4, -3, 2))
def test_secants_sum_to_the_expected_rating_and_share_it_by_the_shapley_value(
    users: Tensor, items: Tensor, of_user: Tensor, first: Tensor, distances: Tensor
) -> None:
    levels = torch.tensor([1.0, 2.0, 4.0, 5.0], dtype=torch.float64)
    cuts = torch.cat([first.view(2, 1), distances.view(2, 2).exp()], dim=1).cumsum(1)
    rows, own = SimpleNamespace(items=items.view(2, 1, 4), thresholds=cuts), of_user.view(2, 4)
    found = Secants.of(rows, levels, users.view(2, 4), own, 0)  # type: ignore[arg-type]
    of_score = float(sum((found.weights(side) * found.rows[side]).sum() for side in (USER, ITEM)))
    assert found.mean + found.use + of_score == pytest.approx(found.score, abs=1e-9)
    assert 1 <= found.score <= 5
    score = ((users * items).view(2, 4)[:, :-1].sum(1) + users.view(2, 4)[:, -1] + items.view(2, 4)[:, -1]).numpy()
    neither, scored, used, both = (
        float(mean_rating(at, cuts.numpy(), wanted, levels.numpy()).mean())
        for wanted in (np.zeros((2, 4)), own.numpy())
        for at in (np.zeros(2), score)
    )
    assert (found.mean, found.score) == pytest.approx((neither, both), abs=1e-9)
    assert of_score == pytest.approx(
        (scored - neither + both - used) / 2, abs=1e-5
    )  # a tangent where secants are short
    assert found.use == pytest.approx((used - neither + both - scored) / 2, abs=1e-9)


# Measured


def test_inputs_of_the_network_are_left_as_they_were(recommender: Recommender) -> None:
    before = recommender.predictor.samples.users.clone()
    predict_without(recommender, np.array([0]), np.array([0]), [()])
    again = recommender.posterior.predictor(
        recommender.network.model, recommender.network.inputs, recommender.learned(USER), recommender.learned(ITEM)
    )
    assert torch.equal(before, again.samples.users)
