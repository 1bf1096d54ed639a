"""Integers in place of the nodes of triples: what follows joins and counts numbers instead of text.

A code is 63 bits of a hash, so that parts of a source are coded apart and on any number of cores. Of two million nodes some
two share a code with a chance of 2e-7; `read_statements` looks, and then reads again with another salt. Codes are made
here by DuckDB whatever engine joins them, live as long as one build, and show in nothing that it writes.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

__all__ = ["code", "quoted", "write_coded"]


def code(text: str, salt: int) -> str:
    """Return the SQL expression of the code of an expression of text; the salt 0 is none."""
    salted = f"'{salt}:' || {text}" if salt else text
    return f"(hash({salted}) >> 1)::BIGINT"


def write_coded(connection: duckdb.DuckDBPyConnection, rows: str, salt: int, *, triples: Path, nodes: Path) -> None:
    """Write triples with codes in place of their nodes to one file, and each of the nodes with its code to another.

    Args:
        connection: Holds the triples.
        rows: A table of it, or the text of a query in brackets: `position`, `subject`, `predicate`, `object`.
        salt: Salt of the codes.
        triples: Receives `position`, `subject` and `object` (codes), `predicate` (text).
        nodes: Receives `code` and `node`.
    """
    _copy(
        connection,
        f"SELECT position, {code('subject', salt)} AS subject, predicate, {code('object', salt)} AS object FROM {rows}",
        triples,
    )
    _copy(
        connection,
        f"""SELECT {code("node", salt)} AS code, node FROM (
            SELECT DISTINCT node FROM (SELECT subject AS node FROM {rows} UNION ALL SELECT object FROM {rows})
        )""",
        nodes,
    )


def _copy(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    connection.execute(f"COPY ({query}) TO {quoted(str(file))} (FORMAT parquet)")


def quoted(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
