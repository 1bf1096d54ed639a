"""A list as people read it: ids, labels, stars, intervals, and what each row is based on."""

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
from kg.schema import ITEM, USER
from models.lists.reasons import Reason
from models.lists.trained import Trained
from models.posterior import expected_value, interval

__all__ = [
    "AVERAGE",
    "DEMOGRAPHICS",
    "FEW",
    "POPULARITY",
    "listed",
    "sources",
    "sources_by_content",
    "sources_of_pairs",
    "stars_of",
    "why_empty",
]

FEW = 5  # ratings below which a user or item counts as little known
POPULARITY, AVERAGE, DEMOGRAPHICS = "popularity", "average", "cold: demographics"


def sources(
    recommender: Trained, items: NDArray[np.int64], user_counts: NDArray[np.int64], described: NDArray[np.bool_]
) -> list[str]:
    """Return what each prediction is based on: ratings where user and item have some, else what is known without them.

    Args:
        recommender: The model.
        items: Item of each prediction, `[num_rows]`.
        user_counts: Number of ratings of its user, `[num_rows]`.
        described: Whether concepts of its user are known, bool `[num_rows]`.
    """
    item_counts = recommender.train.item_counts[items]
    least = np.minimum(user_counts, item_counts)
    unknown_user = np.where(described, DEMOGRAPHICS, POPULARITY)
    found = np.where(least == 0, unknown_user, np.where(least < FEW, "few ratings", "warm")).tolist()
    new = np.flatnonzero(item_counts == 0)
    for row, source in zip(new, sources_by_content(recommender, items[new]), strict=True):
        found[row] = source
    return found


def sources_of_pairs(recommender: Trained, users: NDArray[np.int64], items: NDArray[np.int64]) -> list[str]:
    """Return what predictions of users and items of the graph are based on, both as indices `[num_rows]`."""
    return sources(recommender, items, recommender.train.user_counts[users], recommender.with_concepts[USER][users])


def sources_by_content(recommender: Trained, items: NDArray[np.int64]) -> list[str]:
    """Return `cold: text+concepts`, or as much of it as is known of each item; `average` where that is nothing."""
    if not len(items):
        return []
    text, concepts = recommender.with_words(items), recommender.with_concepts[ITEM][items]
    words = np.where(text & concepts, "text+concepts", np.where(text, "text", "concepts"))
    return [f"cold: {word}" if there else AVERAGE for word, there in zip(words, text | concepts, strict=True)]


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
    based_on: Sequence[str],
    reasons: Sequence[Sequence[Reason]],
) -> pd.DataFrame:
    """Return a list as a table: `id`, `label`, `score`, `low`, `high`, `source`, `reason`, `evidence`.

    Args:
        nodes: The items or users that are listed.
        found: Their indices, best first, `[num_rows]`.
        probabilities: Level probabilities of the rows, `[num_rows, num_levels]`.
        levels: Values of the levels, in stars.
        based_on: Source of each row.
        reasons: Reasons of each row.
    """
    return pd.DataFrame(
        {
            "id": [nodes.vocabulary.id_of(int(index)) for index in found],
            "label": nodes.labels[found],
            **stars_of(probabilities, levels),
            "source": list(based_on),
            **_told(reasons),
        }
    )


def why_empty(rows: pd.DataFrame, note: str) -> pd.DataFrame:
    """Return a list, with `note` in its `attrs` if it is empty: a sentence that says why."""
    if rows.empty:
        rows.attrs["note"] = note
    return rows


def _told(reasons: Sequence[Sequence[Reason]]) -> dict[str, list[Any]]:
    """Return the columns `reason`, for people, and `evidence`, with what states each reason."""
    return {
        "reason": ["; ".join(dict.fromkeys(str(reason) for reason in found)) or "overall taste" for found in reasons],
        "evidence": [
            [{"reason": str(reason), **asdict(reason.origin)} for reason in found if reason.origin is not None]
            for found in reasons
        ],
    }
