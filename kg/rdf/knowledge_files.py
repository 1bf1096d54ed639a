"""The files of sources of knowledge: the user's own, or the snapshot of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kg.errors import InputError
from kg.rdf.endpoint import Endpoint
from kg.rdf.knowledge_description import Knowledge
from kg.storage.atomic import make_directory, write_file

__all__ = ["KnowledgeFiles"]


@dataclass(kw_only=True)
class KnowledgeFiles:
    """Finds files of knowledge, and asks endpoints where there is none.

    Attributes:
        folder: Where the paths of the description start.
        refresh: Ask endpoints again, even if their answers are in the cache.
        snapshots: Folder that receives the answers as files, or None.
        fetched: Snapshots by the name under which reports and edges speak of them: the address of the endpoint.
    """

    folder: Path
    refresh: bool = False
    snapshots: Path | None = None
    fetched: dict[str, Path] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Return where a file or a snapshot lies."""
        return self.fetched.get(name, self.folder / name)

    def find(self, knowledge: Knowledge, iris: Sequence[str], notes: list[str]) -> tuple[str, Path] | None:
        """Return the name and the path of the triples of one source.

        Args:
            knowledge: Its description.
            iris: IRIs of the linked items.
            notes: Receives a sentence if there is nothing to be had, and that is no error.

        Returns:
            Name and path, or None.

        Raises:
            InputError: If an endpoint that is not optional gives no answer, or a snapshot cannot be written.
        """
        if knowledge.file is not None:
            path = self.folder / knowledge.file
            if path.exists() or (knowledge.endpoint is None and not knowledge.optional):
                return knowledge.file, path
        if knowledge.endpoint is not None:
            return self._ask(knowledge, knowledge.endpoint, iris, notes)
        notes.append(f"{knowledge.file} is not there; the graph goes without triples of {knowledge.source}.")
        return None

    def _ask(
        self, knowledge: Knowledge, endpoint: Endpoint, iris: Sequence[str], notes: list[str]
    ) -> tuple[str, Path] | None:
        from kg.rdf.endpoint_snapshot import snapshot_of  # loads urllib3, which only those who ask should wait for

        if endpoint.asks_about_items and not iris:
            notes.append(f"{endpoint.url} is not asked, as no item has a link (same_as).")
            return None
        try:
            snapshot = snapshot_of(endpoint, iris, keep=knowledge.keep, refresh=self.refresh)
        except InputError as error:
            if not knowledge.optional:
                raise
            notes.append(f"The graph goes without triples of {knowledge.source}: {error}.")
            return None
        if self.snapshots is not None:
            _hand_out(snapshot, self.snapshots / Path(knowledge.file or f"{knowledge.source}.nt.gz").name)
        name, number = endpoint.url, 1
        while self.fetched.get(name, snapshot) != snapshot:  # the same address, asked something else
            number += 1
            name = f"{endpoint.url} ({number})"
        self.fetched[name] = snapshot
        return name, snapshot


def _hand_out(snapshot: Path, target: Path) -> None:
    """Copy a snapshot to where the user wants it, never over something else."""
    content = snapshot.read_bytes()
    if target.exists() and target.read_bytes() != content:
        raise InputError("another file of this name is there and is not replaced; give another folder", file=target)
    if not target.name.endswith(".nt.gz"):
        raise InputError(
            "what an endpoint answered is written as packed N-Triples; let the file of this source end in .nt.gz",
            file=target,
        )
    make_directory(target.parent)
    write_file(target, content)
