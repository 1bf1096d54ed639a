"""What is known of an item before anyone met it, as one row of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from kg.schema import ITEM

__all__ = ["content_features"]

CONCEPT_WEIGHT = 0.5  # of one concept beside a text vector of unit length


def content_features(data: HeteroData, item_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return text vectors beside 0/1 concepts, `[num_items, dimension + num_concepts]`.

    The inner product of two rows is the cosine of their texts plus a quarter for each shared concept.
    """
    blocks = [item_vectors]
    for edge_type in data[ITEM].content:
        concept, item = data[edge_type].edge_index.numpy()
        block = np.zeros((len(item_vectors), int(data[edge_type[0]].num_nodes)), dtype=np.float32)
        block[item, concept] = CONCEPT_WEIGHT
        blocks.append(block[:, block.any(axis=0)])
    return np.concatenate(blocks, axis=1)
