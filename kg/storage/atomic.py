"""Files and directories that are either whole or absent, whatever kills the process in between."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from kg.errors import InputError

__all__ = [
    "clear_leftovers",
    "make_directory",
    "partial_of",
    "prepare",
    "publish",
    "scratch_directory",
    "staged_directory",
    "staged_file",
    "write_file",
]

logger = logging.getLogger(__name__)


def make_directory(path: Path) -> None:
    """Make a directory with its parents; raises `InputError` where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"no directory can be made here: {error.strerror}; choose another place", file=path) from None


def partial_of(final: Path) -> Path:
    """Return where an unfinished directory lies: `.NAME.partial` beside the finished one."""
    return final.with_name(f".{final.name}.partial")


def prepare(final: Path) -> Path:
    """Make ready to write a directory: parents are there, and a swap that was cut off is undone.

    Returns:
        The absolute path of the directory.

    Raises:
        InputError: If `final` is there but is not a directory.
    """
    final = Path(os.path.abspath(final))
    old = final.with_name(f".{final.name}.old")
    if final.exists() and not final.is_dir():
        raise InputError(
            "a directory shall be written here, but a file of this name is there; choose another name", file=final
        )
    make_directory(final.parent)
    if old.exists():
        if final.exists():
            shutil.rmtree(old)
        else:
            logger.warning("found %s moved aside by a run that was cut off; it is put back", final.name)
            old.rename(final)
    return final


def publish(final: Path) -> None:
    """Give the finished `.NAME.partial` its name.

    The old directory moves to `.NAME.old`, the new one takes its name, and the old one is removed; `prepare`
    repairs what a kill between these two renames leaves.
    """
    partial, old = partial_of(final), final.with_name(f".{final.name}.old")
    for path in partial.rglob("*"):
        if path.is_file():
            _sync(path)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def staged_directory(final: Path) -> Iterator[Path]:
    """Yield a fresh directory that takes the place of `final` only when the block ends well.

    What a killed run left there is removed, with a warning.

    Args:
        final: Where the finished directory shall be; its parents are made.

    Raises:
        InputError: If `final` is there but is not a directory.
    """
    final = prepare(final)
    partial = partial_of(final)
    if partial.exists():
        logger.warning("found an unfinished %s of a run that was cut off; starts clean", final.name)
        shutil.rmtree(partial)
    make_directory(partial)
    try:
        yield partial
        publish(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def scratch_directory(final: Path) -> Iterator[Path]:
    """Yield an empty directory `.NAME.scratch` beside `final` for what does not fit into memory; it is gone afterwards.

    What a killed run left there is removed.

    Args:
        final: What is being made there.

    Raises:
        InputError: If no directory can be made there.
    """
    final = Path(os.path.abspath(final))
    scratch = final.with_name(f".{final.name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    parents = [parent for parent in final.parents if not parent.exists()]
    make_directory(scratch)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # what others have put there meanwhile stays
            for parent in parents:
                parent.rmdir()


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file in the same folder; it takes the place of `path` when the block ends well.

    Args:
        path: The file; an old one is replaced.
    """
    path = Path(path)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False) as temporary:
        name = Path(temporary.name)
    try:
        yield name
        _sync(name)
        # Temporary files are private by default; a finished file has the rights any new file gets.
        name.chmod(0o666 & ~_umask())
        name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def clear_leftovers(final: Path) -> None:
    """Remove what a run that was cut off left beside a directory that is whole; raises `OSError` if it cannot be removed."""
    final = prepare(final)
    for path in (partial_of(final), final.with_name(f".{final.name}.old")):
        if path.exists():
            logger.warning("found %s, left by a run that was cut off; it is removed", path.name)
            shutil.rmtree(path)


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: temporary name in the same folder, flush to disk, rename.

    Args:
        path: The file; an old one is replaced.
        content: Bytes, or text that is written as UTF-8 with the newlines it has.
    """
    with staged_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
