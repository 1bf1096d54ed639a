"""What a run keeps: samples that answer for known users and items, the first of which also answer for new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from kg.schema import ITEM
from models.network.hybrid import HybridInputs, HybridModel
from models.posterior.predictor import Predictor
from models.posterior.samples import Posterior

__all__ = ["PhasedPosterior", "PhasedPredictor"]

_NUM_COLD = "num_cold"


@dataclass(frozen=True, eq=False)
class PhasedPosterior:
    """The samples of a run by what they know.

    Training first shows the model cold views, then lets them go. Only samples of the first phase can answer where a
    user or an item has no training rating. Where both have some, all samples answer: what those of the first phase
    give up for the cold view is less than what a mean over more samples gains.

    Attributes:
        samples: All samples, for pairs whose user and item both have training ratings; those of the first phase stand first.
        num_cold: Number of samples of the first phase; all where training had one phase.
        expects_users: Whether all samples answer for users without ratings as well (`models.cold.expected_nodes`).
    """

    samples: Posterior
    num_cold: int
    expects_users: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_cold <= len(self.samples):
            raise ValueError(f"num_cold must lie between 1 and {len(self.samples)}, got {self.num_cold}")

    @classmethod
    def single(cls, samples: Posterior) -> PhasedPosterior:
        """Return samples of one phase, which answer for all."""
        return cls(samples, len(samples))

    @cached_property
    def cold_samples(self) -> Posterior:
        """Samples for all other pairs, in the same memory."""
        return self.samples if self.num_cold == len(self.samples) else self.samples.part(slice(self.num_cold))

    def join(self, other: PhasedPosterior) -> PhasedPosterior:
        """Return the samples of both, as of two chains; both give theirs up, so that none is in memory twice."""
        joined = {}
        for name in list(self.samples.parameters):
            own, others = self.samples.parameters.pop(name), other.samples.parameters.pop(name)
            first = (own[: self.num_cold], others[: other.num_cold])
            joined[name] = torch.cat([*first, own[self.num_cold :], others[other.num_cold :]])
        return PhasedPosterior(Posterior(joined), self.num_cold + other.num_cold)

    def tensors(self) -> dict[str, Tensor]:
        """Return all samples and the number of the first phase under flat names, for a file."""
        return {**self.samples.parameters, _NUM_COLD: torch.tensor(self.num_cold)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> PhasedPosterior:
        """Take back what `tensors` returned."""
        parameters = {name: stacked for name, stacked in tensors.items() if name != _NUM_COLD}
        return cls(Posterior(parameters), int(tensors[_NUM_COLD]))

    def predictor(
        self, model: HybridModel, inputs: HybridInputs, known_users: Tensor, known_items: Tensor
    ) -> PhasedPredictor:
        """Encode all nodes once for every sample; see `Posterior.predictor`."""
        predictor = self.samples.predictor(model, inputs, known_users, known_items)
        known = torch.ones_like(known_users) if self.expects_users else known_users
        return PhasedPredictor(predictor, self.num_cold, known, known_items)


@dataclass(frozen=True, eq=False)
class PhasedPredictor:
    """Rows of all users and items in every sample of both phases.

    Attributes:
        samples: All samples: they answer for pairs whose user and item are both known.
        num_cold: Number of samples of the first phase, which stand first.
        known_users: Which users have rows in all samples, bool `[num_users]`: by training ratings, or as newcomers.
        known_items: Which items have training ratings, bool `[num_items]`.
    """

    samples: Predictor
    num_cold: int
    known_users: Tensor
    known_items: Tensor

    @cached_property
    def cold_samples(self) -> Predictor:
        """Samples that answer for all other pairs, and for newcomers."""
        return self.samples if self.num_cold == len(self.samples) else self.samples.part(slice(self.num_cold))

    def extended(self, kind: str, rows: Tensor, preferences: Tensor, known: Tensor) -> PhasedPredictor:
        """Return these with new nodes at the end.

        Args:
            kind: Kind of the new nodes.
            rows: Their embeddings, `[num_samples, num_new_nodes, size]`.
            preferences: Of new users for levels, `[num_samples, num_new_nodes, num_levels]`.
            known: Which of them have embeddings in all samples, bool `[num_new_nodes]`.
        """
        samples = self.samples
        if kind == ITEM:
            extended = replace(samples, items=torch.cat([samples.items, rows], dim=1))
            return replace(self, samples=extended, known_items=torch.cat([self.known_items, known]))
        extended = replace(
            samples,
            users=torch.cat([samples.users, rows], dim=1),
            preferences=torch.cat([samples.preferences, preferences], dim=1),
        )
        return replace(self, samples=extended, known_users=torch.cat([self.known_users, known]))

    @cached_property
    def _later(self) -> Predictor:
        return self.samples.part(slice(self.num_cold, None))

    def probabilities(self, user: Tensor, item: Tensor) -> Tensor:
        """Return the probability of each level for each pair, `[num_pairs, num_levels]`; see `Predictor.probabilities`."""
        known = self.known_users[user] & self.known_items[item]
        of_levels = torch.empty(len(user), self.samples.thresholds.shape[1] + 1)
        for predictor, mask in ((self.samples, known), (self.cold_samples, ~known)):
            of_levels[mask] = predictor.probabilities(user[mask], item[mask])
        return of_levels

    def of_user(self, user: int) -> Tensor:
        """Return the level probabilities of all items for one user of the graph, `[num_items, num_levels]`."""
        known = (self.known_users[user] & self.known_items)[:, None]
        return self._of_phases(lambda phase: phase.for_rows(phase.users[:, user], phase.preferences[:, user]), known)

    def at_least(self, users: Tensor, level: int) -> Tensor:
        """Return the chance of at least level number `level` for users and all items, `[num_users, num_items]`."""
        return self._of_phases(
            lambda phase: phase.at_least(users, level), self.known_users[users, None] & self.known_items
        )

    def _of_phases(self, chances: Callable[[Predictor], Tensor], known: Tensor) -> Tensor:
        """Return chances by all samples where `known`, else by the first; no sample is asked twice."""
        if self.cold_samples is self.samples or known.all():
            return chances(self.samples)
        first = chances(self.cold_samples)
        return torch.where(known, first.lerp(chances(self._later), 1 - self.num_cold / len(self.samples)), first)
