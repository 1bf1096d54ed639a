"""Python's search for cycles of objects that nothing refers to, put off while millions of objects are made that stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_garbage_collection"]


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Put the search off inside a `with` statement: it would go through all that was made, again and again.

    What nothing refers to is still freed at once, but for cycles; these wait for the end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
