"""Errors of places where nothing can be written, with the path that people gave."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kg.errors import InputError

__all__ = ["UnwritableError", "make_directory", "unwritable_as"]

_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)
_REFUSED = (*_NO_ROOM, errno.EACCES, errno.EPERM, errno.EIO, errno.EBUSY)


class UnwritableError(InputError):
    """A file or directory that cannot be written: no room, no right, a limit.

    Args:
        reason: What the system says.
        file: The path that was given.
    """

    def __init__(self, reason: str, *, file: Path) -> None:
        self.reason = reason
        limit = " (ulimit -f)" if reason == os.strerror(errno.EFBIG) else ""
        super().__init__(f"nothing can be written here: {reason}{limit}; make room, or choose another place", file=file)


def make_directory(path: Path, *, given: Path | None = None) -> None:
    """Make a directory with its parents; raises `InputError` where that cannot be, about the path `given` if it is given."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"no directory can be made here: {error.strerror}; choose another place", file=given or path
        ) from None


@contextmanager
def unwritable_as(given: Path, temporary: Path) -> Iterator[None]:
    """Turn what the system or a library says about a temporary file, within the block, into a sentence about `given`.

    Args:
        given: The path that people know.
        temporary: The file or directory that is written in its stead.

    Raises:
        UnwritableError: If the block cannot write there; all other errors pass.
    """
    try:
        yield
    except UnwritableError as error:
        if not _is_within(error.file, temporary):
            raise
        raise UnwritableError(error.reason, file=given) from None
    except InputError:
        raise
    except Exception as error:  # DuckDB, Arrow, safetensors and Oxigraph each have errors of their own
        reason = _reason(error, temporary)
        if reason is None:
            raise
        raise UnwritableError(reason, file=given) from None


def _reason(error: Exception, temporary: Path) -> str | None:
    """Return what the system says, if an error is about writing."""
    if isinstance(error, OSError) and error.errno is not None:
        name = error.filename or temporary
        refused = error.errno in _REFUSED and _is_within(name, temporary.parent)
        if refused or (error.filename is not None and _is_within(name, temporary)):
            return os.strerror(error.errno)
    words = str(error)
    if "max_temp_directory_size" in words:  # how DuckDB says that the disk is full
        return os.strerror(errno.ENOSPC)
    return next((os.strerror(number) for number in _NO_ROOM if os.strerror(number) in words), None)


def _is_within(name: object, temporary: Path) -> bool:
    return isinstance(name, str | Path) and Path(name).is_relative_to(temporary)
