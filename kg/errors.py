"""The errors that people who use kgrec see: one sentence with place, expectation and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

__all__ = ["InputError", "UnknownNameError", "did_you_mean"]

_LONGEST = 900  # characters of a message


class InputError(ValueError):
    """Something the user gave is wrong; the message is one sentence that says what to do.

    The command line prints it without a traceback and exits with code 2.

    Args:
        message: What was expected, what was received, and the remedy.
        file: The user's file, if there is one.
        line: Line in that file, counted from 1.
    """

    def __init__(self, message: str, *, file: str | Path | None = None, line: int | None = None) -> None:
        self.file = None if file is None else str(file)
        self.line = line
        if len(message) > _LONGEST:  # a cell of a spoilt file may be endless; the remedy stands at the end
            message = f"{message[: _LONGEST * 2 // 3]} ... {message[-_LONGEST // 3 :]}"
        place = "" if self.file is None else self.file if line is None else f"{self.file}, line {line}"
        super().__init__(f"{place}: {message}" if place else message)


class UnknownNameError(InputError, KeyError):
    """An id, node kind or relation that the graph does not have."""

    __str__ = ValueError.__str__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
