"""A newcomer's embedding against a brute-force optimum of the log posterior."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from kg.schema import ITEM, USER
from models.network.assembly import ModelSettings
from models.network.graph_inputs import GraphInputs
from models.posterior import NetworkOnGraph, Posterior, Predictor, SampledNetwork, UserEmbedding, UserThresholds

DRAWS, ITEMS, SIZE = 6_000, 8, 3  # equal samples, so that the draws of all of them show the distribution
SCALE = np.array([0.8, 0.4, 0.6])  # of the prior of a free row
RATED, UNRATED = [0, 1, 2, 3, 4, 5, 6], 7  # item 7 has no training rating and so no row in the table
HISTORY, LEVELS = [0, 2, 5, 7], [4, 3, 0, 2]


def fixed(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.5


TABLE, HOP, CENTRED = fixed(len(RATED), SIZE, seed=1), fixed(2, SIZE, seed=2), fixed(ITEMS, 2, seed=3)
ROWS = fixed(ITEMS, SIZE, seed=4) * 2
CUTS = torch.tensor([-2.0, -0.8, 0.6, 2.1])
SHARED = torch.tensor([0.3, -0.2, 0.1])


def posterior() -> Posterior:
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    factors = torch.tensor(SCALE, dtype=torch.float32) * signs  # covariance diag(SCALE^2) exactly
    residual = fixed(50, SIZE, seed=6)
    single = {
        "users.factors.rows": factors,
        "users.interactions.tables.rated<item": TABLE,
        "users.interactions.tables.hop_text": HOP,
        "cold_users.shared.rows": SHARED[None],
        "cold_users.residual.rows": residual,
    }
    return Posterior({name: value.expand(DRAWS, *value.shape) for name, value in single.items()})


def predictor() -> Predictor:
    return Predictor(
        users=torch.zeros(DRAWS, 2, SIZE),
        items=ROWS.expand(DRAWS, ITEMS, SIZE),
        thresholds=CUTS.expand(DRAWS, 4),
        preferences=torch.zeros(DRAWS, 2, 5),
    )


def data() -> GraphInputs:
    found = GraphInputs()
    found[ITEM, "rated", USER].senders = torch.tensor(RATED)
    found[USER].interactions = [(ITEM, "rated", USER)]
    found[USER].hop_sources = {"text": CENTRED}
    return found


def network(samples: Posterior, inputs: GraphInputs) -> SampledNetwork:
    return SampledNetwork(samples, predictor(), NetworkOnGraph(inputs, ModelSettings(embedding_size=SIZE - 1), 5))


def embedding(
    history: list[int],
    levels: list[int],
    *,
    weight: float = 1.0,
    seed: int = 0,
    inputs: GraphInputs | None = None,
    user_thresholds: UserThresholds | None = None,
) -> UserEmbedding:
    return network(posterior(), inputs or data()).fold_in(
        USER,
        torch.tensor(history, dtype=torch.int64),
        torch.tensor(levels, dtype=torch.int64),
        weight=weight,
        thresholds=user_thresholds,
        generator=torch.Generator().manual_seed(seed),
    )


def messages(history: list[int]) -> NDArray[np.float64]:
    """What rated items and two hops say, by a loop."""
    total = np.zeros(SIZE)
    for item in history:
        if item in RATED:
            total += TABLE[RATED.index(item)].numpy() / np.sqrt(len(history))
        total += (CENTRED[item] @ HOP).numpy() / np.sqrt(len(history))
    return total


def optimum(
    history: list[int], levels: list[int], weight: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mode of the free row's log posterior and the inverse of its expected information there, by brute force."""
    base, rows, cuts = messages(history), *(found.numpy().astype(float) for found in (ROWS, CUTS))

    def log_chances(free: NDArray[np.float64], item: int) -> NDArray[np.float64]:
        user = base + free
        score = user[:-1] @ rows[item, :-1] + user[-1] + rows[item, -1]
        found: NDArray[np.float64] = np.log(np.diff(1 / (1 + np.exp(score - cuts)), prepend=0.0, append=1.0))
        return found

    def cost(free: NDArray[np.float64]) -> float:
        chosen = [log_chances(free, item)[level] for item, level in zip(history, levels, strict=True)]
        return float((free**2 / SCALE**2).sum() / 2) - weight * sum(chosen)

    found = minimize(
        cost, np.zeros(SIZE), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 9999}
    )
    assert found.success
    step, information = 1e-4, np.diag(SCALE**-2)
    for item in history:
        moved = [
            log_chances(found.x + step * unit, item) - log_chances(found.x - step * unit, item) for unit in np.eye(SIZE)
        ]
        slopes = np.stack(moved) / (2 * step)  # of the log chance of each level, [SIZE, num_levels]
        information += weight * (slopes * np.exp(log_chances(found.x, item))) @ slopes.T
    return base + found.x, np.linalg.inv(information)


@pytest.mark.parametrize(
    ("history", "levels", "weight"),
    [
        (HISTORY, LEVELS, 1.0),
        ([3], [4], 1.0),
        (list(range(ITEMS)), [4, 4, 0, 4, 0, 0, 4, 4], 1.0),
        (HISTORY, [4] * 4, 0.2),
    ],
)
def test_taste_is_drawn_around_the_mode_of_the_log_posterior(
    history: list[int], levels: list[int], weight: float
) -> None:
    mode, covariance = optimum(history, levels, weight)
    rows = embedding(history, levels, weight=weight).rows.double().numpy()
    error = np.sqrt(np.diag(covariance) / DRAWS)
    assert (np.abs(rows.mean(0) - mode) < 5 * error).all()
    spread = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    assert (np.abs(np.cov(rows.T) - covariance) < 5 * np.sqrt(2 / DRAWS) * spread + 1e-4).all()
    assert (np.abs(mode - messages(history)) > 10 * error).any()  # the ratings themselves move the mode


def test_liking_moves_the_score_up_and_disliking_down() -> None:
    scores = []
    for level in range(5):
        rows = embedding([1], [level]).rows.mean(0)
        scores.append(float(rows[:-1] @ ROWS[1, :-1] + rows[-1]))
    assert scores == sorted(scores)
    assert scores[4] - scores[0] > 0.3


def test_more_ratings_leave_less_doubt() -> None:
    volumes = [
        float(torch.linalg.det(torch.cov(embedding(list(range(number)), [3] * number).rows.T))) for number in (1, 3, 8)
    ]
    assert volumes == sorted(volumes, reverse=True)
    assert volumes[2] < volumes[0] / 2


def test_the_order_of_the_history_changes_nothing() -> None:
    order = [2, 0, 3, 1]
    shuffled = embedding([HISTORY[place] for place in order], [LEVELS[place] for place in order])
    torch.testing.assert_close(shuffled.rows, embedding(HISTORY, LEVELS).rows, rtol=1e-4, atol=1e-5)


def test_where_neighbours_and_hops_are_left_out_only_the_free_row_moves() -> None:
    silent = data()
    silent[USER].interactions, silent[USER].hop_sources = [], {}
    rows = embedding(list(range(ITEMS)), [3] * ITEMS, inputs=silent).rows
    # A zero table says the same as no table.
    without = Posterior(
        {name: value * (0 if ".tables." in name else 1) for name, value in posterior().parameters.items()}
    )
    level, generator = torch.full((ITEMS,), 3), torch.Generator().manual_seed(0)
    zero = network(without, data()).fold_in(USER, torch.arange(ITEMS), level, generator=generator)
    torch.testing.assert_close(rows, zero.rows)
    assert not torch.allclose(rows.mean(0), embedding(list(range(ITEMS)), [3] * ITEMS).rows.mean(0), atol=0.05)


def test_without_ratings_taste_is_that_of_a_cold_user() -> None:
    rows = embedding([], []).rows
    residual = fixed(50, SIZE, seed=6).std(0)
    assert ((rows.mean(0) - SHARED).abs() < 5 * residual / DRAWS**0.5).all()
    torch.testing.assert_close(rows.std(0), residual, rtol=5 / (2 * DRAWS) ** 0.5, atol=0)


def test_draws_are_decided_by_the_generator_and_preferences_are_zero() -> None:
    first, again, other = (embedding(HISTORY, LEVELS, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.rows, again.rows)
    assert not torch.equal(first.rows, other.rows)
    assert first.preferences.shape == (DRAWS, 5)
    assert not first.preferences.any()


def user_thresholds(spread: float) -> UserThresholds:
    """Known users whose preferences differ by so much, each by itself, around those of nobody."""
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 5)
    return UserThresholds.of((signs * spread).expand(DRAWS, 32, 5))


def test_where_all_use_the_scale_alike_the_row_is_as_without() -> None:
    plain, alike = (
        embedding(HISTORY, LEVELS).rows.double(),
        embedding(HISTORY, LEVELS, user_thresholds=user_thresholds(0.0)).rows.double(),
    )
    error = plain.std(0) * (2 / DRAWS) ** 0.5
    assert ((plain.mean(0) - alike.mean(0)).abs() < 5 * error + 0.01).all()
    torch.testing.assert_close(alike.std(0), plain.std(0), rtol=0.08, atol=0)


def test_preferences_explain_what_else_the_row_would_have_to() -> None:
    """All fives: the more people differ in how freely they give them, the less it says of embedding."""
    history, levels = list(range(ITEMS)), [4] * ITEMS
    biases, preferences = [], []
    for spread in (0.0, 0.5, 1.0):
        found = embedding(history, levels, user_thresholds=user_thresholds(spread))
        biases.append(float(found.rows[:, -1].mean()))
        preferences.append(float(found.preferences[:, 4].mean()))
    assert biases == sorted(biases, reverse=True)
    assert preferences == sorted(preferences)
    assert preferences[2] > 0.3
