"""Similar items: those that the same people would like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.schema import ITEM, USER
from models.lists.ranking import best_of
from models.lists.reasons import relation_words
from models.lists.recommendation_rows import sources, sources_by_content, why_empty
from models.lists.trained import Trained
from models.posterior import Predictor

__all__ = ["similar_items", "similarity_to"]

SHARED = 3  # concepts named a row


def similar_items(recommender: Trained, item: str, k: int) -> pd.DataFrame:
    """Return the items most like one, best first: `id`, `label`, `similarity` in [-1, 1], `source`, `shares`."""
    index = recommender.graph.items.vocabulary.index_of(item)
    predictor, users = recommender.predictor, recommender.learned(USER)
    similarity = similarity_to(predictor.cold_samples, index, users)
    if bool(predictor.known_items[index]) and predictor.samples is not predictor.cold_samples:
        similarity = torch.where(predictor.known_items, similarity_to(predictor.samples, index, users), similarity)
    scores = similarity.numpy().copy()
    scores[~recommender.graph.items.present] = -np.inf
    scores[index] = -np.inf
    best = best_of(scores, k)
    rows = pd.DataFrame(
        {
            "id": [recommender.graph.items.vocabulary.id_of(int(other)) for other in best],
            "label": recommender.graph.items.labels[best],
            "similarity": scores[best],
            "source": _sources(recommender, index, best),
            "shares": ["; ".join(_shared_concepts(recommender, index, int(other))) for other in best],
        }
    )
    return why_empty(rows, f"this run has no item beside {item!r}")


@torch.no_grad()
def similarity_to(predictor: Predictor, item: int, users: Tensor) -> Tensor:
    r"""Return the similarity of all items to one, `[num_items]`.

    $$s_{ij} = E\left[\frac{z_i^\top \Sigma z_j}{\sqrt{z_i^\top \Sigma z_i \; z_j^\top \Sigma z_j}}\right]$$

    with $\Sigma$ the covariance of the known users' rows in a sample: the correlation, over users, of what they would think
    of the two items, averaged over the posterior. A plain cosine of rows would depend on how latent dimensions happen to be
    scaled and turned, which changes no score; this does not. A new item's row is its content with what may come beyond
    it, so its similarities are those of its content, the smaller the less content says.

    Args:
        predictor: Rows of all nodes in every sample.
        item: The item.
        users: Which users count, bool `[num_users]`.
    """
    total = torch.zeros(predictor.items.shape[1])
    for items, tastes in zip(predictor.items[..., :-1], predictor.users[:, users, :-1], strict=True):
        beyond = tastes - tastes.mean(0)
        covariance = beyond.T @ beyond / max(len(beyond), 1) + 1e-8 * torch.eye(beyond.shape[1])
        directions = torch.nn.functional.normalize(items @ torch.linalg.cholesky(covariance), dim=1)
        total += directions @ directions[item]
    return total / len(predictor.items)


def _sources(recommender: Trained, item: int, others: NDArray[np.int64]) -> list[str]:
    """Return what the similarity of one item to others is based on: what is known of the one that nobody has rated."""
    counts = recommender.train.item_counts
    own = sources_by_content(recommender, np.array([item]))[0]
    of_others = sources(recommender, others, np.full(len(others), counts[item]), np.zeros(len(others), dtype=bool))
    if counts[item]:
        return of_others
    return [own if counts[other] else source for other, source in zip(others, of_others, strict=True)]


def _shared_concepts(recommender: Trained, item: int, other: int) -> list[str]:
    """Return the names of the rarest concepts that two items share."""
    shared: list[tuple[int, str]] = []
    for edge_type in recommender.data[ITEM].content:
        sender, receiver = recommender.data[edge_type].edge_index.numpy()
        labels = recommender.graph.nodes[edge_type[0]].labels
        for concept in np.intersect1d(sender[receiver == item], sender[receiver == other]):
            name = f"{relation_words(edge_type[1])}: {labels[concept]}"
            shared.append((int((sender == concept).sum()), name))
    return list(dict.fromkeys(name for _, name in sorted(shared)))[:SHARED]
