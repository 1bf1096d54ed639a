"""What a run keeps: samples that answer for known users and items, and samples that answer for new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from models.hybrid import HybridInputs, HybridModel
from models.posterior import Posterior, Predictor

__all__ = ["PhasedPosterior", "PhasedPredictor"]

_WARM, _COLD = "warm/", "cold/"


@dataclass(frozen=True, eq=False)
class PhasedPosterior:
    """The samples of a run by what they know best.

    Content that must also stand in for ratings not yet made says a little less of items that have them. So
    training first shows the model cold views, then lets them go: samples of the first phase answer wherever
    a user or an item has no training rating, those of the second where both have some.

    Attributes:
        warm: Samples for pairs whose user and item both have training ratings.
        cold: Samples for all other pairs; the same object where training had one phase.
    """

    warm: Posterior
    cold: Posterior

    def join(self, other: PhasedPosterior) -> PhasedPosterior:
        """Return the samples of both, as of two chains; both give theirs up (`Posterior.join`)."""
        warm = self.warm.join(other.warm)
        return PhasedPosterior(warm, warm if self.cold is self.warm else self.cold.join(other.cold))

    def tensors(self) -> dict[str, Tensor]:
        """Return all samples under flat names, for a file."""
        found = {_WARM + name: stacked for name, stacked in self.warm.samples.items()}
        if self.cold is not self.warm:
            found |= {_COLD + name: stacked for name, stacked in self.cold.samples.items()}
        return found

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> PhasedPosterior:
        """Take back what `tensors` returned."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

        warm, cold = Posterior(part(_WARM)), part(_COLD)
        return cls(warm, Posterior(cold) if cold else warm)

    def predictor(
        self, model: HybridModel, inputs: HybridInputs, known_users: Tensor, known_items: Tensor
    ) -> PhasedPredictor:
        """Encode all nodes once for every sample; see `Posterior.predictor`."""
        warm = self.warm.predictor(model, inputs, known_users, known_items)
        cold = warm if self.cold is self.warm else self.cold.predictor(model, inputs, known_users, known_items)
        return PhasedPredictor(warm, cold, known_users, known_items)


@dataclass(frozen=True, eq=False)
class PhasedPredictor:
    """Rows of all users and items in every sample of both phases.

    Attributes:
        warm: Answers for pairs whose user and item both have training ratings.
        cold: Answers for all other pairs, and for newcomers.
        known_users: Which users have training ratings, bool `[num_users]`.
        known_items: Which items have training ratings, bool `[num_items]`.
    """

    warm: Predictor
    cold: Predictor
    known_users: Tensor
    known_items: Tensor

    def probabilities(self, user: Tensor, item: Tensor, time: Tensor | None = None) -> Tensor:
        """Return the probability of each level for each pair, `[num_pairs, num_levels]`; see `Predictor.probabilities`."""
        known = self.known_users[user] & self.known_items[item]
        found = torch.empty(len(user), self.warm.thresholds.shape[1] + 1)
        for predictor, mask in ((self.warm, known), (self.cold, ~known)):
            found[mask] = predictor.probabilities(user[mask], item[mask], None if time is None else time[mask])
        return found

    def of_user(self, user: int) -> Tensor:
        """Return the level probabilities of all items for one user of the graph, `[num_items, num_levels]`."""
        warm, cold = (
            phase.for_rows(phase.users[:, user], phase.user_offsets[:, user]) for phase in (self.warm, self.cold)
        )
        return torch.where((self.known_users[user] & self.known_items)[:, None], warm, cold)

    def at_least(self, users: Tensor, level: int) -> Tensor:
        """Return the chance of at least level number `level` for users and all items, `[num_users, num_items]`."""
        if self.warm is self.cold:
            return self.warm.at_least(users, level)
        found = torch.empty(len(users), len(self.known_items))
        known = self.known_users[users]
        new_items = torch.nonzero(~self.known_items)[:, 0]
        found[known] = self.warm.at_least(users[known], level)
        found[known[:, None] & ~self.known_items] = self.cold.at_least(users[known], level, new_items).flatten()
        found[~known] = self.cold.at_least(users[~known], level)
        return found
