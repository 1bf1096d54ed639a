"""Parsing in a process of its own: an input that would fill the memory, or crash the parser, ends that process alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Protocol

import pyoxigraph as ox

from kg.errors import InputError

__all__ = ["ParserLimitError", "parsed"]

_PROGRAM = Path(__file__).with_name("bounded_parser.py")
_BLOCK_BYTES = 1 << 18
# A parser needs some MB and takes a second for 10 MB; what it must remember grows with the input, not faster.
_MEMORY_BYTES, _MEMORY_TIMES = 512 << 20, 64
_SECONDS, _SECONDS_PER_MB = 10, 2


class ParserLimitError(Exception):
    """An input took far more memory or time than its size explains; the message says which, and what to do."""


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def parsed(
    stream: _Stream, form: ox.RdfFormat, *, size: int, base: str | None = None, lenient: bool = False
) -> Iterator[ox.Quad]:
    """Yield the statements of some RDF in their order, in bounded memory and time.

    Args:
        stream: What it is read from, by a thread.
        form: How it is written.
        size: Its bytes, about, by which the limits are set.
        base: IRI that relative ones start from.
        lenient: Take IRIs that are none.

    Raises:
        SyntaxError: If it is not valid, with `lineno` where that can be told.
        ParserLimitError: If it takes too much memory or time.
        InputError: If reading the stream raises one.
    """
    limits = (_MEMORY_BYTES + _MEMORY_TIMES * size, _SECONDS + _SECONDS_PER_MB * (size >> 20))
    arguments = (form.name, base or "", "lenient" if lenient else "strict", *map(str, limits))
    process = subprocess.Popen(
        [sys.executable, "-S", "-P", str(_PROGRAM), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    feed = _Feed(stream, process)
    feed.start()
    try:
        assert process.stdout is not None
        cut_off = None
        try:
            yield from ox.parse(process.stdout, format=ox.RdfFormat.N_QUADS, lenient=True)
        except SyntaxError as error:  # half a line of a process that has ended, which says why
            cut_off = error
        _check(process, feed)
        if cut_off is not None:
            raise cut_off
    finally:
        process.kill()
        process.wait()
        feed.join()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


class _Feed(Thread):
    """Hands a stream to a process."""

    def __init__(self, stream: _Stream, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.stream, self.process = stream, process
        self.problem: BaseException | None = None

    def run(self) -> None:
        sink = self.process.stdin
        assert sink is not None
        # A process that has ended takes nothing more; why it has ended, it says itself.
        with suppress(BrokenPipeError), sink:
            try:
                while block := self.stream.read(_BLOCK_BYTES):
                    sink.write(block)
            except BrokenPipeError:
                raise
            except BaseException as error:  # raised again where the statements are asked for
                self.problem = error


def _check(process: subprocess.Popen[bytes], feed: _Feed) -> None:
    """Raise what ended a process before its time."""
    assert process.stderr is not None
    told = process.stderr.read()
    code = process.wait()
    feed.join()
    if feed.problem is not None:
        raise feed.problem
    if code == 0:
        return
    if code == 1:
        with suppress(ValueError):
            problem = json.loads(told)
            error = SyntaxError(problem["problem"])
            error.lineno = problem["line"]
            raise error
        last = told.decode(errors="replace").strip().splitlines()
        raise InputError(f"the parser of RDF does not start: {last[-1] if last else 'it says nothing'}")
    what = "time" if code == -signal.SIGXCPU else "memory"
    raise ParserLimitError(
        f"parsing this takes far more {what} than its size explains; is it nested thousands deep? Write it flat, as N-Triples"
    )
