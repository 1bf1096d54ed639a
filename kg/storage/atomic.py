"""Files and directories that are either whole or absent, whatever kills the process in between."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kg.errors import InputError
from kg.storage.only_writer import only_writer
from kg.storage.unwritable import make_directory, unwritable_as

__all__ = [
    "clear_leftovers",
    "make_directory",
    "partial_of",
    "prepare",
    "scratch_directory",
    "staged_directory",
    "staged_file",
    "write_file",
]

logger = logging.getLogger(__name__)


def partial_of(final: Path) -> Path:
    """Return where an unfinished directory lies: `.NAME.partial` beside the finished one, or beside what a link leads to."""
    final = Path(os.path.realpath(final))
    return final.with_name(f".{final.name}.partial")


def prepare(final: Path) -> Path:
    """Make ready to write a directory: parents are there, and a swap that was cut off is undone.

    Returns:
        The absolute path of the directory; of a link, that of its target, so that the link stays.

    Raises:
        InputError: If `final` is there but is not a directory.
    """
    given, final = final, Path(os.path.realpath(final))
    old = _old_of(final)
    if final.exists() and not final.is_dir():
        raise InputError(
            "a directory shall be written here, but a file of this name is there; choose another name", file=given
        )
    make_directory(final.parent, given=given)
    if old.exists():
        if final.exists():
            shutil.rmtree(old)
        else:
            logger.warning("found %s moved aside by a run that was cut off; it is put back", final.name)
            old.rename(final)
    return final


def _old_of(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _publish(final: Path) -> None:
    """Give the finished `.NAME.partial` its name; `prepare` repairs what a kill between the two renames leaves."""
    partial, old = partial_of(final), _old_of(final)
    for path in partial.rglob("*"):
        if path.is_file():
            _sync(path)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    _sync(final.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def staged_directory(
    final: Path, *, replaceable: Callable[[Path], None] | None = None, keep: str | None = None
) -> Iterator[Path]:
    """Yield a fresh directory that takes the place of `final` only when the block ends well.

    What a killed run left there is removed, with a warning. Nobody else writes there meanwhile.

    Args:
        final: Where the finished directory shall be; its parents are made. A link stays, and its target is written.
        replaceable: Called with `final` before the block, and again before the old directory goes; raises `InputError` if
            that holds what must not be lost.
        keep: Name of a file with which work goes on that was cut off: an unfinished directory that has it stays.

    Raises:
        InputError: If `final` is there but is not a directory, another process writes it, or nothing can be written there.
    """
    given = final
    if replaceable is not None:
        replaceable(given)
    with only_writer(given):
        final = prepare(given)
        partial = partial_of(final)
        if partial.exists() and not (keep and (partial / keep).exists()):
            logger.warning("found an unfinished %s of a run that was cut off; starts clean", final.name)
            shutil.rmtree(partial)
        make_directory(partial, given=given)
        try:
            with unwritable_as(given, partial):
                yield partial
                if replaceable is not None:
                    replaceable(given)
                _publish(final)
        except BaseException as error:
            usable = keep is not None and (partial / keep).exists()
            if not usable:
                shutil.rmtree(partial, ignore_errors=True)
            if not isinstance(error, InputError):  # which says all there is to say
                reached = f"what {given} has reached is kept, and the same command goes on from there"
                error.add_note(reached if usable else f"{given} is as it was before")
            raise


@contextmanager
def scratch_directory(final: Path) -> Iterator[Path]:
    """Yield an empty directory `.NAME.scratch` beside `final` for what does not fit into memory; it is gone afterwards.

    What a killed run left there is removed. Nobody else writes `final` meanwhile.

    Args:
        final: What is being made there.

    Raises:
        InputError: If no directory can be made there, or another process writes it.
    """
    given = final
    with only_writer(given):
        final = Path(os.path.realpath(given))
        scratch = final.with_name(f".{final.name}.scratch")
        shutil.rmtree(scratch, ignore_errors=True)
        make_directory(scratch, given=given)
        try:
            with unwritable_as(given, scratch):
                yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file in the same folder; it takes the place of `path` when the block ends well.

    Args:
        path: The file; an old one is replaced. A link stays, and its target is written.

    Raises:
        InputError: If a directory has this name, or nothing can be written there.
    """
    given, path = path, Path(os.path.realpath(path))
    if path.is_dir():
        raise InputError(
            "a file shall be written here, but a directory of this name is there; give the name of a file", file=given
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with unwritable_as(given, temporary):
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _sync(temporary)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def clear_leftovers(final: Path) -> None:
    """Remove what a run that was cut off left beside a directory that is whole; raises `OSError` if it cannot be removed."""
    final = prepare(final)
    for path in (partial_of(final), _old_of(final)):
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


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
