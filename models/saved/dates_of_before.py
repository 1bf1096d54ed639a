"""Runs written before dates left the model: what these added to users and items becomes part of their latent factors."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from kg.schema import ITEM, USER
from models.network.graph_inputs import GraphInputs
from models.network.sparse import SparseOperator
from models.posterior import Posterior

__all__ = ["without_dates"]


def without_dates(posterior: Posterior, data: GraphInputs, embeddings: Mapping[str, Tensor]) -> Posterior:
    """Return the samples of a run as the network of today has them, and take messages along dates out of its inputs.

    Such a run sent every node the histogram of its training dates, and could learn what a day adds to a user. Both are constant
    once it is trained, so that no embedding changes: only what it is called does.

    Args:
        posterior: The samples as they were written.
        data: The graph inputs as they were written; changed in place.
        embeddings: The tensors of the file of embeddings, with `timeless/users` where days were learned.
    """
    added: dict[str, Tensor] = {}
    for kind in (USER, ITEM):
        for edge_type in [found for found in data[kind].interactions if found[1] == "dated"]:
            edges, table = data[edge_type], posterior.table(kind, "interactions", "dated<week").float()
            shape = (int(data[kind].num_nodes), table.shape[1])
            added[kind] = SparseOperator(edges.edge_index[1], edges.table_row, edges.edge_weight, shape) @ table
            data[kind].interactions.remove(edge_type)
            del data[edge_type]
    if "timeless/users" in embeddings:
        days = embeddings["embeddings/users"] - embeddings["timeless/users"]
        added[USER] = days + added.get(USER, 0)
    if not added:
        return posterior
    if "week" in data.node_types:
        del data["week"]
    return posterior.without_dates(added)
