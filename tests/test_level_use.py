"""Users who never give some levels: nobody is predicted too low or too high for the levels they leave out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from kg.dataset import Dataset
from kg.graph import KnowledgeGraph, Nodes
from kg.ratings import Ratings
from kg.schema import ITEM, USER
from kg.vocabulary import Vocabulary
from models.posterior import expected_value
from training.config import LangevinConfig, ModelConfig, RunConfig, SplitConfig
from training.experiment import Experiment

USERS, ITEMS, SHARE = 60, 40, 0.6
CONFIG = RunConfig(
    split=SplitConfig(test_share=0.25),
    model=ModelConfig(embedding_size=2, leave_out=("neighbours", "two_hops")),
    training=LangevinConfig(epochs=100, burn_in=50, hold=20, keep_every=3),
)
HALVES = np.arange(1, 11) / 2

Stars = NDArray[np.float64]


def nodes(kind: str, number: int) -> Nodes:
    names = np.array([f"{kind}{index}" for index in range(number)], dtype=object)
    nothing = np.full(number, None, dtype=object)
    return Nodes(vocabulary=Vocabulary(kind, names), labels=names, texts=nothing, iris=nothing)


def dataset(levels: Stars, of_some: Stars) -> Dataset:
    """Everyone thinks in stars, which taste decides, and gives the nearest level; every second user knows some levels alone."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(USERS, 3)), rng.normal(size=(ITEMS, 3))
    thought = users[:, :1] @ items[:, :1].T + 0.6 * users[:, 1:2] + 0.8 * items[:, 1:2].T
    thought += 0.7 * rng.normal(size=thought.shape)
    middle, width = (levels[0] + levels[-1]) / 2, levels[-1] - levels[0]
    stars = middle + width / 5 * thought
    given = np.empty_like(stars)
    for user in range(USERS):
        allowed = of_some if user % 2 else levels
        given[user] = allowed[np.abs(stars[user][:, None] - allowed).argmin(axis=1)]
    user, item = np.nonzero(rng.random((USERS, ITEMS)) < SHARE)
    ratings = Ratings(user=user, item=item, value=given[user, item], time=None, num_users=USERS, num_items=ITEMS)
    graph = KnowledgeGraph(
        name="tiny", nodes={USER: nodes(USER, USERS), ITEM: nodes(ITEM, ITEMS)}, edges={}, sources=("table",)
    )
    return Dataset(graph=graph, ratings=ratings, scale=(float(levels[0]), float(levels[-1])))


@pytest.mark.parametrize(
    ("levels", "of_some"),
    [
        (np.array([0.0, 1.0]), np.array([0.0, 1.0])),
        (np.arange(1.0, 6.0), np.array([1.0, 2.0, 4.0, 5.0])),
        (np.arange(1.0, 6.0), np.array([1.0, 5.0])),
        (HALVES, np.arange(1.0, 6.0)),
        (HALVES, np.array([1.0, 3.0, 3.5, 5.0])),
        (np.arange(0.0, 21.0) / 2, np.arange(0.0, 11.0)),
    ],
    ids=["2", "5 with a gap", "5, two ends", "10, whole stars", "10 with gaps", "21, whole points"],
)
def test_users_who_skip_levels_are_predicted_without_bias(levels: Stars, of_some: Stars, tmp_path: Path) -> None:
    made = Experiment(dataset(levels, of_some), CONFIG)
    made.use_vectors(np.zeros((ITEMS, 1), dtype=np.float32))
    samples = made.run(tmp_path / "checkpoint")
    assert made.levels.tolist() == levels.tolist()
    everyone, everything = torch.ones(USERS, dtype=torch.bool), torch.ones(ITEMS, dtype=torch.bool)
    predictor = samples.predictor(made.new_model(torch.Generator()), made.inputs, everyone, everything)
    for ratings in (made.split.train, made.split.test["warm"]):
        user, item = torch.from_numpy(ratings.user.copy()), torch.from_numpy(ratings.item.copy())
        chances = predictor.probabilities(user, item)
        error = expected_value(chances, torch.from_numpy(made.levels.copy())).numpy() - ratings.value
        for group in (0, 1):
            own = error[ratings.user % 2 == group]
            assert abs(own.mean()) < 3 * own.std() / len(own) ** 0.5, (
                f"{len(ratings)} ratings, group {group}: {own.mean()}"
            )
        if len(of_some) < len(levels) and ratings is made.split.train:  # what some never give is expected less of them
            skipped = chances.numpy()[:, ~np.isin(levels, of_some)].sum(1)
            assert skipped[ratings.user % 2 == 1].mean() < 0.9 * skipped[ratings.user % 2 == 0].mean()
