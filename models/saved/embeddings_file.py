"""Embeddings of all users and items in every sample in one file, so that nothing is encoded again."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from models.posterior import PhasedPosterior, PhasedPredictor, Predictor
from models.saved.flat import flat

__all__ = ["embeddings_of", "embeddings_tensors"]

PARTS = ("users", "thresholds", "preferences")


def embeddings_tensors(predictor: PhasedPredictor) -> dict[str, Tensor]:
    """Return the embeddings under flat names."""
    warm = predictor.warm
    # Those of many items lie node by node (`models.posterior.predictor.by_node`), and do so in the file.
    by_node = warm.items.stride(1) > warm.items.stride(0)
    items = {"items_by_node": warm.items.transpose(0, 1)} if by_node else {"items": warm.items}
    known = {"known_users": predictor.known_users, "known_items": predictor.known_items}
    return flat("embeddings", {**{part: getattr(warm, part) for part in PARTS}, **items, **known})


def embeddings_of(tensors: Mapping[str, Tensor], posterior: PhasedPosterior) -> PhasedPredictor:
    """Return the embeddings that `embeddings_tensors` named, in the same memory."""
    by_node = tensors.get("embeddings/items_by_node")
    predictor = Predictor(
        **{part: tensors[f"embeddings/{part}"] for part in PARTS},
        items=tensors["embeddings/items"] if by_node is None else by_node.transpose(0, 1),
    )
    known_users, known_items = tensors["embeddings/known_users"], tensors["embeddings/known_items"]
    return PhasedPredictor(predictor, posterior.num_cold, known_users, known_items)
