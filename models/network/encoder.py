"""The relational graph encoder: every node is the sum of the messages it receives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.network.sparse import SparseOperator

__all__ = ["Messages", "RelationalEncoder"]


@dataclass(frozen=True, eq=False)
class Messages:
    """What reaches the nodes of one kind: sparse edges of several relations and dense features.

    Attributes:
        num_nodes: Number of receiving nodes.
        num_sources: Number of sending nodes of each relation, in the order of the stacked columns.
        operator: Edge weights, `[num_nodes, sum(num_sources)]`, or None without relations.
        features: Dense features by name, each `[num_nodes, num_features]`.
    """

    num_nodes: int
    num_sources: Mapping[str, int]
    operator: SparseOperator | None
    features: Mapping[str, Tensor]

    @classmethod
    def stack(
        cls,
        num_nodes: int,
        relations: Mapping[str, tuple[Tensor, Tensor, int]],
        features: Mapping[str, Tensor],
    ) -> Messages:
        """Stack the edges of several relations side by side.

        Args:
            num_nodes: Number of receiving nodes.
            relations: Per relation `edge_index` int64 `[2, num_edges]` (source row, receiving row),
                `edge_weight` `[num_edges]` and the number of source nodes.
            features: Dense features by name, `[num_nodes, num_features]`.
        """
        rows, columns, weights, offset = [], [], [], 0
        for edge_index, edge_weight, num_sources in relations.values():
            rows.append(edge_index[1])
            columns.append(edge_index[0] + offset)
            weights.append(edge_weight)
            offset += num_sources
        operator = None
        if rows:
            operator = SparseOperator(torch.cat(rows), torch.cat(columns), torch.cat(weights), (num_nodes, offset))
        return cls(num_nodes, {name: found[2] for name, found in relations.items()}, operator, dict(features))


class RelationalEncoder(nn.Module):
    r"""One heterogeneous, relational, linear message-passing layer.

    $$z_v = \sum_r \sum_{c \in N_r(v)} w^r_{vc} \, T_r[c] + \sum_m x^m_v \, W_m$$

    with one table $T_r$ a relation and one projection $W_m$ for each dense feature (text). It is
    linear on purpose: a score then splits exactly into its messages, which is where explanations
    come from. The idea is that of R-GCN (arXiv:1703.06103) with embeddings of the sources in place
    of matrices, and of SVD++ for the messages along ratings.

    Args:
        num_sources: Number of sending nodes of each relation.
        num_features: Width of each dense feature.
        size: Width of a node, `embedding_size + 1`; the last column is the bias.
        scales: Standard deviation of the initial values of each table and projection.
        generator: Source of the initial values; None for tables without values.
    """

    def __init__(
        self,
        num_sources: Mapping[str, int],
        num_features: Mapping[str, int],
        size: int,
        scales: Mapping[str, float],
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        self.relations = tuple(num_sources)
        self.feature_names = tuple(num_features)
        self.size = size
        self.tables = nn.ParameterDict()
        for name, rows in {**num_sources, **num_features}.items():
            self.tables[parameter_key(name)] = nn.Parameter(initial_rows(rows, size, scales[name], generator))

    def forward(self, messages: Messages) -> Tensor:
        """Return embeddings `[num_nodes, size]`; of tables in several samples, `[num_samples, num_nodes, size]`."""
        parts = [messages.features[name] @ self.tables[parameter_key(name)] for name in messages.features]
        operator = messages.operator
        if operator is not None:
            # Gather, weigh and sum in one sparse product; PyG's `propagate` would write the edges out as a list.
            parts.append(operator @ self.stacked(messages.num_sources))
        return sum(parts[1:], start=parts[0]) if parts else torch.zeros(messages.num_nodes, self.size)

    def stacked(self, relations: Iterable[str]) -> Tensor:
        """Return the tables of relations under each other, `[..., sum(num_sources), size]`."""
        return torch.cat([self.tables[parameter_key(name)] for name in relations], dim=-2)


def initial_rows(rows: int, size: int, scale: float, generator: torch.Generator | None) -> Tensor:
    """Draw starting rows from the prior; the bias column starts at 0.3 of the scale. Without a generator they have no values."""
    if generator is None:
        return torch.empty(rows, size, device="meta")
    drawn = torch.randn(rows, size, generator=generator) * scale
    drawn[:, -1] *= 0.3
    return drawn


def parameter_key(relation: str) -> str:
    """Return a name torch accepts for a parameter: a dot would mean a submodule."""
    return relation.replace(".", "/")
