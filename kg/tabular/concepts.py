"""Concept values out of table columns: split, cut, binned, named, and joined over the rows of an entity."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from kg.report import FileAccount
from kg.tabular.cells import numbers, refuse_values, split_cells, unescaped
from kg.tabular.entity_description import Concept, NameTable
from kg.tabular.expression import first_groups
from kg.tabular.tables import Table, read_table

__all__ = ["concept_id", "concept_label", "concept_values", "grouped", "read_names"]

_TRUE, _FALSE = {"1", "true", "yes", "1.0"}, {"0", "false", "no", "0.0", ""}


def concept_label(name: str) -> str:
    """Return a concept's name as people read it: NFC, with single spaces."""
    return unicodedata.normalize("NFC", " ".join(name.split()))


def concept_id(name: str) -> str:
    """Return the id under which all spellings of a concept meet: its label, casefolded."""
    return unicodedata.normalize("NFC", concept_label(name).casefold())


def concept_values(
    table: Table, concept: Concept, missing: Sequence[str], names: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, int]:
    """Return the concepts that the rows of a table name.

    Args:
        table: The table.
        concept: How its column is read.
        missing: Values that mean unknown, unless the concept has its own.
        names: The names of all codes, if they come from a table.

    Returns:
        A frame with the columns `row` (position in the table), `id` and `label`, each `(row, id)` once and in the
        order of the table; and the number of values in which `pattern` found nothing.

    Raises:
        InputError: If a column is missing, a flag is neither 0 nor 1, a value to be binned is not a number, or a
            code has no name in the table of names.
    """
    unknown = {value.strip() for value in (missing if concept.missing is None else concept.missing)} | {""}
    without_match = 0
    if concept.flags is not None:
        values = _flagged(table, concept.flags)
    else:
        assert concept.column is not None
        values = split_cells(
            table,
            concept.column,
            split=concept.split,
            unknown=unknown,
            counted=concept.counted,
            remove=concept.remove,
            escaped=True,
        )
        if concept.pattern is not None:
            groups = first_groups(concept.pattern, values["value"], table.file)
            without_match = int(groups.isna().sum())
            values = values.assign(value=groups)[groups.notna()]
        if concept.bins is not None:
            values = values.assign(value=_binned(values, table, concept.column, concept.bins))
        if names is not None:
            values = values.assign(value=_named(values, table, concept.column, names))
    labels = {
        value: concept_label(concept.wording.replace("{}", (concept.names or {}).get(value, value)))
        for value in values["value"].unique()
    }
    ids = {value: concept_id(label) for value, label in labels.items()}
    values = values.assign(label=values["value"].map(labels).astype(object), id=values["value"].map(ids).astype(object))
    values = values[values["id"] != ""].drop_duplicates(["row", "id"])
    if concept.first is not None and not concept.group:
        values = values.groupby("row", sort=False).head(concept.first)
    return values[["row", "id", "label"]].reset_index(drop=True), without_match


def _flagged(table: Table, flags: Mapping[str, str] | Sequence[str]) -> pd.DataFrame:
    parts = []
    for name, column in flags.items() if isinstance(flags, Mapping) else zip(flags, flags, strict=True):
        cells = table.column(column).astype(object).str.strip().str.lower()
        table.refuse(
            ~cells.isin(_TRUE | _FALSE).to_numpy(dtype=bool),
            lambda row, column=column, cells=cells: (  # type: ignore[misc]
                f"expected 0 or 1 in the column {column!r}, found {cells.iloc[row]!r}"
            ),
        )
        parts.append(pd.DataFrame({"row": np.flatnonzero(cells.isin(_TRUE).to_numpy()), "value": name}))
    together = pd.concat(parts, ignore_index=True).astype({"value": object})
    return together.sort_values("row", kind="stable", ignore_index=True)


def _binned(values: pd.DataFrame, table: Table, column: str, bins: Sequence[float]) -> list[str]:
    amounts = pd.to_numeric(values["value"], errors="coerce").to_numpy(dtype=float)
    remedy = "correct it, or list it under missing"
    refuse_values(
        table,
        values,
        np.isnan(amounts),
        lambda value: f"expected a number in the column {column!r}, found {value!r}; {remedy}",
    )
    whole = all(border == int(border) for border in bins) and bool((amounts == np.floor(amounts)).all())
    between = [
        f"{low:g}-{high - 1:g}" if whole and high - 1 > low else f"{low:g}" if whole else f"{low:g} to below {high:g}"
        for low, high in pairwise(bins)
    ]
    labels = [f"under {bins[0]:g}", *between, f"{bins[-1]:g}+"]
    return [labels[position] for position in np.searchsorted(bins, amounts, side="right")]


def _named(values: pd.DataFrame, table: Table, column: str, names: Mapping[str, str]) -> list[str]:
    unnamed = ~values["value"].isin(names.keys()).to_numpy(dtype=bool)
    refuse_values(
        table,
        values,
        unnamed & ~values["value"].duplicated().to_numpy(dtype=bool),  # a code without a name is one problem
        lambda code: (
            f"the code {code!r} in the column {column!r} is not among the {len(names):,} that have a name; "
            "correct it, or name it in the file of names_from"
        ),
    )
    return [names[value] for value in values["value"]]


def read_names(description: NameTable, folder: Path, files: dict[str, FileAccount]) -> dict[str, str]:
    """Return the name of each code, from a table of their own.

    Args:
        description: The table.
        folder: Where its path starts.
        files: Receives an account of the table.

    Raises:
        InputError: If the table cannot be read, or a code stands twice, with file and line.
    """
    table = read_table(folder / description.file, description.format)
    codes, names = table.column(description.code).str.strip(), table.column(description.name)
    table.refuse(
        codes.duplicated().to_numpy(dtype=bool),
        lambda row: f"the code {codes.iloc[row]!r} is named for the second time; keep one of its names",
    )
    known = {str(code): unescaped(str(name)) for code, name in zip(codes, names, strict=True) if name.strip()}
    if description.file not in files:
        account = files[description.file] = FileAccount(rows=len(table), kept=len(known))
        account.drop("the name is empty", len(table) - len(known))
        table.count_spellings(account)
    return known


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
    pairs = claims[claims["weight"] > 0].groupby(["entity", "id"], sort=False)
    joined = pairs.agg(row=("row", "first"), label=("label", "first"), weight=("weight", "sum")).reset_index()
    joined = joined.sort_values(["entity", "weight", "id"], ascending=[True, False, True], ignore_index=True)
    kept = joined if concept.first is None else joined.groupby("entity", sort=False).head(concept.first)
    return kept[["entity", "row", "id", "label"]].reset_index(drop=True), len(joined) - len(kept)
