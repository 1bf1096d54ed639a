"""Manifests: format version, hashes, counts, library versions of a directory that kgrec wrote."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from kg.errors import InputError
from kg.storage.atomic import write_file

__all__ = [
    "canonical",
    "file_sha256",
    "pretty",
    "read_content",
    "refuse_foreign",
    "refuse_sealed",
    "seal",
    "sha256",
    "unseal",
]

_MADE_AGAIN = (".store", ".store/*", "*/.store", "*/.store/*")  # see `kg.queries.query_store`


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, read in blocks."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def canonical(value: object) -> bytes:
    """Return JSON that is the same for equal values, to be hashed."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def pretty(value: object) -> str:
    """Return JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def seal(folder: Path, content: Mapping[str, Any], files: Iterable[str]) -> None:
    """Write `manifest.json`: the content, the SHA-256 of each file of the folder, and a checksum over both."""
    sealed = {**content, "files": {name: file_sha256(folder / name) for name in files}}
    sealed["checksum"] = sha256(canonical(sealed))
    write_file(folder / "manifest.json", pretty(sealed))


def refuse_foreign(folder: Path, *, form: str, noun: str, also: Collection[str] = ()) -> None:
    """Refuse to replace a directory that holds anything but what kgrec wrote there.

    Args:
        folder: The directory.
        form: What its manifest must call its format.
        noun: What is about to be written there, for messages: `graph` or `run`.
        also: Patterns of the paths that are ours although no manifest names them.

    Raises:
        InputError: Unless the directory is absent, empty, or of the format `form` with nothing else in it.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    content = read_content(folder / "manifest.json")
    if content.get("format") != form:
        raise InputError(
            f"this directory holds something else than a {noun} and is not replaced; give another name", file=folder
        )
    named = _named(folder)
    for path in _entries(folder):
        if path not in named and not any(fnmatch(path, pattern) for pattern in (*_MADE_AGAIN, *also)):
            raise InputError(
                f"this {noun} is not replaced, for its directory also holds {path!r}, which would be lost; move that "
                "elsewhere, or give another name",
                file=folder,
            )


def refuse_sealed(path: Path) -> None:
    """Refuse to add a file or folder to a graph, run or search, whose directories are replaced as a whole.

    Raises:
        InputError: If the path is such a directory, or lies in one.
    """
    for folder in (path, *Path(os.path.abspath(path)).parents):
        form = str(read_content(folder / "manifest.json").get("format"))
        if form.startswith("kgrec "):
            raise InputError(
                f"this is the directory of a {form.removeprefix('kgrec ')}, which nothing is added to; give another place",
                file=folder,
            )


def read_content(manifest: Path) -> dict[str, Any]:
    """Return what a manifest says, nothing if there is none or it is damaged."""
    try:
        content = json.loads(manifest.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _named(folder: Path) -> set[str]:
    """Return the paths that a manifest names, with those that manifests in subfolders name."""
    named = {"manifest.json"}
    files = read_content(folder / "manifest.json").get("files")
    for name in files if isinstance(files, dict) else ():
        inner, slash, last = name.rpartition("/")
        within = _named(folder / inner) if slash and last == "manifest.json" else {last}
        named |= {f"{inner}{slash}{path}" for path in within}
    return named


def _entries(folder: Path) -> Iterator[str]:
    """Yield the paths of all files, links and empty folders below a folder, relative to it."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        empty = [""] if not folders and not files else []
        for name in sorted([*files, *links, *empty]):
            yield os.path.relpath(os.path.join(place, name), folder)


def unseal(
    folder: Path, *, form: str, version: int, noun: str, command: str, oldest: int | None = None
) -> dict[str, Any]:
    """Check a directory against its manifest and return the manifest.

    Args:
        folder: The directory.
        form: What the manifest must call its format.
        version: The newest format version that can be read.
        noun: What the directory holds, for messages: `graph` or `run`.
        command: What makes such a directory.
        oldest: The oldest format version that can be read; by default only `version` can.

    Raises:
        InputError: If it is no such directory, of another format version, incomplete or damaged.
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
    given = content.get("format_version")
    oldest = version if oldest is None else oldest
    if not isinstance(given, int) or not oldest <= given <= version:
        update = "update kgrec, or " if isinstance(given, int) and given > version else ""
        readable = f"version {version}" if oldest == version else f"versions {oldest} to {version}"
        raise InputError(
            f"this {noun} has format version {given}, this kgrec reads {readable}; {update}{remedy}", file=path
        )
    if content.get("checksum") != sha256(
        canonical({name: part for name, part in content.items() if name != "checksum"})
    ):
        raise InputError(f"the manifest is damaged: its checksum does not fit; {remedy}", file=path)
    for name, expected in content["files"].items():
        if not (folder / name).is_file():
            raise InputError(f"this file of the {noun} is missing; {remedy}", file=folder / name)
        if file_sha256(folder / name) != expected:
            raise InputError(
                f"this file is damaged: its checksum differs from the manifest; {remedy}", file=folder / name
            )
    return content
