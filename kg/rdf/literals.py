"""Literals of RDF sources: they become concepts of items, as a column of a table would, or texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from ibis import _

from kg.rdf.engine import Engine
from kg.rdf.knowledge_description import LiteralUse
from kg.rdf.predicates import meant_predicates, relation_name
from kg.rdf.source import Source
from kg.report import FileAccount
from kg.tabular.concepts import concept_values
from kg.tabular.expression import first_groups
from kg.tabular.tables import Table

__all__ = ["literal_concepts", "literal_texts"]


def literal_concepts(source: Source, items_of: Mapping[str, Sequence[int]], engine: Engine) -> pd.DataFrame:
    """Return the concepts that literals claim of items.

    Args:
        source: A source of the description; its account receives the counts.
        items_of: For each linked node the items that bear it.
        engine: Holds the statements.

    Returns:
        A frame with `entity` (index of an item), `relation`, `kind`, `id`, `label`, `source` and `line`, as tables claim them.

    Raises:
        InputError: If a predicate has no literals at all: most likely it is misspelt.
    """
    frames, knowledge, account = [], source.knowledge, source.account
    for entry, use in knowledge.literals.items():
        kind = knowledge.literal_kind(entry)
        if kind is None:
            continue
        for predicate in _predicates(entry, source):
            literals = _about(_literals(source, [predicate], engine), items_of, account)
            values = _values(literals, use, source)
            joined = literals.assign(entity=literals["subject"].map(items_of)).reset_index(drop=True)
            claims = values.merge(joined[["entity", "line"]], left_on="row", right_index=True).explode("entity")
            frames.append(
                claims.drop(columns="row").assign(
                    relation=relation_name(knowledge.source, predicate), kind=kind, source=source.name
                )
            )
    if not frames:
        return pd.DataFrame(columns=["entity", "relation", "kind", "id", "label", "source", "line"])
    return pd.concat(frames, ignore_index=True).astype({"entity": np.int64, "line": np.int64})


def literal_texts(source: Source, engine: Engine) -> dict[str, list[str]]:
    """Return the texts of nodes: one of each node and predicate, English or without language where there is a choice.

    Raises:
        InputError: If a predicate has no literals at all: most likely it is misspelt.
    """
    texts: dict[str, list[str]] = {}
    for entry, use in source.knowledge.literals.items():
        if not use.text:
            continue
        wanted = _predicates(entry, source)
        literals = _literals(source, wanted, engine)
        rank = np.select([literals["language"] == "en", literals["language"].isna()], [0, 1], 2)
        best = literals.assign(rank=rank).sort_values("rank", kind="stable").drop_duplicates(["subject", "predicate"])
        for subject, value in best.sort_index()[["subject", "value"]].itertuples(index=False):
            if plain := " ".join(value.split()):
                texts.setdefault(subject, []).append(plain)
    return texts


def _predicates(entry: str, source: Source) -> list[str]:
    known, prefixes = source.statements.literal_predicates, source.knowledge.prefixes
    if not known:
        return []
    return sorted(meant_predicates(entry, known, prefixes, noun="literal", verb="reads", file=source.path))


def _literals(source: Source, predicates: Sequence[str], engine: Engine) -> pd.DataFrame:
    """Return `subject`, `predicate`, `value`, `language` and `line` of literals, in the order of the source."""
    literals = source.statements.literals
    rows = engine.rows(literals.filter(_.predicate.isin(list(predicates))).order_by("position", "value"))
    frame = pd.DataFrame({name: rows[name].to_pylist() for name in ("subject", "predicate", "value", "language")})
    position = rows["position"].to_numpy().astype(np.int64)
    return frame.astype(object).assign(line=source.statements.lines_of(position))


def _about(literals: pd.DataFrame, items_of: Mapping[str, Sequence[int]], account: FileAccount) -> pd.DataFrame:
    about = literals["subject"].isin(items_of).to_numpy(dtype=bool)
    account.count("literals about what is no linked item", int((~about).sum()))
    return literals[about]


def _values(literals: pd.DataFrame, use: LiteralUse, source: Source) -> pd.DataFrame:
    """Return `row`, `id` and `label` of the values; of dirty data those that are no numbers are left out and counted."""
    account = source.account
    cells = literals["value"].astype(object).reset_index(drop=True)
    if use.pattern is not None:
        cells = first_groups(use.pattern, cells, source.path)
        account.count("literals without a match of the pattern", int(cells.isna().sum()))
    if use.bins is not None:
        wrong = (cells.notna() & pd.to_numeric(cells, errors="coerce").isna()).to_numpy(dtype=bool)
        account.count("literals that are no numbers, left out", int(wrong.sum()))
        cells = cells.mask(wrong)
    table = Table(file=source.path, frame=pd.DataFrame({"value": cells.fillna("").astype(object)}))
    return concept_values(table, use.concept().model_copy(update={"pattern": None}), ("",))[0]
