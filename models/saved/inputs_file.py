"""Graph inputs, text features and training ratings in one file, so that nothing of it is made from the graph again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.network.graph_inputs import GraphInputs
from models.network.projection import TextProjection
from models.saved.flat import arrays_below, below, flat
from models.trained import Trained

__all__ = ["data_of", "inputs_tensors", "projection_of", "ratings_of", "shape_of_inputs"]

GROUPS = ("content", "interactions")
EDGE_PARTS = ("edge_index", "edge_weight", "senders", "table_row")


def inputs_tensors(trained: Trained) -> dict[str, Tensor]:
    """Return all arrays that the network has read, under flat names."""
    data, train = trained.data, trained.train
    tensors = flat("ratings", {name: getattr(train, name) for name in ("user", "item", "value", "time", "weight")})
    for number, edge_type in enumerate(_edge_types(data)):
        tensors |= flat(f"edges/{number}", {part: getattr(data[edge_type], part) for part in EDGE_PARTS})
    for kind in (USER, ITEM):
        for group in GROUPS:
            tensors |= flat(f"features/{kind}/{group}", data[kind].features[group])
        tensors |= flat(f"hops/{kind}", data[kind].hop_sources)
    if trained.projection is not None:
        tensors |= flat("projection", vars(trained.projection))
    return tensors


def shape_of_inputs(trained: Trained) -> dict[str, Any]:
    """Return what else there is to say of them, as JSON values: kinds, types of edges in order, names."""
    data = trained.data
    edge_types = list(_edge_types(data))
    return {
        "nodes": {kind: [int(data[kind].num_nodes), _present(data, kind)] for kind in data.node_types},
        "edge_types": [list(edge_type) for edge_type in edge_types],
        "messages": {
            kind: {group: [edge_types.index(edge_type) for edge_type in getattr(data[kind], group)] for group in GROUPS}
            for kind in (USER, ITEM)
        },
        "features": {
            kind: {group: list(data[kind].features[group]) for group in GROUPS} | {"hops": list(data[kind].hop_sources)}
            for kind in (USER, ITEM)
        },
    }


def data_of(tensors: Mapping[str, Tensor], shape: Mapping[str, Any]) -> GraphInputs:
    """Return the graph inputs that `inputs_tensors` and `shape_of_inputs` describe, in the same memory."""
    data = GraphInputs()
    for kind, (num_nodes, num_present) in shape["nodes"].items():
        data[kind].num_nodes = num_nodes
        if num_present is not None:
            data[kind].num_present = num_present
    edge_types = [(sender, relation, receiver) for sender, relation, receiver in shape["edge_types"]]
    for number, edge_type in enumerate(edge_types):
        for name, part in below(tensors, f"edges/{number}").items():
            setattr(data[edge_type], name, part)
    for kind, groups in shape["messages"].items():
        names = shape["features"][kind]
        for group, numbers in groups.items():
            setattr(data[kind], group, [edge_types[number] for number in numbers])
        # In the order of training: sums of floating-point numbers depend on it.
        data[kind].features = {
            group: {name: tensors[f"features/{kind}/{group}/{name}"] for name in names[group]} for group in GROUPS
        }
        data[kind].hop_sources = {name: tensors[f"hops/{kind}/{name}"] for name in names["hops"]}
    return data


def ratings_of(tensors: Mapping[str, Tensor], num_users: int, num_items: int) -> Ratings:
    """Return the training ratings, in the same memory."""
    columns = arrays_below(tensors, "ratings")
    for column in columns.values():
        column.flags.writeable = False  # a column that nobody can write is not copied
    return Ratings(**columns, num_users=num_users, num_items=num_items)


def projection_of(tensors: Mapping[str, Tensor]) -> TextProjection | None:
    """Return the map from text vectors to features; None where no text is read."""
    parts = arrays_below(tensors, "projection")
    return TextProjection(parts["mean"], parts["components"], float(parts["scale"])) if parts else None


def _edge_types(data: GraphInputs) -> Iterator[tuple[str, str, str]]:
    return (edge_type for kind in (USER, ITEM) for group in GROUPS for edge_type in getattr(data[kind], group))


def _present(data: GraphInputs, kind: str) -> int | None:
    present = getattr(data[kind], "num_present", None)
    return None if present is None else int(np.int64(present))
