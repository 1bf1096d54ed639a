"""Items that are one thing under several ids become one: in the graph, in the ratings and in the splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.graph import Edges, KnowledgeGraph, Nodes
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.schema import ITEM, EdgeType
from kg.vocabulary import Vocabulary

__all__ = ["Merger"]

_EXAMPLES = 3
_OF_ITEMS = ("test_items", "validation_items")


class Merger:
    """Merges items; the first of those that are the same keeps its id, the others' ids go.

    Attributes:
        into: For each item the one it becomes, itself or an earlier one.
        gone: The items that become another, rising.
        staying: The items that stay, by their old indices, rising.
        new_index: For each old index the new one.
        notes: Sentences on what was merged.
    """

    def __init__(self, *, into: NDArray[np.int64], items: Vocabulary) -> None:
        self.into = into
        self.gone = np.flatnonzero(into != np.arange(len(into)))
        self.staying = np.setdiff1d(np.arange(len(into)), self.gone)
        self.new_index = np.searchsorted(self.staying, into)
        self.notes: list[str] = []
        if len(self.gone):
            pairs = "; ".join(
                f"{items.id_of(item)!r} into {items.id_of(into[item])!r}" for item in self.gone[:_EXAMPLES]
            )
            self.notes.append(
                f"{len(self.gone):,} items were merged with others of the same link, for example {pairs}."
            )

    def any(self, of_items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each item that stays whether something holds of any of those that it is made of."""
        return np.isin(np.arange(len(self.staying)), self.new_index[of_items])

    def graph(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return the graph of the merged items: their first label and link, all their texts, the union of their edges."""
        nodes = {**graph.nodes, ITEM: self._nodes(graph.items)}
        edges = {
            edge_type: self._edges(edge_type, edges) if ITEM in (edge_type.source, edge_type.target) else edges
            for edge_type, edges in graph.edges.items()
        }
        return KnowledgeGraph(name=graph.name, nodes=nodes, edges=edges, sources=graph.sources)

    def _nodes(self, nodes: Nodes) -> Nodes:
        ids = nodes.vocabulary.ids
        labels, texts, iris = nodes.labels.copy(), nodes.texts.copy(), nodes.iris.copy()
        for item in self.gone.tolist():
            first = self.into[item]
            text, before = texts[item], texts[first]
            if text is not None and (before is None or text not in before):
                texts[first] = text if before is None else f"{before} {text}"
            if labels[first] == ids[first]:  # no table gives it a label
                labels[first] = labels[item]
            iris[first] = iris[first] or iris[item]
        kept = self.staying
        return Nodes(vocabulary=Vocabulary(ITEM, ids[kept]), labels=labels[kept], texts=texts[kept], iris=iris[kept])

    def _edges(self, edge_type: EdgeType, edges: Edges) -> Edges:
        index = edges.index.copy()
        for row, kind in enumerate((edge_type.source, edge_type.target)):
            if kind == ITEM:
                index[row] = self.new_index[index[row]]
        order = np.lexsort((edges.provenance, index[1], index[0]))
        if edge_type.source == edge_type.target:
            # What the merged items said of each other says nothing of the one that they have become.
            inside = (index[0] == index[1]) & np.isin(index[0], self.new_index[self.gone])
            order = order[~inside[order]]
        first = np.unique(index[:, order], axis=1, return_index=True)[1]
        return replace(edges.select(order[first]), index=index[:, order[first]])

    def ratings(self, ratings: Ratings, splits: Mapping[str, NamedSplit]) -> tuple[Ratings, dict[str, NamedSplit]]:
        """Return ratings and splits of the merged items.

        Of two ratings by one user the later is kept; without times, the one further down. An item made of one that is
        held out and one that is not is held out.
        """
        frame = pd.DataFrame({"user": ratings.user, "item": self.new_index[ratings.item]})
        if ratings.time is not None:
            frame = frame.assign(time=ratings.time).sort_values("time", kind="stable")
        kept = np.sort(frame.index[~frame.duplicated(["user", "item"], keep="last")].to_numpy())
        if len(kept) < len(ratings):
            self.notes.append(
                f"{len(ratings) - len(kept):,} ratings are left out: their users rated another id of the same item "
                f"{'later' if ratings.time is not None else 'further down'}."
            )
        roles_of = {name: dict(split.roles) for name, split in splits.items()}
        for roles in roles_of.values():
            for role, rows in roles.items():
                roles[role] = (
                    np.unique(self.new_index[rows])
                    if role in _OF_ITEMS
                    else np.searchsorted(kept, np.intersect1d(rows, kept))
                )
            if all(role in roles for role in _OF_ITEMS):
                roles["validation_items"] = np.setdiff1d(roles["validation_items"], roles["test_items"])
        return self._renumbered(ratings.select(kept)), {
            name: NamedSplit.of_roles(roles) for name, roles in roles_of.items()
        }

    def shown(self, shown: Ratings, ratings: Ratings) -> Ratings:
        """Return what was shown and not taken, of the merged items; an item chosen under another id was taken."""
        merged = self._renumbered(shown)
        pair = merged.user * merged.num_items + merged.item
        first = np.unique(pair, return_index=True)[1]
        taken = np.isin(pair[first], ratings.user * merged.num_items + ratings.item)
        return merged.select(np.sort(first[~taken]))

    def _renumbered(self, ratings: Ratings) -> Ratings:
        return replace(ratings, item=self.new_index[ratings.item], num_items=len(self.staying))
