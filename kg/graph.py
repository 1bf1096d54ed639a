"""The knowledge graph: typed nodes with label, text and IRI; typed edges that know their source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kg.schema import ITEM, USER, EdgeType, Schema
from kg.vocabulary import Vocabulary

__all__ = ["Edges", "KnowledgeGraph", "Nodes"]

_COLUMNS = ("labels", "texts", "iris")
_UNKNOWN = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Nodes:
    """All nodes of one kind, in the order of their vocabulary.

    Attributes:
        vocabulary: Raw id <-> index.
        labels: What people read, text `[num_nodes]`; never empty.
        texts: What the language model reads, text or None `[num_nodes]`; None states "no text known".
        iris: The node's IRI: the link given by the data (`owl:sameAs`), or None `[num_nodes]`.

    A tombstone (`Vocabulary.removed`) keeps the index of a node that is gone; nothing is known of it, and no edge touches it.
    """

    vocabulary: Vocabulary
    labels: NDArray[np.object_]
    texts: NDArray[np.object_]
    iris: NDArray[np.object_]

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            column = np.array(getattr(self, name), dtype=object)
            if column.shape != (len(self.vocabulary),):
                raise ValueError(
                    f"{name} of kind {self.vocabulary.kind} have shape {column.shape}; expected ({len(self.vocabulary)},)"
                )
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    @classmethod
    def of(
        cls,
        vocabulary: Vocabulary,
        *,
        labels: Sequence[str],
        texts: Sequence[str | None] | None = None,
        iris: Sequence[str | None] | None = None,
    ) -> Nodes:
        """Return nodes from plain lists; without texts or IRIs none is known."""
        columns = [[None] * len(vocabulary) if known is None else known for known in (labels, texts, iris)]
        label, text, iri = (np.array(column, dtype=object) for column in columns)
        return cls(vocabulary=vocabulary, labels=label, texts=text, iris=iri)

    def __len__(self) -> int:
        return len(self.vocabulary)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the nodes that are there, bool `[num_nodes]`; the others are tombstones."""
        return ~self.vocabulary.removed

    @property
    def num_present(self) -> int:
        """Number of nodes that are there."""
        return int(self.present.sum())

    def concat(self, others: Nodes) -> Nodes:
        """Return these nodes with others of the same kind behind them."""
        one, other = self.vocabulary, others.vocabulary
        removed = np.concatenate([one.removed, other.removed])
        columns = {name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in _COLUMNS}
        return Nodes(vocabulary=Vocabulary(one.kind, [*one, *other], removed=removed), **columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Edges:
    """All edges of one type.

    Attributes:
        index: int64 `[2, num_edges]`: row 0 holds indices of the source kind, row 1 of the target kind.
        provenance: int16 `[num_edges]`: for each edge the position of its source in `KnowledgeGraph.sources`.
        lines: int64 `[num_edges]`: the line of its source, counted from 1, or the number of the record where the file
            has no lines (JSON, Parquet); 0 where unknown, which is the default.
    """

    index: NDArray[np.int64]
    provenance: NDArray[np.int16]
    lines: NDArray[np.int64] = field(default_factory=lambda: _UNKNOWN)

    def __post_init__(self) -> None:
        index, provenance = np.array(self.index, dtype=np.int64), np.array(self.provenance, dtype=np.int16)
        if index.ndim != 2 or len(index) != 2 or provenance.shape != (index.shape[1],):
            raise ValueError(
                f"edges need an index [2, n] and a provenance [n]; got {index.shape} and {provenance.shape}"
            )
        lines = np.zeros(len(provenance), dtype=np.int64) if self.lines is _UNKNOWN else np.array(self.lines, np.int64)
        if lines.shape != provenance.shape or (lines < 0).any():
            raise ValueError(f"edges need lines [{len(provenance)}] of 0 or more; got the shape {lines.shape}")
        for name, column in (("index", index), ("provenance", provenance), ("lines", lines)):
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return int(self.index.shape[1])

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Edges:
        """Return the edges that a mask or an index array picks, in its order."""
        return Edges(**{name: column[..., which] for name, column in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class KnowledgeGraph:
    """Users, items and concepts with what connects them. Ratings are not part of it: they live in `Ratings`.

    Attributes:
        name: Name of the data set.
        nodes: Nodes of each kind; the kinds `user` and `item` are always there.
        edges: Edges of each type `(source kind, relation, target kind)`.
        sources: Where edges come from: files as the description names them, or addresses of SPARQL endpoints; indexed
            by `Edges.provenance`.

    Raises:
        ValueError: If a kind is missing, an index is out of range, or an edge names an unknown source or a tombstone.
    """

    name: str
    nodes: Mapping[str, Nodes]
    edges: Mapping[EdgeType, Edges]
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        edges = {EdgeType(*edge_type): found for edge_type, found in self.edges.items()}
        object.__setattr__(self, "edges", MappingProxyType(edges))
        for kind in (USER, ITEM):
            if kind not in self.nodes:
                raise ValueError(f"a knowledge graph needs nodes of kind {kind!r}; got {sorted(self.nodes)}")
        _ = self.schema
        for edge_type, found in edges.items():
            for row, kind in enumerate((edge_type.source, edge_type.target)):
                size = len(self.nodes[kind])
                if len(found) and not (0 <= found.index[row].min() and found.index[row].max() < size):
                    raise ValueError(f"edges {edge_type} hold {kind} indices outside 0 .. {size - 1}")
                if self.nodes[kind].vocabulary.removed[found.index[row]].any():
                    raise ValueError(f"edges {edge_type} touch a {kind} that was removed")
            if len(found) and not (0 <= found.provenance.min() and found.provenance.max() < len(self.sources)):
                raise ValueError(f"edges {edge_type} name a source outside 0 .. {len(self.sources) - 1}")

    @property
    def schema(self) -> Schema:
        """The kinds and relations of this graph."""
        return Schema(kinds=tuple(self.nodes), edge_types=tuple(self.edges))

    @property
    def users(self) -> Nodes:
        """The users."""
        return self.nodes[USER]

    @property
    def items(self) -> Nodes:
        """The items."""
        return self.nodes[ITEM]

    @property
    def num_nodes(self) -> int:
        """Number of nodes of all kinds, without tombstones."""
        return sum(nodes.num_present for nodes in self.nodes.values())

    @property
    def num_edges(self) -> int:
        """Number of edges of all types."""
        return sum(len(edges) for edges in self.edges.values())

    def degrees(self) -> dict[str, NDArray[np.int64]]:
        """Return how many edges each node has, by kind, `[num_nodes]`; one to itself counts twice."""
        degrees = {kind: np.zeros(len(nodes), dtype=np.int64) for kind, nodes in self.nodes.items()}
        for edge_type, edges in self.edges.items():
            for row, kind in enumerate((edge_type.source, edge_type.target)):
                degrees[kind] += np.bincount(edges.index[row], minlength=len(degrees[kind]))
        return degrees

    def concepts_of(self, kind: str, node: int) -> Iterator[tuple[EdgeType, NDArray[np.int64]]]:
        """Yield the relations in which a node's own edges lead to concepts, with the indices of these, in the order of the edges."""
        for edge_type, edges in self.edges.items():
            if edge_type.source == kind and edge_type.target not in (USER, ITEM):
                targets = edges.index[1][edges.index[0] == node]
                if len(targets):
                    yield edge_type, targets
