"""Everything known about one kind of node, in the view of those with ratings and of those without."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from models.network.encoder import Messages, RelationalEncoder
from models.network.factors import Factors

__all__ = ["ColdTower", "NodeInputs", "Tower"]


@dataclass(frozen=True, eq=False)
class NodeInputs:
    """Messages to one kind of node.

    Attributes:
        content: From concepts and text: known before anyone rated.
        interactions: From rated neighbours and over two hops: known from training ratings only.
    """

    content: Messages
    interactions: Messages


class Tower(nn.Module):
    r"""Warm view: $z_v = \mathrm{content}_v + \mathrm{interactions}_v + \mathrm{factors}_v$.

    Args:
        content: Encoder of text and concepts.
        interactions: Encoder of the messages along training ratings; left out, it is the ablation.
        factors: Free rows.
    """

    def __init__(self, content: RelationalEncoder, interactions: RelationalEncoder, factors: Factors) -> None:
        super().__init__()
        self.content = content
        self.interactions = interactions
        self.factors = factors

    def forward(self, content: Tensor, inputs: NodeInputs) -> Tensor:
        """Return representations `[num_nodes, embedding_size + 1]`; `content` are the rows of the content encoder."""
        return content + self.interactions(inputs.interactions) + self.factors()


class ColdTower(nn.Module):
    r"""Cold view: $z_v = \mathrm{content}_v + c + \epsilon_v$, what can be said before the first rating.

    `c` is shared by all nodes; $\epsilon_v$ is what content cannot say. A node without ratings has no
    data on $\epsilon_v$, so the sampler draws it from its prior: that is the calibrated uncertainty
    of a cold prediction.

    Args:
        content: Encoder of text and concepts.
        residual: Free rows.
        shared: One row for all, `[1, size]`.
    """

    def __init__(self, content: RelationalEncoder, residual: Factors, shared: Factors) -> None:
        super().__init__()
        self.content = content
        self.residual = residual
        self.shared = shared

    def forward(self, content: Tensor) -> Tensor:
        """Return representations `[num_nodes, embedding_size + 1]`; `content` are the rows of the content encoder."""
        return content + self.residual() + self.shared()
