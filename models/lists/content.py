"""Content of items, texts and concepts, and the similarity of two items by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.schema import ITEM
from models.network.graph_inputs import GraphInputs

__all__ = ["Content"]

SHARED = 0.1  # what each concept that two items share adds to their similarity

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
        mean: Mean of the text vectors, `[dimension]`.
        rarity: Weight of each concept, `[num_concepts]`.
        columns: The senders of each edge type that have a column, in the order of the columns.
    """

    text: NDArray[np.float32]
    concepts: sparse.csr_array
    shared: sparse.csr_array
    mean: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    rarity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    columns: Mapping[tuple[str, str, str], Indices] = field(default_factory=dict)

    @classmethod
    def of(cls, data: GraphInputs, item_vectors: NDArray[np.float32]) -> Content:
        """Take the content from graph inputs and text vectors `[num_items, dimension]`; nothing depends on ratings."""
        size = len(item_vectors)
        edges, columns = {}, {}
        for edge_type in data[ITEM].content:
            sender, item = data[edge_type].edge_index.numpy()
            if edge_type[0] == ITEM:  # an item that another one names is also what both are about
                named = np.unique(sender)
                sender, item = np.concatenate([sender, named]), np.concatenate([item, named])
            edges[edge_type], columns[edge_type] = (sender, item), np.unique(sender)
        shared = _shared(edges, columns, size)
        rarity = np.log(data[ITEM].num_present / np.maximum(shared.sum(axis=0), 1.0)).astype(np.float32)
        known = item_vectors.any(axis=1)
        mean: NDArray[np.float32] = item_vectors[known].sum(axis=0) / np.float32(max(known.sum(), 1))
        return cls(_directions(item_vectors, mean), _weighed(shared, rarity), shared, mean, rarity, columns)

    def extended(
        self, item_vectors: NDArray[np.float32], edges: Mapping[tuple[str, str, str], tuple[Indices, Indices]]
    ) -> Content:
        """Return the content with more items, beside which that of the others stays what it is.

        Args:
            item_vectors: Text vectors of the new items, `[num_new_items, at least dimension]`.
            edges: Senders and, counted from 0, receiving new items of each edge type.
        """
        shared = _shared(edges, self.columns, len(item_vectors))
        return replace(
            self,
            text=np.concatenate([self.text, _directions(item_vectors[:, : len(self.mean)], self.mean)]),
            concepts=sparse.vstack([self.concepts, _weighed(shared, self.rarity)], format="csr"),
            shared=sparse.vstack([self.shared, shared], format="csr"),
        )

    def of_items(self, items: Indices) -> Content:
        """Return the content of some items, in their order."""
        return replace(self, text=self.text[items], concepts=self.concepts[items], shared=self.shared[items])

    def kernel(self, rows: Indices, columns: Indices) -> NDArray[np.float32]:
        """Return the similarity of items, `[num_rows, num_columns]`."""
        similarity: NDArray[np.float32] = self.text[rows] @ self.text[columns].T
        for part, weight in ((self.concepts, 1.0), (self.shared, SHARED)):
            similarity += weight * (part[rows] @ part[columns].T).toarray()
        return similarity


def _shared(
    edges: Mapping[tuple[str, str, str], tuple[Indices, Indices]],
    columns: Mapping[tuple[str, str, str], Indices],
    size: int,
) -> sparse.csr_array:
    """Return which items have which concepts, as ones, `[size, num_columns]`; concepts without a column are left out."""
    items, places, width = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 0
    for edge_type, senders in columns.items():
        if edge_type in edges:
            sender, item = edges[edge_type]
            known = np.isin(sender, senders)
            items.append(item[known])
            places.append(width + np.searchsorted(senders, sender[known]))
        width += len(senders)
    item, place = np.concatenate(items), np.concatenate(places)
    shared = sparse.csr_array((np.ones(len(item), dtype=np.float32), (item, place)), shape=(size, width))
    shared.data[:] = 1.0
    return shared


def _weighed(shared: sparse.csr_array, rarity: NDArray[np.float32]) -> sparse.csr_array:
    weighed = shared * rarity[None, :]
    length = np.sqrt(weighed.power(2).sum(axis=1))
    scale = sparse.diags_array(np.divide(1.0, length, out=np.zeros_like(length), where=length > 0))
    return sparse.csr_array(scale @ weighed, dtype=np.float32)


def _directions(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    known = vectors.any(axis=1)
    centred = vectors.astype(np.float32)
    centred[known] -= mean
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
