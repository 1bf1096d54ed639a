"""What people like, read from how they rate and from what they choose to rate at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kg.ratings import Ratings
from models.people.edits import TOLERANCE, cannot_hold
from models.people.interests import ConceptTable
from models.people.taste_basis import TasteBasis
from models.people.taste_sampler import Evidence, TasteState, posterior_covariance, posterior_draws, sample_tastes

__all__ = ["Tastes"]

FLOOR = 0.1  # share of the mean variance over relations that is added to each
SIZE = 200  # coordinates of a taste
PEOPLE = 640  # from whom it is learned what tastes have in common
RATINGS = 100  # of each of these that are looked at; choices are counted in full
SWEEPS, BURN_IN, KEEP_EVERY = 50, 20, 2
DRAWS = 8  # of a taste in each kept sample
LEAST_PEOPLE = 2

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tastes:
    r"""A regression of all ratings on concepts, person by person, that also hears what people choose.

    $$r_{ui} = m + b_u + q_i + \langle x_i, w_u \rangle + e_{ui}, \qquad
      \log P(u \text{ rates } i) = \text{popularity}_i + g \langle x_i, w_u \rangle + \dots, \qquad w_u = \bar w + C z_u + d_u$$

    The network's taste is of few dimensions and learned to predict ratings: what one person alone likes has no place in
    it, and choices count as far as they predict ratings of others. Here $d_u$ is a taste of one's own and choices are
    evidence. How much they say, $g$, is learned: where people choose without liking, it is 0. The variance of a taste for a
    concept of a relation, beforehand, is in proportion to that of the network's rows for the relation's concepts, and a little more, since
    rows that few items tell of are shrunk.

    Choices are Gaussian around those of the average person, which is exact for small tastes only. With a base kernel and
    learned directions this is a hierarchical Gaussian process (Yu, Tresp & Schwaighofer 2005, doi:10.1145/1102351.1102479)
    with a factor model for its covariance.

    Attributes:
        concepts: The concepts.
        basis: Coordinates of tastes.
        states: Kept samples of what people have in common.
        unit: Standard deviation of the ratings, in stars.
    """

    concepts: ConceptTable
    basis: TasteBasis
    states: tuple[TasteState, ...]
    unit: float

    @classmethod
    def of(
        cls,
        concepts: ConceptTable,
        learned: Sequence[float],
        train: Ratings,
        by_user: NDArray[np.int64],
        *,
        rng: int = 0,
    ) -> Tastes | None:
        """Learn from ratings what people's tastes have in common; None where there is nothing to learn from.

        Args:
            concepts: The concepts.
            learned: Variance of the network's rows for the concepts of each relation.
            train: Training ratings.
            by_user: Positions of the training ratings, those of one user together.
            rng: Seed of the sampler and of the choice among more than 640 people.
        """
        unit = float(train.value.std()) if len(train) else 0.0
        people = np.flatnonzero(train.user_counts)
        if not len(concepts) or not unit > 0 or len(people) < LEAST_PEOPLE:
            return None
        gates = np.asarray(learned, dtype=np.float64)
        variance = (gates + FLOOR * gates.mean())[concepts.relation]
        basis = TasteBasis.of(concepts.membership, variance, train.item_counts, SIZE)
        if not len(basis.spectrum):
            return None
        if len(people) > PEOPLE:
            people = np.sort(np.random.default_rng(rng).choice(people, PEOPLE, replace=False))
        ends = np.cumsum(train.user_counts)
        mine = [by_user[ends[user] - train.user_counts[user] : ends[user]] for user in people]
        evidence = [
            Evidence.of(basis, train.item[one], train.value[one].astype(np.float64) / unit).at_most(RATINGS, rng)
            for one in mine
        ]
        states = [
            state
            for number, state in enumerate(sample_tastes(basis, evidence, sweeps=SWEEPS, rng=rng))
            if number >= BURN_IN and number % KEEP_EVERY == 0
        ]
        return cls(concepts=concepts, basis=basis, states=tuple(states), unit=unit)

    def weights(
        self, item: NDArray[np.int64], value: NDArray[np.float32], *, draws: int = DRAWS, rng: int = 0
    ) -> Floats:
        """Return what concepts add to someone's ratings beyond the average user's, `[num_states * draws, num_concepts]`.

        Args:
            item: Items the person rated.
            value: How, in stars.
            draws: Draws in each sample.
            rng: Their seed. Draws are shifted to the mean of the posterior, which no seed changes.
        """
        one = Evidence.of(self.basis, item, value.astype(np.float64) / self.unit)
        generator = np.random.default_rng(rng)
        found = [posterior_draws(self.basis, state, one, generator, draws)[:2] for state in self.states]
        drawn = np.concatenate([some for _, some in found])
        drawn += np.mean([mean for mean, _ in found], axis=0) - drawn.mean(axis=0)
        return self._stars(drawn)

    def mean_weights(
        self, train: Ratings, by_user: NDArray[np.int64], users: NDArray[np.int64], samples: Sequence[int] | None = None
    ) -> Floats:
        """Return the mean over the posterior of `weights` of users, `[num_users, num_concepts]`.

        Args:
            train: Training ratings.
            by_user: Positions of the training ratings, those of one user together.
            users: Whose.
            samples: In which samples; by default in all.
        """
        ends, generator = np.cumsum(train.user_counts), np.random.default_rng(0)
        states = self.states if samples is None else [self.states[sample] for sample in samples]
        rows = np.zeros((len(users), len(self.basis.spectrum)))
        for row, user in enumerate(users):
            mine = by_user[ends[user] - train.user_counts[user] : ends[user]]
            one = Evidence.of(self.basis, train.item[mine], train.value[mine].astype(np.float64) / self.unit)
            rows[row] = np.mean([posterior_draws(self.basis, state, one, generator, 1)[0] for state in states], axis=0)
        return self._stars(rows)

    def given(
        self, weights: Floats, item: NDArray[np.int64], value: NDArray[np.float32], wanted: Mapping[int, float]
    ) -> Floats:
        r"""Return `weights` of someone given that some of them are known: the conditional Gaussian, draw by draw.

        $$w' = w + \Sigma_{\cdot s} \Sigma_{ss}^{-1} (w_s^* - w_s)$$

        with $\Sigma$ the covariance of the posterior, mean over samples. All wishes hold at once, in any order.

        Args:
            weights: What `weights` returned.
            item: Items the person rated.
            value: How, in stars.
            wanted: Weight of each concept, by its position.

        Raises:
            InputError: If the wishes cannot hold together.
        """
        chosen = list(wanted)
        one = Evidence.of(self.basis, item, value.astype(np.float64) / self.unit)
        covariance = np.mean([posterior_covariance(self.basis, state, one) for state in self.states], axis=0)
        mine = self.basis.to_tastes[chosen] * self.concepts.typical[chosen, None]
        gram = mine @ covariance @ mine.T
        size = 1 / np.sqrt(np.maximum(gram.diagonal(), 1e-300))
        inverse = size[:, None] * np.linalg.pinv(size[:, None] * gram * size, rcond=1e-9, hermitian=True) * size
        gap = np.array(list(wanted.values())) - weights[:, chosen]
        moved = weights + self._stars(gap @ inverse @ mine @ covariance) / self.unit
        if not np.abs(moved[:, chosen] - np.array(list(wanted.values()))).max() <= TOLERANCE:
            raise cannot_hold([self.concepts.names[concept] for concept in wanted])
        return np.asarray(moved, dtype=np.float32)

    @property
    def worth_of_liking(self) -> float:
        """By how much the logarithm of the chance that someone rates an item grows with a star of affinity, mean over samples."""
        return float(np.mean([state.worth for state in self.states])) / self.unit

    def _stars(self, coordinates: NDArray[np.float64]) -> Floats:
        scale = self.unit * self.concepts.typical
        return np.asarray((coordinates @ self.basis.to_tastes.T) * scale, dtype=np.float32)
