"""Manifests: format version, hashes, counts, library versions of a directory that kgrec wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kg.atomic import write_file
from kg.errors import InputError

if TYPE_CHECKING:
    from kg.dataset import Dataset

__all__ = ["FORMAT_VERSION", "GRAPH_FORMAT", "read", "refuse_foreign", "seal", "sha256", "unseal", "write"]

FORMAT_VERSION = 1
GRAPH_FORMAT = "kgrec graph"
_ARTEFACTS = ("edges.parquet", "kg.nq.gz", "nodes.parquet", "ratings.parquet", "splits.parquet")
_LIBRARIES = ("numpy", "pandas", "pyarrow", "pyoxigraph", "rdflib")


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def seal(folder: Path, content: Mapping[str, Any], files: Iterable[str]) -> None:
    """Write `manifest.json`: the content, the SHA-256 of each file of the folder, and a checksum over both."""
    sealed = {**content, "files": {name: sha256((folder / name).read_bytes()) for name in files}}
    sealed["checksum"] = sha256(_canonical(sealed))
    write_file(folder / "manifest.json", _pretty(sealed))


def refuse_foreign(folder: Path, *, form: str, noun: str) -> None:
    """Refuse to replace a directory that holds anything but what is about to be written there.

    Raises:
        InputError: Unless the directory is absent, empty, or of the format `form`.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        content = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != form:
        raise InputError(
            f"this directory holds something else than a {noun} and is not replaced; give another name", file=folder
        )


def unseal(folder: Path, *, form: str, newest: int, noun: str, command: str) -> dict[str, Any]:
    """Check a directory against its manifest and return the manifest.

    Args:
        folder: The directory.
        form: What the manifest must call its format.
        newest: Newest format version that can be read.
        noun: What the directory holds, for messages: `graph` or `run`.
        command: What makes such a directory.

    Raises:
        InputError: If it is no such directory, of a newer format, incomplete or damaged.
    """
    path = folder / "manifest.json"
    remedy = f"make the {noun} again with `{command}`"
    if not path.is_file():
        raise InputError(f"expected a {noun} directory, found no manifest.json; make one with `{command}`", file=folder)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise InputError(f"the manifest is damaged: it is not JSON; {remedy}", file=path) from None
    if not isinstance(content, dict) or content.get("format") != form:
        raise InputError(f"this is not the manifest of a {noun}; {remedy}", file=path)
    found = content.get("format_version")
    if not isinstance(found, int) or found > newest:
        raise InputError(
            f"this {noun} has format version {found}, this kgrec reads up to {newest}; update kgrec, or {remedy}",
            file=path,
        )
    if content.get("checksum") != sha256(
        _canonical({name: part for name, part in content.items() if name != "checksum"})
    ):
        raise InputError(f"the manifest is damaged: its checksum does not fit; {remedy}", file=path)
    for name, expected in content["files"].items():
        if not (folder / name).is_file():
            raise InputError(f"this file of the {noun} is missing; {remedy}", file=folder / name)
        if sha256((folder / name).read_bytes()) != expected:
            raise InputError(
                f"this file is damaged: its checksum differs from the manifest; {remedy}", file=folder / name
            )
    return content


def write(dataset: Dataset, folder: Path) -> str:
    """Write `report.json` and `manifest.json` beside the artefacts; return the fingerprint."""
    graph = dataset.graph
    write_file(folder / "report.json", _pretty(dict(dataset.report)))
    hashes = [(name, sha256((folder / name).read_bytes())) for name in _ARTEFACTS]
    splits = {
        name: [role for role in ("test_ratings", "test_items", "validation_items") if getattr(split, role) is not None]
        for name, split in dataset.splits.items()
    }
    content: dict[str, Any] = {
        "format": GRAPH_FORMAT,
        "format_version": FORMAT_VERSION,
        "name": graph.name,
        "namespace": dataset.namespace,
        "scale": list(dataset.scale),
        "with_time": dataset.ratings.time is not None,
        "counts": {
            "users": len(graph.users),
            "items": len(graph.items),
            "ratings": len(dataset.ratings),
            "nodes": graph.num_nodes,
            "edges": graph.num_edges,
        },
        "kinds": list(graph.nodes),
        "edge_types": [[*edge_type, len(edges)] for edge_type, edges in graph.edges.items()],
        "sources": list(graph.sources),
        "splits": splits,
        "inputs": dataset.report.get("inputs", {}),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    content["fingerprint"] = sha256(_canonical([*hashes, content["scale"], splits]))
    seal(folder, content, (*_ARTEFACTS, "report.json"))
    return str(content["fingerprint"])


def read(folder: Path) -> dict[str, Any]:
    """Check a graph directory and return its manifest, with the report under `report`.

    Raises:
        InputError: If it is not a graph directory, of a newer format, incomplete or damaged.
    """
    content = unseal(
        folder,
        form=GRAPH_FORMAT,
        newest=FORMAT_VERSION,
        noun="graph",
        command="kgrec build",
    )
    content["report"] = json.loads((folder / "report.json").read_bytes())
    return content
