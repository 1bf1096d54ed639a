"""The nodes and edges of a graph as Arrow tables, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary

__all__ = ["edges_table", "graph_of", "nodes_table", "repeated"]


def nodes_table(graph: KnowledgeGraph) -> pa.Table:
    """Return a row for each node, kind after kind."""
    kinds = list(graph.nodes.items())
    # A graph without tombstones has no column of them: most have none, and the same nodes give the same bytes.
    removed = np.concatenate([nodes.vocabulary.removed for _, nodes in kinds])
    tombstones = {"removed": removed} if removed.any() else {}
    return pa.table(
        {
            "index": np.concatenate([np.arange(len(nodes), dtype=np.int64) for _, nodes in kinds]),
            "kind": repeated([kind for kind, _ in kinds], [len(nodes) for _, nodes in kinds]),
            "id": pa.array(np.concatenate([nodes.vocabulary.ids for _, nodes in kinds]), pa.string()),
            "iri": pa.array(np.concatenate([nodes.iris for _, nodes in kinds]), pa.string()),
            "label": pa.array(np.concatenate([nodes.labels for _, nodes in kinds]), pa.string()),
            "text": pa.array(np.concatenate([nodes.texts for _, nodes in kinds]), pa.string()),
            **tombstones,
        }
    )


def edges_table(graph: KnowledgeGraph) -> pa.Table:
    """Return a row for each edge, type after type."""
    sizes = [len(edges) for edges in graph.edges.values()]
    empty = Edges(index=np.empty((2, 0), dtype=np.int64), provenance=np.empty(0, dtype=np.int16))
    index = np.concatenate([edges.index for edges in (empty, *graph.edges.values())], axis=1)
    provenance = np.concatenate([edges.provenance for edges in (empty, *graph.edges.values())])
    lines = np.concatenate([edges.lines for edges in (empty, *graph.edges.values())])
    return pa.table(
        {
            "source_kind": repeated([edge_type.source for edge_type in graph.edges], sizes),
            "relation": repeated([edge_type.relation for edge_type in graph.edges], sizes),
            "target_kind": repeated([edge_type.target for edge_type in graph.edges], sizes),
            "source": index[0],
            "target": index[1],
            "provenance": _chosen(graph.sources, provenance.astype(np.int32)),
            "line": lines,
        }
    )


def repeated(names: Sequence[str], sizes: Sequence[int]) -> pa.Array:
    """Return each name as often as its size says, as text `[sum(sizes)]`."""
    return _chosen(names, np.repeat(np.arange(len(names), dtype=np.int32), np.array(sizes, dtype=np.int64)))


def _chosen(names: Sequence[str], places: NDArray[np.int32]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array(names, pa.string())).cast(pa.string())


def graph_of(nodes: pa.Table, edges: pa.Table, facts: Mapping[str, Any]) -> KnowledgeGraph:
    """Return the graph that two tables hold.

    Args:
        nodes: What `nodes_table` returned.
        edges: What `edges_table` returned.
        facts: Its `name`, its `kinds`, its `sources`, and its `edge_types` with the number of edges of each, in order.
    """
    numbers, names = _coded(nodes.column("kind"))
    nodes_of = {}
    for kind in facts["kinds"]:
        # Nodes lie kind after kind, so each kind is one slice.
        places = np.flatnonzero(numbers == names.index(kind)) if kind in names else np.zeros(0, dtype=np.int64)
        rows = nodes.slice(int(places[0]) if len(places) else 0, len(places))
        removed = rows.column("removed").to_numpy() if "removed" in nodes.column_names else None
        nodes_of[kind] = Nodes(
            vocabulary=Vocabulary(kind, rows.column("id").to_numpy(), removed=removed),
            labels=rows.column("label").to_numpy(),
            texts=rows.column("text").to_numpy(),
            iris=rows.column("iri").to_numpy(),
        )
    source_place = {name: position for position, name in enumerate(facts["sources"])}
    ends = np.stack([edges.column("source").to_numpy(), edges.column("target").to_numpy()])
    stated_at, stated_by = _coded(edges.column("provenance"))
    provenance = np.array([source_place[name] for name in stated_by], dtype=np.int16)[stated_at]
    # Format versions before 3 knew no lines.
    known = "line" in edges.column_names
    lines = edges.column("line").to_numpy() if known else np.zeros(len(provenance), dtype=np.int64)
    # Edges lie type after type, in their order, so each type is one slice.
    by_type, start = {}, 0
    for source_kind, relation, target_kind, size in facts["edge_types"]:
        part = slice(start, start + size)
        by_type[EdgeType(source_kind, relation, target_kind)] = Edges(
            index=ends[:, part], provenance=provenance[part], lines=lines[part]
        )
        start += size
    return KnowledgeGraph(name=facts["name"], nodes=nodes_of, edges=by_type, sources=tuple(facts["sources"]))


def _coded(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """Return the place of each value among the different ones, and these; a column that is stored so is not copied."""
    values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    return coded.indices.to_numpy(), coded.dictionary.to_pylist()
