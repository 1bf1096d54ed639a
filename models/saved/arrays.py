"""The arrays of a run under flat names, file by file, and back in the same memory: nothing is made from the graph again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kg.ratings import Ratings
from kg.schema import ITEM, USER
from models.cold.cold_start_prior import NUMBERS, PriorTable
from models.cold.residuals import Residuals
from models.cold.sentence_map import SentenceMap
from models.lists.content import Content
from models.lists.item_item import ContentRegression, ItemItemModel
from models.lists.trained import Trained
from models.network.graph_inputs import GraphInputs, MessageType
from models.network.projection import TextProjection
from models.posterior import EmbeddingPrior, PhasedPredictor, Predictor, UserThresholds
from models.saved.flat import arrays_below, below, flat

__all__ = [
    "arrays_of",
    "cold_start_of",
    "data_of",
    "lists_of",
    "predictor_of",
    "projection_of",
    "ratings_of",
    "shape_of",
]

GROUPS = ("content", "interactions")
EDGE_PARTS = ("edge_index", "edge_weight", "senders", "table_row")
EMBEDDINGS = ("users", "thresholds", "preferences")
RESIDUALS = ("beyond", "mean", "counts", "expected")
MATRICES = ("concepts", "shared")


def arrays_of(trained: Trained) -> dict[str, dict[str, Tensor]]:
    """Return all arrays that answers are read from, by file and flat name."""
    return {
        "model": dict(trained.posterior.samples.parameters),
        "embeddings": _embeddings(trained.predictor),
        "inputs": _inputs(trained),
        "lists": _lists(trained),
        "newcomers": _cold_start(trained),
    }


def shape_of(trained: Trained) -> dict[str, Any]:
    """Return what else there is to say of these arrays, as JSON values: kinds, types of edges in order, names."""
    data, edge_types = trained.data, list(_edge_types(trained.data))
    content = trained.content
    return {
        "inputs": {
            "nodes": {kind: [int(data[kind].num_nodes), _present(data, kind)] for kind in data.node_types},
            "edge_types": [list(edge_type) for edge_type in edge_types],
            "messages": {
                kind: {group: [edge_types.index(found) for found in getattr(data[kind], group)] for group in GROUPS}
                for kind in (USER, ITEM)
            },
            "features": {
                kind: {group: list(data[kind].features[group]) for group in GROUPS}
                | {"hops": list(data[kind].hop_sources)}
                for kind in (USER, ITEM)
            },
        },
        "content": {"columns": [list(found) for found in content.columns], "num_concepts": content.shared.shape[1]},
    }


def _embeddings(predictor: PhasedPredictor) -> dict[str, Tensor]:
    samples = predictor.samples
    # Those of many items lie node by node (`models.posterior.predictor.by_node`), and do so in the file.
    by_node = samples.items.stride(1) > samples.items.stride(0)
    items = {"items_by_node": samples.items.transpose(0, 1)} if by_node else {"items": samples.items}
    known = {"known_users": predictor.known_users, "known_items": predictor.known_items}
    return flat("embeddings", {**{part: getattr(samples, part) for part in EMBEDDINGS}, **items, **known})


def predictor_of(tensors: Mapping[str, Tensor], num_cold: int) -> PhasedPredictor:
    """Return the embeddings of all nodes in every sample, of which some are of the first phase."""
    by_node = tensors.get("embeddings/items_by_node")
    items = tensors["embeddings/items"] if by_node is None else by_node.transpose(0, 1)
    samples = Predictor(**{part: tensors[f"embeddings/{part}"] for part in EMBEDDINGS}, items=items)
    return PhasedPredictor(samples, num_cold, tensors["embeddings/known_users"], tensors["embeddings/known_items"])


def _inputs(trained: Trained) -> dict[str, Tensor]:
    data, train = trained.data, trained.train
    tensors = flat("ratings", {name: getattr(train, name) for name in ("user", "item", "value", "time", "weight")})
    for number, edge_type in enumerate(_edge_types(data)):
        tensors |= flat(f"edges/{number}", {part: getattr(data[edge_type], part) for part in EDGE_PARTS})
    for kind in (USER, ITEM):
        for group in GROUPS:
            tensors |= flat(f"features/{kind}/{group}", data[kind].features[group])
        tensors |= flat(f"hops/{kind}", data[kind].hop_sources)
    return tensors | ({} if trained.projection is None else flat("projection", vars(trained.projection)))


def data_of(tensors: Mapping[str, Tensor], shape: Mapping[str, Any]) -> GraphInputs:
    """Return the graph inputs."""
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
    """Return the training ratings."""
    columns = arrays_below(tensors, "ratings")
    for column in columns.values():
        column.flags.writeable = False  # a column that nobody can write is not copied
    return Ratings(**columns, num_users=num_users, num_items=num_items)


def projection_of(tensors: Mapping[str, Tensor]) -> TextProjection | None:
    """Return the map from text vectors to features; None where no text is read."""
    parts = arrays_below(tensors, "projection")
    return TextProjection(parts["mean"], parts["components"], float(parts["scale"])) if parts else None


def _lists(trained: Trained) -> dict[str, Tensor]:
    content, item_item, regression = trained.content, trained.item_item, trained.content_regression
    tensors = {
        **flat("items", {"vectors": trained.item_vectors}),
        **flat("exposure", {name: getattr(item_item, name) for name in ("weights", "base", "head", "smoothing")}),
        **flat("content_regression", {"warm": regression.warm, "inverse": regression.inverse}),
        **flat("content", {"text": content.text, "mean": content.mean, "rarity": content.rarity}),
        **flat("columns", {str(number): senders for number, senders in enumerate(content.columns.values())}),
    }
    for name in MATRICES:
        matrix: sparse.csr_array = getattr(content, name)
        tensors |= flat(name, {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr})
    return tensors | ({} if trained.sentences is None else flat("sentences", vars(trained.sentences)))


def lists_of(tensors: Mapping[str, Tensor], shape: Mapping[str, Any]) -> tuple[dict[str, Any], ContentRegression]:
    """Return the fields of `Trained` that lists and sentences are read from, and what content says of who meets an item."""
    columns = arrays_below(tensors, "columns")
    edge_types: list[MessageType] = [(sender, relation, receiver) for sender, relation, receiver in shape["columns"]]
    matrices = {}
    for name in MATRICES:
        arrays = arrays_below(tensors, name)
        size = (len(arrays["indptr"]) - 1, shape["num_concepts"])
        matrices[name] = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=size)
    by_type = {edge_type: columns[str(number)] for number, edge_type in enumerate(edge_types)}
    sentences = arrays_below(tensors, "sentences")
    fields = {
        "item_vectors": tensors["items/vectors"].numpy(),
        "item_item": _item_item_of(arrays_below(tensors, "exposure")),
        "content": Content(**arrays_below(tensors, "content"), **matrices, columns=by_type),
        "sentences": SentenceMap(**sentences) if sentences else None,
    }
    return fields, ContentRegression(**arrays_below(tensors, "content_regression"))


def _cold_start(trained: Trained) -> dict[str, Tensor]:
    """Where the known users say nothing of new ones, as where ratings are mere choices, residuals speak for these as well."""
    tensors: dict[str, Tensor] = {}
    for kind, informed in ((USER, False), (USER, True), (ITEM, False)):
        for number in NUMBERS:
            prior = trained.cold_start_prior(kind, number, informed=informed)
            if prior is not None:
                tensors |= flat(f"priors/{kind}/{number}/{'informed' if informed else 'plain'}", prior.parts)
    without = [ITEM]
    if trained.cold_start_prior(USER, 0) is None:
        without.append(USER)
    else:
        tensors |= flat("scale_use", vars(trained.user_thresholds))
    for kind in without:
        residuals = trained.residuals(kind)
        tensors |= flat(f"residuals/{kind}", {name: getattr(residuals, name) for name in RESIDUALS})
    return tensors


def cold_start_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what `TrainedNetwork.restore` takes of newcomers: priors, residuals, use of the scale."""
    made: dict[str, dict[tuple[int, bool], EmbeddingPrior]] = {USER: {}, ITEM: {}}
    for name in sorted({name.rpartition("/")[0] for name in tensors if name.startswith("priors/")}):
        _, kind, number, known = name.split("/")
        made[kind][int(number), known == "informed"] = EmbeddingPrior(**below(tensors, name))
    residuals = {kind: below(tensors, f"residuals/{kind}") for kind in (USER, ITEM)}
    thresholds = below(tensors, "scale_use")
    return {
        "made_priors": {kind: PriorTable(found) for kind, found in made.items()},
        "made_residuals": {kind: Residuals(**parts) for kind, parts in residuals.items() if parts},
        "user_thresholds": UserThresholds(**thresholds) if thresholds else None,
    }


def _edge_types(data: GraphInputs) -> Iterator[MessageType]:
    return (edge_type for kind in (USER, ITEM) for group in GROUPS for edge_type in getattr(data[kind], group))


def _present(data: GraphInputs, kind: str) -> int | None:
    present = getattr(data[kind], "num_present", None)
    return None if present is None else int(np.int64(present))


def _item_item_of(parts: Mapping[str, NDArray[Any]]) -> ItemItemModel:
    smoothing = float(parts.get("smoothing", 0.0))  # runs of before have none
    return ItemItemModel(parts["weights"], parts["base"], head=parts.get("head"), smoothing=smoothing)
