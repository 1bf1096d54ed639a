"""What is known of an item before anyone met it, and how alike that makes two items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch_geometric.data import HeteroData

from kg.schema import ITEM

__all__ = ["Content"]

SHARED = 0.1  # what each concept that two items share adds to their likeness

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Content:
    r"""Texts and concepts of items as a kernel.

    $$k(i, j) = \cos(t_i, t_j) + \cos(c_i, c_j) + 0.1 \, |C_i \cap C_j|$$

    with $t$ the text vectors around their mean and $c$ the concepts weighed by their rarity (TF-IDF). The last term
    is not divided by how much is known of an item: much is known of what many people meet.

    Attributes:
        text: Text vectors of unit length around the mean, zero without text, `[num_items, dimension]`.
        concepts: Concepts, one row an item, `[num_items, num_concepts]`: rare ones weigh more; unit length.
        shared: The same concepts as ones.
    """

    text: NDArray[np.float32]
    concepts: sparse.csr_array
    shared: sparse.csr_array

    @classmethod
    def of(cls, data: HeteroData, item_vectors: NDArray[np.float32]) -> Content:
        """Take the content from graph inputs and text vectors `[num_items, dimension]`; nothing depends on ratings."""
        size = len(item_vectors)
        blocks = []
        for edge_type in data[ITEM].content:
            sender, item = data[edge_type].edge_index.numpy()
            if edge_type[0] == ITEM:  # an item that another one names is also what both are about
                named = np.unique(sender)
                sender, item = np.concatenate([sender, named]), np.concatenate([item, named])
            shape = (size, int(data[edge_type[0]].num_nodes))
            block = sparse.csr_array((np.ones(len(item), dtype=np.float32), (item, sender)), shape=shape)
            block.data[:] = 1.0
            blocks.append(block[:, np.flatnonzero(np.bincount(block.indices, minlength=shape[1]))])
        shared = sparse.hstack(blocks, format="csr") if blocks else sparse.csr_array((size, 0), dtype=np.float32)
        rarity = np.log(data[ITEM].num_present / np.maximum(shared.sum(axis=0), 1.0)).astype(np.float32)
        weighed = shared * rarity[None, :]
        length = np.sqrt(weighed.power(2).sum(axis=1))
        concepts = sparse.diags_array(np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)) @ weighed
        return cls(_directions(item_vectors), sparse.csr_array(concepts, dtype=np.float32), shared)

    def kernel(self, rows: Indices, columns: Indices) -> NDArray[np.float32]:
        """Return how alike items are, `[num_rows, num_columns]`."""
        found: NDArray[np.float32] = self.text[rows] @ self.text[columns].T
        for part, weight in ((self.concepts, 1.0), (self.shared, SHARED)):
            found += weight * (part[rows] @ part[columns].T).toarray()
        return found


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    known = vectors.any(axis=1)
    centred = vectors.astype(np.float32)
    if known.any():
        centred[known] -= centred[known].mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
