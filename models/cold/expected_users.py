"""Users of the graph who have rated nothing: what is to be expected of them, as of anyone new with their concepts."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.schema import USER
from models.posterior import PhasedPosterior
from models.trained import Trained

__all__ = ["with_expected_users"]

SEED = 5

Model = TypeVar("Model", bound=Trained)


@torch.no_grad()
def with_expected_users(recommender: Model) -> Model:
    """Return a recommender that expects of users without ratings what known users with such concepts turned out to be.

    Training draws their rows from the cold view. The prior of newcomers (`models.cold.cold_start_prior`) is nearer to what
    people rate, and in all samples; `recommend(concepts=...)` reads someone new by it as well. The rows become
    those of the cold view with other residuals, so that whatever takes a score apart finds the same messages.

    Args:
        recommender: As training left it. It is returned as it is where nobody is known, or ratings are mere choices.
    """
    unrated = np.flatnonzero((recommender.train.user_counts == 0) & recommender.graph.users.present)
    if not len(unrated):
        return recommender
    plain, informed = (recommender.cold_start_prior(USER, 0, informed=told) for told in (False, True))
    if plain is None or informed is None:
        return recommender
    phased, found = recommender.posterior, recommender.predictor
    content = _content(recommender, unrated)
    says = content.any(dim=2).any(dim=0)
    rows = torch.empty_like(content)
    generator = torch.Generator().manual_seed(SEED)
    for prior, mine in ((plain, ~says), (informed, says)):
        rows[:, mine] = prior.draw(int(mine.sum()), generator) + prior.believed_content(content[:, mine])
    shared, place = phased.warm.shared(USER)[:, None], torch.from_numpy(unrated)
    residual = (rows - content - shared).half()  # as all samples are kept
    posterior = phased.warm.with_residual(USER, place, residual)
    rows = content + residual.float() + shared
    warm = replace(found.warm, users=found.warm.users.index_copy(1, place, rows))
    expecting = replace(recommender, posterior=PhasedPosterior(posterior, phased.num_cold, expects_users=True))
    everyone = torch.ones_like(found.known_users)
    expecting.keep(recommender, predictor=replace(found, warm=warm, known_users=everyone))
    return expecting


def _content(recommender: Trained, users: NDArray[np.int64]) -> Tensor:
    """Return what concepts say of some users in all samples, `[num_samples, num_users, size]`."""
    messages = recommender.inputs.users.content
    encoder = recommender.model.users.content
    return recommender.posterior.warm.content_embeddings(encoder, USER, messages)[:, torch.from_numpy(users)]
