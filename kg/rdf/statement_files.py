"""Statements as columns on disk: triples between nodes, and literals about nodes, many at a time.

Integers stand in place of the nodes of triples, so that what follows joins and counts numbers instead of text. A code is
63 bits of a hash, so that parts of a source are coded apart. Codes are made here by DuckDB whatever engine joins them,
live as long as one build, and show in nothing that it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyoxigraph as ox

from kg.rdf.engine import without_progress_bar
from kg.rdf.rdf_file import RELATIVE
from kg.report import FileAccount
from kg.triples import BLANK

__all__ = ["StatementFiles", "codes_of", "quoted"]

_TEXT, _INTEGER = pa.string(), pa.int64()
_STATED = pa.schema([("position", _INTEGER), ("subject", _TEXT), ("predicate", _TEXT), ("object", _TEXT)])
_TRIPLES = pa.schema([("position", _INTEGER), ("subject", _INTEGER), ("predicate", _TEXT), ("object", _INTEGER)])
_NODES = pa.schema([("code", _INTEGER), ("node", _TEXT)])
_LITERALS = pa.schema([*list(_STATED)[:3], ("value", _TEXT), ("datatype", _TEXT), ("language", _TEXT)])
_MOST_ROWS = 1 << 17
_CODE = "(hash({}) >> 1)::BIGINT"


class StatementFiles:
    """A folder that receives the statements of one source as Parquet files; what cannot be used is counted.

    Afterwards `triples-*.parquet` holds `position`, `subject`, `predicate`, `object`, of which subject and object are codes,
    `nodes-*.parquet` holds `code` and `node` (a pair may stand several times), and `literals-*.parquet` holds `position`,
    `subject`, `predicate`, `value`, `datatype`, `language`. A node is an IRI, or `_:FILE#LABEL` where the file gives it none.
    """

    TRIPLES, NODES, LITERALS = "triples-*.parquet", "nodes-*.parquet", "literals-*.parquet"

    def __init__(self, folder: Path, name: str, account: FileAccount, *, labels: bool) -> None:
        """Begin with files that have all columns and no rows.

        Args:
            folder: An existing folder.
            name: Name of the source, in the ids of nodes without an IRI.
            account: Receives the counts.
            labels: Whether nodes without an IRI keep the labels that the source gives them; otherwise they are numbered
                in order of mention, as parsers make up labels at random where a source gives none.
        """
        self.folder, self.name, self.account, self.labels = folder, name, account, labels
        self.database = duckdb.connect()
        without_progress_bar(self.database)
        self._triples: list[tuple[Any, ...]] = []
        self._literals: list[tuple[Any, ...]] = []
        self._blanks: dict[str, int] = {}
        self._num_files = 0
        for kind, schema in (("triples", _TRIPLES), ("nodes", _NODES), ("literals", _LITERALS)):
            pq.write_table(schema.empty_table(), self._part(kind))

    def add_triples(self, rows: str) -> None:
        """Write triples of the database, from a table or a query in brackets: `position`, `subject`, `predicate`, `object`."""
        subject, target = _CODE.format("subject"), _CODE.format("object")
        self._copy(
            f"SELECT position, {subject} AS subject, predicate, {target} AS object FROM {rows}",
            "triples",
        )
        nodes = f"SELECT subject AS node FROM {rows} UNION SELECT object FROM {rows}"
        self._copy(f"SELECT {_CODE.format('node')} AS code, node FROM ({nodes})", "nodes")

    def add_literals(self, query: str) -> None:
        """Write literals that a query of the database finds, with the columns of the file in their order."""
        self._copy(query, "literals")

    def take(self, position: int, quad: ox.Quad) -> None:
        """Add a statement, or count why it is not used."""
        self.account.rows += 1
        if not isinstance(quad.graph_name, ox.DefaultGraph):
            self.account.count("statements in named graphs, taken as well", 1)
        target = quad.object
        if isinstance(quad.subject, ox.Triple) or isinstance(target, ox.Triple):
            self.account.drop("a statement about a statement", 1)
            return
        ends = [self._node(quad.subject), quad.predicate.value]
        if not isinstance(target, ox.Literal):
            ends.append(self._node(target))
        relative = next((end for end in ends if end.startswith(RELATIVE)), None)
        if relative is not None:
            reason = "a relative IRI; give base: IRI in the description to keep these"
            self.account.drop(reason, 1, [f"<{relative.removeprefix(RELATIVE)}>"])
        elif isinstance(target, ox.Literal):
            self._literals.append((position, *ends, target.value, target.datatype.value, target.language))
        else:
            self._triples.append((position, *ends))
        if len(self._triples) + len(self._literals) >= _MOST_ROWS:
            self.flush()

    def add_table(self, triples: pa.Table) -> None:
        """Write triples whose nodes are text."""
        self.database.register("stated", triples)
        self.add_triples("stated")
        self.database.unregister("stated")

    def flush(self) -> None:
        """Write what was taken."""
        if self._triples:
            self.add_table(_table(self._triples, _STATED))
        if self._literals:
            pq.write_table(_table(self._literals, _LITERALS), self._part("literals"))
        self._triples, self._literals = [], []

    def _part(self, kind: str) -> Path:
        self._num_files += 1
        return self.folder / f"{kind}-{self._num_files:06}.parquet"

    def _copy(self, query: str, kind: str) -> None:
        self.database.execute(f"COPY ({query}) TO {quoted(str(self._part(kind)))} (FORMAT parquet)")

    def _node(self, node: ox.NamedNode | ox.BlankNode) -> str:
        if isinstance(node, ox.NamedNode):
            return node.value
        label = node.value if self.labels else str(self._blanks.setdefault(node.value, len(self._blanks)))
        return f"{BLANK}{self.name}#{label}"


def codes_of(nodes: Sequence[str]) -> pa.Array:
    """Return the codes of nodes, whichever source speaks of them, int64 `[num_nodes]`."""
    with duckdb.connect() as connection:
        connection.register("given", pa.table({"place": range(len(nodes)), "node": pa.array(nodes, _TEXT)}))
        query = f"SELECT {_CODE.format('node')} AS code FROM given ORDER BY place"
        return connection.sql(query).to_arrow_table()["code"].combine_chunks()


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
