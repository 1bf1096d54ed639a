"""One writer at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from kg.errors import InputError
from kg.storage.unwritable import make_directory, unwritable_as

__all__ = ["only_writer"]

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_held: dict[Path, int] = {}  # the thread that writes, by the lock


@contextmanager
def only_writer(final: Path) -> Iterator[None]:
    """Let nobody else write a file or directory while the block runs; its parents are there, and go again if left empty.

    The lock is the file `.NAME.lock` beside it, which names the process. It is held by the system and not by the file, so
    one that a killed process left is simply taken over. The same thread may take it again within the block.

    Args:
        final: What shall be written; a link stands for its target.

    Raises:
        InputError: If another process writes it, it is the top of a disk, or nothing can be written there.
    """
    given, final = final, Path(os.path.realpath(final))
    if os.path.ismount(final):
        raise InputError(
            "this is the top of a disk and cannot be replaced as a whole; give the name of a directory in it",
            file=given,
        )
    lock = final.with_name(f".{final.name}.lock")
    if _held.get(lock) == threading.get_ident():
        yield
        return
    parents = [parent for parent in final.parents if not parent.exists()]
    with unwritable_as(given, lock):
        make_directory(final.parent, given=given)
        handle = _locked(lock, given)
    _held[lock] = threading.get_ident()
    try:
        yield
    finally:
        del _held[lock]
        lock.unlink(missing_ok=True)
        os.close(handle)
        with suppress(OSError):  # what was written there meanwhile stays
            for parent in parents:
                parent.rmdir()


def _locked(lock: Path, given: Path) -> int:
    """Return the open file of a lock that is ours now."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            writer = os.pread(handle, 100, 0).decode(errors="replace").strip() or "another process"
            os.close(handle)
            raise InputError(
                f"{writer} is writing here; wait until it has ended, or give another name", file=given
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(handle)
                raise
            logger.warning("the file system of %s knows no locks; do not write there from two processes", given)
        # Who held the lock before may have removed the file between the two calls: then this is a lock of nothing.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(lock)):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} (since {datetime.now():%H:%M})\n".encode(), 0)
                return handle
        os.close(handle)
