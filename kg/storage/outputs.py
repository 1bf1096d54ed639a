"""Files that commands write for people: nothing that was there before is replaced unless they say so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from kg.errors import InputError
from kg.storage.atomic import write_file
from kg.storage.manifest import pretty, refuse_sealed
from kg.storage.unwritable import make_directory

__all__ = ["claim_file", "claim_folder"]

_MADE = ".kgrec.json"  # in a folder of results: the names of those that kgrec wrote


def claim_file(file: Path, *, overwrite: bool, endings: tuple[str, ...] = ()) -> None:
    """Make sure that a file may be written, before the work and not after; its folder is made.

    Args:
        file: The file.
        overwrite: Whether an old one may be replaced.
        endings: Endings that say how it will be written, as `.parquet`; any if there are none.

    Raises:
        InputError: If its name says another format, it is there already, or it cannot be there.
    """
    if endings and file.suffix.lower() not in endings:
        raise InputError(f"expected a file that ends in {' or '.join(endings)}, got {file.name!r}", file=file)
    if file.is_dir():
        raise InputError("this is a directory; give the name of a file", file=file)
    if file.exists() and not overwrite:
        raise InputError("this file is there already; give another name, or --overwrite to replace it", file=file)
    refuse_sealed(file.parent)
    make_directory(file.parent)


def claim_folder(folder: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Make sure that files of some names may be written into a folder, before the work; the folder is made.

    Those that an earlier call has written are replaced, and no others.

    Args:
        folder: The folder.
        names: Names of the files.
        overwrite: Whether files may be replaced that kgrec did not write.

    Raises:
        InputError: If such a file is there, the folder is that of a graph or run, or it cannot be made.
    """
    refuse_sealed(folder)
    make_directory(folder)
    made, names = _made(folder), list(names)
    for name in names:
        if (folder / name).exists() and name not in made and not overwrite:
            raise InputError(
                "this file is there already and was not written by this command; give another folder, or --overwrite to "
                "replace it",
                file=folder / name,
            )
    if not made.issuperset(names):
        write_file(folder / _MADE, pretty({"made": sorted({*made, *names})}))


def _made(folder: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads((folder / _MADE).read_bytes())["made"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
