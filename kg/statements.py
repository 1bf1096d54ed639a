"""The statements of an RDF file as tables of an engine, whatever the format and the size of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from ibis import _
from numpy.typing import NDArray

from kg.engine import Engine
from kg.ntriples import read_ntriples
from kg.report import FileAccount
from kg.triples import LABELS, read_triples

__all__ = ["Statements", "read_statements"]

_LINES = {".nt", ".nq"}
_BLANK = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # str.isspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Statements:
    """What an RDF source states, as tables of an engine.

    Attributes:
        triples: `position` (another for each, in the order of the source), `subject`, `predicate`, `object`, all IRIs.
        labels: `position`, `iri`, `label`, `rank`: the label of an IRI is that of the lowest rank, the first of these.
        lines: The line of each position, int64 `[num_positions]`; None where the position is the line.
    """

    triples: ibis.Table
    labels: ibis.Table
    lines: NDArray[np.int64] | None


def read_statements(file: Path, engine: Engine, *, lenient: bool, account: FileAccount) -> Statements:
    """Read an RDF file.

    Lines (`.nt`, `.nq`) are read with bounded memory and become files of the engine; other formats are parsed in memory.

    Args:
        file: The file, plain or compressed.
        engine: Receives the tables.
        lenient: Refuse and count invalid lines of formats that are made of lines, instead of stopping at the first.
        account: Receives the counts.

    Raises:
        InputError: If the file is missing or damaged, or not valid RDF, with the line.
    """
    if not _LINES & set(file.suffixes[-2:]):
        return _in_memory(file, engine, lenient=lenient, account=account)
    folder = engine.new_folder()
    read_ntriples(file, folder, lenient=lenient, account=account)
    literals = engine.files(folder, "literals-*.parquet")
    is_label = _.predicate.isin(LABELS) & _.value.re_search(f"[^{_BLANK}]")
    counts = engine.numbers(literals.agg(number=_.count(), labels=is_label.cast("int64").sum()))
    account.count("labels read", counts["labels"])
    account.drop("the object is a literal", counts["number"] - counts["labels"])
    rank = ibis.cases((_.language.isnull(), 1), (_.language == "en", 0), else_=2)
    labels = literals.filter(is_label).select("position", iri="subject", label="value", rank=rank)
    return Statements(triples=engine.files(folder, "triples-*.parquet"), labels=labels, lines=None)


def _in_memory(file: Path, engine: Engine, *, lenient: bool, account: FileAccount) -> Statements:
    found = read_triples(file, lenient=lenient, account=account)
    columns = {name: pa.array(found.frame[name], pa.string()) for name in ("subject", "predicate", "object")}
    labels = {
        "iri": pa.array(found.labels.keys(), pa.string()),
        "label": pa.array(found.labels.values(), pa.string()),
        "position": np.arange(len(found.labels)),
        "rank": np.zeros(len(found.labels), dtype=np.int64),
    }
    return Statements(
        triples=engine.table(pa.table({"position": np.arange(len(found.frame)), **columns})),
        labels=engine.table(pa.table(labels)),
        lines=np.zeros(len(found.frame), dtype=np.int64),  # formats that are not made of lines do not tell them
    )
