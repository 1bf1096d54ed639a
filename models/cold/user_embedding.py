"""The embedding of someone new, in the samples that can answer for them: what lists, predictions and additions share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.schema import USER
from models.cold.trained_network import TrainedNetwork
from models.posterior import SampledNetwork, UserEmbedding

__all__ = ["user_embedding_of", "user_embeddings_of"]


def user_embeddings_of(
    recommender: TrainedNetwork, item: NDArray[np.int64], level: NDArray[np.int64], content: Tensor | None = None
) -> tuple[UserEmbedding | None, UserEmbedding]:
    """Return the embedding of someone new who rated items at levels: in all samples, and in those that know new items.

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
    thresholds = recommender.user_thresholds
    embedding = _folded_in(recommender.samples, item, level, content=content, prior=prior, thresholds=thresholds)
    return embedding, embedding.part(slice(num_cold))


def user_embedding_of(
    recommender: TrainedNetwork,
    item: NDArray[np.int64],
    level: NDArray[np.int64],
    weight: float = 1.0,
    content: Tensor | None = None,
) -> UserEmbedding:
    """Return the embedding that the cold view and items rated at levels give; a weight below 1 is less evidence than a rating."""
    return _folded_in(recommender.cold_samples, item, level, weight=weight, content=content)


def _folded_in(
    samples: SampledNetwork, item: NDArray[np.int64], level: NDArray[np.int64], **known: Any
) -> UserEmbedding:
    rated, levels = torch.from_numpy(item), torch.from_numpy(level.astype(np.int64))
    return samples.fold_in(USER, rated, levels, generator=torch.Generator().manual_seed(0), **known)
