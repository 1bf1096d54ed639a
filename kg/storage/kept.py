"""Notes on exceptions: the results that stay when work is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kg.errors import InputError

__all__ = ["kept"]


@contextmanager
def kept(what: str) -> Iterator[None]:
    """Note on whatever ends the block, as an interrupt, what is kept nevertheless; the command line tells it."""
    try:
        yield
    except InputError:  # which says all there is to say
        raise
    except BaseException as error:
        error.add_note(what)
        raise
