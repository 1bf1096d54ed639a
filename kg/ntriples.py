"""N-Triples and N-Quads of any size as Parquet columns: plain lines by a regular expression, all others by the full parser.

A line stands alone in both formats. What the grammar surely allows (absolute `http` IRIs without escapes, literals without
escapes) is taken apart by DuckDB, on all cores and a few million lines a second; every other line, whether it holds an escape,
a blank node, odd spaces or an error, goes through pyoxigraph one by one. So the result is that of the full parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyoxigraph as ox

from kg.errors import InputError
from kg.report import FileAccount

__all__ = ["LITERALS", "TRIPLES", "TripleFiles", "read_ntriples"]

TRIPLES = pa.schema(
    [("position", pa.int64()), ("subject", pa.string()), ("predicate", pa.string()), ("object", pa.string())]
)
LITERALS = pa.schema(
    [
        ("position", pa.int64()),
        ("subject", pa.string()),
        ("predicate", pa.string()),
        ("value", pa.string()),
        ("datatype", pa.string()),
        ("language", pa.string()),
    ]
)
_CHUNK = 32 << 20  # bytes of text that are taken apart at once
_BATCH = 1 << 15  # lines that one thread takes
_LONGEST_LINE = 64 << 20
_STRING = "http://www.w3.org/2001/XMLSchema#string"
_TAGGED = "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"
_LETTER = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/\x{A0}-\x{D7FF}]|%[0-9A-Fa-f][0-9A-Fa-f]"
_IRI = rf"https?://[A-Za-z0-9.\-]+(?:/(?:{_LETTER})*)?(?:\?(?:{_LETTER})*)?(?:#(?:{_LETTER})*)?"
# Tabs apart, control characters are left to the parser; a language of two letters is always a valid tag.
_LITERAL = rf'"([^"\\\x00-\x08\x0a-\x1f\x7f]*)"(?:@([a-z][a-z])|\^\^<({_IRI})>)?'
_END = r"\.\r?\n?$"
_NOTHING = r"^[ \t]*(?:#[^\r\n]*)?\r?\n?$"


@dataclass(frozen=True, kw_only=True)
class TripleFiles:
    """The statements of one file, as Parquet files.

    Attributes:
        triples: Pattern of the files with triples between IRIs: `position` (the line, from 1), `subject`, `predicate`, `object`.
        literals: Pattern of the files with literals of IRIs: `position`, `subject`, `predicate`, `value`, `datatype`, `language`.
    """

    triples: str
    literals: str


def read_ntriples(file: Path, into: Path, *, lenient: bool, account: FileAccount) -> TripleFiles:
    """Read a file of lines into Parquet files; memory is bounded whatever its size.

    Args:
        file: `.nt` or `.nq`, plain or compressed (`.gz`, `.bz2`, `.zst`); graph names are left aside.
        into: A folder that exists; the files go there.
        lenient: Refuse and count invalid lines instead of stopping at the first.
        account: Receives the counts.

    Raises:
        InputError: If the file is missing or damaged, or not valid, with the line.
    """
    reader = _Reader(file, into, lenient=lenient, account=account)
    reader.write()  # a file without a statement has columns as well
    with duckdb.connect() as connection:
        for first, lines in _chunks(file):
            reader.take(connection, first, lines)
    return TripleFiles(triples=str(into / "triples-*.parquet"), literals=str(into / "literals-*.parquet"))


@dataclass(kw_only=True)
class _Rows:
    """Statements that the full parser read, until they are written."""

    triples: list[tuple[Any, ...]] = field(default_factory=list)
    literals: list[tuple[Any, ...]] = field(default_factory=list)


class _Reader:
    """Takes chunk after chunk of lines apart."""

    def __init__(self, file: Path, into: Path, *, lenient: bool, account: FileAccount) -> None:
        quads = ".nq" in file.suffixes[-2:]
        self.file, self.into, self.lenient, self.account = file, into, lenient, account
        self.format = ox.RdfFormat.N_QUADS if quads else ox.RdfFormat.N_TRIPLES
        graph = f"(?:<{_IRI}> )?" if quads else ""
        self.triple = f"^<({_IRI})> <({_IRI})> <({_IRI})> {graph}{_END}"
        self.literal = f"^<({_IRI})> <({_IRI})> {_LITERAL} {graph}{_END}"
        self.parts = 0
        self.rows = _Rows()

    def take(self, connection: duckdb.DuckDBPyConnection, first: int, lines: pa.Array) -> None:
        """Write what a chunk states; `first` is the number of its first line."""
        text, unreadable = _decoded(first, lines)
        chunk = pa.table({"position": np.arange(first, first + len(text), dtype=np.int64), "text": text})
        connection.register("chunk", pa.Table.from_batches(chunk.to_batches(max_chunksize=_BATCH)))
        connection.execute(
            """CREATE OR REPLACE TEMP TABLE parsed AS
            SELECT position, term, CASE WHEN term.s = '' THEN text END AS text
            FROM (SELECT position, text, regexp_extract(text, $triple, ['s', 'p', 'o']) AS term FROM chunk)""".replace(
                "$triple", _quoted(self.triple)
            )
        )
        connection.unregister("chunk")
        self._copy(
            connection,
            "triples",
            "SELECT position, term.s AS subject, term.p AS predicate, term.o AS object FROM parsed WHERE term.s <> ''",
        )
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE parsed AS
            SELECT position, term, CASE WHEN term.s = '' THEN text END AS text
            FROM (
                SELECT position, text, regexp_extract(text, {_quoted(self.literal)}, ['s', 'p', 'v', 'l', 'd']) AS term
                FROM parsed WHERE text IS NOT NULL AND NOT regexp_matches(text, {_quoted(_NOTHING)})
            )"""
        )
        self._copy(
            connection,
            "literals",
            f"""SELECT position, term.s AS subject, term.p AS predicate, term.v AS value,
                CASE WHEN term.l <> '' THEN '{_TAGGED}' WHEN term.d = '' THEN '{_STRING}' ELSE term.d END AS datatype,
                nullif(term.l, '') AS language
            FROM parsed WHERE term.s <> ''""",
        )
        doubtful = connection.execute("SELECT position, text FROM parsed WHERE text IS NOT NULL ORDER BY position")
        for position, line in sorted(
            [*unreadable, *((position, text.encode()) for position, text in doubtful.fetchall())]
        ):
            self._parse(position, line)
        self.write()

    def write(self) -> None:
        """Write the statements that the full parser read."""
        for name, rows, schema in (("triples", self.rows.triples, TRIPLES), ("literals", self.rows.literals, LITERALS)):
            columns = list(zip(*rows, strict=True)) or [()] * len(schema)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
            pq.write_table(pa.Table.from_arrays(arrays, schema=schema), self._part(name))
        self.rows = _Rows()

    def _part(self, name: str) -> Path:
        self.parts += 1
        return self.into / f"{name}-{self.parts:06}.parquet"

    def _copy(self, connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
        written = connection.execute(f"COPY ({query}) TO {_quoted(str(self._part(name)))} (FORMAT parquet)").fetchall()
        self.account.rows += written[0][0]

    def _parse(self, position: int, line: bytes) -> None:
        """Read one line with the full parser."""
        try:
            for quad in ox.parse(line, format=self.format):
                self._take(position, quad.triple)
        except (SyntaxError, ValueError) as error:
            kind = "N-Quads" if self.format == ox.RdfFormat.N_QUADS else "N-Triples"
            if not self.lenient:
                problem = str(getattr(error, "msg", error)).replace(" at line 1 ", " at ")
                raise InputError(
                    f"expected valid {kind}, found an error: {problem}", file=self.file, line=position
                ) from None
            self.account.rows += 1
            self.account.drop(f"the line is not valid {kind}", 1, [f"line {position}"])

    def _take(self, position: int, triple: ox.Triple) -> None:
        self.account.rows += 1
        subject, predicate, target = triple.subject, triple.predicate.value, triple.object
        if isinstance(subject, ox.NamedNode) and isinstance(target, ox.NamedNode):
            self.rows.triples.append((position, subject.value, predicate, target.value))
        elif isinstance(subject, ox.NamedNode) and isinstance(target, ox.Literal):
            value = (target.value, target.datatype.value, target.language)
            self.rows.literals.append((position, subject.value, predicate, *value))
        else:
            self.account.drop("the object is a literal" if isinstance(target, ox.Literal) else "a blank node", 1)


def _chunks(file: Path) -> Iterator[tuple[int, pa.Array]]:
    """Yield the number of the first line and the lines (bytes, with their ends) of one chunk after the other."""
    first, rest = 1, b""
    try:
        with pa.input_stream(str(file)) as stream:
            while content := stream.read(_CHUNK):
                content = rest + content
                end = content.rfind(b"\n") + 1
                content, rest = content[:end], content[end:]
                if len(rest) > _LONGEST_LINE:
                    raise InputError(
                        f"expected a statement a line, found a line of more than {_LONGEST_LINE >> 20} MB; is this N-Triples?",
                        file=file,
                        line=first + content.count(b"\n"),
                    )
                if content:
                    lines = _lines(content)
                    yield first, lines
                    first += len(lines)
    except FileNotFoundError:
        raise InputError("no such file; check the path in the description and --data", file=file) from None
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        problem = str(error).splitlines()[0]
        raise InputError(
            f"the file cannot be read, or is cut off or damaged ({problem}); fetch it again", file=file
        ) from None
    if rest:
        yield first, _lines(rest)


def _decoded(first: int, lines: pa.Array) -> tuple[pa.Array, list[tuple[int, bytes]]]:
    """Return lines as text, empty where they are not UTF-8, and those with their numbers."""
    text = lines.view(pa.large_string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        unreadable = []
        readable = []
        for position, line in enumerate(lines.to_pylist(), start=first):
            try:
                readable.append(line.decode())
            except UnicodeDecodeError:
                readable.append("")
                unreadable.append((position, line))
        return pa.array(readable, pa.large_string()), unreadable
    return text, []


def _lines(content: bytes) -> pa.Array:
    if content.count(b"\r") != content.count(b"\r\n"):
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # a lone carriage return ends a line as well
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")).astype(np.int64) + 1
    if not len(ends) or ends[-1] < len(content):
        ends = np.append(ends, len(content))
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
