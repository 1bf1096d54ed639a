"""Graph, ratings and splits as Parquet columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import EdgeType
from kg.vocabulary import Vocabulary

__all__ = ["read_columns", "read_graph_columns", "write_columns"]


def write_columns(graph: KnowledgeGraph, ratings: Ratings, splits: Mapping[str, NamedSplit], folder: Path) -> None:
    """Write `nodes`, `edges`, `ratings` and `splits` as Parquet files."""
    tables: dict[str, Callable[[], pa.Table]] = {
        "edges": partial(_edges, graph),
        "nodes": partial(_nodes, graph),
        "ratings": partial(_ratings, ratings),
        "splits": partial(_splits, splits),
    }

    def write(name: str) -> None:
        pq.write_table(tables[name](), folder / f"{name}.parquet", compression="zstd")

    # Packing takes longest, and Arrow packs a file on one core: files are written side by side.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, tables))


def _nodes(graph: KnowledgeGraph) -> pa.Table:
    kinds = list(graph.nodes.items())
    # A graph without tombstones has no column of them: most have none, and the same nodes give the same bytes.
    removed = np.concatenate([nodes.vocabulary.removed for _, nodes in kinds])
    tombstones = {"removed": removed} if removed.any() else {}
    return pa.table(
        {
            "index": np.concatenate([np.arange(len(nodes), dtype=np.int64) for _, nodes in kinds]),
            "kind": _repeated([kind for kind, _ in kinds], [len(nodes) for _, nodes in kinds]),
            "id": pa.array(np.concatenate([nodes.vocabulary.ids for _, nodes in kinds]), pa.string()),
            "iri": pa.array(np.concatenate([nodes.iris for _, nodes in kinds]), pa.string()),
            "label": pa.array(np.concatenate([nodes.labels for _, nodes in kinds]), pa.string()),
            "text": pa.array(np.concatenate([nodes.texts for _, nodes in kinds]), pa.string()),
            **tombstones,
        }
    )


def _edges(graph: KnowledgeGraph) -> pa.Table:
    sizes = [len(edges) for edges in graph.edges.values()]
    empty = Edges(index=np.empty((2, 0), dtype=np.int64), provenance=np.empty(0, dtype=np.int16))
    index = np.concatenate([edges.index for edges in (empty, *graph.edges.values())], axis=1)
    provenance = np.concatenate([edges.provenance for edges in (empty, *graph.edges.values())])
    lines = np.concatenate([edges.lines for edges in (empty, *graph.edges.values())])
    return pa.table(
        {
            "source_kind": _repeated([edge_type.source for edge_type in graph.edges], sizes),
            "relation": _repeated([edge_type.relation for edge_type in graph.edges], sizes),
            "target_kind": _repeated([edge_type.target for edge_type in graph.edges], sizes),
            "source": index[0],
            "target": index[1],
            "provenance": _chosen(graph.sources, provenance.astype(np.int32)),
            "line": lines,
        }
    )


def _ratings(ratings: Ratings) -> pa.Table:
    time = pa.nulls(len(ratings), pa.int64()) if ratings.time is None else ratings.time
    # Most ratings have no weights, and the same ratings give the same bytes.
    weight = {} if ratings.weight is None else {"weight": ratings.weight}
    return pa.table({"user": ratings.user, "item": ratings.item, "value": ratings.value, "time": time, **weight})


def _splits(splits: Mapping[str, NamedSplit]) -> pa.Table:
    present = [(name, role, rows) for name, split in splits.items() for role, rows in split.roles.items()]
    sizes = [len(rows) for _, _, rows in present]
    return pa.table(
        {
            "split": _repeated([name for name, _, _ in present], sizes),
            "role": _repeated([role for _, role, _ in present], sizes),
            "row": np.concatenate([np.empty(0, dtype=np.int64), *(rows for _, _, rows in present)]),
        }
    )


def _repeated(names: Sequence[str], sizes: Sequence[int]) -> pa.Array:
    return _chosen(names, np.repeat(np.arange(len(names), dtype=np.int32), np.array(sizes, dtype=np.int64)))


def _chosen(names: Sequence[str], places: NDArray[np.int32]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array(names, pa.string())).cast(pa.string())


def read_columns(folder: Path, manifest: Mapping[str, Any]) -> tuple[KnowledgeGraph, Ratings, dict[str, NamedSplit]]:
    """Read what `write_columns` wrote; raises one of many kinds of error if the columns do not fit together."""
    graph = read_graph_columns(folder, manifest)
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("ratings", "splits")}
    rows = {
        name: column.to_numpy()
        for name, column in zip(tables["ratings"].column_names, tables["ratings"].columns, strict=True)
    }
    ratings = Ratings(
        user=rows["user"],
        item=rows["item"],
        value=rows["value"],
        time=rows["time"] if manifest["with_time"] else None,
        weight=rows.get("weight"),
        num_users=len(graph.users),
        num_items=len(graph.items),
    )
    split, role, row = (tables["splits"].column(name).to_numpy() for name in ("split", "role", "row"))
    splits = {
        name: NamedSplit.of_roles({part: row[(split == name) & (role == part)] for part in roles})
        for name, roles in manifest["splits"].items()
    }
    return graph, ratings, splits


def read_graph_columns(folder: Path, manifest: Mapping[str, Any]) -> KnowledgeGraph:
    """Read nodes and edges alone, as `read_columns` does."""
    nodes, edges = (pq.read_table(folder / f"{name}.parquet") for name in ("nodes", "edges"))
    kind_of = nodes.column("kind").to_numpy()
    columns = {name: nodes.column(name).to_numpy() for name in ("id", "iri", "label", "text")}
    none = np.zeros(len(kind_of), dtype=bool)
    removed = nodes.column("removed").to_numpy() if "removed" in nodes.column_names else none
    found = {}
    for kind in manifest["kinds"]:
        mine = kind_of == kind
        found[kind] = Nodes(
            vocabulary=Vocabulary(kind, columns["id"][mine], removed=removed[mine]),
            labels=columns["label"][mine],
            texts=columns["text"][mine],
            iris=columns["iri"][mine],
        )
    sources = {name: position for position, name in enumerate(manifest["sources"])}
    ends = np.stack([edges.column("source").to_numpy(), edges.column("target").to_numpy()])
    provenance = np.array([sources[name] for name in edges.column("provenance").to_pylist()], dtype=np.int16)
    # Format versions before 3 knew no lines.
    known = "line" in edges.column_names
    lines = edges.column("line").to_numpy() if known else np.zeros(len(provenance), dtype=np.int64)
    # Edges lie type after type, in the order of the manifest, so each type is one slice.
    by_type, start = {}, 0
    for source_kind, relation, target_kind, size in manifest["edge_types"]:
        part = slice(start, start + size)
        by_type[EdgeType(source_kind, relation, target_kind)] = Edges(
            index=ends[:, part], provenance=provenance[part], lines=lines[part]
        )
        start += size
    return KnowledgeGraph(name=manifest["name"], nodes=found, edges=by_type, sources=tuple(manifest["sources"]))
