"""Ratings as a frozen value: who rated what, how, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Ratings"]

_COLUMNS = {"user": np.int64, "item": np.int64, "value": np.float32, "time": np.int64, "weight": np.float32}


def _frozen(values: ArrayLike, dtype: type) -> NDArray[Any]:
    """Return the values as an array that nobody can write; one that is so already is not copied."""
    if isinstance(values, np.ndarray) and values.dtype == dtype and not values.flags.writeable:
        return values
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratings:
    """Ratings of items by users, in contiguous indices; checked once, here.

    Attributes:
        user: User indices, int64 `[num_ratings]`.
        item: Item indices, int64 `[num_ratings]`.
        value: Ratings in stars, float32 `[num_ratings]`.
        time: Unix times in seconds, int64 `[num_ratings]`, or None where the data has none.
        weight: How much each rating counts beside an ordinary one, which has 1: positive, float32 `[num_ratings]`; None
            where all count 1.
        num_users: Number of users in the ledger (not only of those who rated).
        num_items: Number of items in the ledger.

    Raises:
        ValueError: If lengths differ, an index is out of range, a value is not finite or a weight not positive.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    value: NDArray[np.float32]
    time: NDArray[np.int64] | None = None
    weight: NDArray[np.float32] | None = None
    num_users: int
    num_items: int

    def __post_init__(self) -> None:
        for name, dtype in _COLUMNS.items():
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _frozen(given, dtype))
        columns = list(self._columns().values())
        if any(column.shape != (len(self.user),) for column in columns):
            raise ValueError(
                f"ratings columns have shapes {[column.shape for column in columns]}; all must be equal and flat"
            )
        for name, index, size in (("user", self.user, self.num_users), ("item", self.item, self.num_items)):
            if len(index) and not (0 <= index.min() and index.max() < size):
                raise ValueError(f"{name} indices span {index.min()} .. {index.max()}; expected 0 .. {size - 1}")
        if not np.isfinite(self.value).all():
            raise ValueError(f"rating number {int(np.argmin(np.isfinite(self.value)))} is not a finite number of stars")
        if self.weight is not None and not (np.isfinite(self.weight) & (self.weight > 0)).all():
            wrong = int(np.argmin(np.isfinite(self.weight) & (self.weight > 0)))
            raise ValueError(
                f"rating number {wrong} has the weight {self.weight[wrong]:g}; a weight is positive and finite"
            )

    def __len__(self) -> int:
        return len(self.user)

    def _columns(self) -> dict[str, NDArray[Any]]:
        """The columns that are there, by name."""
        return {name: getattr(self, name) for name in _COLUMNS if getattr(self, name) is not None}

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Ratings:
        """Return the ratings that a mask or an index array picks, in its order."""
        chosen: dict[str, Any] = {name: column[which] for name, column in self._columns().items()}
        return replace(self, **chosen)

    def concat(self, other: Ratings) -> Ratings:
        """Return these ratings followed by `other`; times are kept only if both have them."""
        if (self.num_users, self.num_items) != (other.num_users, other.num_items):
            raise ValueError("ratings of different ledgers cannot be joined: the numbers of users or items differ")
        both_times = self.time is not None and other.time is not None
        weight = None
        if self.weight is not None or other.weight is not None:
            ones = (np.ones(len(part)) if part.weight is None else part.weight for part in (self, other))
            weight = np.concatenate(list(ones))
        return Ratings(
            user=np.concatenate([self.user, other.user]),
            item=np.concatenate([self.item, other.item]),
            value=np.concatenate([self.value, other.value]),
            time=np.concatenate([self.time, other.time]) if both_times else None,
            weight=weight,
            num_users=self.num_users,
            num_items=self.num_items,
        )

    def transposed(self) -> Ratings:
        """Return the same ratings with users and items exchanged."""
        return replace(self, user=self.item, item=self.user, num_users=self.num_items, num_items=self.num_users)

    @cached_property
    def user_counts(self) -> NDArray[np.int64]:
        """Number of ratings of each user, `[num_users]`."""
        return _frozen(np.bincount(self.user, minlength=self.num_users), np.int64)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """Number of ratings of each item, `[num_items]`."""
        return _frozen(np.bincount(self.item, minlength=self.num_items), np.int64)

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """The different values that occur, in rising order."""
        return _frozen(np.unique(self.value), np.float32)
