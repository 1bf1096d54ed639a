"""The hybrid model: two towers and a head, composed; nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from models.network.head import OrdinalHead
from models.network.tower import ColdTower, NodeInputs, Tower

__all__ = ["HybridInputs", "HybridModel", "Representations"]


@dataclass(frozen=True, eq=False)
class HybridInputs:
    """Messages to users and to items."""

    users: NodeInputs
    items: NodeInputs


class Representations(NamedTuple):
    """Rows of all users and items, each `[num_nodes, embedding_size + 1]`, in both views."""

    users: Tensor
    items: Tensor
    cold_users: Tensor
    cold_items: Tensor


class HybridModel(nn.Module):
    """Graph encoder and collaborative factors on both sides, joined by a bilinear ordinal head.

    Args:
        users: Tower of the users with ratings.
        items: Tower of the items with ratings.
        cold_users: Tower of users seen as if nobody knew their ratings.
        cold_items: Tower of items seen as if nobody had rated them.
        head: Likelihood of a rating given a score.
    """

    def __init__(
        self,
        users: Tower,
        items: Tower,
        cold_users: ColdTower,
        cold_items: ColdTower,
        head: OrdinalHead,
    ) -> None:
        super().__init__()
        self.users = users
        self.items = items
        self.cold_users = cold_users
        self.cold_items = cold_items
        self.head = head

    def forward(self, inputs: HybridInputs) -> Representations:
        """Return the representations of all users and items."""
        of_users = self.users.content(inputs.users.content)  # once for both views
        of_items = self.items.content(inputs.items.content)
        return Representations(
            users=self.users(of_users, inputs.users),
            items=self.items(of_items, inputs.items),
            cold_users=self.cold_users(of_users),
            cold_items=self.cold_items(of_items),
        )
