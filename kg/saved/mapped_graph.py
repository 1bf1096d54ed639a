"""A graph as two Arrow files that are mapped into memory: quick to read where its ratings and RDF are not wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.saved.graph_tables import edges_table, graph_of, nodes_table
from kg.storage.atomic import staged_file

__all__ = ["GRAPH_FILES", "read_mapped_graph", "write_mapped_graph"]

GRAPH_FILES = ("nodes.arrow", "edges.arrow")
_FACTS = b"graph"


def write_mapped_graph(graph: KnowledgeGraph, folder: Path) -> None:
    """Write nodes and edges into a folder."""
    facts = {
        "name": graph.name,
        "kinds": list(graph.nodes),
        "sources": list(graph.sources),
        "edge_types": [[*edge_type, len(edges)] for edge_type, edges in graph.edges.items()],
    }
    nodes = _coded(nodes_table(graph), "kind").replace_schema_metadata({_FACTS: json.dumps(facts)})
    # What type an edge is of follows from its place.
    edges = _coded(edges_table(graph).select(["source", "target", "provenance", "line"]), "provenance")
    tables = (nodes, edges)
    for name, table in zip(GRAPH_FILES, tables, strict=True):
        with staged_file(folder / name) as temporary, pa.ipc.new_file(str(temporary), table.schema) as file:
            file.write_table(table)


def read_mapped_graph(folder: Path) -> KnowledgeGraph:
    """Read what `write_mapped_graph` wrote; raises `InputError` if the files do not fit together."""
    try:
        nodes, edges = (pa.ipc.open_file(pa.memory_map(str(folder / name))).read_all() for name in GRAPH_FILES)
        return graph_of(nodes, edges, json.loads(nodes.schema.metadata[_FACTS]))
    except (KeyError, ValueError, OSError, pa.ArrowException) as error:
        raise InputError(f"the graph of this run does not fit together ({error}); train again", file=folder) from None


def _coded(table: pa.Table, name: str) -> pa.Table:
    """Return the table with a text column of few different values as their places: what is stored so is read without a copy."""
    return table.set_column(
        table.column_names.index(name), name, table.column(name).combine_chunks().dictionary_encode()
    )
