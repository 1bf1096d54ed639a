"""N-Triples and N-Quads of any size as Parquet columns: plain lines by a regular expression, all others by the full parser.

A line stands alone in both formats. What the grammar surely allows (absolute `http` IRIs without escapes, literals without
escapes) is taken apart by DuckDB, on all cores and a few million lines a second; every other line, whether it holds an escape,
a blank node, odd spaces or an error, goes through pyoxigraph one by one. So the result is that of the full parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyoxigraph as ox

from kg.errors import InputError
from kg.rdf.rdf_file import invalid
from kg.rdf.statement_files import StatementFiles, quoted
from kg.storage.packed import PackedFile

__all__ = ["read_ntriples"]

_CHUNK = 64 << 20  # bytes of text that are taken apart at once
_BATCH = 1 << 15  # lines that a core takes apart at once
_LONGEST_LINE = 64 << 20
_MOST_NESTED = 16  # the parser goes down by recursion, and thousands would end the process
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_STRING = "http://www.w3.org/2001/XMLSchema#string"
_TAGGED = "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"
_LETTER = r"[A-Za-z0-9\-._~!$&'()*+,;=:@/\x{A0}-\x{D7FF}]|%[0-9A-Fa-f][0-9A-Fa-f]"
_IRI = rf"https?://[A-Za-z0-9.\-]+(?:/(?:{_LETTER})*)?(?:\?(?:{_LETTER})*)?(?:#(?:{_LETTER})*)?"
# Tabs apart, control characters are left to the parser; a language of two letters is always a valid tag.
_LITERAL = rf'"([^"\\\x00-\x08\x0a-\x1f\x7f]*)"(?:@([a-z][a-z])|\^\^<({_IRI})>)?'
_END = r"\.\r?\n?$"
_NOTHING = r"^[ \t]*(?:#[^\r\n]*)?\r?\n?$"


def read_ntriples(file: Path, form: ox.RdfFormat, files: StatementFiles, *, lenient: bool) -> None:
    """Read a file of lines; memory is bounded whatever its size.

    Args:
        file: N-Triples or N-Quads, plain or packed.
        form: Which of both.
        files: Receives the statements, whose position is the line, from 1, and the counts.
        lenient: Refuse and count invalid lines instead of stopping at the first.

    Raises:
        InputError: If the file is missing or damaged, or not valid, with the line.
    """
    account = files.account
    for first, content in _chunks(file):
        number, in_graphs, doubtful = _take_apart(first, content, form, files)
        account.rows += number
        account.count("statements in named graphs, taken as well", in_graphs)
        for position, line in doubtful:
            if line.count(b"<<") > _MOST_NESTED and _QUOTED.sub(b"", line).count(b"<<") > _MOST_NESTED:
                account.rows += 1
                account.drop("a statement about a statement", 1)
                continue
            try:
                for quad in ox.parse(line, format=form):
                    files.take(position, quad)
            except (SyntaxError, ValueError) as error:
                if not lenient:
                    raise invalid(getattr(error, "msg", None) or str(error), form, file, position) from None
                account.rows += 1
                account.drop(f"the line is not valid {form.name}", 1, [f"line {position}"])
    files.flush()


def _take_apart(
    first: int, content: bytes, form: ox.RdfFormat, files: StatementFiles
) -> tuple[int, int, list[tuple[int, bytes]]]:
    """Write what the plain lines of a chunk state; return how many, how many in named graphs, and the other lines."""
    text, unreadable = _decoded(first, content)
    lines = pa.table({"position": np.arange(first, first + len(text), dtype=np.int64), "text": text})
    graph = f"(?:<({_IRI})> )?" if form == ox.RdfFormat.N_QUADS else "()"
    database = files.database
    database.register("chunk", pa.Table.from_batches(lines.to_batches(_BATCH), lines.schema))
    database.execute(_parsed("chunk", f"^<({_IRI})> <({_IRI})> <({_IRI})> {graph}{_END}", "['s', 'p', 'o', 'g']"))
    database.unregister("chunk")
    counts = _counts(database)
    files.add_triples(
        "(SELECT position, term.s AS subject, term.p AS predicate, term.o AS object FROM parsed WHERE term.s <> '')"
    )
    rest = f"(FROM parsed WHERE text IS NOT NULL AND NOT regexp_matches(text, {quoted(_NOTHING)}))"
    database.execute(
        _parsed(rest, f"^<({_IRI})> <({_IRI})> {_LITERAL} {graph}{_END}", "['s', 'p', 'v', 'l', 'd', 'g']")
    )
    literals = _counts(database)
    files.add_literals(
        f"""SELECT position, term.s AS subject, term.p AS predicate, term.v AS value,
        CASE WHEN term.l <> '' THEN '{_TAGGED}' WHEN term.d = '' THEN '{_STRING}' ELSE term.d END AS datatype,
        nullif(term.l, '') AS language FROM parsed WHERE term.s <> ''"""
    )
    others = database.execute("SELECT position, text FROM parsed WHERE text IS NOT NULL").fetchall()
    doubtful = unreadable or sorted((position, line.encode()) for position, line in others)
    return counts[0] + literals[0], counts[1] + literals[1], doubtful


def _parsed(lines: str, pattern: str, groups: str) -> str:
    """Return the query that takes lines apart: `term` is empty and `text` the line where the pattern does not fit."""
    return f"""CREATE OR REPLACE TEMP TABLE parsed AS
        SELECT position, term, CASE WHEN term.s = '' THEN text END AS text FROM (
            SELECT position, text, regexp_extract(text, {quoted(pattern)}, {groups}) AS term FROM {lines}
        )"""


def _counts(database: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return how many rows were taken apart, and how many of them are in named graphs."""
    query = "SELECT count(*), count(*) FILTER (term.g <> '') FROM parsed WHERE term.s <> ''"
    return tuple(database.execute(query).fetchall()[0])


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


def _decoded(first: int, content: bytes) -> tuple[pa.Array, list[tuple[int, bytes]]]:
    """Return lines as text; if any is not UTF-8, no text, but all lines with their numbers."""
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")).astype(np.int64) + 1
    if not len(ends) or ends[-1] < len(content):
        ends = np.append(ends, len(content))
    offsets = np.append(np.int64(0), ends)
    text = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(content))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return text[:0], list(enumerate(text.view(pa.large_binary()).to_pylist(), start=first))
    return text, []
