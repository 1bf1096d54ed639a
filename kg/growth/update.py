"""Growth: the present state of the sources taken into a graph whose indices are in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kg.build import build
from kg.dataset import Dataset, refuse_other
from kg.description import Description
from kg.errors import InputError
from kg.graph import Nodes
from kg.growth.alignment import aligned
from kg.origin import Origin
from kg.ratings import Ratings

__all__ = ["Update", "change_lines", "update"]

_NO_EDGES = np.empty((2, 0), dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """A data set after an update.

    Attributes:
        dataset: The data set as it now lies in its directory.
        read: Whether anything was read; False if no source had changed.
    """

    dataset: Dataset
    read: bool


def update(
    description: Description,
    directory: Path,
    *,
    data: Path | None = None,
    refresh: bool = False,
    snapshots: Path | None = None,
    engine: str = "duckdb",
    scratch: Path | None = None,
) -> Update:
    """Bring a graph directory to the present state of its sources; indices stay as they are.

    The result equals a fresh build up to the order of indices and the empty places of what is gone (see `kg.growth.alignment`).
    People whom the graph has forgotten stay forgotten. If no source changed, no file is touched; if only ratings or
    splits did, nothing else is read; and if nodes and edges stay the same, their RDF is not written again.

    Args:
        description: What the files mean; it may have changed as well.
        directory: The graph.
        data: Folder that paths are relative to; by default the folder the description was loaded with.
        refresh: Ask SPARQL endpoints again; by default they count as unchanged.
        snapshots: Folder that receives what endpoints answered, as files that a description can name.
        engine: What joins the triples of RDF files, as in `build`.
        scratch: An existing folder for triples that do not fit into memory; by default where temporary files are.

    Raises:
        InputError: If an input is wrong, or the graph is of other data. The directory is then as it was.
    """
    old = Dataset.load(directory)
    refuse_other(directory)  # before the sources are read, not after
    if old.graph.name != description.name:
        raise InputError(
            f"this graph is called {old.graph.name!r}, the description {description.name!r}; an update needs the description "
            "of the same data: build the other one with --out into a directory of its own",
            file=directory,
        )
    folder = description.folder if data is None else Path(data)
    again = refresh or snapshots is not None
    if not again and Origin.of(description, folder).is_of(old):
        return Update(dataset=old, read=False)
    fresh = build(
        description,
        data=folder,
        refresh=refresh,
        snapshots=snapshots,
        engine=engine,
        scratch=scratch,
        forgotten=old.forgotten,
        known=None if again else old,
    )
    new = aligned(old, fresh)
    changes = {"ledger_version": new.ledger_version, **_changes(old, new)}
    kept = {"forgotten": old.report["forgotten"]} if "forgotten" in old.report else {}
    new = replace(new, report={**new.report, "update": changes, **kept})
    new.save(directory, same_graph=directory if new.graph is old.graph else None)
    return Update(dataset=new, read=True)


def change_lines(update: Update) -> list[str]:
    """Return what an update changed as plain sentences for the terminal."""
    if not update.read:
        return ["No source has changed; the graph is as it was."]
    changes: Mapping[str, Any] = update.dataset.report["update"]  # type: ignore[assignment]
    kinds = {kind: counts for kind, counts in changes["nodes"].items() if any(counts.values())}
    lines = [f"Nodes of kind {kind}: {_spoken(counts)}." for kind, counts in kinds.items()]
    lines += [
        f"{what.capitalize()}: {_spoken(changes[what])}."
        for what in ("edges", "ratings")
        if any(changes[what].values())
    ]
    version = f"Ledger version {changes['ledger_version']}"
    return (
        [*lines, f"{version}: indices stay as they were."]
        if lines
        else [f"{version}: no node, edge or rating has changed."]
    )


def _spoken(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in counts.items() if number)


def _changes(old: Dataset, new: Dataset) -> dict[str, Any]:
    """Count what is new, changed and gone."""
    edges = {"new": 0, "gone": 0}
    for edge_type in {**old.graph.edges, **new.graph.edges}:
        width = len(new.graph.nodes[edge_type.target])
        before, after = (
            index[0] * width + index[1]
            for index in (
                dataset.graph.edges[edge_type].index if edge_type in dataset.graph.edges else _NO_EDGES
                for dataset in (old, new)
            )
        )
        edges["new"] += int((~np.isin(after, before)).sum())
        edges["gone"] += int((~np.isin(before, after)).sum())
    return {
        "nodes": {kind: _node_changes(old.graph.nodes.get(kind), nodes) for kind, nodes in new.graph.nodes.items()},
        "edges": edges,
        "ratings": _rating_changes(old.ratings, new.ratings),
    }


def _node_changes(old: Nodes | None, new: Nodes) -> dict[str, int]:
    before = np.zeros(len(new), dtype=bool)
    changed = np.zeros(len(new), dtype=bool)
    if old is not None:
        before[: len(old)] = old.present
        for name in ("labels", "texts", "iris"):
            changed[: len(old)] |= np.not_equal(getattr(old, name), getattr(new, name)[: len(old)])
    return {
        "new": int((new.present & ~before).sum()),
        "changed": int((changed & before & new.present).sum()),
        "gone": int((before & ~new.present).sum()),
    }


def _rating_changes(old: Ratings, new: Ratings) -> dict[str, int]:
    def by_pair(ratings: Ratings) -> pd.DataFrame:
        time, weight = 0 if ratings.time is None else ratings.time, 1 if ratings.weight is None else ratings.weight
        pairs = ratings.user * new.num_items + ratings.item
        return pd.DataFrame({"value": ratings.value, "time": time, "weight": weight}).set_axis(pairs)

    before, after = by_pair(old), by_pair(new)
    both = before.index.intersection(after.index)
    changed = (before.loc[both] != after.loc[both]).any(axis=1)
    return {"new": len(after) - len(both), "changed": int(changed.sum()), "gone": len(before) - len(both)}
