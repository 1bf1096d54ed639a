"""A graph with its ratings: what `kgrec build` writes and everything above reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from pyarrow import ArrowException

from kg.errors import InputError
from kg.forgotten import Forgotten
from kg.graph import KnowledgeGraph
from kg.named_split import NamedSplit
from kg.ratings import Ratings
from kg.saved.columns import read_columns, write_columns
from kg.saved.nquads import write_nquads
from kg.schema import DEFAULT_NAMESPACE, Namespace
from kg.storage.atomic import staged_directory, write_file
from kg.storage.manifest import canonical, file_sha256, pretty, refuse_foreign, seal, sha256, unseal

__all__ = ["FORMAT_VERSION", "Dataset", "read_manifest", "refuse_other"]

FORMAT_VERSION = 3  # 2: splits of several parts, validation ratings; 3: lines of edges, empty places, forgotten people
_FORMAT = "kgrec graph"
_ARTEFACTS = ("edges.parquet", "kg.nq.gz", "nodes.parquet", "ratings.parquet", "splits.parquet")
_LIBRARIES = ("numpy", "pandas", "pyarrow", "pyoxigraph", "rdflib")


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A knowledge graph and the ratings of its items by its users.

    Attributes:
        graph: Users, items, concepts and what connects them.
        ratings: Who rated what.
        scale: Lowest and highest possible rating, in stars; `(1, 1)` where the feedback is implicit.
        shown: Of implicit feedback, what was shown to a user and not taken: `Ratings` of value 0, of other pairs than
            `ratings`; None where nobody knows.
        splits: Canonical splits by name.
        report: What the build read, kept and dropped, as JSON values.
        namespace: Beginning of the IRIs of nodes in RDF.
        ledger_version: How often the nodes, edges or ratings changed since the build that gave out the indices, plus 1.
        forgotten: People who are in the source files but must not be here.
    """

    graph: KnowledgeGraph
    ratings: Ratings
    scale: tuple[float, float]
    shown: Ratings | None = None
    splits: Mapping[str, NamedSplit] = field(default_factory=dict)
    report: Mapping[str, object] = field(default_factory=dict)
    namespace: str = DEFAULT_NAMESPACE
    ledger_version: int = 1
    forgotten: Forgotten = field(default_factory=Forgotten)
    _fingerprint: list[str] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", MappingProxyType(dict(self.splits)))
        sizes = (len(self.graph.users), len(self.graph.items))
        for ratings in (self.ratings, *(() if self.shown is None else (self.shown,))):
            if (ratings.num_users, ratings.num_items) != sizes:
                raise ValueError(
                    f"ratings know {ratings.num_users} users and {ratings.num_items} items; the graph has {sizes[0]} and {sizes[1]}"
                )
            for nodes, index in ((self.graph.users, ratings.user), (self.graph.items, ratings.item)):
                if not nodes.present[index].all():
                    raise ValueError(f"ratings touch a {nodes.vocabulary.kind} that was removed")
        if self.shown is not None and (self.scale != (1.0, 1.0) or self.shown.value.any()):
            raise ValueError("what was shown and not taken goes with implicit feedback, and its values are 0")
        low, high = self.scale
        if len(self.ratings) and not (
            low <= float(self.ratings.value.min()) and float(self.ratings.value.max()) <= high
        ):
            raise ValueError(
                f"ratings span {self.ratings.value.min():g} .. {self.ratings.value.max():g}; the scale is {low:g} .. {high:g}"
            )

    def save(
        self, directory: Path, *, same_graph: Path | None = None, check: Callable[[Path], None] | None = None
    ) -> None:
        """Write a graph directory as a whole: either all its files are there afterwards, or none has changed.

        Artefacts: `kg.nq.gz`, `nodes.parquet`, `edges.parquet`, `ratings.parquet`, `splits.parquet`,
        `report.json`, `manifest.json`. The same data set gives the same bytes.

        Args:
            directory: Where.
            same_graph: A graph directory with the same nodes, edges and namespace, whose RDF is copied instead of made again.
            check: Called with the written files before they take their place; what it raises leaves the old ones there.
        """
        with staged_directory(directory, replaceable=refuse_other) as folder:
            self.write(folder, same_graph)
            if check is not None:
                check(folder)

    def write(self, folder: Path, same_graph: Path | None = None) -> None:
        """Write the files of a graph directory into an empty folder, as `save` does when it is safe."""
        graph = self.graph
        # What was shown lies behind the choices, with the value 0, so that splits still count rows of these.
        ratings = self.ratings if self.shown is None else self.ratings.concat(self.shown)
        write_columns(graph, ratings, self.splits, folder)
        if same_graph is None:
            write_nquads(graph, folder / "kg.nq.gz", Namespace(self.namespace))
        else:
            shutil.copyfile(same_graph / "kg.nq.gz", folder / "kg.nq.gz")
        write_file(folder / "report.json", pretty(dict(self.report)))
        splits = {name: list(split.roles) for name, split in self.splits.items()}
        hashes = [(name, file_sha256(folder / name)) for name in _ARTEFACTS]
        fingerprint = sha256(canonical([*hashes, list(self.scale), splits]))
        content = {
            "format": _FORMAT,
            "format_version": FORMAT_VERSION,
            "name": graph.name,
            "namespace": self.namespace,
            "scale": list(self.scale),
            "with_time": self.ratings.time is not None,
            "counts": {
                "users": graph.users.num_present,
                "items": graph.items.num_present,
                "ratings": len(self.ratings),
                "nodes": graph.num_nodes,
                "edges": graph.num_edges,
                "tombstones": sum(len(nodes) - nodes.num_present for nodes in graph.nodes.values()),
            },
            "ledger_version": self.ledger_version,
            "forgotten": self.forgotten.as_json(),
            "kinds": list(graph.nodes),
            "edge_types": [[*edge_type, len(edges)] for edge_type, edges in graph.edges.items()],
            "sources": list(graph.sources),
            "splits": splits,
            "inputs": self.report.get("inputs", {}),
            "libraries": {name: version(name) for name in _LIBRARIES},
            "fingerprint": fingerprint,
        }
        seal(folder, content, (*_ARTEFACTS, "report.json"))
        self._fingerprint[:] = [fingerprint]

    @classmethod
    def load(cls, directory: Path) -> Dataset:
        """Read a graph directory.

        Raises:
            InputError: If it is not a graph directory, of a newer format, incomplete or damaged.
        """
        directory = Path(directory)
        manifest = read_manifest(directory)
        try:
            graph, ratings, splits = read_columns(directory, manifest)
            low, high = manifest["scale"]
            shown = None
            if low == high and (ratings.value == 0).any():
                shown, ratings = ratings.select(ratings.value == 0), ratings.select(ratings.value > 0)
            dataset = cls(
                graph=graph,
                ratings=ratings,
                shown=shown,
                scale=(low, high),
                splits=splits,
                report=json.loads((directory / "report.json").read_bytes()),
                namespace=manifest["namespace"],
                ledger_version=manifest.get("ledger_version", 1),
                forgotten=Forgotten.of_json(manifest.get("forgotten")),
            )
        except (KeyError, ValueError, OSError, ArrowException) as error:
            raise InputError(
                f"the files of this graph do not fit together ({error}); build it again", file=directory
            ) from None
        dataset._fingerprint[:] = [manifest["fingerprint"]]
        return dataset

    @property
    def implicit(self) -> bool:
        """Whether a rating only says that a user chose an item: all have the value 1, and there are no stars."""
        return self.scale == (1.0, 1.0)

    @property
    def fingerprint(self) -> str:
        """Identity of this data set: sha256 over the hashes of its artefacts (the report apart); a rebuild has the same."""
        if not self._fingerprint:
            with TemporaryDirectory() as folder:
                self.write(Path(folder))
        return self._fingerprint[0]


def refuse_other(directory: Path) -> None:
    """Raise `InputError` if a directory holds anything but a graph, which may be replaced."""
    refuse_foreign(directory, form=_FORMAT, noun="graph")


def read_manifest(directory: Path) -> dict[str, Any]:
    """Check a graph directory against its manifest and return the manifest; raises `InputError` as `load` does."""
    return unseal(Path(directory), form=_FORMAT, version=FORMAT_VERSION, oldest=1, noun="graph", command="kgrec build")
