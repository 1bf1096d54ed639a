"""N-Triples and N-Quads of any size as Parquet columns: plain lines by a regular expression, all others by the full parser.

A line stands alone in both formats. What the grammar surely allows (absolute `http` IRIs without escapes, literals without
escapes) is taken apart by DuckDB, on all cores and a few million lines a second; every other line, whether it holds an escape,
a blank node, odd spaces or an error, goes through pyoxigraph one by one. So the result is that of the full parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyoxigraph as ox

from kg.errors import InputError
from kg.packed import PackedFile
from kg.rdf_file import invalid
from kg.report import FileAccount
from kg.statement_files import StatementFiles

__all__ = ["read_ntriples"]

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


def read_ntriples(
    file: Path, form: ox.RdfFormat, files: StatementFiles, *, lenient: bool, account: FileAccount
) -> None:
    """Read a file of lines; memory is bounded whatever its size.

    Args:
        file: N-Triples or N-Quads, plain or packed.
        form: Which of both.
        files: Receives the statements; their position is the line, from 1.
        lenient: Refuse and count invalid lines instead of stopping at the first.
        account: Receives the counts.

    Raises:
        InputError: If the file is missing or damaged, or not valid, with the line.
    """
    reader = _Reader(file, form, files, lenient=lenient, account=account)
    with duckdb.connect() as connection:
        for first, lines in _chunks(file):
            reader.take(connection, first, lines)


class _Reader:
    """Takes chunk after chunk of lines apart."""

    def __init__(
        self, file: Path, form: ox.RdfFormat, files: StatementFiles, *, lenient: bool, account: FileAccount
    ) -> None:
        self.file, self.format, self.files, self.lenient, self.account = file, form, files, lenient, account
        graph = f"(?:<({_IRI})> )?" if form == ox.RdfFormat.N_QUADS else "()"
        self.triple = f"^<({_IRI})> <({_IRI})> <({_IRI})> {graph}{_END}"
        self.literal = f"^<({_IRI})> <({_IRI})> {_LITERAL} {graph}{_END}"

    def take(self, connection: duckdb.DuckDBPyConnection, first: int, lines: pa.Array) -> None:
        """Write what a chunk states; `first` is the number of its first line."""
        text, unreadable = _decoded(first, lines)
        chunk = pa.table({"position": np.arange(first, first + len(text), dtype=np.int64), "text": text})
        connection.register("chunk", pa.Table.from_batches(chunk.to_batches(max_chunksize=_BATCH)))
        connection.execute(
            """CREATE OR REPLACE TEMP TABLE parsed AS
            SELECT position, term, CASE WHEN term.s = '' THEN text END AS text
            FROM (SELECT position, text, regexp_extract(text, $triple, ['s', 'p', 'o', 'g']) AS term FROM chunk)""".replace(
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
                SELECT position, text, regexp_extract(text, {_quoted(self.literal)}, ['s', 'p', 'v', 'l', 'd', 'g']) AS term
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
        self.files.flush()

    def _copy(self, connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
        part = _quoted(str(self.files.part(name)))
        written = connection.execute(f"COPY ({query}) TO {part} (FORMAT parquet)").fetchall()
        self.account.rows += written[0][0]
        if self.format == ox.RdfFormat.N_QUADS:
            named = connection.execute("SELECT count(*) FROM parsed WHERE term.s <> '' AND term.g <> ''").fetchall()
            self.account.count("statements in named graphs, taken as well", named[0][0])

    def _parse(self, position: int, line: bytes) -> None:
        """Read one line with the full parser."""
        try:
            for quad in ox.parse(line, format=self.format):
                self.files.take(position, quad)
        except (SyntaxError, ValueError, MemoryError) as error:
            if not self.lenient:
                raise invalid(error, self.format, self.file, position) from None
            self.account.rows += 1
            self.account.drop(f"the line is not valid {self.format.name}", 1, [f"line {position}"])


def _chunks(file: Path) -> Iterator[tuple[int, pa.Array]]:
    """Yield the number of the first line and the lines (bytes, with their ends) of one chunk after the other."""
    first, rest = 1, b""
    with PackedFile(file) as stream:
        while content := stream.read(_CHUNK):
            content = rest + content
            end = content.rfind(b"\n") + 1
            content, rest = content[:end], content[end:]
            if len(rest) > _LONGEST_LINE:
                raise InputError(
                    f"expected a statement a line, found a line of more than {_LONGEST_LINE >> 20} MB; is this a file of lines?",
                    file=file,
                    line=first + content.count(b"\n"),
                )
            if content:
                lines = _lines(content)
                yield first, lines
                first += len(lines)
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
