"""Levels of a rating scale: the values themselves where they are few, else bins of about equally many ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError

__all__ = ["MOST_LEVELS", "nearest_level", "rating_levels"]

MOST_LEVELS = 21

Values = NDArray[np.float32]


def rating_levels(values: Values) -> Values:
    """Return the levels that the ordinal likelihood tells apart, rising, `[num_levels]`, 2 to 21 of them.

    Up to 21 different values are levels as they are. A finer or continuous scale (hours played, -10.00 to 10.00) is cut at
    quantiles into 21 bins, each with the mean of its ratings as its level. The likelihood then knows the order of the bins
    alone: it is the same for any monotone transform of the scale, so that a few huge counts need no logarithm, and its tails
    are as heavy as those of the data.

    Args:
        values: Training ratings, `[num_ratings]`.

    Raises:
        InputError: If all ratings are equal.
    """
    levels = np.unique(values)
    if len(levels) == 1:
        raise InputError(
            f"every training rating is {levels[0]:g}, which says no more than that something was chosen; "
            "say feedback: implicit under ratings in the description, and build the graph again"
        )
    if len(levels) <= MOST_LEVELS:
        return levels
    edges = np.unique(np.quantile(values, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1], method="inverted_cdf"))
    bins = np.searchsorted(edges, values)  # an edge belongs to the bin below it
    counts = np.bincount(bins, minlength=len(edges) + 1)
    means = np.bincount(bins, values.astype(np.float64), len(edges) + 1)[counts > 0] / counts[counts > 0]
    return np.unique(means.astype(np.float32))


def nearest_level(values: Values, levels: Values) -> NDArray[np.int64]:
    """Return the index of the level nearest to each rating, `[num_ratings]`."""
    return np.searchsorted((levels[1:] + levels[:-1]) / 2, values).astype(np.int64)
