"""The collaborative part: a free row for every user or item, learned from ratings alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.encoder import initial_rows
from models.network.priors import ScalePrior

__all__ = ["Factors"]


class Factors(nn.Module):
    r"""Latent factors and a bias for each node: the message a node sends to itself.

    They say what text, concepts and neighbours cannot. A node without ratings keeps its prior,
    $N(0, \tau_d^2)$; as ratings arrive the posterior moves and narrows.

    Args:
        num_nodes: Number of nodes.
        size: Width of a row, `embedding_size + 1`; the last column is the bias.
        prior: Prior of the rows.
        generator: Source of the initial values.
    """

    def __init__(self, num_nodes: int, size: int, prior: ScalePrior, generator: torch.Generator) -> None:
        super().__init__()
        self.rows = nn.Parameter(initial_rows(num_nodes, size, prior.initial, generator))
        self.priors = {"rows": prior}

    def forward(self) -> Tensor:
        """Return all rows, `[num_nodes, size]`."""
        return self.rows

    def curvature(self, node_curvature: Tensor) -> dict[str, Tensor]:
        """The curvature of a row is that of its node, `[num_nodes, size]`."""
        return {"rows": node_curvature}
