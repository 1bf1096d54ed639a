"""The N-Quads of record, written for graphs of any size: DuckDB makes and sorts the lines, on disk where memory ends."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyoxigraph as ox
from numpy.typing import NDArray

from kg.graph import KnowledgeGraph
from kg.rdf.engine import MEMORY_LIMIT
from kg.schema import ITEM, USER, Namespace
from kg.storage.atomic import staged_file
from kg.store import CONCEPT, LABEL, RDF_TYPE, SAME_AS, TEXT, heading_quads, nodes_graph, source_graph

if TYPE_CHECKING:
    import duckdb

__all__ = ["write_nquads"]

_BLOCK = 16 << 20  # bytes of text in one member of the gzip file: members are packed side by side
_LEVEL = 6  # the highest level takes five times as long and saves a twentieth
_BATCH = 1 << 16
_PART = 1_000_000  # lines that are sorted at once, unless one subject has more
_FACTS = 7  # most lines a node has without its edges
_ESCAPED = r'[\x00-\x1f"\\\x7f\x{FFFE}\x{FFFF}]'  # in N-Quads these do not stand for themselves
_END = "' .' || chr(10)"
_INTEGER = "^^<http://www.w3.org/2001/XMLSchema#integer>"


def write_nquads(graph: KnowledgeGraph, path: Path, namespace: Namespace) -> None:
    """Write a graph as `.nq.gz` with sorted lines and without a time stamp: the same graph gives the same bytes.

    The lines are those of `kg.store.quads`. A line begins with its subject, so subjects are sorted first, and then the lines
    of one range of subjects after the other: memory beside the graph is bounded. What does not fit waits in files beside
    `path`, which are gone afterwards.
    """
    import duckdb  # takes a quarter of a second, which only those who write should wait for

    with (
        TemporaryDirectory(dir=path.parent, prefix=".nquads-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder}) as connection,
        staged_file(path) as temporary,
    ):
        first = _add_nodes(connection, graph, namespace)
        _add_terms(connection, graph, namespace)
        ranks = connection.sql("SELECT rank FROM terms ORDER BY number").fetchnumpy()["rank"]
        with temporary.open("wb") as packed:
            for member in _members(_texts(connection, _edges(graph, first), ranks, _lines(namespace))):
                packed.write(member)


def _add_nodes(connection: duckdb.DuckDBPyConnection, graph: KnowledgeGraph, namespace: Namespace) -> dict[str, int]:
    """Make the tables `nodes` and `terms` (in order of bytes); return the number of the first node of each kind."""
    connection.execute(
        """CREATE TABLE nodes (number BIGINT, position BIGINT, term VARCHAR, kind VARCHAR, concept BOOLEAN,
        label VARCHAR, text VARCHAR, same VARCHAR, removed BOOLEAN)"""
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
                "removed": np.asarray(nodes.vocabulary.removed, dtype=bool),
            }
        )
        connection.register("columns", columns)
        connection.execute(
            """INSERT INTO nodes SELECT position + $first, position, '<' || $base || url_encode(id) || '>', $kind, $concept,
            label, text, '<' || same || '>', removed FROM columns""",
            {
                "first": first[kind],
                "base": namespace.node(kind, ""),
                "kind": str(ox.NamedNode(namespace.term(kind))),
                "concept": kind not in (USER, ITEM),
            },
        )
        connection.unregister("columns")
    connection.execute(
        "CREATE TABLE terms AS SELECT number, term, row_number() OVER (ORDER BY term) - 1 AS rank FROM nodes"
    )
    connection.execute("ALTER TABLE nodes DROP COLUMN term")
    return first


def _add_terms(connection: duckdb.DuckDBPyConnection, graph: KnowledgeGraph, namespace: Namespace) -> None:
    """Make the tables `relations`, `sources` and `heading`, as N-Quads write them."""
    heading = ox.serialize(heading_quads(graph, namespace), format=ox.RdfFormat.N_QUADS)
    assert heading is not None
    lines = [line.decode() + "\n" for line in heading.splitlines()]
    connection.register("heading", pa.table({"line": pa.array(lines, pa.string())}))
    relations = [str(ox.NamedNode(namespace.term(edge_type.relation))) for edge_type in graph.edges]
    sources = [str(source_graph(source, namespace)) for source in graph.sources]
    for name, terms in (("relations", relations), ("sources", sources)):
        connection.register(name, pa.table({"code": np.arange(len(terms)), "term": pa.array(terms, pa.string())}))


def _edges(graph: KnowledgeGraph, first: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Return the columns `start`, `relation`, `finish`, `source` of all edges."""
    columns: dict[str, list[NDArray[Any]]] = {"start": [], "relation": [], "finish": [], "source": []}
    for code, (edge_type, edges) in enumerate(graph.edges.items()):
        columns["start"].append(edges.index[0] + first[edge_type.source])
        columns["relation"].append(np.full(len(edges), code, dtype=np.int32))
        columns["finish"].append(edges.index[1] + first[edge_type.target])
        columns["source"].append(edges.provenance)
    empty = np.empty(0, dtype=np.int16)
    return {name: np.concatenate([empty, *parts]) for name, parts in columns.items()}


def _texts(
    connection: duckdb.DuckDBPyConnection, edges: Mapping[str, NDArray[Any]], ranks: NDArray[np.int64], lines: str
) -> Iterator[memoryview]:
    """Yield the sorted lines: of one range of subjects after the other, as bytes."""
    starts = ranks[edges["start"]]
    ordered = np.argsort(starts, kind="stable")
    ends = np.cumsum(np.bincount(starts, minlength=len(ranks)))  # of the edges of each subject, in order of rank
    number = ends + _FACTS * np.arange(1, len(ranks) + 1)  # of the lines until the end of each subject
    cuts = np.unique(np.searchsorted(number, np.arange(_PART, number[-1] if len(number) else 0, _PART)))
    bounds = [0, *(cut for cut in cuts.tolist() if 0 < cut < len(ranks)), len(ranks)]
    cut_at = connection.sql(
        "SELECT rank, term FROM terms WHERE list_contains($cuts, rank)", params={"cuts": bounds[1:]}
    )
    terms: dict[int, str] = dict(cut_at.fetchall())
    for low, high in pairwise(bounds):
        rows = ordered[ends[low - 1] if low else 0 : ends[high - 1] if high else 0]
        connection.register("edges", pa.table({name: column[rows] for name, column in edges.items()}))
        # The heading belongs to the range in which its lines lie.
        parameters = {"low_rank": low, "high_rank": high, "low": terms.get(low, ""), "high": terms.get(high)}
        found = connection.sql(f"SELECT line FROM ({lines}) ORDER BY line", params=parameters)
        for batch in found.to_arrow_reader(_BATCH):
            column = batch.column(0).cast(pa.large_string())
            offsets = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
            yield memoryview(column.buffers()[2] or b"")[offsets[0] : offsets[-1]]
        connection.unregister("edges")


def _lines(namespace: Namespace) -> str:
    """Return the query of the lines of a range of subjects, as `kg.store.quads` states them."""
    index, about = (_quoted(term) for term in (ox.NamedNode(namespace.term("index")), nodes_graph(namespace)))
    facts = (
        (_quoted(RDF_TYPE), "kind", "NOT removed"),
        (_quoted(RDF_TYPE), _quoted(CONCEPT), "concept AND NOT removed"),
        (_quoted(RDF_TYPE), _quoted(ox.NamedNode(namespace.term("Removed"))), "removed"),
        (index, f"'\"' || position || '\"{_INTEGER}'", "TRUE"),
        (_quoted(LABEL), "label", "NOT removed"),
        (_quoted(TEXT), "text", "text IS NOT NULL AND NOT removed"),
        (_quoted(SAME_AS), "same", "same IS NOT NULL AND NOT removed"),
    )
    assert len(facts) == _FACTS
    parts = [
        f"""SELECT term || ' ' || {predicate} || ' ' || {value} || ' ' || {about} || {_END} AS line
        FROM nodes JOIN terms USING (number) WHERE rank >= $low_rank AND rank < $high_rank AND {wanted}"""
        for predicate, value, wanted in facts
    ]
    heading = "SELECT line FROM heading WHERE line >= $low AND ($high IS NULL OR line < $high)"
    edges = f"""SELECT a.term || ' ' || r.term || ' ' || b.term || ' ' || s.term || {_END} AS line FROM edges e
        JOIN terms a ON a.number = e.start JOIN relations r ON r.code = e.relation
        JOIN terms b ON b.number = e.finish JOIN sources s ON s.code = e.source"""
    return " UNION ALL ".join([heading, *parts, edges])


def _quoted(term: ox.NamedNode) -> str:
    return "'" + str(term).replace("'", "''") + "'"


def _literals(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return texts as literals; None stays None."""
    hostile = pc.fill_null(pc.match_substring_regex(texts, _ESCAPED), fill_value=False)
    quote, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ""))
    quoted = pc.binary_join_element_wise(quote, texts, quote, nothing)
    escaped = [str(ox.Literal(text)) for text in texts.filter(hostile).to_pylist()]
    return pc.replace_with_mask(quoted, hostile, pa.array(escaped, pa.large_string()))


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
