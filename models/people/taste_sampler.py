"""Gibbs sampling of what people's tastes have in common, from how they rate and from what they choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.people.taste_basis import TasteBasis
from models.people.taste_precision import FewRatings, ManyRatings

__all__ = ["Evidence", "TasteState", "posterior_covariance", "posterior_draws", "sample_tastes"]

KINDS = 10  # directions that tastes have in common
LEVEL = 0.16  # variance to start from, of how generous people are and of how good items are, in squared units
WEAK = 0.1  # a prior sum of squares, next to nothing

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What one person did.

    Attributes:
        item: Rated items, `[num_ratings]`.
        value: Ratings, in units of their standard deviation, `[num_ratings]`.
        chosen: `TasteBasis.choices`, `[size]`.
        num_choices: Free choices among them.
    """

    item: NDArray[np.int64]
    value: Floats
    chosen: Floats
    num_choices: float

    @classmethod
    def of(cls, basis: TasteBasis, item: NDArray[np.int64], value: Floats) -> Evidence:
        """Count the choices of someone's ratings."""
        chosen, num_choices = basis.choices(item)
        return cls(item=item, value=value, chosen=chosen, num_choices=num_choices)

    def at_most(self, most: int, rng: int) -> Evidence:
        """Return the same choices with only some of the ratings, drawn at random."""
        if len(self.item) <= most:
            return self
        some = np.random.default_rng(rng).choice(len(self.item), most, replace=False)
        return replace(self, item=self.item[some], value=self.value[some])


@dataclass(frozen=True, kw_only=True, eq=False)
class TasteState:
    r"""One sample of everything but the people: $v_u = C z_u + d_u$, in the coordinates of a `TasteBasis`.

    Attributes:
        common: $C$, `[size, num_kinds]`; $z_u \sim N(0, I)$.
        own: Variance of $d_u$, a person's own deviation.
        average: The average person's coordinates, `[size]`.
        middle: Mean rating.
        quality: How much better each item is rated than its average affinity and the mean say, `[num_items]`.
        noise: Variance of a rating.
        level: Variance of people's generosity.
        worth: $g$, what an affinity is worth in what people choose (in logarithms of chances); 0 if choices say nothing of liking.
        whim: Variance of what moves choices along a coordinate, but not ratings.
    """

    common: Floats
    own: float
    average: Floats
    middle: float
    quality: Floats
    noise: float
    level: float
    worth: float
    whim: float


def posterior_draws(
    basis: TasteBasis, state: TasteState, one: Evidence, rng: np.random.Generator, num_draws: int
) -> tuple[Floats, Floats, Floats]:
    r"""Return the posterior of one person's coordinates beyond the average: mean, draws, and their draws of $z$.

    With ratings $y = \Phi_u v + b 1 + e$ less what is expected of everyone, and choices
    $\Phi^\top (y_c - \pi) \sim N(g\, n \Lambda v, n \Lambda + \psi (n \Lambda)^2)$,

    $$Q = \delta^{-2} I + A + \Phi_u^\top R^{-1} \Phi_u, \quad A = \frac{g^2 n \Lambda}{1 + \psi n \Lambda}, \quad
      R = \sigma^2 I + \sigma_b^2 1 1^\top$$

    is the precision of $v$ given $z$; $z$ is drawn first, $v$ integrated out.

    Args:
        basis: Coordinates.
        state: What people have in common.
        one: What the person did.
        rng: For the draws.
        num_draws: How many.

    Returns:
        `[size]`, `[num_draws, size]`, `[num_draws, num_kinds]`.
    """
    rows, common, own = basis.features[one.item], state.common, state.own
    gap = one.value - state.middle - state.quality[one.item] - rows @ state.average
    strength = one.num_choices * basis.spectrum
    believed = 1 / (1 + state.whim * strength)
    loose = 1 / (1 / own + state.worth**2 * strength * believed)
    shared = state.level / (state.noise + len(rows) * state.level)
    evidence = state.worth * believed * one.chosen + rows.T @ (gap - shared * gap.sum()) / state.noise
    solver = (FewRatings if len(rows) <= rows.shape[1] else ManyRatings)(rows, loose, state.noise, state.level)
    alone, carried = solver.solve(evidence), solver.solve(common) / own
    factor = np.linalg.cholesky(np.eye(common.shape[1]) + common.T @ (common - carried) / own)
    centre = np.linalg.solve(factor.T, np.linalg.solve(factor, common.T @ alone / own))
    kinds = centre + np.linalg.solve(factor.T, rng.normal(size=(common.shape[1], num_draws))).T
    return alone + carried @ centre, alone + kinds @ carried.T + solver.errors(rng, num_draws), kinds


def posterior_covariance(basis: TasteBasis, state: TasteState, one: Evidence) -> Floats:
    r"""Return the covariance of the coordinates that `posterior_draws` draws, `[size, size]`: $(S^{-1} + A + \Phi_u^\top R^{-1} \Phi_u)^{-1}$.

    $S = C C^\top + \delta^2 I$ is what is known of a person beforehand.
    """
    rows = basis.features[one.item]
    strength = one.num_choices * basis.spectrum
    noise = np.full((len(rows), len(rows)), state.level)
    noise[np.diag_indices_from(noise)] += state.noise
    prior = state.common @ state.common.T
    prior[np.diag_indices_from(prior)] += state.own
    precision = np.linalg.inv(prior) + rows.T @ np.linalg.solve(noise, rows)
    precision[np.diag_indices_from(precision)] += state.worth**2 * strength / (1 + state.whim * strength)
    return np.asarray(np.linalg.inv(precision))


def sample_tastes(
    basis: TasteBasis, people: list[Evidence], *, sweeps: int, rng: int, kinds: int = KINDS
) -> Iterator[TasteState]:
    r"""Yield a state after each sweep of the Gibbs sampler.

    $$r_{ui} = m + b_u + q_i + \phi_i^\top (\bar v + v_u) + e_{ui}$$

    All scales are drawn with everything else (inverse gamma), but $g$ and $\psi$: $g$ is normal given the rest, $\psi$ is
    taken by moments. Nothing is learned from one person alone, so some hundreds of people are enough.

    Args:
        basis: Coordinates.
        people: What each did.
        sweeps: How many sweeps.
        rng: Seed.
        kinds: Directions in common, $C$'s columns; superfluous ones shrink to nothing.
    """
    generator = np.random.default_rng(rng)
    features, spectrum = basis.features, basis.spectrum
    num_items, size = features.shape
    user = np.repeat(np.arange(len(people)), [len(one.item) for one in people])
    item = np.concatenate([one.item for one in people])
    value = np.concatenate([one.value for one in people])
    chosen = np.stack([one.chosen for one in people])
    strength = np.array([one.num_choices for one in people])[:, None] * spectrum
    given, got = np.bincount(user, minlength=len(people)), np.bincount(item, minlength=num_items)

    def scale(squares: float, count: int) -> float:
        return float((squares + WEAK) / 2 / generator.gamma(count / 2 + 1))

    column = np.full(kinds, 0.6 / kinds)
    state = TasteState(
        common=generator.normal(size=(size, kinds)) * np.sqrt(column) / 2,
        own=0.25,
        average=np.zeros(size),
        middle=float(value.mean()),
        quality=np.zeros(num_items),
        noise=0.5,
        level=LEVEL,
        worth=0.8,
        whim=0.0,
    )
    goodness = average_scale = LEVEL
    for _ in range(sweeps):
        found = [posterior_draws(basis, state, one, generator, 1) for one in people]
        coordinates, mixture = (np.concatenate([one[place] for one in found]) for place in (1, 2))
        affinity = np.einsum("nk,nk->n", features[item], coordinates[user])
        # Generosity, the items, and the average person.
        left = value - affinity - state.middle - (state.quality + features @ state.average)[item]
        room = 1 / (given / state.noise + 1 / state.level)
        generous = room * np.bincount(user, left, minlength=len(people)) / state.noise
        generous += np.sqrt(room) * generator.normal(size=len(people))
        middle = float((left - generous[user]).mean()) + state.middle
        left = value - affinity - middle - generous[user]
        expected = features @ state.average
        room = 1 / (got / state.noise + 1 / goodness)
        good = room * (np.bincount(item, left, minlength=num_items) / state.noise + expected / goodness)
        good += np.sqrt(room) * generator.normal(size=num_items)
        average = _normal(
            features.T @ features / goodness + np.eye(size) / average_scale, features.T @ good / goodness, generator
        )
        goodness = scale(float(np.square(good - features @ average).sum()), num_items)
        average_scale = scale(float(average @ average), size)
        # What people have in common, column by column.
        worth, common = state.worth, state.common.copy()
        believed = 1 / (1 + state.whim * strength)
        open_rating = value - middle - generous[user] - good[item]
        for kind in range(kinds):
            mine = mixture[:, kind]
            rest = coordinates - np.outer(mine, common[:, kind])
            weight = np.bincount(item, mine[user] ** 2, minlength=num_items) / state.noise
            precision = (features.T * weight) @ features
            precision[np.diag_indices_from(precision)] += 1 / column[kind] + mine**2 @ (worth**2 * strength * believed)
            gap = mine[user] * (open_rating - affinity + mine[user] * (features @ common[:, kind])[item])
            told = mine @ (believed * worth * (chosen - worth * strength * rest))
            new = _normal(
                precision, features.T @ np.bincount(item, gap, minlength=num_items) / state.noise + told, generator
            )
            affinity = affinity + mine[user] * (features @ (new - common[:, kind]))[item]
            coordinates, common[:, kind] = rest + np.outer(mine, new), new
        # Scales, and what choices are worth.
        own = scale(float(np.square(coordinates - mixture @ common.T).sum()), coordinates.size)
        column = np.array([scale(float(squares) + 0.6 / kinds, size) for squares in np.square(common).sum(axis=0)])
        certain = float((believed * strength * coordinates**2).sum())
        worth = float((believed * coordinates * chosen).sum()) / certain + generator.normal() / np.sqrt(certain)
        miss = chosen - worth * strength * coordinates
        trust = np.square(believed)
        whim = max(0.0, float((trust * (miss**2 - strength)).sum() / (trust * strength**2).sum()))
        state = replace(
            state,
            common=common,
            own=own,
            average=average,
            middle=middle,
            quality=good - features @ average,
            noise=scale(float(np.square(open_rating - affinity).sum()), len(value)),
            level=scale(float(generous @ generous), len(people)),
            worth=worth,
            whim=whim,
        )
        yield state


def _normal(precision: Floats, evidence: Floats, rng: np.random.Generator) -> Floats:
    factor = np.linalg.cholesky(precision)
    drawn: Floats = np.linalg.solve(factor.T, np.linalg.solve(factor, evidence) + rng.normal(size=len(evidence)))
    return drawn
