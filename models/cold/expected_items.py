"""Items of the graph that nobody has rated: what is to be expected of them, as of any that joins later."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from kg.schema import ITEM
from models.trained import Trained

__all__ = ["with_expected_items"]

Model = TypeVar("Model", bound=Trained)


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
    phased, found = recommender.posterior, recommender.predictor
    place, first = torch.from_numpy(unrated), phased.num_cold
    ids = [str(raw_id) for raw_id in recommender.graph.items.vocabulary.ids[unrated]]
    drawn = recommender.residuals(ITEM).draw(ITEM, ids).half()  # as all samples are kept
    messages = recommender.inputs.items.content
    posterior, rows = phased.warm.with_residual(ITEM, place, drawn), found.warm.items.clone()
    # Added up as the network does, so that a run that is read again has the same rows to the last bit.
    content = phased.cold.content_embeddings(recommender.model.items.content, ITEM, messages)[:, place]
    rows[:first, place] = content + drawn.float() + phased.cold.shared(ITEM)[:, None]
    expecting = replace(recommender, posterior=replace(phased, warm=posterior))
    expecting.keep(recommender, predictor=replace(found, warm=replace(found.warm, items=rows)))
    return expecting
