"""The typed nodes and edges that the model reads, as a plain container."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

__all__ = ["GraphInputs", "MessageType"]

MessageType = tuple[str, str, str]  # sender kind, relation, receiver kind


class GraphInputs:
    """What is known of each kind of node and of each type of edge: `data["item"].num_nodes`, `data[edge_type].edge_index`.

    Read and written as PyG's `HeteroData` is, which `to_hetero_data` makes of it. A container of our own, because PyG
    takes longer to load than a recommendation takes to make.
    """

    def __init__(self) -> None:
        self._stores: dict[str | MessageType, SimpleNamespace] = {}

    def __getitem__(self, key: str | MessageType) -> SimpleNamespace:
        return self._stores.setdefault(key, SimpleNamespace())

    def __delitem__(self, key: str | MessageType) -> None:
        del self._stores[key]

    def __copy__(self) -> GraphInputs:
        """Return the same values in containers of their own, so that one can be replaced without changing the original."""
        other = GraphInputs()
        other._stores = {key: SimpleNamespace(**vars(store)) for key, store in self._stores.items()}
        return other

    @property
    def node_types(self) -> list[str]:
        """The kinds of nodes."""
        return [key for key in self._stores if isinstance(key, str)]

    @property
    def edge_types(self) -> list[MessageType]:
        """The types of edges."""
        return [key for key in self._stores if not isinstance(key, str)]

    def to_hetero_data(self) -> HeteroData:
        """Return the same as `HeteroData`, for the loaders, transforms and networks of PyG."""
        from torch_geometric.data import (
            HeteroData,  # takes two seconds, which only those who ask for it should wait for
        )

        data = HeteroData()
        for key, store in self._stores.items():
            for name, value in vars(store).items():
                setattr(data[key], name, value)
        return data
