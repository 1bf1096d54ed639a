"""Graph, ratings and splits as Parquet columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kg.graph import KnowledgeGraph
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.saved.graph_tables import edges_table, graph_of, nodes_table, repeated

__all__ = ["read_columns", "write_columns"]


def write_columns(graph: KnowledgeGraph, ratings: Ratings, splits: Mapping[str, NamedSplit], folder: Path) -> None:
    """Write `nodes`, `edges`, `ratings` and `splits` as Parquet files."""
    tables: dict[str, Callable[[], pa.Table]] = {
        "edges": partial(edges_table, graph),
        "nodes": partial(nodes_table, graph),
        "ratings": partial(_ratings, ratings),
        "splits": partial(_splits, splits),
    }

    def write(name: str) -> None:
        pq.write_table(tables[name](), folder / f"{name}.parquet", compression="zstd")

    # Packing takes longest, and Arrow packs a file on one core: files are written side by side.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, tables))


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
            "split": repeated([name for name, _, _ in present], sizes),
            "role": repeated([role for _, role, _ in present], sizes),
            "row": np.concatenate([np.empty(0, dtype=np.int64), *(rows for _, _, rows in present)]),
        }
    )


def read_columns(folder: Path, manifest: Mapping[str, Any]) -> tuple[KnowledgeGraph, Ratings, dict[str, NamedSplit]]:
    """Read what `write_columns` wrote; raises one of many kinds of error if the columns do not fit together."""
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("nodes", "edges", "ratings", "splits")}
    graph = graph_of(tables["nodes"], tables["edges"], manifest)
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
