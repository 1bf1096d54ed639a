"""Rules of the graph in a list: what they move and hide, and the column that names them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError
from models.lists.ranking import BoostsAndFilters
from models.lists.rules import AppliedRules

__all__ = ["boosts_and_filters_of", "with_rules"]


def boosts_and_filters_of(rules: BoostsAndFilters | AppliedRules | None, *, implicit: bool) -> BoostsAndFilters | None:
    """Return what rules do to a ranking.

    Args:
        rules: Rules applied to the graph of the recommender, or an adjustment that is one already.
        implicit: Whether the recommender knows choices alone, and no stars that a boost could move.

    Raises:
        InputError: If rules boost where there are no stars.
    """
    if rules is None or isinstance(rules, BoostsAndFilters):
        return rules
    if implicit and rules.boost.any():
        raise InputError("a boost moves stars, and implicit feedback has none; use hide and only")
    return BoostsAndFilters(hidden=rules.hidden, boost=rules.boost)


def with_rules(
    rows: pd.DataFrame, rules: BoostsAndFilters | AppliedRules | None, items: NDArray[np.int64]
) -> pd.DataFrame:
    """Return a list with the column `rules`, what rules say of each row; as it is where no named rules are at work.

    Args:
        rows: The list.
        rules: The rules.
        items: Indices of the listed items, `[num_rows]`.
    """
    if not isinstance(rules, AppliedRules):
        return rows
    return rows.assign(rules=["; ".join(str(effect) for effect in rules.of_item(int(item))) for item in items])
