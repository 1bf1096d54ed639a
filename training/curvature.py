"""How curvature of the likelihood flows from ratings back to every parameter of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from models.network.encoder import Messages, RelationalEncoder, parameter_key
from models.network.head import OrdinalHead
from models.network.hybrid import HybridInputs, HybridModel
from models.network.likelihood import Information

__all__ = ["head_curvature", "parameter_curvature", "table_curvature"]


@torch.no_grad()
def parameter_curvature(
    model: HybridModel, inputs: HybridInputs, nodes: dict[str, Tensor], information: Information
) -> dict[nn.Parameter, Tensor]:
    """Return the diagonal curvature in every parameter; what both views share adds up.

    Args:
        model: The network, which is linear in each of its tables.
        inputs: What it reads.
        nodes: Curvature in the embeddings of `users`, `items`, `cold_users` and `cold_items`, `[num_nodes, size]` each.
        information: Fisher information of the ratings of known users.
    """
    total: dict[nn.Parameter, Tensor] = dict(head_curvature(model.head, information))

    def add(curvature: Iterable[tuple[nn.Parameter, Tensor]]) -> None:
        for parameter, added in curvature:
            total[parameter] = total[parameter] + added if parameter in total else added

    for warm, cold, messages, of_warm, of_cold in (
        (model.users, model.cold_users, inputs.users, nodes["users"], nodes["cold_users"]),
        (model.items, model.cold_items, inputs.items, nodes["items"], nodes["cold_items"]),
    ):
        add(table_curvature(warm.content, messages.content, of_warm))
        add(table_curvature(warm.interactions, messages.interactions, of_warm))
        add(table_curvature(cold.content, messages.content, of_cold))  # the content tables serve both views
        add([(warm.factors.rows, of_warm), (cold.residual.rows, of_cold)])
        add([(cold.shared.rows, of_cold.sum(0, keepdim=True))])
    return total


def table_curvature(
    encoder: RelationalEncoder, messages: Messages, of_nodes: Tensor
) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Yield the curvature of each table: squared edge weights carry that of nodes, `[num_nodes, size]`, to the rows of senders."""
    if messages.operator is not None:
        stacked = messages.operator.transposed_square(of_nodes)
        parts = torch.split(stacked, [messages.num_sources[name] for name in encoder.relations])
        for name, part in zip(encoder.relations, parts, strict=True):
            yield encoder.tables[parameter_key(name)], part
    for name in encoder.feature_names:
        yield encoder.tables[parameter_key(name)], messages.features[name].square().t() @ of_nodes


def head_curvature(head: OrdinalHead, information: Information) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Yield the Fisher information in steps, each of which moves all thresholds above it, and in preferences."""
    assert information.preferences is not None, "the curvature is that of the warm view"
    distances = torch.cat([torch.ones_like(head.steps[:1]), head.steps[1:].exp()])
    yield head.steps, distances.square() * information.shifts
    yield head.preferences, information.preferences
