"""The collaborative part: a free row for every user or item, learned from ratings alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.network.encoder import initial_rows

__all__ = ["Factors"]


class Factors(nn.Module):
    r"""Latent factors and a bias for each node: the message a node sends to itself.

    They say what text, concepts and neighbours cannot. A node without ratings keeps its prior,
    $N(0, \tau_d^2)$; as ratings arrive the posterior moves and narrows.

    Args:
        num_nodes: Number of nodes.
        size: Width of a row, `embedding_size + 1`; the last column is the bias.
        scale: Standard deviation of the initial values.
        generator: Source of the initial values; None for rows without values.
    """

    def __init__(self, num_nodes: int, size: int, scale: float, generator: torch.Generator | None) -> None:
        super().__init__()
        self.rows = nn.Parameter(initial_rows(num_nodes, size, scale, generator))

    def forward(self) -> Tensor:
        """Return all rows, `[num_nodes, size]`."""
        return self.rows
