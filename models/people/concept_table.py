"""Concepts of items, those of all relations side by side: what a profile is written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kg.errors import InputError, UnknownNameError, did_you_mean
from kg.graph import KnowledgeGraph
from kg.schema import ITEM
from models.lists.reasons import relation_words
from models.network.graph_inputs import GraphInputs

__all__ = ["ConceptTable"]

BROAD_MOST = 100  # concepts of a relation that tells kinds of items apart


@dataclass(frozen=True, kw_only=True, eq=False)
class ConceptTable:
    """All concepts that send messages to items, of all relations, side by side.

    A concept of a single item cannot be told from the item, so it is not among them.

    Attributes:
        relations: Names of the relations, as the graph has them.
        relation: Position of each concept's relation, rising, `[num_concepts]`.
        keys: `relation:id` of each concept, unique.
        labels: What people read.
        names: What people read with the relation: `genre: Drama`.
        membership: Weights of the edges, `[num_items, num_concepts]`, as the model has them.
    """

    relations: tuple[str, ...]
    relation: NDArray[np.int64]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    membership: sparse.csr_array

    @classmethod
    def of(cls, data: GraphInputs, graph: KnowledgeGraph) -> ConceptTable:
        """Take the concepts from graph inputs; nothing depends on ratings."""
        blocks, relation, keys, labels, names = [], [], [], [], []
        for number, edge_type in enumerate(data[ITEM].content):
            edges, nodes = data[edge_type], graph.nodes[edge_type[0]]
            senders = edges.senders.numpy()
            place = (edges.edge_index[1].numpy(), edges.table_row.numpy())
            blocks.append(sparse.csr_array((edges.edge_weight.numpy(), place), shape=(len(graph.items), len(senders))))
            relation += [number] * len(senders)
            of_relation = [str(label) for label in nodes.labels[senders]]
            keys += [f"{edge_type[1]}:{raw_id}" for raw_id in nodes.vocabulary.ids[senders]]
            names += [f"{relation_words(edge_type[1])}: {label}" for label in of_relation]
            labels += of_relation
        empty = sparse.csr_array((len(graph.items), 0), dtype=np.float32)
        return cls(
            relations=tuple(edge_type[1] for edge_type in data[ITEM].content),
            relation=np.array(relation, dtype=np.int64),
            keys=tuple(keys),
            labels=tuple(labels),
            names=tuple(names),
            membership=sparse.csr_array(sparse.hstack(blocks, format="csr") if blocks else empty),
        )

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def holds(self) -> sparse.csr_array:
        """Which items have which concepts, 0/1 `[num_items, num_concepts]`."""
        return sparse.csr_array((self.membership > 0).astype(np.float32))

    @cached_property
    def typical(self) -> NDArray[np.float64]:
        """Mean weight of a concept's edges, `[num_concepts]`."""
        counts = np.maximum(self.holds.sum(axis=0), 1)
        return np.asarray(self.membership.sum(axis=0) / counts, dtype=np.float64)

    @cached_property
    def broad(self) -> NDArray[np.int64]:
        """The concepts that tell kinds of items apart: those of the relation with the most edges an item.

        Only relations of 2 to 100 concepts that cover half of the items are asked; where there is none, these are
        the 30 most frequent concepts of the relation with the most edges.
        """
        best, broad = 0.0, np.zeros(0, dtype=np.int64)
        for number in range(len(self.relations)):
            concepts = np.flatnonzero(self.relation == number)
            held = np.asarray(self.holds[:, concepts].sum(axis=1))
            covered = np.count_nonzero(held)
            if 2 <= len(concepts) <= BROAD_MOST and 2 * covered >= len(held) and held.sum() / covered > best + 1e-9:
                best, broad = held.sum() / covered, concepts
        if not len(broad) and len(self):
            num_edges = np.asarray(self.holds.sum(axis=0))
            concepts = np.flatnonzero(self.relation == np.bincount(self.relation, num_edges).argmax())
            broad = np.sort(concepts[np.argsort(-num_edges[concepts], kind="stable")[:30]])
        return broad

    def find(self, name: str) -> int:
        """Return the position of a concept by `relation:id`, by `relation: label`, or by its label alone.

        Where several concepts have the name, the one whose relation is of a table, not of an RDF source, is meant.

        Raises:
            UnknownNameError: If there is none.
            InputError: If there are several.
        """
        if name in self._by_key:
            return self._by_key[name]
        wanted = _folded(name)
        fits = self._by_name.get(wanted, [])
        if not fits:
            raise UnknownNameError(
                f"there is no concept {name!r} among those of at least two items; name one as 'genre: Drama' or by its "
                f"label.{did_you_mean(wanted, self._by_name)}"
            )
        of_tables = [concept for concept in fits if ":" not in self.relations[self.relation[concept]]]
        fits = of_tables if len(of_tables) == 1 else fits
        if len(fits) > 1:
            options = ", ".join(repr(self.keys[concept]) for concept in fits[:5])
            raise InputError(f"{name!r} names {len(fits)} concepts; say which one: {options}")
        return fits[0]

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {key: number for number, key in enumerate(self.keys)}

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        by_name: dict[str, list[int]] = {}
        for number, (name, label) in enumerate(zip(self.names, self.labels, strict=True)):
            for spelling in {_folded(name), _folded(label)}:
                by_name.setdefault(spelling, []).append(number)
        return by_name


def _folded(name: str) -> str:
    relation, colon, label = name.partition(":")
    return f"{relation.strip()}: {label.strip()}".casefold() if colon else name.strip().casefold()
