"""Statements of items to train on that could not have been made before the time at which a split holds out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from kg.checks.findings import EXAMPLES, Finding
from kg.schema import ITEM, USER
from training.audit.held_out import HeldOut

__all__ = ["later_statements"]


def later_statements(held: HeldOut) -> Iterator[Finding]:
    """Find dates among the concepts of items, of which all that is trained on is older.

    Only for splits in which every rating to train on is at most as late as every one held out, and only items with
    ratings to train on: a new item may well be newer. A concept is a date if its whole label is one, `1998`, `1998-05`
    or `1998-05-20`, with or without a time; it lies after the cut-off if its first moment does.
    """
    train, times = held.split.train, held.dataset.ratings.time
    if train.time is None or times is None or train.time.max() > times[held.rows].min():
        return
    cutoff = int(train.time.max())
    day = datetime.fromtimestamp(cutoff, UTC).date().isoformat()
    graph, trained = held.dataset.graph, train.item_counts > 0
    for edge_type, edges in graph.edges.items():
        for side, kind, other in ((0, edge_type.source, edge_type.target), (1, edge_type.target, edge_type.source)):
            if kind != ITEM or other in (USER, ITEM):
                continue
            labels = graph.nodes[other].labels
            late = np.array([(_first_moment(str(label)) or 0) > cutoff for label in labels], dtype=bool)
            item, concept = edges.index[side], edges.index[1 - side]
            rows = np.flatnonzero(trained[item] & late[concept])
            if len(rows):
                ids = graph.items.vocabulary.ids
                found = [{"item": str(ids[item[row]]), "value": str(labels[concept[row]])} for row in rows]
                some = "; ".join(f"item {row['item']}: {row['value']}" for row in found[:EXAMPLES])
                yield Finding(
                    check="LaterStatements",
                    severity="error",
                    sentence=f"{len(rows):,} of {len(item):,} edges {edge_type.relation!r} of items to train on are dated "
                    f"after the cut-off of the split, {day}, for example {some}.",
                    remedy="leave out what was stated later, or hold out by another split than by-time",
                    count=len(rows),
                    total=len(item),
                    kind=ITEM,
                    rows=found,
                )


def _first_moment(label: str) -> float | None:
    text = label.strip()
    if len(text) < 4 or not text[:4].isascii() or not text[:4].isdigit():
        return None
    padded = {4: f"{text}-01-01", 7: f"{text}-01"}.get(len(text), text)
    try:
        moment = datetime.fromisoformat(padded)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
