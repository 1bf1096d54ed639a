"""The errors that people who use kgrec see: one sentence with place, expectation and remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

__all__ = ["MOST_PROBLEMS", "InputError", "JointInputError", "Problems", "UnknownNameError", "did_you_mean"]

MOST_PROBLEMS = 10  # that are told at once
_LONGEST = 900  # characters of a message
_MOST_CANDIDATES = 100_000  # more would take seconds to compare


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

    @property
    def lines(self) -> tuple[str, ...]:
        """The message as it is printed, a line each; what the user's data holds of line breaks stays inside a line."""
        return (str(self),)


class JointInputError(InputError):
    """Several things are wrong; the message has a line each for the first ten by file and line, and says how many there are more.

    Args:
        problems: Two or more.
        more: How many there are beside them.

    Attributes:
        problems: The first ten.
        more: How many there are beside these.
    """

    def __init__(self, problems: Sequence[InputError], *, more: int = 0) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.file or "", problem.line or 0))
        self.problems = tuple(ordered[:MOST_PROBLEMS])
        self.more = more + len(ordered) - len(self.problems)
        self.file, self.line = ordered[0].file, ordered[0].line
        ValueError.__init__(self, "\n".join(self.lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """A heading, the first problems, and how many there are more."""
        heading = f"{len(self.problems) + self.more:,} problems:"
        return (heading, *map(str, self.problems), *([f"and {self.more:,} more"] if self.more else []))


class Problems:
    """A collection of errors in several inputs, so that they can be told at once."""

    def __init__(self) -> None:
        self.found: list[InputError] = []
        self.more = 0

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Take what is raised inside for a problem, and go on after the block."""
        try:
            yield
        except JointInputError as error:
            self.found += error.problems
            self.more += error.more
        except InputError as error:
            self.found.append(error)

    @classmethod
    def raise_all(cls, rows: Sequence[int], problem: Callable[[int], InputError]) -> None:
        """Raise what is wrong with some rows, if there are any; only as many as are told are put into words."""
        problems = cls()
        problems.found = [problem(row) for row in rows[:MOST_PROBLEMS]]
        problems.more = max(len(rows) - MOST_PROBLEMS, 0)
        problems.tell()

    def tell(self) -> None:
        """Raise what was found: the only problem as it is, several as `JointInputError`; nothing if there is none."""
        if len(self.found) == 1 and not self.more:
            raise self.found[0]
        if self.found:
            raise JointInputError(self.found, more=self.more)


class UnknownNameError(InputError, KeyError):
    """An id, node kind or relation that the graph does not have."""

    __str__ = ValueError.__str__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest known name, or an empty string; among very many none is looked for."""
    candidates = list(known)
    close = get_close_matches(name, candidates, n=1, cutoff=0.6) if len(candidates) <= _MOST_CANDIDATES else []
    return f" Did you mean {close[0]!r}?" if close else ""
