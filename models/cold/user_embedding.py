"""The taste of someone new, in the samples that can answer for them: what lists, predictions and additions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.schema import USER
from models.cold.fold_in import UserEmbedding, user_embedding_from_history
from models.trained import Trained

__all__ = ["user_embedding_of", "user_embeddings_of"]


def user_embeddings_of(
    recommender: Trained, item: NDArray[np.int64], level: NDArray[np.int64], content: Tensor | None = None
) -> tuple[UserEmbedding | None, UserEmbedding]:
    """Return the taste of someone new who rated items at levels: in all samples, and in those that know new items.

    What known users turned out to be stands in for a cold view, so all samples can answer. Only where nobody is known, or
    where ratings are mere choices, those that trained the cold view answer alone.

    Args:
        recommender: What answers.
        item: Rated items, `[num_ratings]`, possibly none.
        level: Index of each rating's level.
        content: What the person's concepts say, in all samples; None where none is known.
    """
    num_cold = recommender.posterior.num_cold
    prior = recommender.cold_start_prior(USER, len(item), informed=content is not None)
    if prior is None:
        return None, user_embedding_of(
            recommender, item, level, content=None if content is None else content[:num_cold]
        )
    taste = _read(
        recommender, "warm", item, level, content=content, prior=prior, user_thresholds=recommender.user_thresholds
    )
    return taste, taste.part(slice(num_cold))


def user_embedding_of(
    recommender: Trained,
    item: NDArray[np.int64],
    level: NDArray[np.int64],
    weight: float = 1.0,
    content: Tensor | None = None,
) -> UserEmbedding:
    """Return the taste that the cold view and items rated at levels give; a weight below 1 is less evidence than a rating."""
    return _read(recommender, "cold", item, level, weight=weight, content=content)


def _read(
    recommender: Trained, phase: str, item: NDArray[np.int64], level: NDArray[np.int64], **known: Any
) -> UserEmbedding:
    """Return what the samples of a phase make of ratings, and of what else is known of the person."""
    return user_embedding_from_history(
        getattr(recommender.posterior, phase),
        getattr(recommender.predictor, phase),
        recommender.data,
        torch.from_numpy(item),
        torch.from_numpy(level.astype(np.int64)),
        generator=torch.Generator().manual_seed(0),
        **known,
    )
