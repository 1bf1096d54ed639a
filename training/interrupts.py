"""An interrupt ends the program with one line, whenever it comes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Interrupt", "interrupts_told"]

EXIT_CODE = 130  # as shells say it: 128 and the number of the signal


class Interrupt(BaseException):
    """Someone pressed Ctrl-C; unlike a `KeyboardInterrupt`, no library takes it for its own."""


@contextmanager
def interrupts_told() -> Iterator[None]:
    """End the process with exit code 130 and one line that says what is kept, if an interrupt comes within the block.

    What is kept, the notes of the exception say (`kg.storage.kept`). Where interrupts are handled otherwise, or
    ignored as behind `nohup`, that stays.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def stop(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise Interrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    except BaseException as error:
        # DuckDB and Arrow turn an interrupt into errors of their own.
        if not interrupted and not isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends the process at once
        notes = list(dict.fromkeys(getattr(error, "__notes__", ())))
        sys.stderr.write(f"interrupted: {'; '.join(notes) if notes else 'nothing is left half-written'}\n")
        sys.exit(EXIT_CODE)
    else:
        signal.signal(signal.SIGINT, signal.default_int_handler)
