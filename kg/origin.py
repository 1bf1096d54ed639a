"""Hashes of the sources of a graph, which tell what of an earlier build still holds and need not be read again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kg.dataset import Dataset
from kg.description import Description
from kg.forgotten import Forgotten
from kg.report import FileAccount
from kg.storage.manifest import canonical, file_sha256, sha256

__all__ = ["Origin"]

_VERSION = 1  # to be raised when the same sources give another graph
_OF_RATINGS = {"ratings", "splits"}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The present state of the sources: what a description says, and every file it names.

    A text of the description counts as a file if there is such a file now: so an optional file that appears, or another
    table of ratings, is a change as well.

    Attributes:
        graph: Hash over all that nodes and edges come from.
        ratings: Hash over all that ratings and splits come from.
        graph_files: The files behind `graph`.
        rating_files: The files behind `ratings`.
        stated: Whether tables say which users and which items there are; otherwise the ratings do.
        hashes: The SHA-256 of each of the files.
    """

    graph: str
    ratings: str
    graph_files: frozenset[str]
    rating_files: frozenset[str]
    stated: bool
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, description: Description, folder: Path) -> Origin:
        """Read the present state."""
        parts = [
            description.model_dump(mode="json", exclude=_OF_RATINGS),
            description.model_dump(mode="json", include=_OF_RATINGS),
        ]
        files = [frozenset(_files(part, folder)) for part in parts]
        hashes = {file: file_sha256(folder / file) for file in sorted(files[0] | files[1])}
        graph, ratings = (
            sha256(canonical([_VERSION, part, [[file, hashes[file]] for file in sorted(named)]]))
            for part, named in zip(parts, files, strict=True)
        )
        with_ids = [table for table in description.items if table.match is None]
        firsts = [
            next((table for table in of_kind if table.file in files[0]), None)
            for of_kind in (with_ids, description.users)
        ]
        # A table with several rows an id does not say which ids there are.
        stated = all(first is not None and not first.grouped for first in firsts)
        return cls(
            graph=graph,
            ratings=ratings,
            graph_files=files[0],
            rating_files=files[1],
            stated=stated and all(table.unlisted != "keep" for table in description.rating_tables),
            hashes=hashes,
        )

    def as_json(self, forgotten: Forgotten) -> dict[str, Any]:
        """Return what a report keeps: the hashes, and how many people were left out."""
        return {"graph": self.graph, "ratings": self.ratings, "left_out": len(forgotten)}

    def is_of(self, dataset: Dataset) -> bool:
        """Whether a data set was built from this very state."""
        before: Mapping[str, Any] = dataset.report.get("origin", {})  # type: ignore[assignment]
        return (before.get("graph"), before.get("ratings")) == (self.graph, self.ratings)

    def covers_graph_of(self, dataset: Dataset, description: Description, forgotten: Forgotten) -> bool:
        """Whether the nodes and edges of a data set are those that a build would find now, so that only ratings need be read."""
        report: Mapping[str, Any] = dataset.report
        before = report.get("origin", {})
        return (
            before.get("graph") == self.graph
            and self.stated
            # Ratings may speak of ids that merging has taken away.
            and not description.merge
            # What an endpoint answered has an account, but is no file of the sources.
            and all(knowledge.endpoint is None for knowledge in description.knowledge)
            # Accounts that still count someone forgotten since then are made anew.
            and before.get("left_out") == len(forgotten)
            and forgotten == dataset.forgotten
            # A file that serves both has one account, and an absent split a note, that cannot be taken apart.
            and not self.graph_files & self.rating_files
            and report["splits"].keys() == description.splits.keys()
        )

    def accounts_of(self, dataset: Dataset) -> dict[str, FileAccount]:
        """Return the accounts that a data set holds of the files of nodes and edges."""
        files: Mapping[str, Any] = dataset.report["files"]  # type: ignore[assignment]
        return {file: FileAccount(**account) for file, account in files.items() if file in self.graph_files}


def _files(part: object, folder: Path) -> Iterator[str]:
    if isinstance(part, str) and os.path.isfile(folder / part):
        yield part
    elif isinstance(part, dict | list):
        for member in part.values() if isinstance(part, dict) else part:
            yield from _files(member, folder)
