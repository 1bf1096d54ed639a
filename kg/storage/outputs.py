"""Files that commands write for people: nothing that was there before is replaced unless they say so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kg.errors import InputError
from kg.storage.manifest import read_content, refuse_sealed
from kg.storage.unwritable import make_directory

__all__ = ["claim_file", "claim_folder"]


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


def claim_folder(folder: Path, names: Sequence[str], *, key: str, overwrite: bool) -> None:
    """Make sure that files of some names may be written into a folder, before the work; the folder is made.

    Results of an earlier call are replaced: they are known by the first file, which is written before the others.

    Args:
        folder: The folder.
        names: Names of the files; the first is JSON.
        key: A key of the JSON that only results of this kind have.
        overwrite: Whether other files may be replaced.

    Raises:
        InputError: If such a file is there, the folder is that of a graph or run, or it cannot be made.
    """
    refuse_sealed(folder)
    make_directory(folder)
    if overwrite or key in read_content(folder / names[0]):
        return
    for name in names:
        if (folder / name).exists():
            raise InputError(
                "this file is there already and was not written by this command; give another folder, or --overwrite to "
                "replace it",
                file=folder / name,
            )
