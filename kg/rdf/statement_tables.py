"""The statements of a source as tables of an engine, whatever its format and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyoxigraph as ox
from ibis import _
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rdf.engine import Engine
from kg.rdf.knowledge_description import TripleTable
from kg.rdf.ntriples import read_ntriples
from kg.rdf.predicates import find_predicates
from kg.rdf.rdf_file import LINES, rdf_format, write_as_nquads
from kg.rdf.statement_files import StatementFiles
from kg.report import FileAccount
from kg.tabular.tables import read_table
from kg.triples import LABELS

__all__ = ["Statements", "read_statements", "read_table_of_triples"]

_BLANK = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # str.isspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Statements:
    """Statements of a source, as tables of an engine.

    Attributes:
        triples: `position` (in the order of the source), `subject`, `predicate`, `object`; subject and object are codes.
        nodes: `code` and `node` of each subject and object, an IRI or what stands for one; no two share a code.
        literals: `position`, `subject`, `predicate`, `value`, `datatype`, `language` (null without).
        lines: The line of each position, int64 `[num_positions]`; None where the position is the line, empty where the
            format does not tell lines.
        literal_predicates: The predicates of all literals.
    """

    triples: ibis.Table
    nodes: ibis.Table
    literals: ibis.Table
    lines: NDArray[np.int64] | None
    literal_predicates: Sequence[str] = field(default=())

    @property
    def labels(self) -> ibis.Table:
        """`position`, `iri`, `label`, `rank`: the label of a node is that of the lowest rank, the first of these."""
        language = _.language.fill_null("")
        rank = ibis.cases((language == "en", 0), (language == "", 1), else_=2)
        return self.literals.filter(_is_label()).select("position", iri="subject", label="value", rank=rank)

    def lines_of(self, position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the lines at which statements stand, 0 where the format does not tell."""
        if self.lines is None:
            return position
        return self.lines[position] if len(self.lines) else np.zeros_like(position)


def read_statements(
    file: Path,
    engine: Engine,
    *,
    lenient: bool,
    account: FileAccount,
    form: str | None = None,
    base: str | None = None,
    literals: Sequence[str] = (),
    prefixes: Mapping[str, str] | None = None,
) -> Statements:
    """Read an RDF file; memory is bounded whatever its size.

    Args:
        file: The file, plain or packed.
        engine: Receives the tables.
        lenient: Refuse and count invalid lines of N-Triples and N-Quads, instead of stopping at the first.
        account: Receives the counts.
        form: Name of the format, where the suffix does not say it.
        base: IRI that relative ones start from; statements with relative IRIs are dropped without it.
        literals: Predicates whose literals are wanted, as `find_predicates` reads them; others are counted as dropped.
        prefixes: Namespaces by prefix.

    Raises:
        InputError: If the file is missing or damaged, or not valid RDF, with the line.
    """
    known = rdf_format(file, form)
    has_lines, folder = known in LINES, engine.new_folder()
    files = StatementFiles(folder, file.name, account, labels=has_lines)
    if has_lines:
        read_ntriples(file, known, files, lenient=lenient)
    else:
        flat = folder / "statements.nq"
        write_as_nquads(file, known, flat, base=base)
        read_ntriples(flat, ox.RdfFormat.N_QUADS, files, lenient=True)
        flat.unlink()
    about = engine.files(folder, StatementFiles.LITERALS)
    return Statements(
        triples=engine.files(folder, StatementFiles.TRIPLES),
        nodes=_nodes(engine, folder, file),
        literals=about,
        lines=None if has_lines else np.empty(0, dtype=np.int64),
        literal_predicates=_account_for_literals(engine, about, literals, prefixes or {}, account),
    )


def read_table_of_triples(file: Path, table_format: TripleTable, engine: Engine, account: FileAccount) -> Statements:
    """Read a table of triples, whose ids may be IRIs or not.

    Args:
        file: Delimited text, JSON or Parquet.
        table_format: How it is split, and its columns; `namespace` goes before every id.
        engine: Receives the tables.
        account: Receives the counts: rows with an empty cell are dropped.

    Raises:
        InputError: If the file is missing, damaged, or lacks a column.
    """
    table = read_table(file, table_format)
    account.rows += len(table)
    account.count("bad bytes replaced", table.replaced)
    names = {"subject": table_format.head, "predicate": table_format.relation, "object": table_format.tail}
    frame = pd.DataFrame({name: table.column(column).astype(object).str.strip() for name, column in names.items()})
    lines = table.lines(np.arange(len(table)))
    empty = (frame == "").any(axis=1).to_numpy(dtype=bool)
    account.drop("an empty cell", int(empty.sum()), [f"line {line}" for line in lines[empty][:3]])
    frame = ((table_format.namespace or "") + frame[~empty]).astype(object)
    columns = {name: pa.array(frame[name], pa.string()) for name in names}
    folder = engine.new_folder()
    files = StatementFiles(folder, file.name, account, labels=True)
    files.add_table(pa.table({"position": np.arange(len(frame)), **columns}))
    return Statements(
        triples=engine.files(folder, StatementFiles.TRIPLES),
        nodes=_nodes(engine, folder, file),
        literals=engine.files(folder, StatementFiles.LITERALS),
        lines=lines[~empty],
    )


def _nodes(engine: Engine, folder: Path, file: Path) -> ibis.Table:
    """Return each node of a source once; of two million nodes some two share a code with a chance of 2e-7."""
    nodes = engine.keep(engine.files(folder, StatementFiles.NODES).distinct())
    twins = nodes.group_by("code").agg(one=_.node.min(), other=_.node.max()).filter(_.one != _.other).limit(1)
    for clash in engine.rows(twins).to_pylist():
        raise InputError(
            f"{clash['one']} and {clash['other']} have the same 63-bit hash, by a rare chance; give one of them another name",
            file=file,
        )
    return nodes


def _is_label() -> ibis.Deferred:
    return _.predicate.isin(LABELS) & _.value.re_search(f"[^{_BLANK}]")


def _account_for_literals(
    engine: Engine, literals: ibis.Table, wanted: Sequence[str], prefixes: Mapping[str, str], account: FileAccount
) -> list[str]:
    """Count the literals: those that are wanted, else labels, else dropped; return their predicates."""
    counts = literals.group_by("predicate").agg(
        number=_.count(), labels=_is_label().cast("int64").sum(), first=_.position.min()
    )
    rows = engine.rows(counts.order_by("first")).to_pylist()
    for row in rows:
        if any(find_predicates(entry, (row["predicate"],), prefixes) for entry in wanted):
            account.count("literals read", row["number"])
        else:
            account.count("labels read", row["labels"])
            account.drop("the object is a literal", row["number"] - row["labels"])
    return [row["predicate"] for row in rows]
