"""Averages and intervals from kept samples: loops, laws and distributions whose quantiles are known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import models.posterior.predictor
from models.network.assembly import ModelSettings, assemble
from models.network.encoder import Messages
from models.network.head import level_probabilities, rising
from models.network.hybrid import HybridInputs, HybridModel
from models.network.tower import NodeInputs
from models.posterior import Posterior, Predictor, expected_value, interval

USERS, ITEMS, SAMPLES = 4, 5, 3
STARS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
KNOWN_USERS, KNOWN_ITEMS = torch.tensor([True, False, True, True]), torch.tensor([True, True, False, True, True])


def inputs() -> HybridInputs:
    """Two relations on each side, with fixed edges."""
    edges = (torch.tensor([[0, 1, 1, 0], [0, 1, 2, 3]]), torch.tensor([1.0, 0.5, 0.7, 0.2]), 2)

    def side(number: int) -> NodeInputs:
        content = Messages.stack(number, {"genre<genre": edges}, {})
        return NodeInputs(content=content, interactions=Messages.stack(number, {"rated<other": edges}, {}))

    return HybridInputs(users=side(USERS), items=side(ITEMS))


def model(seed: int) -> HybridModel:
    """A network whose parameters are halves of small integers, so that half precision is exact."""
    made = assemble(inputs(), torch.full((5,), 0.2), ModelSettings(embedding_size=2), generator=torch.Generator())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name == "head.steps":
                parameter.copy_(torch.tensor([-3.1, 0.7, 1.1, 0.9]))
            else:
                parameter.copy_(torch.randint(-2, 3, parameter.shape, generator=generator) / 4)
    return made


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return Posterior.stack([Posterior.snapshot(model(seed)) for seed in range(SAMPLES)])


@pytest.fixture(scope="module")
def predictor(posterior: Posterior) -> Predictor:
    return posterior.predictor(model(99), inputs(), KNOWN_USERS, KNOWN_ITEMS)


def by_loops(user: int, item: int) -> Tensor:
    """The mean over samples of the level probabilities of one pair, each sample by its own network."""
    total = torch.zeros(5)
    for seed in range(SAMPLES):
        made = model(seed)
        rows = made(inputs())
        of_user = rows.users[user] if KNOWN_USERS[user] else rows.cold_users[user]
        of_item = rows.items[item] if KNOWN_ITEMS[item] else rows.cold_items[item]
        preferences = made.head.preferences[user] * KNOWN_USERS[user]
        score = of_user[:2] @ of_item[:2] + of_user[2] + of_item[2]
        total += level_probabilities(score[None], rising(made.head.steps), preferences)[0].detach() / SAMPLES
    return total


def test_predictions_equal_a_loop_over_samples(predictor: Predictor) -> None:
    pairs = torch.cartesian_prod(torch.arange(USERS), torch.arange(ITEMS))
    found = predictor.probabilities(pairs[:, 0], pairs[:, 1])
    for (user, item), row in zip(pairs.tolist(), found, strict=True):
        torch.testing.assert_close(row, by_loops(user, item))
    torch.testing.assert_close(found.sum(1), torch.ones(len(pairs)))
    assert len(torch.unique(found, dim=0)) > 15


def test_a_batch_equals_its_pairs_one_by_one_and_in_blocks(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, item = torch.tensor([0, 3, 1, 1, 2]), torch.tensor([4, 0, 2, 1, 2])
    batch = predictor.probabilities(user, item)
    single = torch.cat([predictor.probabilities(u[None], i[None]) for u, i in zip(user, item, strict=True)])
    torch.testing.assert_close(batch, single)
    monkeypatch.setattr(models.posterior.predictor, "_BLOCK", SAMPLES * 3 * 2)
    torch.testing.assert_close(predictor.probabilities(user, item), batch)
    assert predictor.probabilities(user[:0], item[:0]).shape == (0, 5)


def test_one_users_row_gives_all_items(predictor: Predictor) -> None:
    for user in range(USERS):
        found = predictor.for_rows(predictor.users[:, user], predictor.preferences[:, user])
        expected = predictor.probabilities(torch.full((ITEMS,), user), torch.arange(ITEMS))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_the_chance_of_at_least_a_level_is_the_sum_of_its_levels(predictor: Predictor, level: int) -> None:
    for user in range(USERS):
        probabilities = predictor.probabilities(torch.full((ITEMS,), user), torch.arange(ITEMS))
        torch.testing.assert_close(predictor.at_least(torch.tensor([user]), level)[0], probabilities[:, level:].sum(1))


def test_the_network_handed_over_keeps_its_own_parameters(posterior: Posterior) -> None:
    """Early stopping looks at a network between two epochs; its optimizer must find its parameters again."""
    made = model(99)
    before = {name: (parameter, parameter.detach().clone()) for name, parameter in made.named_parameters()}
    posterior.predictor(made, inputs(), KNOWN_USERS, KNOWN_ITEMS)
    for name, parameter in made.named_parameters():
        assert parameter is before[name][0], name
        assert torch.equal(parameter, before[name][1]), name


def test_a_snapshot_is_a_compact_copy() -> None:
    made = model(0)
    kept = Posterior.snapshot(made)
    before = {name: value.clone() for name, value in kept.items()}
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(1)
    for name, value in kept.items():
        assert torch.equal(value, before[name])
        assert value.dtype == (torch.float32 if name == "head.steps" else torch.float16)


def test_the_expected_value_is_in_stars() -> None:
    found = expected_value(torch.tensor([[0, 0, 0, 0, 1], [0.5, 0, 0, 0.5, 0]]), STARS)
    assert found.tolist() == [5.0, 2.5]


def test_intervals_of_known_distributions() -> None:
    probabilities = torch.tensor([[0.2] * 5, [0, 0, 1, 0, 0], [0.5, 0, 0, 0, 0.5], [0.05, 0.05, 0.4, 0.4, 0.1]])
    low, high = interval(probabilities, STARS, coverage=0.8)
    assert low.tolist() == [1, 3, 1, 3]
    assert high.tolist() == [4, 3, 5, 4]


def test_levels_need_not_be_equally_spaced() -> None:
    low, high = interval(torch.tensor([[0.25, 0.5, 0.25]]), torch.tensor([0.5, 1.0, 4.0]), coverage=0.7)
    assert (float(low), float(high)) == (1.0, 4.0)  # the expected 1.625 stars lie outside of the shorter 0.5 - 1


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.3, 1.0]), min_size=5, max_size=5).filter(any),
    st.floats(min_value=0.05, max_value=0.95),
)
def test_intervals_hold_their_share_and_none_is_shorter(shares: list[float], coverage: float) -> None:
    probabilities = torch.tensor([shares], dtype=torch.float64) / sum(shares)
    low, high = (int(end) for end in interval(probabilities, STARS.double(), coverage=coverage))
    masses = {
        (first, last): float(probabilities[0, first - 1 : last].sum())
        for first in range(1, 6)
        for last in range(first, 6)
    }
    mean = float(probabilities @ STARS.double())
    enough = {
        (first, last): mass
        for (first, last), mass in masses.items()
        if mass >= coverage - 1e-5 and first <= mean + 1e-5 and mean - 1e-5 <= last
    }
    shortest = min(last - first for first, last in enough)
    assert high - low == shortest
    assert masses[low, high] == pytest.approx(max(mass for (a, b), mass in enough.items() if b - a == shortest))
