"""Values of several rows joined to those of one entity: the most frequent first."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kg.tabular.cells import numbers
from kg.tabular.entity_description import Concept
from kg.tabular.tables import Table

__all__ = ["grouped"]


def grouped(claims: pd.DataFrame, concept: Concept, table: Table) -> tuple[pd.DataFrame, int]:
    """Join what several rows claim of an entity.

    Args:
        claims: Frame with `entity`, `row`, `id`, `label`, in the order of the table.
        concept: How they are read; `first` keeps that many of each entity, `counts` says how often a row counts.
        table: Where they stand.

    Returns:
        The same columns, each pair of entity and id once, with its first row; of each entity the most frequent first, and
        of equally frequent ones by id. And the number of pairs beyond `first`.

    Raises:
        InputError: If a count is not a number of at least 0, with file and line.
    """
    weight = np.ones(len(table)) if concept.counts is None else numbers(table, concept.counts, lowest=0.0)
    claims = claims.assign(weight=weight[claims["row"].to_numpy(dtype=np.int64)])
    claims = claims[claims["weight"] > 0]
    pairs = claims.groupby(["entity", "id"], sort=False)
    joined = pairs.agg(row=("row", "first"), label=("label", "first"), weight=("weight", "sum")).reset_index()
    joined = joined.sort_values(["entity", "weight", "id"], ascending=[True, False, True], ignore_index=True)
    kept = joined if concept.first is None else joined.groupby("entity", sort=False).head(concept.first)
    return kept[["entity", "row", "id", "label"]].reset_index(drop=True), len(joined) - len(kept)
