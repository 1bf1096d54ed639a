"""Items that are one thing under several ids become one: in the graph, in the ratings and in the splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
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
        notes: Sentences on what was merged.
    """

    def __init__(self, *, into: NDArray[np.int64], items: Vocabulary) -> None:
        """Take for each item the one it becomes, itself or an earlier one."""
        self.into = into
        self.vocabulary = items
        self.notes: list[str] = []
        gone = np.flatnonzero(into != np.arange(len(into)))
        if len(gone):
            pairs = [f"{items.id_of(item)!r} into {items.id_of(into[item])!r}" for item in gone[:_EXAMPLES].tolist()]
            self.notes.append(
                f"{len(gone):,} items were merged with others of the same link, for example {'; '.join(pairs)}."
            )

    @cached_property
    def staying(self) -> NDArray[np.int64]:
        """The items that stay, by their old indices, rising."""
        return np.flatnonzero(self.into == np.arange(len(self.into)))

    @cached_property
    def new_index(self) -> NDArray[np.int64]:
        """For each old index the new one."""
        return np.searchsorted(self.staying, self.into)

    def any(self, of_items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return for each item that stays whether something holds of any of those that it is made of."""
        found = np.zeros(len(self.staying), dtype=bool)
        found[self.new_index[of_items]] = True
        return found

    def graph(self, graph: KnowledgeGraph) -> KnowledgeGraph:
        """Return the graph of the merged items: their first label and link, all their texts, the union of their edges."""
        nodes = {**graph.nodes, ITEM: self._nodes(graph.items)}
        edges = {edge_type: self._edges(edge_type, found) for edge_type, found in graph.edges.items()}
        return KnowledgeGraph(name=graph.name, nodes=nodes, edges=edges, sources=graph.sources)

    def _nodes(self, nodes: Nodes) -> Nodes:
        texts: list[str | None] = [nodes.texts[item] for item in self.staying]
        labels: list[str] = [str(nodes.labels[item]) for item in self.staying]
        iris: list[str | None] = [nodes.iris[item] for item in self.staying]
        for item in np.flatnonzero(self.into != np.arange(len(self.into))).tolist():
            new, first = self.new_index[item], int(self.into[item])
            text, before = nodes.texts[item], texts[new]
            if text is not None and (before is None or text not in before):
                texts[new] = text if before is None else f"{before} {text}"
            if labels[new] == nodes.vocabulary.id_of(first):  # no table gives it a label
                labels[new] = str(nodes.labels[item])
            iris[new] = iris[new] or nodes.iris[item]
        vocabulary = Vocabulary(ITEM, [nodes.vocabulary.id_of(item) for item in self.staying.tolist()])
        return Nodes(vocabulary=vocabulary, labels=_column(labels), texts=_column(texts), iris=_column(iris))

    def _edges(self, edge_type: EdgeType, edges: Edges) -> Edges:
        if ITEM not in (edge_type.source, edge_type.target):
            return edges
        index = edges.index.copy()
        for row, kind in enumerate((edge_type.source, edge_type.target)):
            if kind == ITEM:
                index[row] = self.new_index[index[row]]
        loop = np.zeros(len(edges), dtype=bool)
        if edge_type.source == edge_type.target:
            # What the merged items said of each other says nothing of the one that they have become.
            merged = np.bincount(self.new_index, minlength=len(self.staying)) > 1
            loop = (index[0] == index[1]) & merged[index[0]]
        order = np.lexsort((edges.provenance, index[1], index[0]))
        order = order[~loop[order]]
        found = index[:, order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (found[:, 1:] != found[:, :-1]).any(axis=0)
        return Edges(index=found[:, first], provenance=edges.provenance[order][first], lines=edges.lines[order][first])

    def ratings(self, ratings: Ratings, splits: Mapping[str, NamedSplit]) -> tuple[Ratings, dict[str, NamedSplit]]:
        """Return ratings and splits of the merged items.

        Of two ratings by one user the later is kept; without times, the one further down. An item made of one that is
        held out and one that is not is held out.
        """
        item = self.new_index[ratings.item]
        time = np.zeros(len(ratings), dtype=np.int64) if ratings.time is None else ratings.time
        order = np.lexsort((np.arange(len(ratings)), time, item, ratings.user))
        last = np.ones(len(order), dtype=bool)
        last[:-1] = (np.diff(ratings.user[order]) != 0) | (np.diff(item[order]) != 0)
        kept = np.sort(order[last])
        if len(kept) < len(ratings):
            self.notes.append(
                f"{len(ratings) - len(kept):,} ratings are left out: their users rated another id of the same item "
                f"{'later' if ratings.time is not None else 'further down'}."
            )
        chosen = replace(ratings.select(kept), item=item[kept], num_items=len(self.staying))
        place = np.full(len(ratings), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        return chosen, {name: self._split(split, place) for name, split in splits.items()}

    def shown(self, shown: Ratings, ratings: Ratings) -> Ratings:
        """Return what was shown and not taken, of the merged items; an item chosen under another id was taken."""
        item, width = self.new_index[shown.item], len(self.staying)
        pair = shown.user * width + item
        first = np.unique(pair, return_index=True)[1]
        kept = np.sort(first[~np.isin(pair[first], ratings.user * width + ratings.item)])
        return replace(shown.select(kept), item=item[kept], num_items=width)

    def _split(self, split: NamedSplit, place: NDArray[np.int64]) -> NamedSplit:
        roles = {}
        for role, rows in split.roles.items():
            if role in _OF_ITEMS:
                roles[role] = np.unique(self.new_index[rows])
            else:
                roles[role] = np.sort(place[rows][place[rows] >= 0])
        if all(role in roles for role in _OF_ITEMS):
            roles["validation_items"] = np.setdiff1d(roles["validation_items"], roles["test_items"])
        return NamedSplit.of_roles(roles)


def _column(values: Sequence[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
