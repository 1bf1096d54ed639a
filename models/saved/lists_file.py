"""What ranked lists and sentences are read from, in one file: texts, content, exposure, the map of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy import sparse
from torch import Tensor

from models.cold.sentence_map import SentenceMap
from models.lists.content import Content
from models.lists.item_item import ContentRegression, ItemItemModel
from models.lists.trained import Trained
from models.saved.flat import arrays_below, flat

__all__ = ["content_of", "content_regression_of", "item_item_of", "lists_tensors", "sentences_of", "shape_of_content"]

MATRICES = ("concepts", "shared")


def lists_tensors(trained: Trained) -> dict[str, Tensor]:
    """Return the arrays of lists under flat names."""
    content, item_item, regression = trained.content, trained.item_item, trained.content_regression
    columns = {str(number): senders for number, senders in enumerate(content.columns.values())}
    tensors = {
        **flat("items", {"vectors": trained.item_vectors}),
        **flat("exposure", {name: getattr(item_item, name) for name in ("weights", "base", "head")}),
        **flat("content_regression", {"warm": regression.warm, "inverse": regression.inverse}),
        **flat("content", {"text": content.text, "mean": content.mean, "rarity": content.rarity}),
        **flat("columns", columns),
    }
    for name in MATRICES:
        matrix: sparse.csr_array = getattr(content, name)
        tensors |= flat(name, {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr})
    return tensors | ({} if trained.sentences is None else flat("sentences", vars(trained.sentences)))


def shape_of_content(content: Content) -> dict[str, Any]:
    """Return what else there is to say of content, as JSON values."""
    return {"columns": [list(edge_type) for edge_type in content.columns], "num_concepts": content.shared.shape[1]}


def item_item_of(tensors: Mapping[str, Tensor]) -> ItemItemModel:
    """Return who comes across what, in the same memory."""
    return ItemItemModel(**arrays_below(tensors, "exposure"))


def content_regression_of(tensors: Mapping[str, Tensor]) -> ContentRegression:
    """Return what content says of who comes across an item, in the same memory."""
    return ContentRegression(**arrays_below(tensors, "content_regression"))


def content_of(tensors: Mapping[str, Tensor], shape: Mapping[str, Any]) -> Content:
    """Return what is known of items, in the same memory."""
    parts, columns = arrays_below(tensors, "content"), arrays_below(tensors, "columns")
    matrices = {}
    for name in MATRICES:
        arrays = arrays_below(tensors, name)
        size = (len(arrays["indptr"]) - 1, shape["num_concepts"])
        matrices[name] = sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=size)
    edge_types = [(sender, relation, receiver) for sender, relation, receiver in shape["columns"]]
    return Content(
        **parts, **matrices, columns={edge_type: columns[str(number)] for number, edge_type in enumerate(edge_types)}
    )


def sentences_of(tensors: Mapping[str, Tensor]) -> SentenceMap | None:
    """Return the map from sentences to tastes, in the same memory; None where none was learned."""
    parts = arrays_below(tensors, "sentences")
    return SentenceMap(**parts) if parts else None
