"""Relations of items to other items, or of users to other users, out of table columns that hold their ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kg.errors import did_you_mean
from kg.forgotten import OF_FORGOTTEN, Forgotten
from kg.report import FileAccount
from kg.tabular.cells import split_cells
from kg.tabular.entity_description import Relation
from kg.tabular.tables import Table
from kg.vocabulary import Vocabulary

__all__ = ["related_entities", "related_ids"]

_SHOWN_CANDIDATES = 100_000


def related_ids(table: Table, relation: Relation, missing: Sequence[str]) -> pd.DataFrame:
    """Return the ids that the rows of a table name in the column of a relation: the columns `row` and `value`.

    Args:
        table: The table.
        relation: How its column is read.
        missing: Values that mean unknown, unless the relation has its own.
    """
    unknown = {value.strip() for value in (missing if relation.missing is None else relation.missing)} | {""}
    return split_cells(table, relation.column, split=relation.split, unknown=unknown, counted=relation.counted)


def related_entities(
    table: Table,
    name: str,
    relation: Relation,
    missing: Sequence[str],
    vocabulary: Vocabulary,
    account: FileAccount,
    forgotten: Forgotten,
) -> pd.DataFrame:
    """Return the items, or the users, that the rows of a table name in one column.

    Args:
        table: The table.
        name: Name of the relation, for messages.
        relation: How its column is read.
        missing: Values that mean unknown, unless the relation has its own.
        vocabulary: All items, or all users.
        account: Receives the number of ids that none of them has, where they may be dropped.
        forgotten: People who are left out and counted.

    Returns:
        A frame with the columns `row` (position in the table) and `other` (index in the vocabulary), each pair once.

    Raises:
        InputError: If the column is missing, a count is wrong, or an id is unknown and `unknown_ids` is `error`.
    """
    values = related_ids(table, relation, missing)
    gone = forgotten.mask(values["value"].to_numpy(dtype=object))
    account.count(f"{name} {OF_FORGOTTEN}, left out", int(gone.sum()))
    values = values[~gone]
    other = vocabulary.find(values["value"].to_numpy(dtype=object))
    absent = other < 0
    if relation.unknown_ids == "error":
        unknown = values[absent].drop_duplicates("row").set_index("row")["value"]
        bad = np.zeros(len(table), dtype=bool)
        bad[unknown.index.to_numpy(dtype=np.int64)] = True

        def sentence(row: int) -> str:
            wrong = str(unknown[row])
            hint = did_you_mean(wrong, vocabulary) if len(vocabulary) <= _SHOWN_CANDIDATES else ""
            return (
                f"the {vocabulary.kind} {wrong!r} in the column {relation.column!r} is not among the {len(vocabulary):,} "
                f"{vocabulary.kind}s; correct it, or give unknown_ids: drop under {name}.{hint}"
            )

        table.refuse(bad, sentence)
    account.count(f"{name} of an id that no {vocabulary.kind} has, left out", int(absent.sum()))
    found = pd.DataFrame({"row": values["row"].to_numpy()[~absent], "other": other[~absent]})
    return found.drop_duplicates(ignore_index=True)
