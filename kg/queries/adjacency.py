"""Neighbours of nodes: a graph as one sparse matrix over the nodes of all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from kg.errors import InputError
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.tabular.concepts import concept_id

__all__ = ["Adjacency", "Node", "parse_node"]

Node = tuple[str, str]
"""A node as people name it: `(kind, raw id)`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Adjacency:
    """The neighbours of each node in either direction; parallel edges count once, an edge to itself not at all.

    Nodes of all kinds are numbered through, kind after kind, in the order of `KnowledgeGraph.nodes`.

    Attributes:
        graph: The graph.
        offsets: Number of the first node of each kind.
        matrix: The symmetric matrix of zeros and ones, int8 `[num_nodes, num_nodes]`.
    """

    graph: KnowledgeGraph
    offsets: dict[str, int]
    matrix: sp.csr_array

    @classmethod
    def of(cls, graph: KnowledgeGraph, ratings: Ratings | None = None) -> Adjacency:
        """Return who is next to whom; with `ratings`, a user is next to the items it rated."""
        sizes = [len(nodes) for nodes in graph.nodes.values()]
        offsets = dict(zip(graph.nodes, np.cumsum([0, *sizes]).tolist(), strict=False))
        ends = [
            edges.index + np.array([[offsets[edge_type.source]], [offsets[edge_type.target]]])
            for edge_type, edges in graph.edges.items()
        ]
        if ratings is not None:
            ends.append(np.stack([ratings.user + offsets["user"], ratings.item + offsets["item"]]))
        start, end = np.concatenate([np.zeros((2, 0), dtype=np.int64), *ends], axis=1)
        other = start != end
        rows, columns = np.concatenate([start[other], end[other]]), np.concatenate([end[other], start[other]])
        matrix = sp.csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(sum(sizes), sum(sizes)))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return cls(graph=graph, offsets=offsets, matrix=matrix)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def degree(self) -> NDArray[np.int64]:
        """Number of different neighbours, `[num_nodes]`."""
        return np.asarray(np.diff(self.matrix.indptr), dtype=np.int64)

    def beside(self, number: int) -> NDArray[np.int64]:
        """Return the neighbours of one node, rising."""
        part = slice(self.matrix.indptr[number], self.matrix.indptr[number + 1])
        return np.asarray(self.matrix.indices[part], dtype=np.int64)

    def number(self, node: Node) -> int:
        """Return the number of a node; raises `UnknownNameError` if there is no such kind or id."""
        kind, raw_id = node
        return self.offsets[self.graph.schema.kind(kind)] + self.graph.nodes[kind].vocabulary.index_of(raw_id)

    def node(self, number: int) -> Node:
        """Return the node of a number."""
        kind = [name for name, offset in self.offsets.items() if offset <= number and len(self.graph.nodes[name])][-1]
        return kind, self.graph.nodes[kind].vocabulary.id_of(number - self.offsets[kind])

    def within(self, node: Node, hops: int) -> NDArray[np.int64]:
        """Return how many edges away each node is, `[num_nodes]`, or -1 where it is more than `hops`.

        Raises:
            UnknownNameError: If there is no such node.
            ValueError: If `hops` is negative.
        """
        if hops < 0:
            raise ValueError(f"hops must be 0 or more, got {hops}")
        distance = dijkstra(self.matrix, indices=self.number(node), unweighted=True, limit=hops)
        return np.where(np.isfinite(distance), distance, -1).astype(np.int64)


def parse_node(graph: KnowledgeGraph, text: str) -> Node:
    """Read `kind:id`, for example `genre:drama` or `user:196`; another spelling of a concept's name is understood.

    Where neither is there, the label serves, if only one node bears it: `dbpedia:Tim Burton`.

    Raises:
        InputError: If there is no colon, no such kind or no such id, with the closest that there is.
    """
    kind, colon, raw_id = text.partition(":")
    if not colon:
        raise InputError(f"expected a node as kind:id, for example item:50 or genre:drama, got {text!r}")
    known = graph.nodes[graph.schema.kind(kind)].vocabulary
    if raw_id in known:
        return kind, raw_id
    if kind not in ("user", "item") and concept_id(raw_id) in known:
        return kind, concept_id(raw_id)
    named = np.flatnonzero(graph.nodes[kind].labels == raw_id)
    return kind, known.id_of(int(named[0]) if len(named) == 1 else known.index_of(raw_id))
