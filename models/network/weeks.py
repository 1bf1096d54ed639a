"""The time of the training ratings in bins, with a place between two of them for every date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weeks"]


@dataclass(frozen=True, kw_only=True)
class Weeks:
    """Equal bins of time; a longer history than the bins hold gets wider bins.

    Attributes:
        start: First date, Unix time in seconds.
        bin_seconds: Width of a bin, in seconds.
        num_bins: Number of bins, at least 2.
    """

    start: int
    bin_seconds: float
    num_bins: int

    @classmethod
    def spanning(cls, time: NDArray[np.int64], *, num_bins: int = 32, bin_seconds: int = 7 * 86_400) -> Weeks:
        """Return the bins of some dates, each at least `bin_seconds` wide."""
        if not len(time):
            return cls(start=0, bin_seconds=bin_seconds, num_bins=num_bins)
        longest = (int(time.max()) - int(time.min())) / (num_bins - 1)
        return cls(start=int(time.min()), bin_seconds=max(bin_seconds, longest), num_bins=num_bins)

    def position(self, time: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return dates in units of bins, from 0 to the last bin; dates outside go to the nearer end."""
        return np.clip((time - self.start) / self.bin_seconds, 0, self.num_bins - 1)

    def between(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the bin before each position, and the share in [0, 1] of the bin after it."""
        low = np.minimum(position.astype(np.int64), self.num_bins - 2)
        return low, position - low
