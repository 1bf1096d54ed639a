"""A split that comes with the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["TEST_PARTS", "NamedSplit"]

TEST_PARTS = ("warm", "cold_items", "cold_users", "cold_both")


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedSplit:
    """A canonical split that comes with the data: single test ratings, or whole test items, or parts of ratings.

    Attributes:
        test_ratings: Row numbers into `Dataset.ratings` of the ratings to test on, rising; or None.
        test_items: Indices of items held out with all their ratings, rising; or None.
        validation_items: Indices of items held out for validation, rising; or None.
        parts: Row numbers of the ratings of each test part, rising, by a name of `TEST_PARTS`; empty if there are none.
        validation_ratings: Row numbers of the ratings to validate on, rising, which nothing trains on; or None.

    Raises:
        ValueError: If a part has another name, or a rating is in two parts.
    """

    test_ratings: NDArray[np.int64] | None = None
    test_items: NDArray[np.int64] | None = None
    validation_items: NDArray[np.int64] | None = None
    parts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    validation_ratings: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))
        foreign = sorted(set(self.parts) - set(TEST_PARTS))
        if foreign:
            raise ValueError(f"a split has no part {foreign[0]!r}; parts are {', '.join(TEST_PARTS)}")
        validation = () if self.validation_ratings is None else (self.validation_ratings,)
        rows = np.concatenate([np.empty(0, dtype=np.int64), *self.parts.values(), *validation])
        if len(np.unique(rows)) < len(rows):
            raise ValueError("the parts of a split overlap; each rating belongs to one of them")

    @classmethod
    def of_roles(cls, roles: Mapping[str, NDArray[np.int64]]) -> NamedSplit:
        """Return the split whose `roles` these are."""
        parts = {role: rows for role, rows in roles.items() if role in TEST_PARTS}
        return cls(parts=parts, **{role: rows for role, rows in roles.items() if role not in parts})

    @property
    def roles(self) -> dict[str, NDArray[np.int64]]:
        """All rows and items by what they are for, without what there is none of: the flat form that is saved."""
        single = {name: rows for name, rows in vars(self).items() if name != "parts" and rows is not None}
        return {**single, **self.parts}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows or items of each role there is."""
        return {role: len(rows) for role, rows in self.roles.items()}
