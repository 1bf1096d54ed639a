"""Tastes from ratings and choices: closed forms against slow oracles, and what was put in comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.people.taste_basis import TasteBasis, chances_of
from models.people.taste_sampler import Evidence, TasteState, posterior_covariance, posterior_draws, sample_tastes

NUM_ITEMS, NUM_CONCEPTS = 90, 12


def membership(rng: np.random.Generator) -> np.ndarray:
    return (rng.random((NUM_ITEMS, NUM_CONCEPTS)) < 0.25) * rng.uniform(0.4, 1.0, (NUM_ITEMS, NUM_CONCEPTS))


def made(seed: int = 0, size: int = 8) -> tuple[TasteBasis, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    has, variance = membership(rng), rng.uniform(0.2, 2.0, NUM_CONCEPTS)
    counts = rng.integers(0, 60, NUM_ITEMS)
    return TasteBasis.of(sparse.csr_array(has), variance, counts, size), has, variance


def state_of(basis: TasteBasis, rng: np.random.Generator, kinds: int = 3) -> TasteState:
    size = len(basis.spectrum)
    return TasteState(
        common=rng.normal(size=(size, kinds)),
        own=0.4,
        average=rng.normal(size=size),
        middle=3.0,
        quality=rng.normal(size=NUM_ITEMS),
        noise=0.3,
        level=0.2,
        worth=0.7,
        whim=0.15,
    )


# Coordinates


def test_affinities_have_the_prior_of_the_concepts_and_choices_are_independent() -> None:
    basis, has, variance = made(size=NUM_CONCEPTS)
    centred = has - basis.share @ has
    prior = (centred * variance) @ centred.T
    total = basis.share @ prior.diagonal()
    np.testing.assert_allclose(basis.features @ basis.features.T, prior / total, atol=1e-10)
    np.testing.assert_allclose(
        basis.features.T @ (basis.share[:, None] * basis.features), np.diag(basis.spectrum), atol=1e-10
    )
    np.testing.assert_allclose(centred @ basis.to_tastes, basis.features, atol=1e-9)
    assert basis.spectrum.sum() == pytest.approx(1.0)


def test_fewer_coordinates_are_the_first_of_all() -> None:
    few, many = made(size=4)[0], made(size=NUM_CONCEPTS)[0]
    ratio = few.spectrum / many.spectrum[:4]
    np.testing.assert_allclose(ratio, ratio[0])  # all variance is theirs then


@pytest.mark.parametrize("count", [0, 1, 7, 80])
def test_chances_sum_to_the_number_of_ratings(count: int) -> None:
    share = np.random.default_rng(0).dirichlet(np.ones(NUM_ITEMS))
    chance = chances_of(share, count)
    assert chance.sum() == pytest.approx(count, abs=1e-6)
    assert (chance <= 1).all()
    assert (np.diff(chance[np.argsort(share)]) >= 0).all()
    assert (chances_of(share, NUM_ITEMS) == 1).all()


def test_who_rated_everything_chose_nothing() -> None:
    chosen, free = made()[0].choices(np.arange(NUM_ITEMS))
    assert free == 0.0
    np.testing.assert_allclose(chosen, 0.0, atol=1e-9)


# One person


@pytest.mark.parametrize("count", [5, 14])  # fewer ratings than coordinates, and more
def test_the_posterior_is_that_of_all_observations_written_out(count: int) -> None:
    """Oracle: ratings and counts of choices as one long vector of Gaussian observations with a dense covariance."""
    basis, _, _ = made()
    rng = np.random.default_rng(1)
    state = state_of(basis, rng)
    item = rng.choice(NUM_ITEMS, count, replace=False)
    one = Evidence.of(basis, item, rng.normal(3.0, 1.0, count))
    strength = np.diag(one.num_choices * basis.spectrum)
    rows = basis.features[item]
    design = np.vstack([rows, state.worth * strength])
    noise = np.zeros((len(design), len(design)))
    noise[:count, :count] = state.noise * np.eye(count) + state.level
    noise[count:, count:] = strength + state.whim * strength @ strength
    seen = np.concatenate([one.value - state.middle - state.quality[item] - rows @ state.average, one.chosen])
    prior = state.common @ state.common.T + state.own * np.eye(len(strength))
    gain = prior @ design.T @ np.linalg.inv(design @ prior @ design.T + noise)
    covariance = prior - gain @ design @ prior
    mean, drawn, kinds = posterior_draws(basis, state, one, rng, 40_000)
    np.testing.assert_allclose(mean, gain @ seen, atol=1e-8)
    np.testing.assert_allclose(posterior_covariance(basis, state, one), covariance, atol=1e-8)
    size = np.sqrt(covariance.diagonal())
    np.testing.assert_allclose(drawn.mean(axis=0) / size, mean / size, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T) / np.outer(size, size), covariance / np.outer(size, size), atol=0.04)
    assert kinds.shape == (40_000, 3)


def test_choices_that_are_worth_nothing_say_nothing() -> None:
    basis, _, _ = made()
    rng = np.random.default_rng(2)
    state = replace(state_of(basis, rng), worth=0.0)
    one = Evidence.of(basis, np.arange(10), np.full(10, 3.0))
    other = replace(one, chosen=one.chosen + 5.0)
    np.testing.assert_allclose(
        posterior_draws(basis, state, one, rng, 1)[0], posterior_draws(basis, state, other, rng, 1)[0]
    )


# What people have in common


def audience(
    worth: float, *, own: float = 0.15, num_people: int = 200, seed: int = 0
) -> tuple[TasteBasis, list[Evidence]]:
    """People of two kinds of taste and deviations of their own, who choose 30 items and rate them with a noise of 0.4."""
    rng = np.random.default_rng(seed)
    has = membership(rng)
    popularity = rng.normal(0.0, 0.5, NUM_ITEMS)
    uniform = TasteBasis.of(sparse.csr_array(has), np.ones(NUM_CONCEPTS), np.ones(NUM_ITEMS, dtype=np.int64), 8)
    common = rng.normal(size=(8, 2)) * 0.4
    tastes = rng.normal(size=(num_people, 2)) @ common.T + np.sqrt(own) * rng.normal(size=(num_people, 8))
    affinity = tastes @ uniform.features.T
    order = np.argsort(-(popularity + worth * affinity + rng.gumbel(size=affinity.shape)), axis=1)[:, :30]
    values = 3.0 + rng.normal(0.0, 0.3, (num_people, 1)) + np.take_along_axis(affinity, order, axis=1)
    values += rng.normal(0.0, 0.4, values.shape)
    counts = np.bincount(order.ravel(), minlength=NUM_ITEMS)
    basis = TasteBasis.of(sparse.csr_array(has), np.ones(NUM_CONCEPTS), counts, 8)
    return basis, [Evidence.of(basis, item, value) for item, value in zip(order, values, strict=True)]


@pytest.mark.parametrize("worth", [0.0, 0.8])
def test_noise_own_deviations_and_the_worth_of_choices_are_recovered(worth: float) -> None:
    states = list(sample_tastes(*audience(worth), sweeps=40, rng=0))[15:]
    assert np.mean([state.noise for state in states]) == pytest.approx(0.16, rel=0.1)
    assert np.mean([state.own for state in states]) == pytest.approx(0.15, rel=0.35)
    assert np.mean([state.level for state in states]) == pytest.approx(0.09, rel=0.35)
    assert np.mean([state.worth for state in states]) == pytest.approx(worth, abs=0.15)


def test_the_same_seed_gives_the_same_samples() -> None:
    basis, people = audience(0.5, num_people=20)
    one, other = (list(sample_tastes(basis, people, sweeps=3, rng=4))[-1] for _ in range(2))
    np.testing.assert_array_equal(one.common, other.common)
    assert one.worth == other.worth
