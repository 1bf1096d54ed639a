"""The held-out ratings of a split, in the form in which a leak is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from kg.checks.findings import EXAMPLES, Finding
from kg.dataset import Dataset
from training.splits import Split

__all__ = ["HeldOut"]

Indices = NDArray[np.int64]
_EXPOSED = 0.01  # of the held-out ratings; below, a public split is still worth measuring on
_CHANCE = 1e-6  # of agreeing with the held-out ratings without knowing them


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """A data set, its split, and every held-out rating once, though parts of a split may overlap.

    A pair of user and item is a number, `user * num_items + item`.
    """

    dataset: Dataset
    split: Split

    def pairs(self, user: Indices, item: Indices) -> Indices:
        """Return the numbers of pairs."""
        return user * self.dataset.ratings.num_items + item

    @cached_property
    def test(self) -> Indices:
        """The pairs held out, rising, each once."""
        return np.unique(np.concatenate([self.pairs(part.user, part.item) for part in self.split.test.values()]))

    @cached_property
    def row_numbers(self) -> Indices:
        """Row of each pair of `test` in the ratings of the data set."""
        every = self.pairs(self.dataset.ratings.user, self.dataset.ratings.item)
        order = np.argsort(every, kind="stable")
        return order[np.searchsorted(every, self.test, sorter=order)]

    @property
    def cold_by_design(self) -> bool:
        """Whether items are held out whole: the part `cold_items` stands beside `warm`, not in it."""
        cold, warm = self.split.test.get("cold_items"), self.split.test.get("warm")
        if cold is None or warm is None:
            return cold is not None
        return not np.isin(self.pairs(cold.user, cold.item), self.pairs(warm.user, warm.item)).any()

    def among(self, user: Indices, item: Indices) -> Indices:
        """Return the held-out pairs among others, each once, rising."""
        return np.intersect1d(self.pairs(user, item), self.test)

    def beyond_chance(self, user: Indices, item: Indices) -> bool:
        r"""Return whether pairs agree with held-out ones more often than those of equally active users and items would.

        Their number is held against $\mathrm{Poisson}(\sum n_u n_i / n)$ over the pairs, with the numbers of held-out
        ratings of user, item and all; a chance below one in a million is a leak.
        """
        pairs, num_items = np.unique(self.pairs(user, item)), self.dataset.ratings.num_items
        of_user = np.bincount(self.test // num_items, minlength=self.dataset.ratings.num_users)
        of_item = np.bincount(self.test % num_items, minlength=num_items)
        expected = float((of_user[pairs // num_items] * of_item[pairs % num_items] / max(len(self.test), 1)).sum())
        return bool(poisson.sf(np.isin(pairs, self.test).sum() - 1, expected) < _CHANCE)

    def leak(self, check: str, sentence: str, pairs: Indices, remedy: str, *, some: bool = False) -> Finding:
        """Return a finding about held-out pairs; with `some`, fewer than 1 % of them are a note and no error."""
        rows = self._named(pairs)
        examples = "; ".join(
            f"user {row['user']}, item {row['item']} (rating number {row['rating_number']:,})"
            for row in rows[:EXAMPLES]
        )
        few = some and len(pairs) < _EXPOSED * len(self.test)
        return Finding(
            check=check,
            severity="note" if few else "error",
            sentence=f"{len(pairs):,} of {len(self.test):,} held-out ratings {sentence}, for example {examples}.",
            remedy=remedy,
            count=len(pairs),
            total=len(self.test),
            rows=rows,
        )

    def _named(self, pairs: Indices) -> list[dict[str, Any]]:
        """Return held-out pairs with raw ids, and the number of the rating, counted from 1 in the order of the data."""
        graph, num_items = self.dataset.graph, self.dataset.ratings.num_items
        users, items = graph.users.vocabulary.ids[pairs // num_items], graph.items.vocabulary.ids[pairs % num_items]
        numbers = self.row_numbers[np.searchsorted(self.test, pairs)] + 1
        return [
            {"user": user, "item": item, "rating_number": number}
            for user, item, number in zip(users, items, numbers.tolist(), strict=True)
        ]
