"""Items of the graph that nobody has rated: what is to be expected of them, as of any that joins later."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from kg.schema import ITEM
from models.cold.residuals import content_rows
from models.inputs import hybrid_inputs
from models.posterior import Posterior
from models.trained import Trained

__all__ = ["with_expected_items"]

RESIDUAL = "cold_items.residual.rows"

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
    if not len(unrated) or recommender.newcomer_prior(ITEM, 0) is None:
        return recommender
    phased, found = recommender.posterior, recommender.predictor
    place, first = torch.from_numpy(unrated), phased.num_cold
    ids = [str(raw_id) for raw_id in recommender.graph.items.vocabulary.ids[unrated]]
    drawn = recommender.residuals(ITEM).draw(ITEM, ids).half()  # as all samples are kept
    samples, rows = dict(phased.warm.samples), found.warm.items.clone()
    residual = samples[RESIDUAL].clone()
    residual[:first, place] = drawn
    # Added up as the network does, so that a run that is read again has the same rows to the last bit.
    messages, encoder = (
        hybrid_inputs(recommender.data, recommender.sessions).items.content,
        recommender.model.items.content,
    )
    said = [content_rows(phased.warm, encoder, "items", messages, number)[place] for number in range(first)]
    shared = samples["cold_items.shared.rows"][:first].float()
    rows[:first, place] = torch.stack(said) + shared + drawn.float()
    samples[RESIDUAL] = residual
    expecting = replace(recommender, posterior=replace(phased, warm=Posterior(samples)))
    expecting.keep(recommender, predictor=replace(found, warm=replace(found.warm, items=rows)))
    return expecting
