"""A graph with its ratings: what `kgrec build` writes and everything above reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from kg import manifest
from kg.atomic import staged_directory
from kg.columns import read_columns, write_columns
from kg.graph import KnowledgeGraph
from kg.ratings import Ratings
from kg.schema import DEFAULT_NAMESPACE, Namespace
from kg.store import write_nquads

__all__ = ["Dataset", "NamedSplit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedSplit:
    """A canonical split that comes with the data.

    Attributes:
        test_ratings: Row numbers into `Dataset.ratings` of the ratings to test on, rising; or None.
        test_items: Indices of items held out with all their ratings, rising; or None.
        validation_items: Indices of items held out for validation, rising; or None.
    """

    test_ratings: NDArray[np.int64] | None = None
    test_items: NDArray[np.int64] | None = None
    validation_items: NDArray[np.int64] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows or items of each part there is."""
        return {role: len(rows) for role, rows in vars(self).items() if rows is not None}


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A knowledge graph and the ratings of its items by its users.

    Attributes:
        graph: Users, items, concepts and what connects them.
        ratings: Who rated what.
        scale: Lowest and highest possible rating, in stars.
        splits: Canonical splits by name.
        report: What the build read, kept and dropped, as JSON values.
        namespace: Beginning of the IRIs of nodes in RDF.
    """

    graph: KnowledgeGraph
    ratings: Ratings
    scale: tuple[float, float]
    splits: Mapping[str, NamedSplit] = field(default_factory=dict)
    report: Mapping[str, object] = field(default_factory=dict)
    namespace: str = DEFAULT_NAMESPACE
    _fingerprint: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", MappingProxyType(dict(self.splits)))
        sizes = (len(self.graph.users), len(self.graph.items))
        if (self.ratings.num_users, self.ratings.num_items) != sizes:
            raise ValueError(
                f"ratings know {self.ratings.num_users} users and {self.ratings.num_items} items; the graph has {sizes[0]} and {sizes[1]}"
            )
        low, high = self.scale
        if len(self.ratings) and not (low <= self.ratings.value.min() and self.ratings.value.max() <= high):
            raise ValueError(
                f"ratings span {self.ratings.value.min():g} .. {self.ratings.value.max():g}; the scale is {low:g} .. {high:g}"
            )

    def save(self, directory: Path) -> None:
        """Write a graph directory as a whole: either all its files are there afterwards, or none has changed.

        Artefacts: `kg.nq.gz`, `nodes.parquet`, `edges.parquet`, `ratings.parquet`, `splits.parquet`,
        `report.json`, `manifest.json`. The same data set gives the same bytes.
        """
        manifest.refuse_foreign(directory, form=manifest.GRAPH_FORMAT, noun="graph")
        with staged_directory(directory) as partial:
            self._write(partial)

    def _write(self, folder: Path) -> None:
        write_nquads(self.graph, folder / "kg.nq.gz", Namespace(self.namespace))
        write_columns(self, folder)
        fingerprint = manifest.write(self, folder)
        self._fingerprint[:] = [fingerprint]

    @classmethod
    def load(cls, directory: Path) -> Dataset:
        """Read a graph directory.

        Raises:
            InputError: If it is not a graph directory, of a newer format, incomplete or damaged.
        """
        directory = Path(directory)
        found = manifest.read(directory)
        dataset = read_columns(directory, found)
        dataset._fingerprint[:] = [found["fingerprint"]]
        return dataset

    @property
    def fingerprint(self) -> str:
        """Identity of this data set: sha256 over the hashes of its artefacts (the report apart); a rebuild has the same."""
        if not self._fingerprint:
            with TemporaryDirectory() as folder:
                self._write(Path(folder))
        return self._fingerprint[0]
