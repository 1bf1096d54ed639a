"""Rows of recommendations: ids, labels, stars, intervals, and what each row is based on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

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
    "recommendations",
    "rows_of_pairs",
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
    based_on = np.where(least == 0, unknown_user, np.where(least < FEW, "few ratings", "warm")).astype(object)
    new = item_counts == 0
    based_on[new] = sources_by_content(recommender, items[new])
    return list(based_on)


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


def recommendations(
    nodes: Nodes,
    indices: NDArray[np.int64],
    probabilities: Tensor,
    levels: NDArray[np.float32],
    based_on: Sequence[str],
    reasons: Sequence[Sequence[Reason]],
) -> pd.DataFrame:
    """Return a list as a table: `id`, `label`, `score`, `low`, `high`, `source`, `reason`, `evidence`.

    Args:
        nodes: The items or users that are recommended.
        indices: Their indices, best first, `[num_rows]`.
        probabilities: Level probabilities of the rows, `[num_rows, num_levels]`.
        levels: Values of the levels, in stars.
        based_on: Source of each row.
        reasons: Reasons of each row; `evidence` says what states them.
    """
    return pd.DataFrame(
        {
            "id": [nodes.vocabulary.id_of(int(index)) for index in indices],
            "label": nodes.labels[indices],
            **stars_of(probabilities, levels),
            "source": list(based_on),
            "reason": ["; ".join(dict.fromkeys(map(str, some))) or "overall taste" for some in reasons],
            "evidence": [
                [{"reason": str(reason), **asdict(reason.origin)} for reason in some if reason.origin is not None]
                for some in reasons
            ],
        }
    )


def rows_of_pairs(
    pairs: Sequence[tuple[str, str]], probabilities: Tensor, levels: NDArray[np.float32], based_on: Sequence[str]
) -> pd.DataFrame:
    """Return predictions as a table: `user`, `item`, `score`, `low`, `high`, `source`, one row a pair."""
    users, items = [user for user, _ in pairs], [item for _, item in pairs]
    return pd.DataFrame({"user": users, "item": items, **stars_of(probabilities, levels), "source": list(based_on)})


def why_empty(rows: pd.DataFrame, note: str) -> pd.DataFrame:
    """Return a list, with `note` in its `attrs` if it is empty: a sentence that says why."""
    if rows.empty:
        rows.attrs["note"] = note
    return rows
