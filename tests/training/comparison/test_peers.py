"""Other people's models on a world of two genres: they read what ours reads, and find what is there to find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.build import build
from kg.description import Description
from kg.errors import InputError
from models.network.encoder import Messages
from models.network.tower import NodeInputs
from training.comparison.peer_baselines import ALL_BASELINES, EASE_ON_LIKED
from training.comparison.peers import BenchmarkData, Peer, peers_named
from training.comparison.peers_implicit import ALS_100K, liked_matrix
from training.comparison.peers_lightfm import LIGHTFM, item_features
from training.comparison.peers_myfm import IMPLICIT_SETS, MYFM, MYFM_WITHOUT_SETS, design_of
from training.comparison.peers_surprise import SURPRISE
from training.config import RunConfig
from training.predictions import Scorers

USERS, ITEMS = 40, 24
DESCRIPTION = """name: genres
ratings: {file: ratings.csv, scale: [1, 5]}
items:
  - {file: items.csv, id: id, label: title, text: "{title}. {genre}.", concepts: {genre: {column: genre}}}
users:
  - {file: users.csv, id: id, concepts: {town: {column: town}}}
"""
SMALL: dict[str, dict[str, Any]] = {
    "myFM": {"rank": 2, "iterations": 40},
    "LightFM": {"components": 4, "epochs": 20},
    "implicit": {"factors": 4, "grid": [{"regularization": ridge} for ridge in (0.1, 1.0)]},
    "EASE": {"grid": [{"ridge": 5.0}]},
}


def write_world(folder: Path) -> Path:
    """Even users give drama five stars and war one or two, odd users the other way; they rate 3 of 4 items."""
    rng = np.random.default_rng(0)
    rows = ["user,item,rating,time"]
    for user in range(USERS):
        for item in range(ITEMS):
            if rng.random() < 0.75:
                rows.append(f"{user},{item},{5 if item % 2 == user % 2 else rng.integers(1, 3)},{86_400 * len(rows)}")
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    genres = [f"{item},Film {item},{('Drama', 'War')[item % 2]}" for item in range(ITEMS)]
    (folder / "items.csv").write_text("\n".join(["id,title,genre", *genres]) + "\n")
    towns = [f"{user},{('Here', 'There', 'Nowhere')[user % 3]}" for user in range(USERS)]
    (folder / "users.csv").write_text("\n".join(["id,town", *towns]) + "\n")
    (folder / "genres.yaml").write_text(DESCRIPTION)
    return folder / "genres.yaml"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("genres")
    build(Description.load(write_world(folder))).save(folder / "graph")
    return folder / "graph"


@pytest.fixture
def material(graph: Path, stand_in_encoder: None) -> BenchmarkData:
    return BenchmarkData(graph, RunConfig().updated(["split.test_share=0.25", "text.num_features=2"]))


def fitted(peer: Peer, material: BenchmarkData) -> Scorers:
    if peer.version is None:
        pytest.skip(f"{peer.package} is not installed: pip install -e '.[peers]'")
    changes = next((change for start, change in SMALL.items() if peer.name.startswith(start)), {})
    try:
        return peer.fit(material, **{**peer.settings, **changes})
    except InputError as error:
        pytest.skip(str(error))


def dense(messages: Messages) -> np.ndarray:
    assert messages.operator is not None
    return messages.operator.matrix.to_dense().numpy()


def test_myfm_reads_the_operators_of_our_model(material: BenchmarkData) -> None:
    inputs = material.experiment.inputs
    for side, size, own in (
        (inputs.users, USERS, ["town<town", "rated<item"]),
        (inputs.items, ITEMS, ["genre<genre", "text", "rated_by<user"]),
    ):
        found = design_of(side)
        assert [name for name, _ in found.groups] == ["self", *own]
        matrix = found.matrix.toarray()
        assert matrix.shape == (size, sum(width for _, width in found.groups))
        text = [features.numpy() for name, features in side.content.features.items() if name == "text"]
        expected = [np.eye(size), dense(side.content), *text, dense(side.interactions)]
        np.testing.assert_array_equal(matrix, np.concatenate(expected, axis=1))


def test_leaving_out_the_implicit_sets_takes_their_columns_alone(material: BenchmarkData) -> None:
    whole, less = (design_of(material.experiment.inputs.users, leave_out=out) for out in ((), IMPLICIT_SETS))
    start, end = USERS + 3, USERS + 3 + ITEMS
    assert less.groups == tuple(group for group in whole.groups if group[0] != "rated<item")
    np.testing.assert_array_equal(less.matrix.toarray(), np.delete(whole.matrix.toarray(), range(start, end), axis=1))


def test_only_the_named_inputs_have_columns(material: BenchmarkData) -> None:
    inputs = material.experiment.inputs
    users, items = (design_of(side, only=["rated<item", "text"]) for side in (inputs.users, inputs.items))
    assert [name for name, _ in users.groups] == ["self", "rated<item"]
    assert [name for name, _ in items.groups] == ["self", "text"]
    text = inputs.items.content.features["text"].numpy()
    np.testing.assert_array_equal(items.matrix.toarray(), np.concatenate([np.eye(ITEMS), text], axis=1))


def test_a_node_without_messages_has_its_own_column_alone() -> None:
    silent = Messages.stack(3, {}, {})
    found = design_of(NodeInputs(content=silent, interactions=silent))
    np.testing.assert_array_equal(found.matrix.toarray(), np.eye(3))


def test_lightfm_items_are_themselves_and_their_concepts(material: BenchmarkData) -> None:
    features = item_features(material).toarray()
    assert features.shape == (ITEMS, ITEMS + 2)
    np.testing.assert_allclose(features[:, :ITEMS], 0.5 * np.eye(ITEMS))
    genre = np.array([int(raw_id) % 2 for raw_id in material.dataset.graph.items.vocabulary.ids])
    alike = (features[:, None, ITEMS:] == features[None, :, ITEMS:]).all(axis=2)
    np.testing.assert_array_equal(alike, genre[:, None] == genre[None, :])
    np.testing.assert_allclose(features.sum(axis=1), 1.0)


def test_liked_items_are_ones_once(material: BenchmarkData) -> None:
    table = liked_matrix(material.liked.concat(material.liked)).toarray()
    by_hand = np.zeros((USERS, ITEMS))
    for user, item, value in zip(material.train.user, material.train.item, material.train.value, strict=True):
        by_hand[user, item] = value >= 4
    np.testing.assert_array_equal(table, by_hand)


@pytest.mark.parametrize("peer", [*MYFM, *MYFM_WITHOUT_SETS, *SURPRISE], ids=lambda peer: peer.name)
def test_peers_of_ratings_learn_who_loves_what(peer: Peer, material: BenchmarkData) -> None:
    found, test = fitted(peer, material), material.test["warm"]
    if found.probabilities is not None:
        chances = found.probabilities(test.user, test.item)
        assert chances.shape == (len(test), len(material.levels))
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-6)
        stars = chances @ material.levels
    else:
        assert found.stars is not None
        stars = found.stars(test.user, test.item)
    assert found.rank is None
    assert 1 <= stars.min() <= stars.max() <= 5
    assert stars[test.value == 5].mean() > stars[test.value < 3].mean() + 1


@pytest.mark.parametrize("peer", [EASE_ON_LIKED, ALS_100K, LIGHTFM], ids=lambda peer: peer.name)
def test_peers_of_lists_rank_the_loved_genre_first(peer: Peer, material: BenchmarkData) -> None:
    found = fitted(peer, material)
    assert found.rank is not None
    scores = np.array(found.rank(np.arange(USERS)))
    assert scores.shape == (USERS, ITEMS)
    test = material.test["warm"]
    mine = scores[test.user, test.item]
    assert np.median(mine[test.value == 5]) > np.quantile(mine[test.value < 3], 0.9)


@pytest.mark.parametrize("peer", ALL_BASELINES, ids=lambda peer: peer.name)
def test_baselines_answer_what_they_can(peer: Peer, material: BenchmarkData) -> None:
    found, test = fitted(peer, material), material.test["warm"]
    assert (found.stars is None) == (peer.name in ("EASE", "popularity"))
    assert found.rank is not None
    assert found.rank(np.arange(3)).shape == (3, ITEMS)
    if found.stars is not None:
        assert found.stars(test.user, test.item).shape == test.value.shape


def test_an_absent_package_has_no_version() -> None:
    assert Peer(name="x", fit=print, package="no-such-distribution").version is None
    assert Peer(name="x", fit=print, package="numpy").version == np.__version__


def test_peers_are_chosen_by_the_beginning_of_their_names() -> None:
    peers = (*MYFM_WITHOUT_SETS, EASE_ON_LIKED, LIGHTFM)
    chosen = peers_named(["myfm regressor", "EASE"], peers)
    assert [peer.name for peer in chosen] == ["myFM regressor, no implicit sets", "EASE on liked items"]
    with pytest.raises(InputError, match="'NCF'; there are myFM"):
        peers_named(["EASE", "NCF"], peers)
