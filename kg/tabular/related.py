"""Relations from items to other items, out of table columns that hold their ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kg.errors import InputError, did_you_mean
from kg.report import FileAccount
from kg.tables import Table
from kg.tabular.cells import split_cells
from kg.tabular.entity_description import ItemRelation
from kg.vocabulary import Vocabulary

__all__ = ["related_ids", "related_items"]

_SHOWN_CANDIDATES = 100_000


def related_ids(table: Table, relation: ItemRelation, missing: Sequence[str]) -> pd.DataFrame:
    """Return the ids that the rows of a table name in the column of a relation: the columns `row` and `value`.

    Args:
        table: The table.
        relation: How its column is read.
        missing: Values that mean unknown, unless the relation has its own.
    """
    unknown = {value.strip() for value in (missing if relation.missing is None else relation.missing)} | {""}
    return split_cells(table, relation.column, split=relation.split, unknown=unknown, counted=relation.counted)


def related_items(
    table: Table,
    name: str,
    relation: ItemRelation,
    missing: Sequence[str],
    items: Vocabulary,
    account: FileAccount,
) -> pd.DataFrame:
    """Return the items that the rows of a table name in one column.

    Args:
        table: The table.
        name: Name of the relation, for messages.
        relation: How its column is read.
        missing: Values that mean unknown, unless the relation has its own.
        items: All items.
        account: Receives the number of ids that no item has, where they may be dropped.

    Returns:
        A frame with the columns `row` (position in the table) and `other` (index of an item), each pair once.

    Raises:
        InputError: If the column is missing, a count is wrong, or an id is unknown and `unknown_ids` is `error`.
    """
    values = related_ids(table, relation, missing)
    other = items.find(values["value"].to_numpy(dtype=object))
    absent = other < 0
    if absent.any() and relation.unknown_ids == "error":
        wrong = values.iloc[int(np.argmax(absent))]
        hint = did_you_mean(wrong["value"], items) if len(items) <= _SHOWN_CANDIDATES else ""
        raise InputError(
            f"the item {wrong['value']!r} in the column {relation.column!r} is not among the {len(items):,} items; "
            f"correct it, or give unknown_ids: drop under {name}.{hint}",
            file=table.file,
            line=table.line(int(wrong["row"])),
        )
    account.count(f"{name} of an id that no item has, left out", int(absent.sum()))
    found = pd.DataFrame({"row": values["row"].to_numpy()[~absent], "other": other[~absent]})
    return found.drop_duplicates(ignore_index=True)
