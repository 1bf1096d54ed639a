"""The N-Quads of record, written for graphs of any size: DuckDB makes and sorts the lines, on disk where memory ends."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyoxigraph as ox

from kg.atomic import staged_file
from kg.engine import MEMORY_LIMIT
from kg.graph import KnowledgeGraph
from kg.schema import ITEM, USER, Namespace
from kg.store import CONCEPT, LABEL, RDF_TYPE, SAME_AS, TEXT, heading_quads, nodes_graph, source_graph

if TYPE_CHECKING:
    import duckdb

__all__ = ["write_nquads"]

_BLOCK = 16 << 20  # bytes of text in one member of the gzip file: members are packed side by side
_LEVEL = 6  # the highest level takes five times as long and saves a twentieth
_BATCH = 1 << 16
_ESCAPED = r'[\x00-\x1f"\\\x7f\x{FFFE}\x{FFFF}]'  # in N-Quads these do not stand for themselves
_END = "' .' || chr(10)"
_INTEGER = "^^<http://www.w3.org/2001/XMLSchema#integer>"


def write_nquads(graph: KnowledgeGraph, path: Path, namespace: Namespace) -> None:
    """Write a graph as `.nq.gz` with sorted lines and without a time stamp: the same graph gives the same bytes.

    The lines are those of `kg.store.quads`. Memory is bounded beside the graph itself; what does not fit waits in files beside
    `path`, which are gone afterwards.
    """
    import duckdb  # takes a quarter of a second, which only those who write should wait for

    with (
        TemporaryDirectory(dir=path.parent, prefix=".nquads-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder}) as connection,
        staged_file(path) as temporary,
    ):
        _register(connection, graph, namespace)
        reader = connection.sql(f"SELECT line FROM ({_lines(namespace)}) ORDER BY line").to_arrow_reader(_BATCH)
        with temporary.open("wb") as packed:
            for member in _members(_texts(reader)):
                packed.write(member)


def _register(connection: duckdb.DuckDBPyConnection, graph: KnowledgeGraph, namespace: Namespace) -> None:
    """Make the tables `nodes`, `edges`, `relations`, `sources` and `heading`; terms are written as N-Quads write them."""
    heading = ox.serialize(heading_quads(graph, namespace), format=ox.RdfFormat.N_QUADS)
    assert heading is not None
    lines = [line.decode() + "\n" for line in heading.splitlines()]
    connection.register("heading", pa.table({"line": pa.array(lines, pa.string())}))
    relations = [str(ox.NamedNode(namespace.term(edge_type.relation))) for edge_type in graph.edges]
    sources = [str(source_graph(source, namespace)) for source in graph.sources]
    for name, terms in (("relations", relations), ("sources", sources)):
        connection.register(name, pa.table({"code": np.arange(len(terms)), "term": pa.array(terms, pa.string())}))
    connection.execute(
        """CREATE TABLE nodes
        (number BIGINT, position BIGINT, term VARCHAR, kind VARCHAR, concept BOOLEAN, label VARCHAR, text VARCHAR, same VARCHAR)"""
    )
    first: dict[str, int] = {}
    for kind, nodes in graph.nodes.items():
        first[kind] = sum(len(graph.nodes[before]) for before in first)
        columns = pa.table(
            {
                "position": np.arange(len(nodes)),
                "id": pa.array(nodes.vocabulary.ids, pa.large_string()),
                "label": _literals(pa.array(nodes.labels, pa.large_string())),
                "text": _literals(pa.array(nodes.texts, pa.large_string())),
                "same": pa.array(nodes.iris, pa.large_string()),
            }
        )
        connection.register("columns", columns)
        connection.execute(
            """INSERT INTO nodes SELECT position + $first, position, '<' || $base || url_encode(id) || '>', $kind, $concept,
            label, text, '<' || same || '>' FROM columns""",
            {
                "first": first[kind],
                "base": namespace.node(kind, ""),
                "kind": str(ox.NamedNode(namespace.term(kind))),
                "concept": kind not in (USER, ITEM),
            },
        )
        connection.unregister("columns")
    batches = [
        pa.record_batch(
            {
                "start": edges.index[0] + first[edge_type.source],
                "relation": np.full(len(edges), code),
                "finish": edges.index[1] + first[edge_type.target],
                "source": edges.provenance,
            }
        )
        for code, (edge_type, edges) in enumerate(graph.edges.items())
    ]
    fields = [("start", pa.int64()), ("relation", pa.int64()), ("finish", pa.int64()), ("source", pa.int16())]
    connection.register("edges", pa.Table.from_batches(batches, pa.schema(fields)))


def _lines(namespace: Namespace) -> str:
    """Return the query of all lines, as `kg.store.quads` states them."""
    index, about = (_quoted(term) for term in (ox.NamedNode(namespace.term("index")), nodes_graph(namespace)))
    facts = (
        (_quoted(RDF_TYPE), "kind", "TRUE"),
        (_quoted(RDF_TYPE), _quoted(CONCEPT), "concept"),
        (index, f"'\"' || position || '\"{_INTEGER}'", "TRUE"),
        (_quoted(LABEL), "label", "TRUE"),
        (_quoted(TEXT), "text", "text IS NOT NULL"),
        (_quoted(SAME_AS), "same", "same IS NOT NULL"),
    )
    parts = [
        f"SELECT term || ' ' || {predicate} || ' ' || {value} || ' ' || {about} || {_END} AS line FROM nodes WHERE {wanted}"
        for predicate, value, wanted in facts
    ]
    edges = f"""SELECT a.term || ' ' || r.term || ' ' || b.term || ' ' || s.term || {_END} AS line FROM edges e
        JOIN nodes a ON a.number = e.start JOIN relations r ON r.code = e.relation
        JOIN nodes b ON b.number = e.finish JOIN sources s ON s.code = e.source"""
    return " UNION ALL ".join(["SELECT line FROM heading", *parts, edges])


def _quoted(term: ox.NamedNode) -> str:
    return "'" + str(term).replace("'", "''") + "'"


def _literals(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return texts as literals; None stays None."""
    hostile = pc.fill_null(pc.match_substring_regex(texts, _ESCAPED), fill_value=False)
    quote, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
    quoted = pc.binary_join_element_wise(quote, texts, quote, nothing)
    escaped = [str(ox.Literal(text)) for text in texts.filter(hostile).to_pylist()]
    return pc.replace_with_mask(quoted, hostile, pa.array(escaped, pa.large_string()))


def _texts(reader: pa.RecordBatchReader) -> Iterator[memoryview]:
    """Yield the bytes of one batch of lines after the other."""
    for batch in reader:
        column = batch.column(0).cast(pa.large_string())
        if len(column):
            offsets = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
            yield memoryview(column.buffers()[2])[offsets[0] : offsets[-1]]


def _members(texts: Iterable[memoryview]) -> Iterator[bytes]:
    """Pack blocks of equal size side by side and yield them in order."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[bytes]] = deque()
        for block in _blocks(texts):
            waiting.append(pool.submit(gzip.compress, block, _LEVEL, mtime=0))
            if len(waiting) > 3:
                yield waiting.popleft().result()
        for member in waiting:
            yield member.result()


def _blocks(texts: Iterable[memoryview]) -> Iterator[bytes]:
    held = bytearray()
    for text in texts:
        held += text
        while len(held) >= _BLOCK:
            yield bytes(held[:_BLOCK])
            del held[:_BLOCK]
    yield bytes(held)
