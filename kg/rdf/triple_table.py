"""Tables of triples: head, relation and tail in columns, their ids IRIs or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kg.rdf.knowledge_description import TripleTable
from kg.report import FileAccount
from kg.tabular.tables import read_table

__all__ = ["read_triple_table"]


def read_triple_table(file: Path, table_format: TripleTable, account: FileAccount) -> pd.DataFrame:
    """Read a table of triples.

    Args:
        file: Delimited text, JSON or Parquet.
        table_format: How it is split, and its columns; `namespace` goes before every id.
        account: Receives the counts: rows with an empty cell are dropped.

    Returns:
        A frame with `subject`, `predicate`, `object`, and `line`, the line of the row.

    Raises:
        InputError: If the file is missing, damaged, or lacks a column.
    """
    table = read_table(file, table_format)
    account.rows += len(table)
    account.count("bad bytes replaced", table.replaced)
    names = {"subject": table_format.head, "predicate": table_format.relation, "object": table_format.tail}
    frame = pd.DataFrame({name: table.column(column).astype(object).str.strip() for name, column in names.items()})
    frame = frame.assign(line=table.lines(np.arange(len(table))))
    empty = (frame[list(names)] == "").any(axis=1).to_numpy(dtype=bool)
    account.drop("an empty cell", int(empty.sum()), [f"line {line}" for line in frame["line"][empty][:3]])
    frame = frame[~empty].reset_index(drop=True)
    if table_format.namespace is not None:
        frame = frame.assign(**{name: table_format.namespace + frame[name] for name in names})
    return frame
