"""How much one person likes some items, a few of many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.lists.user_query import UserQuery
from models.network.bilinear import with_one
from models.network.likelihood import chance_of_at_least
from models.posterior import PhasedPredictor, Predictor, UserEmbedding

__all__ = ["WHOLE", "Part", "Relevance"]

Part = tuple[float, float]  # of the samples: from one fraction of them to another
WHOLE: Part = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Relevance:
    """Chances that one person gives items at least a level: a mean over samples, of which a part can be asked alone.

    Attributes:
        predictor: Rows of all items.
        person: Whose liking it is.
        level: Index of the lowest level that counts as liking, 1 or more.
    """

    predictor: PhasedPredictor
    person: UserQuery
    level: int

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = self.predictor.known_items.numpy()
        return known

    @cached_property
    def _warm(self) -> _Side | None:
        """Answers for items with training ratings; None for newcomers."""
        return None if self.person.warm is None else _Side.of(self.predictor.samples, self.person.warm, self.level)

    @cached_property
    def _cold(self) -> _Side:
        """Answers for all others."""
        return _Side.of(self.predictor.cold_samples, self.person.cold, self.level)

    @property
    def num_samples(self) -> int:
        """Number of samples of the phase that has fewer."""
        return len(self.person.cold.rows)  # the first of those of the other phase

    @torch.no_grad()
    def __call__(self, items: NDArray[np.int64], part: Part = WHOLE) -> NDArray[np.float32]:
        """Return what a part of the samples adds to the chances for some items, `[num_given_items]`; by default the chances."""
        index = torch.from_numpy(items)
        if self._warm is None:
            return self._cold(index, part).numpy()
        known = self._known[items]
        if known.all():
            return self._warm(index, part).numpy()
        found = np.empty(len(items), dtype=np.float32)
        for side, mine in ((self._warm, known), (self._cold, ~known)):
            found[mine] = side(index[torch.from_numpy(mine)], part).numpy()
        return found


@dataclass(frozen=True, eq=False)
class _Side:
    """The samples of one phase, ready for one person.

    Attributes:
        own: Factors of the person and a one, which the bias of an item meets, `[num_samples, embedding_size + 1]`.
        cuts: What the score of factors and item bias must exceed, `[num_levels - 1, num_samples]`.
        weights: How much more often the person gives each level than scores alone say, `[num_levels, num_samples]`.
        items: Rows of the items, `[num_samples, num_items, embedding_size + 1]`.
        level: Index of the lowest level that counts.
    """

    own: Tensor
    cuts: Tensor
    weights: Tensor
    items: Tensor
    level: int

    @classmethod
    def of(cls, predictor: Predictor, taste: UserEmbedding, level: int) -> _Side:
        own = with_one(taste.rows)
        cuts = (predictor.thresholds - taste.rows[:, -1:]).t().contiguous()
        return cls(own, cuts, taste.preferences.exp().t().contiguous(), predictor.items, level)

    def __call__(self, index: Tensor, part: Part) -> Tensor:
        samples = slice(*(round(fraction * len(self.own)) for fraction in part))
        # The samples of an item lie side by side where there are many items; so do those of what is worked out here.
        products = self.items[samples].transpose(0, 1).index_select(0, index)
        # In place and added up by hand: as products of matrices these are too small, and too far apart in memory.
        products *= self.own[samples]
        scores = products @ torch.ones(products.shape[2])
        chances = chance_of_at_least(scores, self.cuts[:, samples], self.weights[:, samples], self.level)
        return chances.sum(1).div_(len(self.own))
