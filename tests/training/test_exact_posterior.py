"""An exact, slow sampler of the rating model on small data, checked by itself: the oracle for the fast one.

It shares no code with the package and has nothing to tune: elliptical slice sampling (arXiv:1001.0175) within Gibbs for
all rows, a slice sampler (Neal 2003) for the thresholds. Many chains run side by side in one array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit

from models.network.assembly import ModelSettings, assemble
from models.network.encoder import Messages
from models.network.hybrid import HybridInputs
from models.network.sparse import Pairs
from models.network.tower import NodeInputs
from training.langevin import LangevinSampler
from training.objective import RatingBatch, RatingObjective, TrainingBatch
from training.scale_priors import scale_priors

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class State:
    """One draw of everything unknown in each chain.

    Attributes:
        users: Factors, bias and preferences of each user, `[num_chains, num_users, size + num_levels]`.
        items: The same for items, `[num_chains, num_items, size + num_levels]`.
        thresholds: `[num_chains, num_levels - 1]`, in rising order.
    """

    users: Array
    items: Array
    thresholds: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactSampler:
    r"""Draws from the posterior of the rating model, all variances given.

    $$P(r = k \mid u, i) \propto [\sigma(\theta_k - f) - \sigma(\theta_{k-1} - f)]\, e^{w_{uk} + x_{ik}}, \qquad
      f = \langle z_u, z_i \rangle + b_u + b_i$$

    with $(z_u, b_u) \sim N(0, \Sigma_U)$, $(z_i, b_i) \sim N(0, \Sigma_I)$, $w_{uk} \sim N(0, s_k^2)$,
    $x_{ik} \sim N(0, q_k^2)$. Variances of zero leave the plain cumulative logit.

    Attributes:
        user: User of each rating, `[num_ratings]`.
        item: Item of each rating, `[num_ratings]`.
        num_users: Number of users.
        num_items: Number of items.
        user_covariance: $\Sigma_U$, `[size, size]`; the last column is the bias.
        item_covariance: $\Sigma_I$, `[size, size]`.
        user_preferences: $s_k^2$, `[num_levels]`.
        item_preferences: $q_k^2$, `[num_levels]`.
        threshold_log_prior: Log density of thresholds `[num_chains, num_levels - 1]` in rising order, `[num_chains]`;
            None holds them fixed. `flat` is the improper flat prior.
    """

    user: Indices
    item: Indices
    num_users: int
    num_items: int
    user_covariance: Array
    item_covariance: Array
    user_preferences: Array
    item_preferences: Array
    threshold_log_prior: Callable[[Array], Array] | None

    @property
    def size(self) -> int:
        return len(self.user_covariance)

    def prior(self, thresholds: Array, rng: np.random.Generator) -> State:
        """Draw rows from their prior for each chain's thresholds `[num_chains, num_levels - 1]`."""
        chains = len(thresholds)
        return State(
            self._drawn((chains, self.num_users), self._user_root, rng),
            self._drawn((chains, self.num_items), self._item_root, rng),
            thresholds,
        )

    def chances(self, state: State, user: Indices, item: Indices) -> Array:
        """Return the probability of each level for some pairs, `[num_chains, num_pairs, num_levels]`."""
        users, items = state.users[:, user], state.items[:, item]
        factors = slice(0, self.size - 1)
        scores = (users[..., factors] * items[..., factors]).sum(-1) + users[..., self.size - 1]
        scores += items[..., self.size - 1]
        below = expit(state.thresholds[:, None] - scores[..., None])
        edge = np.zeros((*scores.shape, 1))
        weights = np.diff(np.concatenate([edge, below, edge + 1], axis=-1))
        weights *= np.exp(users[..., self.size :] + items[..., self.size :])
        return weights / weights.sum(-1, keepdims=True)

    def log_likelihood(self, state: State, level: Indices) -> Array:
        """Return the log-likelihood of each rating, `[num_chains, num_ratings]`, given its level (per chain or the same)."""
        chances = self.chances(state, self.user, self.item)
        place = np.broadcast_to(level, chances.shape[:2])[..., None]
        with np.errstate(divide="ignore"):
            found: Array = np.log(np.take_along_axis(chances, place, axis=-1)[..., 0])
        return found

    def sweep(self, state: State, level: Indices, rng: np.random.Generator) -> State:
        """Draw the users given all else, then the items, then each threshold."""
        of_user = np.eye(self.num_users)[self.user]
        drawn = self._drawn(state.users.shape[:2], self._user_root, rng)
        here = state
        users = elliptical_slice(
            state.users, drawn, lambda rows: self.log_likelihood(replace(here, users=rows), level) @ of_user, rng
        )
        state = here = replace(state, users=users)
        of_item = np.eye(self.num_items)[self.item]
        drawn = self._drawn(state.items.shape[:2], self._item_root, rng)
        items = elliptical_slice(
            state.items, drawn, lambda rows: self.log_likelihood(replace(here, items=rows), level) @ of_item, rng
        )
        state = replace(state, items=items)
        for column in range(state.thresholds.shape[1] if self.threshold_log_prior else 0):
            state = self._threshold(state, column, level, rng)
        return state

    def posterior(
        self,
        level: Indices,
        thresholds: Array,
        *,
        chains: int = 32,
        sweeps: int = 300,
        burn_in: int = 100,
        seed: int = 0,
    ) -> tuple[Array, Array]:
        """Return the posterior mean of every pair's level probabilities and its Monte Carlo standard error.

        Args:
            level: Level of each rating, from 0, `[num_ratings]`.
            thresholds: Where the thresholds start or, without a prior, stay, `[num_levels - 1]`.
            chains: Independent chains, begun at draws from the prior; their spread gives the standard error.
            sweeps: Draws of each chain, the first `burn_in` of which are left out.
            burn_in: See `sweeps`.
            seed: Of all noise.

        Returns:
            Two arrays `[num_users, num_items, num_levels]`.
        """
        rng = np.random.default_rng(seed)
        user, item = (part.ravel() for part in np.indices((self.num_users, self.num_items)))
        state = self.prior(np.tile(thresholds, (chains, 1)), rng)
        total = np.zeros((chains, len(user), len(thresholds) + 1))
        for sweep in range(sweeps):
            state = self.sweep(state, level, rng)
            if sweep >= burn_in:
                total += self.chances(state, user, item)
        means = (total / (sweeps - burn_in)).reshape(chains, self.num_users, self.num_items, -1)
        return means.mean(0), means.std(0, ddof=1) / np.sqrt(chains)

    @property
    def _user_root(self) -> Array:
        return _root(self.user_covariance, self.user_preferences)

    @property
    def _item_root(self) -> Array:
        return _root(self.item_covariance, self.item_preferences)

    @staticmethod
    def _drawn(shape: tuple[int, ...], root: Array, rng: np.random.Generator) -> Array:
        found: Array = rng.standard_normal((*shape, len(root))) @ root.T
        return found

    def _threshold(self, state: State, column: int, level: Indices, rng: np.random.Generator) -> State:
        log_prior = self.threshold_log_prior
        assert log_prior is not None

        def at(values: Array) -> State:
            moved = state.thresholds.copy()
            moved[:, column] = values
            return replace(state, thresholds=moved)

        def log_density(values: Array) -> Array:
            there = at(values)
            rising = (np.diff(there.thresholds, axis=1) > 0).all(axis=1)
            inside = at(np.where(rising, values, state.thresholds[:, column]))  # chances need cuts in order
            found = self.log_likelihood(inside, level).sum(1) + log_prior(inside.thresholds)
            return np.where(rising, found, -np.inf)

        return at(slice_step(state.thresholds[:, column], log_density, rng))


def flat(thresholds: Array) -> Array:
    """The improper flat prior of thresholds in rising order."""
    return np.zeros(len(thresholds))


def _root(covariance: Array, preferences: Array) -> Array:
    """Return a square root of the covariance of a whole row: factors and bias together, each preference by itself."""
    size, levels = len(covariance), len(preferences)
    root = np.zeros((size + levels, size + levels))
    root[:size, :size] = np.linalg.cholesky(covariance)
    root[size:, size:] = np.diag(np.sqrt(preferences))
    return root


def elliptical_slice(
    rows: Array, drawn: Array, log_likelihood: Callable[[Array], Array], rng: np.random.Generator
) -> Array:
    """Move all rows at once, each on its own ellipse; given the rest of the model they are independent.

    Args:
        rows: Where they are, `[num_chains, num_rows, width]`.
        drawn: A draw from their normal prior, of the same shape.
        log_likelihood: Of the data that each row touches, `[num_chains, num_rows]`.
        rng: Source of noise.
    """
    height = log_likelihood(rows) + np.log(rng.random(rows.shape[:2]))
    angle = rng.uniform(0, 2 * np.pi, rows.shape[:2])
    low, high = angle - 2 * np.pi, angle.copy()
    moved, waiting = rows.copy(), np.ones(rows.shape[:2], dtype=bool)
    while waiting.any():
        proposed = rows * np.cos(angle)[..., None] + drawn * np.sin(angle)[..., None]
        # Who has arrived stays: rows of one side do not meet in a rating.
        taken = waiting & (log_likelihood(np.where(waiting[..., None], proposed, moved)) > height)
        moved[taken] = proposed[taken]
        waiting &= ~taken
        low, high = np.where(angle < 0, angle, low), np.where(angle < 0, high, angle)
        angle = np.where(waiting, rng.uniform(low, high), angle)
    return moved


def slice_step(
    values: Array, log_density: Callable[[Array], Array], rng: np.random.Generator, width: float = 1.0
) -> Array:
    """Move one number of each chain `[num_chains]`: step out of the slice, then shrink."""
    height = log_density(values) + np.log(rng.random(values.shape))
    low = values - width * rng.random(values.shape)
    high = low + width
    for end, step in ((low, -width), (high, width)):
        outside = np.zeros(values.shape, dtype=bool)
        while not outside.all():
            outside |= log_density(end) <= height
            end += np.where(outside, 0.0, step)
    moved, waiting = values.copy(), np.ones(values.shape, dtype=bool)
    while waiting.any():
        proposed = np.where(waiting, rng.uniform(low, high), moved)
        waiting &= log_density(proposed) <= height
        moved = np.where(waiting, moved, proposed)
        low, high = np.where(proposed < values, proposed, low), np.where(proposed < values, high, proposed)
    return moved


def some_pairs(num_users: int, num_items: int, num_ratings: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    chosen = np.sort(rng.choice(num_users * num_items, num_ratings, replace=False))
    return chosen // num_items, chosen % num_items


# --- the oracle, checked ---


@pytest.mark.parametrize(("levels", "seed"), [(3, 0), (4, 1)])
def test_sweeps_leave_the_joint_distribution_of_unknowns_and_data_as_it_is(levels: int, seed: int) -> None:
    """Draw unknowns from the prior and ratings given them: sweeps given the ratings must not move the joint moments.

    Every chain has ratings of its own, so that chains are independent and errors known (Geweke 2004; Cook et al. 2006).
    """
    rng, chains = np.random.default_rng(seed), 2_000
    user, item = some_pairs(3, 3, 6, rng)
    sampler = ExactSampler(
        user=user,
        item=item,
        num_users=3,
        num_items=3,
        user_covariance=np.array([[1.5, 0.6], [0.6, 0.8]]),
        item_covariance=np.array([[0.7, -0.3], [-0.3, 1.0]]),
        user_preferences=np.linspace(0.2, 2.0, levels),
        item_preferences=np.linspace(1.0, 0.1, levels),
        threshold_log_prior=lambda thresholds: -0.5 * np.square(thresholds).sum(1),
    )
    before = sampler.prior(np.sort(rng.standard_normal((chains, levels - 1)), axis=1), rng)
    cumulated = sampler.chances(before, user, item).cumsum(-1)
    level = (rng.random((*cumulated.shape[:2], 1)) > cumulated[..., :-1]).sum(-1)
    after = before
    for _ in range(5):
        after = sampler.sweep(after, level, rng)
    assert not np.isclose(after.users, before.users).any()  # everything moved
    assert not np.isclose(after.thresholds, before.thresholds).any()

    def moments(state: State) -> Array:
        chances = sampler.chances(state, user, item)
        columns = [
            state.users.reshape(chains, -1),
            np.square(state.users).reshape(chains, -1),
            np.square(state.items).reshape(chains, -1),
            state.users[..., 0] * state.users[..., 1],  # covariance with the bias
            state.thresholds,
            np.square(state.thresholds),
            np.take_along_axis(chances, level[..., None], axis=-1)[..., 0],  # unknowns and data together
            state.users[:, user, sampler.size] * (level == 0),
            state.items[:, item, 1] * level,
            state.thresholds[:, :1] * level,
        ]
        return np.concatenate(columns, axis=1)

    difference = moments(after) - moments(before)
    errors = difference.mean(0) / (difference.std(0, ddof=1) / np.sqrt(chains))
    assert np.abs(errors).max() < 4.5  # of about 100 moments
    assert 0.6 < np.square(errors).mean() < 1.5


def test_thresholds_have_their_posterior_on_a_grid() -> None:
    """Nobody differs, so that only two thresholds are unknown: with a flat prior their posterior is summed on a grid."""
    counts = np.array([4, 7, 3])
    level = np.repeat(np.arange(3), counts)
    sampler = ExactSampler(
        user=np.zeros(14, dtype=np.int64),
        item=np.zeros(14, dtype=np.int64),
        num_users=1,
        num_items=1,
        user_covariance=np.full((1, 1), 1e-12),
        item_covariance=np.full((1, 1), 1e-12),
        user_preferences=np.zeros(3),
        item_preferences=np.zeros(3),
        threshold_log_prior=flat,
    )
    found, error = sampler.posterior(level, np.array([-0.5, 0.5]), chains=100, sweeps=60, burn_in=20)
    grid = expit(np.linspace(-9, 9, 1501))
    first, second = np.meshgrid(grid, grid, indexing="ij")
    chances = np.stack([first, second - first, 1 - second])
    weight = np.where(second > first, np.prod(np.maximum(chances, 0) ** counts[:, None, None], axis=0), 0.0)
    expected = (chances * weight).sum((1, 2)) / weight.sum()
    assert (np.abs(found[0, 0] - expected) < 4 * error[0, 0]).all()
    assert error.max() < 0.006


def test_one_rating_has_its_posterior_by_quadrature() -> None:
    """One user, one item, two levels: all that counts is f and one difference of preferences, a double integral."""
    threshold, variance, spread = 0.4, 1.3, 0.9
    sampler = ExactSampler(
        user=np.zeros(1, dtype=np.int64),
        item=np.zeros(1, dtype=np.int64),
        num_users=1,
        num_items=1,
        user_covariance=np.array([[0.8]]),
        item_covariance=np.array([[variance - 0.8]]),
        user_preferences=np.array([0.3, 0.2]),
        item_preferences=np.array([spread - 0.6, 0.1]),
        threshold_log_prior=None,
    )
    found, error = sampler.posterior(
        np.ones(1, dtype=np.int64), np.array([threshold]), chains=400, sweeps=60, burn_in=20
    )
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    score, taste = np.meshgrid(np.sqrt(variance) * nodes, np.sqrt(spread) * nodes, indexing="ij")
    upper = expit(score - threshold) * np.exp(taste)
    upper = upper / (upper + expit(threshold - score))
    mass = weights[:, None] * weights
    expected = (mass * upper * upper).sum() / (mass * upper).sum()
    assert abs(found[0, 0, 1] - expected) < 4 * error[0, 0, 1]
    assert error.max() < 0.006


# --- the sampler of the package, checked by the oracle ---


def langevin_means(
    sampler: ExactSampler, level: Indices, thresholds: Array, *, replicas: int, steps: int, burn_in: int
) -> tuple[Array, Array]:
    """Return what `ExactSampler.posterior` returns, by the sampler of the package, thresholds held fixed.

    Many copies of the data that share nothing stand beside each other in one model: each is a chain of its own.
    """
    copies = np.arange(replicas)[:, None]
    user, item = (
        torch.from_numpy((part + number * copies).ravel())
        for part, number in ((sampler.user, sampler.num_users), (sampler.item, sampler.num_items))
    )
    num_users, num_items = replicas * sampler.num_users, replicas * sampler.num_items
    order = Pairs.order(user, item, num_items)
    warm = RatingBatch(
        Pairs(user[order], item[order], num_users, num_items), torch.from_numpy(np.tile(level, replicas))[order]
    )
    nothing = warm.select(torch.zeros(len(warm), dtype=torch.bool))
    evidence = TrainingBatch(warm, nothing, nothing)
    of_users, of_items = (
        NodeInputs(content=Messages.stack(number, {}, {}), interactions=Messages.stack(number, {}, {}))
        for number in (num_users, num_items)
    )
    inputs = HybridInputs(users=of_users, items=of_items)
    generator = torch.Generator().manual_seed(0)
    shares = torch.diff(torch.from_numpy(expit(np.concatenate([[-np.inf], thresholds, [np.inf]]))).float())
    settings = ModelSettings(embedding_size=sampler.size - 1)
    model = assemble(inputs, shares, settings, generator=generator)
    optimizer = LangevinSampler(scale_priors(model, settings, inputs), generator=generator)
    head = dict(model.head.named_parameters())
    liked = head.pop("preferences", torch.zeros(num_users, len(sampler.user_preferences)))  # of levels, free if there
    held = {name: parameter.detach().clone() for name, parameter in head.items()}
    for rows, variances in (
        (model.users.factors.rows, np.diag(sampler.user_covariance)),
        (model.items.factors.rows, np.diag(sampler.item_covariance)),
        (liked, sampler.user_preferences),
    ):
        if rows not in optimizer.state:
            continue
        variance = torch.from_numpy(np.maximum(variances, 1e-12)).float()
        optimizer.state[rows]["variance"] = variance
        rows.data = torch.randn(rows.shape, generator=generator) * variance.sqrt()
    objective = RatingObjective(inputs, weight=0.0)
    user, item = (part.ravel() for part in np.indices((sampler.num_users, sampler.num_items)))
    total, kept = np.zeros((replicas, len(user), len(thresholds) + 1)), 0
    for step in range(steps):
        if step % 20 == 0:
            optimizer.set_curvature(objective.curvature(model, evidence))
        optimizer.zero_grad()
        objective(model, evidence).backward()
        optimizer.step()
        model.head.load_state_dict(held, strict=False)
        if step >= burn_in and step % 5 == 0:
            users, items = (
                np.concatenate([rows.detach().double().numpy(), preferences.detach().double().numpy()], axis=1)
                for rows, preferences in (
                    (model.users.factors.rows, liked),
                    (model.items.factors.rows, torch.zeros(num_items, liked.shape[1])),
                )
            )
            state = State(
                users.reshape(replicas, sampler.num_users, -1),
                items.reshape(replicas, sampler.num_items, -1),
                np.tile(thresholds, (replicas, 1)),
            )
            total, kept = total + sampler.chances(state, user, item), kept + 1
    means = (total / kept).reshape(replicas, sampler.num_users, sampler.num_items, -1)
    return means.mean(0), means.std(0, ddof=1) / np.sqrt(replicas)


PREFERENCES = {"cumulative logit": np.zeros(5), "preferences": np.array([0.2, 1.5, 0.5, 2.0, 1.0])}


@pytest.mark.parametrize("preferences", PREFERENCES.values(), ids=PREFERENCES.keys())
def test_langevin_steps_have_the_exact_posterior(preferences: Array) -> None:
    rng = np.random.default_rng(5)
    user, item = some_pairs(12, 10, 80, rng)
    sampler = ExactSampler(
        user=user,
        item=item,
        num_users=12,
        num_items=10,
        user_covariance=np.diag([1.0, 0.5, 0.4]),
        item_covariance=np.diag([0.8, 1.2, 0.6]),
        user_preferences=preferences,
        item_preferences=np.zeros(5),
        threshold_log_prior=None,
    )
    thresholds = np.array([-2.0, -0.7, 0.6, 1.8])
    cumulated = sampler.chances(sampler.prior(thresholds[None], rng), user, item).cumsum(-1)
    level = (rng.random((len(user), 1)) > cumulated[0, :, :-1]).sum(-1)
    expected, error = sampler.posterior(level, thresholds, chains=24, sweeps=250, burn_in=50)
    found, found_error = langevin_means(sampler, level, thresholds, replicas=100, steps=800, burn_in=200)
    difference, combined = found - expected, np.hypot(error, found_error)
    assert np.abs(expected - expected.mean((0, 1))).max() > 0.25  # ratings say much: draws of the prior would fail
    assert combined.max() < 0.02
    assert np.square(difference / combined).mean() < 1.5
    assert np.abs(difference / combined).max() < 5  # of 600 numbers
