"""Users and items without ratings stand where known ones with their concepts stand, and answer as new ones do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from kg.build import build
from kg.description import Description
from kg.schema import ITEM, USER
from models.cold.expected_nodes import with_expected_items, with_expected_users
from models.cold.leave_one_out_content import leave_one_out_content
from models.inputs import hybrid_inputs
from models.recommender import Recommender
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig, TextConfig
from training.experiment import Experiment

pytestmark = pytest.mark.usefixtures("stand_in_encoder")
DESCRIPTION = """name: clubs
ratings: {file: ratings.csv, scale: [1, 5]}
items: [{file: items.csv, id: id, concepts: {genre: {column: genre}}}]
users: [{file: users.csv, id: id, concepts: {club: {column: club}}}]
splits: {last: {test: test.csv}}
"""
UNRATED = {"new veteran": "veterans", "new actor": "theatre", "nobody": ""}
RATED = [f"i{j}" for j in range(40)]
UNSEEN = {"new war": "war", "new drama": "drama", "anything": ""}


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """Veterans like war, the theatre likes drama; three users have not rated anything, and nobody has rated three items."""
    folder, rng = tmp_path_factory.mktemp("clubs"), np.random.default_rng(0)
    rows = [
        (f"u{i}", f"i{j}", int(np.clip(round(3 + (1.2 if i % 2 == j % 2 else -1.2) + rng.normal(0, 0.5)), 1, 5)))
        for i in range(80)
        for j in range(40)
        if rng.random() < 0.6
    ]
    table = pd.DataFrame(rows, columns=["user", "item", "rating"])
    table.to_csv(folder / "ratings.csv", index=False)
    table.tail(5).to_csv(folder / "test.csv", index=False)
    genres = [("war", "drama")[j % 2] for j in range(40)]
    films = [*((f"i{j}", genre) for j, genre in enumerate(genres)), *UNSEEN.items()]
    pd.DataFrame(films, columns=["id", "genre"]).to_csv(folder / "items.csv", index=False)
    people = [(f"u{i}", ("veterans", "theatre")[i % 2]) for i in range(80)] + list(UNRATED.items())
    pd.DataFrame(people, columns=["id", "club"]).to_csv(folder / "users.csv", index=False)
    (folder / "clubs.yaml").write_text(DESCRIPTION)
    config = RunConfig(
        split=SplitConfig(name="last"),
        text=TextConfig(num_features=0),
        model=ModelConfig(embedding_size=3, leave_out=("text",)),
        training=LangevinConfig(epochs=200, burn_in=100, hold=50, keep_every=4),
    )
    experiment = Experiment(build(Description.load(folder / "clubs.yaml")), config)
    return experiment.recommender(experiment.run(folder / "checkpoint.safetensors"))


def scores(listed: pd.DataFrame) -> np.ndarray:
    return np.asarray(listed.sort_values("id")["score"], dtype=np.float64)


@pytest.mark.parametrize("user", list(UNRATED))
def test_they_are_told_what_someone_new_with_their_concepts_is_told(recommender: Recommender, user: str) -> None:
    concepts = {"club": UNRATED[user]} if UNRATED[user] else None
    in_graph = scores(recommender.recommend(user=user, k=40, candidates=RATED))
    outside = scores(recommender.recommend(history={}, concepts=concepts, k=40, candidates=RATED))
    np.testing.assert_allclose(in_graph, outside, atol=0.15)  # other draws of what is open
    assert np.corrcoef(in_graph, outside)[0, 1] > (0.95 if concepts else 0.8)  # nobody's scores are near each other
    joined = recommender.add_users([{"id": "joined"} | (concepts or {})])
    np.testing.assert_allclose(
        scores(joined.recommend(user="joined", k=40, candidates=RATED)), outside, atol=1e-3
    )  # rounded rows


def test_concepts_decide_what_is_expected(recommender: Recommender) -> None:
    war = [f"i{j}" for j in range(0, 40, 2)]
    veteran, actor, nobody = (
        recommender.recommend(user=user, k=40, candidates=RATED).set_index("id")["score"] for user in UNRATED
    )
    assert veteran[war].mean() > nobody[war].mean() + 0.3
    assert actor[war].mean() < nobody[war].mean() - 0.3


def test_all_samples_answer_and_nobody_who_rated_moves(recommender: Recommender) -> None:
    assert recommender.predictor.known_users.all()
    rated = recommender.learned(USER)
    again = with_expected_users(recommender)
    for before, after in (
        (recommender.predictor.samples.users, again.predictor.samples.users),
        (recommender.posterior.samples.parameters["cold_users.residual.rows"],
         again.posterior.samples.parameters["cold_users.residual.rows"]),
    ):  # fmt: skip
        assert torch.equal(before, after)  # what is expected depends on those who rated alone
    inputs = hybrid_inputs(recommender.data)
    encoded = recommender.posterior.predictor(recommender.network.model, inputs, rated, recommender.learned(ITEM))
    torch.testing.assert_close(encoded.samples.users, recommender.predictor.samples.users, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("item", list(UNSEEN))
def test_an_item_is_told_what_one_that_joins_with_its_concepts_is_told(
    recommender: Recommender, item: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their residuals are drawn by id: over many ids an item that joins stands where the one in the graph stands."""
    joined = [{"id": f"joined {number}"} | ({"genre": UNSEEN[item]} if UNSEEN[item] else {}) for number in range(20)]
    extended = recommender.add_items(joined)
    users = [f"u{number}" for number in range(10)]
    in_graph = recommender.predict([(user, item) for user in users])["score"]
    outside = extended.predict([(user, str(new["id"])) for user in users for new in joined])["score"]
    np.testing.assert_allclose(in_graph, outside.to_numpy().reshape(10, -1).mean(axis=1), atol=0.2)
    assert extended.predict([(user, item) for user in users])["score"].tolist() == in_graph.tolist()


def test_residuals_of_items_are_spread_around_what_rated_items_turned_out_to_be(recommender: Recommender) -> None:
    prior = recommender.cold_start_prior(ITEM, 0)
    assert prior is not None
    shared = recommender.posterior.cold_samples.parameters["cold_items.shared.rows"].float()
    residual = recommender.posterior.cold_samples.parameters["cold_items.residual.rows"]
    unseen = np.flatnonzero(recommender.train.item_counts == 0)
    beyond = (shared + residual[:, torch.from_numpy(unseen)].float()) - prior.mean[:, None]
    pairs = beyond[: len(beyond) // 2 * 2].unflatten(0, (-1, 2))
    torch.testing.assert_close(pairs[:, 0], -pairs[:, 1], atol=5e-3, rtol=0)  # rounded to half precision
    drawn = recommender.residuals(ITEM).draw(ITEM, [str(number) for number in range(4000)])
    spread = (drawn - drawn.mean(1, keepdim=True)).square().mean((0, 1)).sqrt()
    of_others = recommender.beyond_others[:, recommender.learned(ITEM)]
    assert (spread < 1.05 * of_others.square().mean((0, 1)).sqrt()).all()
    assert (spread > 0).all()
    # Anew, by a loop: half of what an item is beyond its own content, half of what it is beyond content of the others.
    samples, rows = recommender.cold_samples, recommender.predictor.cold_samples.items
    counts = torch.tensor(recommender.train.item_counts).float()
    content, squares = samples.content_embeddings(ITEM), []
    from_others = leave_one_out_content(samples, ITEM, counts).float()
    for number in range(0, len(samples), 2):  # every other one holds mirror images
        halfway = rows[number] - (content[number] + from_others[number]) / 2
        centre = (counts[:, None] * halfway).sum(0) / counts.sum()
        squares.append((counts[:, None] * (halfway - centre).square()).sum(0) / counts.sum())
    around = (drawn - (prior.mean - shared[:, 0])[:, None]).square().mean((0, 1))
    torch.testing.assert_close(around, torch.stack(squares).mean(0), rtol=0.05, atol=1e-4)


def test_nothing_but_items_without_ratings_moves(recommender: Recommender) -> None:
    again = with_expected_items(recommender)
    assert torch.equal(again.predictor.samples.items, recommender.predictor.samples.items)
    inputs = hybrid_inputs(recommender.data)
    encoded = recommender.posterior.predictor(
        recommender.network.model, inputs, recommender.learned(USER), recommender.learned(ITEM)
    )
    torch.testing.assert_close(encoded.samples.items, recommender.predictor.samples.items, atol=1e-5, rtol=1e-5)
