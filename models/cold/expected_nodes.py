"""Users and items of the graph without ratings: what is to be expected of them, as of any that joins later."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from kg.schema import ITEM, USER
from models.cold.trained_network import TrainedNetwork

__all__ = ["with_expected_items", "with_expected_users"]

SEED = 5

Model = TypeVar("Model", bound=TrainedNetwork)


@torch.no_grad()
def with_expected_items(recommender: Model) -> Model:
    """Return a recommender that expects of items without ratings what it expects of items that join later.

    Training draws their residuals around what all items share in the cold view, as wide as the content of rated items
    leaves them; but content was learned from these very items. `models.cold.residuals` says what others' content leaves
    open and where rated pairs lie. The same id gets the same draw, whether it is in the graph or is added.

    Args:
        recommender: As training left it. It is returned as it is where nobody is known, or ratings are mere choices.
    """
    unrated = np.flatnonzero((recommender.train.item_counts == 0) & recommender.graph.items.present)
    if not len(unrated) or recommender.cold_start_prior(ITEM, 0) is None:
        return recommender
    phased, predictor, place = recommender.posterior, recommender.predictor, torch.from_numpy(unrated)
    ids = [str(raw_id) for raw_id in recommender.graph.items.vocabulary.ids[unrated]]
    drawn = recommender.residuals(ITEM).draw(ITEM, ids).half()  # as all samples are kept
    rows = predictor.samples.items.clone()
    # Added up as the network does, so that a run that is read again has the same rows to the last bit.
    content = recommender.cold_samples.content_embeddings(ITEM)[:, place]
    rows[: phased.num_cold, place] = content + drawn.float() + phased.cold_samples.shared(ITEM)[:, None]
    posterior = replace(phased, samples=phased.samples.with_residual(ITEM, place, drawn))
    expecting = replace(recommender, posterior=posterior)
    expecting.keep(recommender, predictor=replace(predictor, samples=replace(predictor.samples, items=rows)))
    return expecting


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
    plain, informed = (recommender.cold_start_prior(USER, 0, informed=known) for known in (False, True))
    if plain is None or informed is None:
        return recommender
    phased, predictor, place = recommender.posterior, recommender.predictor, torch.from_numpy(unrated)
    content = recommender.samples.content_embeddings(USER)[:, place]
    described = content.any(dim=2).any(dim=0)
    rows = torch.empty_like(content)
    generator = torch.Generator().manual_seed(SEED)
    for prior, whose in ((plain, ~described), (informed, described)):
        rows[:, whose] = prior.draw(int(whose.sum()), generator) + prior.believed_content(content[:, whose])
    shared = phased.samples.shared(USER)[:, None]
    residual = (rows - content - shared).half()  # as all samples are kept
    rows = content + residual.float() + shared
    posterior = replace(phased, samples=phased.samples.with_residual(USER, place, residual), expects_users=True)
    expecting = replace(recommender, posterior=posterior)
    users = predictor.samples.users.index_copy(1, place, rows)
    everyone = torch.ones_like(predictor.known_users)
    expecting.keep(
        recommender,
        predictor=replace(predictor, samples=replace(predictor.samples, users=users), known_users=everyone),
    )
    return expecting
