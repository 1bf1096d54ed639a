"""New items and users in all that lists are made of: placed in the network, and beside their like in content and exposure."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.growth.new_entities import NewEntities
from kg.schema import ITEM
from kg.wording import item_sentences
from models.cold.joining import new_edges, placed
from models.lists.content import Content
from models.lists.item_item import chosen_by
from models.lists.smoothing import smoothed
from models.lists.trained import Trained

__all__ = ["joined", "text_vectors"]

Model = TypeVar("Model", bound=Trained)


def text_vectors(recommender: Trained, additions: NewEntities) -> NDArray[np.float32]:
    """Read the texts of new items with the encoder that read the others, `[num_new_items, dimension]`.

    As in training, an item without text is read by its title and concepts, and one of which nothing is known has zeros.

    Raises:
        InputError: If the encoder at hand is another one, or a text is not plain UTF-8.
    """
    vectors = np.zeros((len(additions), recommender.item_vectors.shape[1]), dtype=np.float32)
    if additions.kind != ITEM or not vectors.shape[1] or not recommender.item_vectors.any():
        return vectors
    sentences = item_sentences(additions.alone(recommender.graph))
    known = [number for number, sentence in enumerate(sentences) if sentence is not None]
    if known:
        recommender.check_encoder()
        try:
            "".join(sentence or "" for sentence in sentences).encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("a text of the new items holds characters that are not text; give plain UTF-8") from None
        vectors[known] = recommender.encoder.encode([sentence for sentence in sentences if sentence is not None])
    return vectors


def joined(recommender: Model, additions: NewEntities, vectors: NDArray[np.float32]) -> Model:
    """Return a recommender that knows some new items or users as well; see `models.cold.joining.placed`.

    Args:
        recommender: What answered so far.
        additions: The new nodes.
        vectors: Text vectors of new items (`text_vectors`).
    """
    edges, too_rare = new_edges(recommender, additions)
    notes = (*recommender.notes, *additions.notes, *too_rare)
    if additions.kind != ITEM:
        return placed(recommender, additions, edges, notes=notes)
    senders = {relation: (part.sender.numpy(), part.new.numpy()) for relation, part in edges.items()}
    content = recommender.content.extended(vectors, senders)
    return placed(
        recommender,
        additions,
        edges,
        vectors,
        notes=notes,
        content=content,
        item_item=recommender.item_item.extended(_item_item_columns(recommender, content, len(additions))),
        item_vectors=np.concatenate([recommender.item_vectors, vectors]),
    )


def _item_item_columns(recommender: Trained, content: Content, num_new: int) -> NDArray[np.float32]:
    item_item, regression = recommender.item_item, recommender.content_regression
    columns = np.zeros((len(item_item.weights), num_new), dtype=np.float32)
    if len(regression.warm):
        items = np.arange(len(recommender.item_vectors), len(recommender.item_vectors) + num_new)
        chosen = chosen_by(recommender.learned_ratings)[:, regression.warm]
        known = smoothed(chosen, regression.columns(content, items), item_item.smoothing)
        columns[regression.warm if item_item.head is None else slice(None)] = known
    return columns
