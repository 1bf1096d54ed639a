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
from kg.rdf.engine import MEMORY_LIMIT, without_progress_bar
from kg.saved.store import CONCEPT, LABEL, RDF_TYPE, SAME_AS, TEXT, heading_quads, nodes_graph, source_graph
from kg.schema import ITEM, USER, Namespace
from kg.storage.atomic import staged_file

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

    The lines are those of `kg.saved.store.quads`. A line begins with its subject, so subjects are sorted first, and then the lines
    of one range of subjects after the other: memory beside the graph is bounded. Lines are ordered by numbers, the ranks of
    their terms: an IRI in brackets never begins another, so that is the order of their bytes. What does not fit waits in
    files beside `path`, which are gone afterwards.
    """
    import duckdb  # takes a quarter of a second, which only those who write should wait for

    with (
        TemporaryDirectory(dir=path.parent, prefix=".nquads-") as folder,
        duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": folder}) as connection,
        staged_file(path) as temporary,
    ):
        without_progress_bar(connection)
        first = _add_nodes(connection, graph, namespace)
        predicates = _add_terms(connection, graph, namespace)
        with temporary.open("wb") as packed:
            for member in _members(_texts(connection, _edges(graph, first), _lines(namespace, predicates))):
                packed.write(member)


def _add_nodes(connection: duckdb.DuckDBPyConnection, graph: KnowledgeGraph, namespace: Namespace) -> dict[str, int]:
    """Make the table `nodes`; return the number of the first node of each kind."""
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
    return first


def _add_terms(connection: duckdb.DuckDBPyConnection, graph: KnowledgeGraph, namespace: Namespace) -> dict[str, int]:
    """Make the tables `heading`, `ranked` (nodes), `relations`, `sources`, as N-Quads write them, with ranks in order of bytes.

    Returns:
        The rank of each predicate.
    """
    heading = ox.serialize(heading_quads(graph, namespace), format=ox.RdfFormat.N_QUADS)
    assert heading is not None
    lines = sorted(line + b"\n" for line in heading.splitlines())
    subjects = {
        subject: -1 - number for number, subject in enumerate({line.partition(b" ")[0]: None for line in lines})
    }
    columns = {
        "number": [subjects[line.partition(b" ")[0]] for line in lines],
        "place": np.arange(len(lines)),
        "line": pa.array([line.decode() for line in lines], pa.string()),
    }
    connection.register("heading", pa.table(columns))
    connection.execute(
        """CREATE TABLE ranks AS SELECT number, row_number() OVER (ORDER BY term) - 1 AS rank FROM (
            SELECT number, term FROM nodes UNION ALL SELECT DISTINCT number, split_part(line, ' ', 1) FROM heading
        )"""
    )
    # Rows in order, so that of a range of subjects no others are read.
    connection.execute("CREATE TABLE ranked AS SELECT * FROM nodes JOIN ranks USING (number) ORDER BY rank")
    connection.execute("DROP TABLE nodes")
    relations = [str(ox.NamedNode(namespace.term(edge_type.relation))) for edge_type in graph.edges]
    sources = [str(source_graph(source, namespace)) for source in graph.sources]
    predicates = _ranks([*relations, *map(str, (RDF_TYPE, LABEL, TEXT, SAME_AS, _index(namespace)))])
    for name, terms, ranks in (("relations", relations, predicates), ("sources", sources, _ranks(sources))):
        columns = {"code": np.arange(len(terms)), "term": pa.array(terms, pa.string())}
        connection.register(name, pa.table({**columns, "rank": np.array([ranks[term] for term in terms], np.int64)}))
    return predicates


def _ranks(terms: Iterable[str]) -> dict[str, int]:
    return {term: rank for rank, term in enumerate(sorted(set(terms), key=str.encode))}


def _index(namespace: Namespace) -> ox.NamedNode:
    return ox.NamedNode(namespace.term("index"))


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
    connection: duckdb.DuckDBPyConnection, edges: Mapping[str, NDArray[Any]], lines: str
) -> Iterator[memoryview]:
    """Yield the sorted lines: of one range of subjects after the other, as bytes."""
    found = connection.sql("SELECT number, rank FROM ranks ORDER BY number").fetchnumpy()
    total, ranks = len(found["rank"]), found["rank"][found["number"] >= 0]
    starts, finishes = ranks[edges["start"]], ranks[edges["finish"]]
    ordered = np.argsort(starts, kind="stable")
    ends = np.cumsum(np.bincount(starts, minlength=total))  # of the edges of each subject, in order of rank
    number = ends + _FACTS * np.arange(1, total + 1)  # of the lines until the end of each subject
    cuts = np.unique(np.searchsorted(number, np.arange(_PART, number[-1], _PART)))
    bounds = [0, *(cut for cut in cuts.tolist() if 0 < cut < total), total]
    for low, high in pairwise(bounds):
        rows = ordered[ends[low - 1] if low else 0 : ends[high - 1]]
        columns = {"start": starts, "finish": finishes, "relation": edges["relation"], "source": edges["source"]}
        connection.register("edges", pa.table({name: column[rows] for name, column in columns.items()}))
        query = f"SELECT line FROM ({lines}) ORDER BY subject, predicate, object, source"
        for batch in connection.sql(query, params={"low": low, "high": high}).to_arrow_reader(_BATCH):
            column = batch.column(0).cast(pa.large_string())
            offsets = np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
            yield memoryview(column.buffers()[2] or b"")[offsets[0] : offsets[-1]]
        connection.unregister("edges")


def _lines(namespace: Namespace, predicates: Mapping[str, int]) -> str:
    """Return the query of the lines of a range of subjects, as `kg.saved.store.quads` states them, with what orders them."""
    concept, removed = (_quoted(term) for term in (CONCEPT, ox.NamedNode(namespace.term("Removed"))))
    about = _quoted(nodes_graph(namespace))
    # Predicate, object, which nodes have it, and what orders it among the objects of the predicate.
    facts = (
        (RDF_TYPE, "kind", "NOT removed", f"CASE WHEN kind < {concept} THEN 0 ELSE 2 END"),
        (RDF_TYPE, concept, "concept AND NOT removed", "1"),
        (RDF_TYPE, removed, "removed", "0"),
        (_index(namespace), f"'\"' || position || '\"{_INTEGER}'", "TRUE", "0"),
        (LABEL, "label", "NOT removed", "0"),
        (TEXT, "text", "text IS NOT NULL AND NOT removed", "0"),
        (SAME_AS, "same", "same IS NOT NULL AND NOT removed", "0"),
    )
    assert len(facts) == _FACTS
    parts = [
        f"""SELECT rank AS subject, {predicates[str(predicate)]} AS predicate, {order} AS object, 0 AS source,
        concat(term, ' ', {_quoted(predicate)}, ' ', {value}, ' ', {about}, {_END}) AS line
        FROM ranked WHERE rank >= $low AND rank < $high AND {wanted}"""
        for predicate, value, wanted, order in facts
    ]
    heading = (
        "SELECT rank, 0, place, 0, line FROM heading JOIN ranks USING (number) WHERE rank >= $low AND rank < $high"
    )
    # A relation may be called as a fact is: a literal begins with a quote, and stands before every IRI.
    edges = f"""SELECT e.start, r.rank, 3 + e.finish, s.rank,
        concat(a.term, ' ', r.term, ' ', b.term, ' ', s.term, {_END}) FROM edges e
        JOIN (FROM ranked WHERE rank >= $low AND rank < $high) a ON a.rank = e.start
        JOIN relations r ON r.code = e.relation JOIN ranked b ON b.rank = e.finish JOIN sources s ON s.code = e.source"""
    return " UNION ALL ".join([*parts, heading, edges])


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
