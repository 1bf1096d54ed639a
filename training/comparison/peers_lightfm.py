"""LightFM (arXiv:1507.08439): factors of items are sums over their concepts; trained on who liked what with WARP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.schema import ITEM
from training.comparison.peers import BenchmarkData, Peer
from training.comparison.peers_implicit import liked_matrix
from training.predictions import Scorers

__all__ = ["LIGHTFM", "item_features"]


def fit_warp(data: BenchmarkData, *, components: int, epochs: int, learning_rate: float, seed: int) -> Scorers:
    """Fit on the liked training items with the item itself and its concepts as features; one thread."""
    from lightfm import LightFM

    features = item_features(data)
    model = LightFM(loss="warp", no_components=components, learning_rate=learning_rate, random_state=seed)
    model.fit(liked_matrix(data.liked).tocoo(), item_features=features, epochs=epochs, num_threads=1)
    item_biases, items = model.get_item_representations(features)
    _, users = model.get_user_representations()

    def rank(wanted: NDArray[np.int64]) -> NDArray[np.floating]:
        return np.asarray(users[wanted] @ items.T + item_biases)

    return Scorers(rank=rank)


def item_features(data: BenchmarkData) -> sparse.csr_matrix:
    """Return the identity beside 0/1 concepts, each row summing to 1, float32 `[num_items, num_features]`."""
    graph = data.experiment.data
    size = data.train.num_items
    blocks: list[sparse.csr_matrix] = [sparse.identity(size, format="csr", dtype=np.float32)]
    for edge_type in graph[ITEM].content:
        item, row = graph[edge_type].edge_index[1].numpy(), graph[edge_type].table_row.numpy()
        shape = (size, len(graph[edge_type].senders))
        blocks.append(sparse.csr_matrix((np.ones(len(item), dtype=np.float32), (item, row)), shape=shape))
    stacked = sparse.hstack(blocks, format="csr")
    return sparse.csr_matrix(sparse.diags(1.0 / np.asarray(stacked.sum(axis=1)).ravel()) @ stacked, dtype=np.float32)


LIGHTFM = Peer(
    name="LightFM WARP with concepts",
    package="lightfm-next",
    fit=fit_warp,
    settings={"components": 64, "epochs": 30, "learning_rate": 0.05, "seed": 0},
    note="64 components, 30 epochs, not tuned",
)
