"""A list as people read it: ids, labels, stars, intervals, and what each row stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.graph import Nodes
from models.lists.reasons import Reason
from models.posterior import expected_value, interval

__all__ = ["COLD", "FEW", "POPULARITY", "listed", "sources", "stars_of"]

FEW = 5  # ratings below which a user or item counts as little known
COLD, POPULARITY = "cold: text+concepts", "popularity"


def sources(user_counts: NDArray[np.int64], item_counts: NDArray[np.int64]) -> list[str]:
    """Say what each prediction stands on, from the numbers of training ratings of its user and of its item."""
    least = np.minimum(user_counts, item_counts)
    return [str(source) for source in np.where(least == 0, COLD, np.where(least < FEW, "few ratings", "warm"))]


def stars_of(probabilities: Tensor, levels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Return the columns `score`, `low` and `high` (80 % interval), in stars, of level probabilities `[num_rows, num_levels]`."""
    stars = torch.from_numpy(levels.copy())
    low, high = interval(probabilities, stars)
    return {"score": expected_value(probabilities, stars).numpy(), "low": low.numpy(), "high": high.numpy()}


def listed(
    nodes: Nodes,
    found: NDArray[np.int64],
    probabilities: Tensor,
    levels: NDArray[np.float32],
    stands_on: Sequence[str],
    reasons: Sequence[Sequence[Reason]],
) -> pd.DataFrame:
    """Return a list as a table: `id`, `label`, `score`, `low`, `high`, `source`, `reason`, `evidence`.

    Args:
        nodes: The items or users that are listed.
        found: Their indices, best first, `[num_rows]`.
        probabilities: Level probabilities of the rows, `[num_rows, num_levels]`.
        levels: Values of the levels, in stars.
        stands_on: Source of each row.
        reasons: Reasons of each row.
    """
    return pd.DataFrame(
        {
            "id": [nodes.vocabulary.id_of(int(index)) for index in found],
            "label": nodes.labels[found],
            **stars_of(probabilities, levels),
            "source": list(stands_on),
            **_told(reasons),
        }
    )


def _told(reasons: Sequence[Sequence[Reason]]) -> dict[str, list[Any]]:
    """Return the columns `reason`, for people, and `evidence`, with what states each reason."""
    return {
        "reason": ["; ".join(dict.fromkeys(str(reason) for reason in found)) or "overall taste" for found in reasons],
        "evidence": [
            [{"reason": str(reason), **asdict(reason.origin)} for reason in found if reason.origin is not None]
            for found in reasons
        ],
    }
