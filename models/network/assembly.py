"""Puts the hybrid model together from the inputs it will read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.network.encoder import Messages, RelationalEncoder
from models.network.factors import Factors
from models.network.head import OrdinalHead
from models.network.hybrid import HybridInputs, HybridModel
from models.network.message_names import HOP, RATED, RATED_BY, RATED_OVER
from models.network.tower import ColdTower, NodeInputs, Tower

__all__ = ["ModelSettings", "assemble"]

NOTHING = 1e-3  # standard deviation of rows that are to say nothing; a score moves by a thousandth


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Sizes, and standard deviations of starting values.

    Attributes:
        embedding_size: Number of latent dimensions, without the bias.
        content_scale: Of concept tables and text projections.
        rated_scale: Of tables of rated neighbours.
        hop_scale: Of two-hop projections.
        factor_scale: Of latent factors.
        free_rows: Whether users and items have latent factors of their own; without, content and messages say all.
    """

    embedding_size: int = 24
    content_scale: float = 0.15
    rated_scale: float = 0.1
    hop_scale: float = 0.05
    factor_scale: float = 0.3
    free_rows: bool = True

    @property
    def size(self) -> int:
        """Width of an embedding: latent dimensions and the bias."""
        return self.embedding_size + 1

    @property
    def factor_scale_of_nodes(self) -> float:
        """Of the latent factors of users and items that have ratings."""
        return self.factor_scale if self.free_rows else NOTHING

    def scale_of(self, message: str) -> float:
        """Return the scale of a message's table by the kind of message it is."""
        if message.startswith(HOP):
            return self.hop_scale
        if message.partition("<")[0] in (RATED, RATED_BY) or message.startswith(RATED_OVER):
            return self.rated_scale
        return self.content_scale


def assemble(
    inputs: HybridInputs, shares: Tensor, settings: ModelSettings, *, generator: torch.Generator | None = None
) -> HybridModel:
    """Return a model for these inputs, with random starting values.

    Args:
        inputs: Messages to users and items.
        shares: Share of each rating level in training, `[num_levels]`.
        settings: Sizes and starting scales.
        generator: Source of the starting values; None for tables without values, where samples bring them.
    """

    def encoder(messages: Messages) -> RelationalEncoder:
        widths = {name: features.shape[1] for name, features in messages.features.items()}
        scales = {name: settings.scale_of(name) for name in (*messages.num_sources, *widths)}
        return RelationalEncoder(messages.num_sources, widths, settings.size, scales, generator)

    def factors(num_nodes: int, scale: float) -> Factors:
        return Factors(num_nodes, settings.size, scale, generator)

    def tower(node_inputs: NodeInputs) -> Tower:
        content, interactions = encoder(node_inputs.content), encoder(node_inputs.interactions)
        return Tower(content, interactions, factors(node_inputs.content.num_nodes, settings.factor_scale_of_nodes))

    def cold_tower(warm: Tower, node_inputs: NodeInputs) -> ColdTower:
        residual = factors(node_inputs.content.num_nodes, settings.factor_scale)
        return ColdTower(warm.content, residual, factors(1, settings.content_scale))

    users, items = tower(inputs.users), tower(inputs.items)
    cold_users, cold_items = cold_tower(users, inputs.users), cold_tower(items, inputs.items)
    return HybridModel(
        users=users,
        items=items,
        cold_users=cold_users,
        cold_items=cold_items,
        head=OrdinalHead(shares, inputs.users.content.num_nodes),
    )
