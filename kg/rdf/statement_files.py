"""Statements as columns on disk: triples between nodes, and literals about nodes, many at a time."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyoxigraph as ox

from kg.rdf.rdf_file import RELATIVE
from kg.rdf.term_codes import write_coded
from kg.report import FileAccount
from kg.triples import BLANK

__all__ = ["StatementFiles"]

_STATED = pa.schema(
    [("position", pa.int64()), ("subject", pa.string()), ("predicate", pa.string()), ("object", pa.string())]
)
_TRIPLES = pa.schema(
    [("position", pa.int64()), ("subject", pa.int64()), ("predicate", pa.string()), ("object", pa.int64())]
)
_NODES = pa.schema([("code", pa.int64()), ("node", pa.string())])
_LITERALS = pa.schema(
    [
        ("position", pa.int64()),
        ("subject", pa.string()),
        ("predicate", pa.string()),
        ("value", pa.string()),
        ("datatype", pa.string()),
        ("language", pa.string()),
    ]
)
_MOST_ROWS = 1 << 17


class StatementFiles:
    """A folder that receives the statements of one source as Parquet files; what cannot be used is counted.

    Afterwards `triples-*.parquet` holds `position`, `subject`, `predicate`, `object`, of which subject and object are codes,
    `nodes-*.parquet` holds `code` and `node` (a pair may stand several times), and `literals-*.parquet` holds `position`,
    `subject`, `predicate`, `value`, `datatype`, `language`. A node is an IRI, or `_:FILE#LABEL` where the file gives it none.
    """

    TRIPLES, NODES, LITERALS = "triples-*.parquet", "nodes-*.parquet", "literals-*.parquet"

    def __init__(self, folder: Path, name: str, account: FileAccount, *, labels: bool, salt: int = 0) -> None:
        """Begin with files that have all columns and no rows.

        Args:
            folder: An existing folder.
            name: Name of the source, in the ids of nodes without an IRI.
            account: Receives the counts.
            labels: Whether nodes without an IRI keep the labels that the source gives them; otherwise they are numbered
                in order of mention, as parsers make up labels at random where a source gives none.
            salt: Salt of the codes.
        """
        self.folder, self.name, self.account, self.labels, self.salt = folder, name, account, labels, salt
        self._triples: list[tuple[Any, ...]] = []
        self._literals: list[tuple[Any, ...]] = []
        self._blanks: dict[str, int] = {}
        self._numbers, self._lock = 0, Lock()
        # One database for all parts, as opening one takes long; a query runs on the thread that asks it of a cursor.
        self.database = duckdb.connect(config={"threads": 1})
        for kind, schema in (("triples", _TRIPLES), ("nodes", _NODES), ("literals", _LITERALS)):
            pq.write_table(schema.empty_table(), self.part(kind))

    def part(self, name: str) -> Path:
        """Return the path of a new file of `triples`, `nodes` or `literals`, for who has columns already; on any thread."""
        with self._lock:
            self._numbers += 1
            return self.folder / f"{name}-{self._numbers:06}.parquet"

    def parts(self) -> dict[str, Path]:
        """Return new files of `triples` and `nodes`, as `write_coded` takes them."""
        return {name: self.part(name) for name in ("triples", "nodes")}

    def add(self, triples: pa.Table) -> None:
        """Write triples whose nodes are text."""
        with self.database.cursor() as connection:
            connection.register("stated", triples)
            write_coded(connection, "stated", self.salt, **self.parts())

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

    def flush(self) -> None:
        """Write what was taken."""
        if self._triples:
            self.add(_table(self._triples, _STATED))
        if self._literals:
            pq.write_table(_table(self._literals, _LITERALS), self.part("literals"))
        self._triples, self._literals = [], []

    def _node(self, node: ox.NamedNode | ox.BlankNode) -> str:
        if isinstance(node, ox.NamedNode):
            return node.value
        label = node.value if self.labels else str(self._blanks.setdefault(node.value, len(self._blanks)))
        return f"{BLANK}{self.name}#{label}"


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
