"""Concept values out of table columns: split, cut, binned, named."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.tabular.cells import split_cells
from kg.tabular.entity_description import Concept
from kg.tabular.expression import first_groups
from kg.tabular.tables import Table

__all__ = ["concept_id", "concept_label", "concept_values"]

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
        values = _flagged(table, concept)
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
            found = first_groups(concept.pattern, values["value"], table.file)
            without_match = int(found.isna().sum())
            values = values.assign(value=found)[found.notna()]
        if concept.bins is not None:
            values = values.assign(value=_binned(values, table, concept))
        if names is not None:
            values = values.assign(value=_named(values, table, concept.column, names))
    words = {
        value: concept.wording.replace("{}", (concept.names or {}).get(value, value))
        for value in values["value"].unique()
    }
    labels = {value: concept_label(name) for value, name in words.items()}
    values["label"] = values["value"].map(labels).astype(object)
    values["id"] = values["value"].map({value: concept_id(label) for value, label in labels.items()}).astype(object)
    values = values[values["id"] != ""].drop_duplicates(["row", "id"])
    if concept.first is not None and not concept.group:
        values = values.groupby("row", sort=False).head(concept.first)
    return values[["row", "id", "label"]].reset_index(drop=True), without_match


def _named(values: pd.DataFrame, table: Table, column: str, names: Mapping[str, str]) -> list[str]:
    unnamed = ~values["value"].isin(names.keys()).to_numpy(dtype=bool)
    _refuse(
        values,
        unnamed & ~values["value"].duplicated().to_numpy(dtype=bool),  # a code without a name is one problem
        table,
        lambda code: (
            f"the code {code!r} in the column {column!r} is not among the {len(names):,} that have a name; "
            "correct it, or name it in the file of names_from"
        ),
    )
    return [names[value] for value in values["value"]]


def _refuse(values: pd.DataFrame, wrong: NDArray[np.bool_], table: Table, sentence: Callable[[str], str]) -> None:
    """Raise `InputError` with the sentences about the first wrong value of each row, if there are any."""
    first = values[wrong].drop_duplicates("row").set_index("row")["value"]
    bad = np.zeros(len(table), dtype=bool)
    bad[first.index.to_numpy(dtype=np.int64)] = True
    table.refuse(bad, lambda row: sentence(str(first[row])))


def _flagged(table: Table, concept: Concept) -> pd.DataFrame:
    assert concept.flags is not None
    flags = concept.flags if isinstance(concept.flags, dict) else {column: column for column in concept.flags}
    parts = []
    for name, column in flags.items():
        cells = table.column(column).astype(object).str.strip().str.lower()
        wrong = ~cells.isin(_TRUE | _FALSE).to_numpy()
        table.refuse(
            wrong,
            lambda row, column=column, cells=cells: (
                f"expected 0 or 1 in the column {column!r}, found {cells.iloc[row]!r}"
            ),  # type: ignore[misc]
        )
        parts.append(pd.DataFrame({"row": np.flatnonzero(cells.isin(_TRUE).to_numpy()), "value": name}))
    together = pd.concat(parts, ignore_index=True).astype({"value": object})
    return together.sort_values("row", kind="stable", ignore_index=True)


def _binned(values: pd.DataFrame, table: Table, concept: Concept) -> list[str]:
    assert concept.bins is not None
    numbers = pd.to_numeric(values["value"], errors="coerce").to_numpy(dtype=float)
    _refuse(
        values,
        np.isnan(numbers),
        table,
        lambda value: (
            f"expected a number in the column {concept.column!r}, found {value!r}; correct it, or list it under missing"
        ),
    )
    bins = concept.bins
    whole = all(border == int(border) for border in bins) and bool((numbers == np.floor(numbers)).all())
    between = [
        f"{low:g}-{high - 1:g}" if whole and high - 1 > low else f"{low:g}" if whole else f"{low:g} to below {high:g}"
        for low, high in pairwise(bins)
    ]
    labels = [f"under {bins[0]:g}", *between, f"{bins[-1]:g}+"]
    return [labels[position] for position in np.searchsorted(bins, numbers, side="right")]
