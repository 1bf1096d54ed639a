"""N-Triples and N-Quads of any size as Parquet columns: plain lines by a regular expression, all others by the full parser.

A line stands alone in both formats. What the grammar surely allows (absolute `http` IRIs without escapes, literals without
escapes) is taken apart by DuckDB, on all cores and a few million lines a second; every other line, whether it holds an escape,
a blank node, odd spaces or an error, goes through pyoxigraph one by one. So the result is that of the full parser.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyoxigraph as ox
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rdf.rdf_file import invalid
from kg.rdf.statement_files import StatementFiles
from kg.rdf.term_codes import quoted, write_coded
from kg.report import FileAccount
from kg.storage.packed import PackedFile

__all__ = ["read_ntriples"]

_CHUNK = 16 << 20  # bytes of text that are taken apart at once, by one thread
_MOST_WORKERS = 4  # each holds a few times the text
_LONGEST_LINE = 64 << 20
_MOST_NESTED = 16  # the parser goes down by recursion, and thousands would end the process
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
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
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    waiting: deque[Future[_Chunk]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for first, content in _chunks(file):
                waiting.append(pool.submit(reader.take_apart, first, content))
                if len(waiting) > workers:
                    reader.add(waiting.popleft().result())
            while waiting:
                reader.add(waiting.popleft().result())
            files.flush()
        finally:
            for chunk in waiting:
                chunk.cancel()


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """What came of a part of the file: how many statements are written, in named graphs, and the lines left to the parser."""

    written: int
    named: int
    doubtful: Sequence[tuple[int, bytes]]


class _Reader:
    """Takes chunks of lines apart, several side by side, and adds them up in their order."""

    def __init__(
        self, file: Path, form: ox.RdfFormat, files: StatementFiles, *, lenient: bool, account: FileAccount
    ) -> None:
        self.file, self.format, self.files, self.lenient, self.account = file, form, files, lenient, account
        graph = f"(?:<({_IRI})> )?" if form == ox.RdfFormat.N_QUADS else "()"
        self.triple = f"^<({_IRI})> <({_IRI})> <({_IRI})> {graph}{_END}"
        self.literal = f"^<({_IRI})> <({_IRI})> {_LITERAL} {graph}{_END}"

    def take_apart(self, first: int, content: bytes) -> _Chunk:
        """Write what the plain lines of a chunk state to files; `first` is the number of its first line."""
        text, unreadable = _decoded(first, _lines(content))
        position = np.arange(first, first + len(text), dtype=np.int64)
        with self.files.database.cursor() as connection:
            connection.register("chunk", pa.table({"position": position, "text": text}))
            connection.execute(_parsed("chunk", self.triple, "['s', 'p', 'o', 'g']"))
            connection.unregister("chunk")
            counts = _counts(connection)
            plain = "(SELECT position, term.s AS subject, term.p AS predicate, term.o AS object FROM parsed WHERE term.s <> '')"
            write_coded(connection, plain, self.files.salt, **self.files.parts())
            rest = f"(FROM parsed WHERE text IS NOT NULL AND NOT regexp_matches(text, {quoted(_NOTHING)}))"
            connection.execute(_parsed(rest, self.literal, "['s', 'p', 'v', 'l', 'd', 'g']"))
            counts += _counts(connection)
            connection.execute(
                f"""COPY (
                    SELECT position, term.s AS subject, term.p AS predicate, term.v AS value,
                    CASE WHEN term.l <> '' THEN '{_TAGGED}' WHEN term.d = '' THEN '{_STRING}' ELSE term.d END AS datatype,
                    nullif(term.l, '') AS language FROM parsed WHERE term.s <> ''
                ) TO {quoted(str(self.files.part("literals")))} (FORMAT parquet)"""
            )
            found = connection.execute("SELECT position, text FROM parsed WHERE text IS NOT NULL").fetchall()
        doubtful = sorted([*unreadable, *((place, line.encode()) for place, line in found)])
        return _Chunk(written=int(counts[0]), named=int(counts[1]), doubtful=doubtful)

    def add(self, chunk: _Chunk) -> None:
        """Count what a chunk states, and read its doubtful lines with the full parser."""
        self.account.rows += chunk.written
        self.account.count("statements in named graphs, taken as well", chunk.named)
        for position, line in chunk.doubtful:
            self._parse(position, line)

    def _parse(self, position: int, line: bytes) -> None:
        try:
            _refuse_nested(line)
            for quad in ox.parse(line, format=self.format):
                self.files.take(position, quad)
        except (SyntaxError, ValueError, MemoryError) as error:
            if not self.lenient:
                raise invalid(error, self.format, self.file, position) from None
            self.account.rows += 1
            self.account.drop(f"the line is not valid {self.format.name}", 1, [f"line {position}"])


def _refuse_nested(line: bytes) -> None:
    if line.count(b"<<") > _MOST_NESTED and _TEXT.sub(b"", line).count(b"<<") > _MOST_NESTED:
        raise SyntaxError(f"statements about statements are nested more than {_MOST_NESTED} deep")


def _parsed(lines: str, pattern: str, groups: str) -> str:
    """Return the query that takes lines apart: `term` is empty and `text` the line where the pattern does not fit."""
    return f"""CREATE OR REPLACE TEMP TABLE parsed AS
        SELECT position, term, CASE WHEN term.s = '' THEN text END AS text FROM (
            SELECT position, text, regexp_extract(text, {quoted(pattern)}, {groups}) AS term FROM {lines}
        )"""


def _counts(connection: duckdb.DuckDBPyConnection) -> NDArray[np.int64]:
    """Return how many rows were taken apart, and how many of them are in named graphs."""
    query = "SELECT count(*), count(*) FILTER (term.g <> '') FROM parsed WHERE term.s <> ''"
    return np.array(connection.execute(query).fetchone())


def _chunks(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number of the first line and the bytes of one chunk of whole lines after the other."""
    first, rest = 1, b""
    with PackedFile(file) as stream:
        while content := stream.read(_CHUNK):
            end = content.rfind(b"\n") + 1
            if end:
                whole = _plain_ends(b"".join([rest, memoryview(content)[:end]]))
                yield first, whole
                first, rest = first + whole.count(b"\n"), content[end:]
            else:
                rest += content
            if len(rest) > _LONGEST_LINE:
                raise InputError(
                    f"expected a statement a line, found a line of more than {_LONGEST_LINE >> 20} MB; is this a file of lines?",
                    file=file,
                    line=first,
                )
    if rest:
        yield first, _plain_ends(rest)


def _plain_ends(content: bytes) -> bytes:
    """Return lines that end in a line feed; a lone carriage return ends a line as well."""
    if b"\r" not in content or content.count(b"\r") == content.count(b"\r\n"):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


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
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")).astype(np.int64) + 1
    if not len(ends) or ends[-1] < len(content):
        ends = np.append(ends, len(content))
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    )
