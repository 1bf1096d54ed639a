"""Work in a process of its own: its memory can be told from everyone else's, and its crash ends nobody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any, TypeVar

from kg.errors import InputError
from training.progress import Progress, silent

__all__ = ["ChildError", "ChildTimeoutError", "in_child"]

Result = TypeVar("Result")


class ChildError(RuntimeError):
    """The work in the other process failed; the message says how, in one sentence."""


class ChildTimeoutError(ChildError):
    """The work took longer than it may, and was ended."""


def in_child(job: Callable[[Progress], Result], *, progress: Progress = silent, seconds: float | None = None) -> Result:
    """Run a job in a fresh Python process and return what it returns.

    The process starts anew (spawned, not forked), so it holds nothing of this one. What it prints goes to
    standard error. It ends with this process, however that ends.

    Args:
        job: Called with the progress to report to. It and its result cross a pipe: a function of a module, or a
            `functools.partial` of one; plain values and arrays.
        progress: Called here with (stage, done, total, message).
        seconds: Time the job may take once its process has started; then the process is ended, whatever it does.

    Raises:
        InputError: If the job raised one.
        ChildTimeoutError: If it took longer than it may.
        ChildError: If it raised anything else, or the process died.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, sender), daemon=True)
    # An interrupt at the terminal goes to all processes: this one then ends the other, which says nothing itself.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    sender.close()
    deadline: float | None = None
    try:
        while True:
            if not receiver.poll(None if deadline is None else max(deadline - time.monotonic(), 0.0)):
                raise ChildTimeoutError(f"it took longer than {seconds:g} seconds")
            try:
                kind, content = receiver.recv()
            except EOFError:
                process.join()
                raise ChildError(_death(process.exitcode)) from None
            if kind == "progress":
                progress(*content)
            elif kind == "started":
                deadline = None if seconds is None else time.monotonic() + seconds
            elif kind == "refused":
                message, *place = content
                refused = InputError(message)  # which names its place already
                refused.file, refused.line = place
                raise refused
            elif kind == "failed":
                raise ChildError(content)
            else:
                result: Result = content
                return result
    finally:
        receiver.close()
        process.terminate()
        process.join()


def _work(job: Callable[[Progress], Any], sender: Connection) -> None:
    os.dup2(2, 1)  # standard output belongs to the caller's own answer
    Thread(target=_end_with_parent, daemon=True).start()

    def progress(stage: str, done: int, total: int, message: str) -> None:
        sender.send(("progress", (stage, done, total, message)))

    sender.send(("started", None))
    try:
        answer = ("done", job(progress))
    except InputError as error:
        answer = ("refused", (str(error), error.file, error.line))
    except (Exception, SystemExit) as error:  # whatever a foreign library raises becomes a sentence
        text = str(error).strip().splitlines()
        answer = ("failed", f"{type(error).__name__}{': ' + text[0] if text else ''}")
    with suppress(BrokenPipeError):
        sender.send(answer)
    sender.close()


def _end_with_parent() -> None:
    """Wait for the parent's end: where a signal ends it, nobody terminates this process."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = "; was there too little memory?" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {exitcode}"
