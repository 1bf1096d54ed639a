"""Ridges of relations: those whose concepts shape rows are pulled less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from kg.ratings import Ratings
from models.people.concept_table import ConceptTable
from models.people.interests import TasteSpace
from models.people.relation_ridges import RIDGE, relation_ridges
from models.posterior import Predictor

ITEMS, GENRES, SIZE, SAMPLES = 400, 30, 4, 3


def world(strength: tuple[float, float]) -> tuple[ConceptTable, Predictor, Ratings]:
    """Items whose rows are noise of variance 1 and two relations of planted strength."""
    rng = np.random.default_rng(1)
    relation = np.repeat([0, 1], GENRES)
    held = np.zeros((ITEMS, 2 * GENRES), dtype=np.float32)
    for number in range(2):
        held[np.arange(ITEMS), number * GENRES + rng.integers(GENRES, size=ITEMS)] = 1.0
    planted = rng.normal(size=(SAMPLES, 2 * GENRES, SIZE)) * np.asarray(strength)[relation][:, None]
    rows = held @ planted + rng.normal(size=(SAMPLES, ITEMS, SIZE))
    keys = tuple(f"{number}:{one}" for number in range(2) for one in range(GENRES))
    concepts = ConceptTable(
        relations=("0", "1"), relation=relation, keys=keys, labels=keys, names=keys, membership=sparse.csr_array(held)
    )
    items = torch.from_numpy(rows.astype(np.float32))
    users = torch.from_numpy(rng.normal(size=(SAMPLES, 2, SIZE)).astype(np.float32))
    predictor = Predictor(
        users=users, items=items, thresholds=torch.zeros(SAMPLES, 1), preferences=torch.zeros(SAMPLES, 2, 2)
    )
    every = np.arange(ITEMS)
    ratings = Ratings(
        user=every % 2, item=every, value=np.ones(ITEMS, dtype=np.float32), time=None, num_users=2, num_items=ITEMS
    )
    return concepts, predictor, ratings


def test_the_ridge_is_half_way_to_the_share_of_noise_in_what_was_planted() -> None:
    """The limit is the variance of noise, 1, over that of the planted rows; what comes back is its mean with `RIDGE`."""
    found = relation_ridges(*world((2.0, 0.4)))
    assert found[0] == pytest.approx(np.sqrt(RIDGE / 4.0), rel=0.25)
    assert found[-1] == pytest.approx(np.sqrt(RIDGE / 0.16), rel=0.25)
    assert (found == np.repeat(found[[0, -1]], GENRES)).all()


def test_a_relation_that_says_nothing_is_held_down_and_the_estimate_has_an_end() -> None:
    strong, nothing = relation_ridges(*world((30.0, 0.0)))[[0, -1]]
    assert RIDGE / 10 <= strong * (1 + 1e-9) < RIDGE / 5
    assert 2 * RIDGE < nothing <= 10 * RIDGE * (1 + 1e-9)


def test_directions_are_the_ridge_regression_and_the_doubt_is_its_inverse_gram_matrix() -> None:
    concepts, predictor, ratings = world((1.0, 0.5))
    ridge = np.linspace(0.5, 4.0, len(concepts))
    space = TasteSpace.of(concepts, predictor, ratings, 1.0, ridge=ridge)
    held = concepts.membership.toarray().astype(np.float64)
    gram = held.T @ held + np.diag(ridge)
    np.testing.assert_allclose(space.doubt, np.linalg.inv(gram).diagonal(), rtol=1e-6)
    rows = predictor.items[0].double().numpy()
    hat = np.eye(ITEMS) - held @ np.linalg.solve(gram, held.T)
    rows = rows - hat.sum(0) @ rows / hat.sum()
    wanted = np.linalg.solve(gram, held.T @ rows)
    np.testing.assert_allclose((space.read.T @ space.duals[0].double().numpy())[:, :-1], wanted[:, :-1], atol=1e-4)
    left = rows - held @ wanted
    np.testing.assert_allclose(space.residual[0].numpy(), (rows.T @ left / ITEMS)[:-1, :-1], rtol=1e-3, atol=1e-4)


def test_what_directions_leave_open_is_the_variance_of_drawn_ones() -> None:
    concepts, predictor, ratings = world((1.0, 0.5))
    space = TasteSpace.of(
        concepts, replace(predictor, items=predictor.items[:1], users=predictor.users[:1]), ratings, 0.5, ridge=2.0
    )
    user = space.average + torch.tensor([[0.3, -1.0, 0.5, 9.0]])  # the bias is no taste
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(SIZE - 1), space.residual[0].numpy(), 100_000)
    wanted = (draws @ np.array([0.3, -1.0, 0.5])).var() * space.doubt * space.scale**2
    np.testing.assert_allclose(space.open_variance(user), wanted, rtol=0.02)
