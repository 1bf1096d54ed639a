"""A split that comes with the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NamedSplit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedSplit:
    """A canonical split that comes with the data.

    Attributes:
        test_ratings: Row numbers into `Dataset.ratings` of the ratings to test on, rising; or None.
        test_items: Indices of items held out with all their ratings, rising; or None.
        validation_items: Indices of items held out for validation, rising; or None.
    """

    test_ratings: NDArray[np.int64] | None = None
    test_items: NDArray[np.int64] | None = None
    validation_items: NDArray[np.int64] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows or items of each part there is."""
        return {role: len(rows) for role, rows in vars(self).items() if rows is not None}
