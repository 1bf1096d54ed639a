"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, message)."""


def silent(stage: str, done: int, total: int, message: str) -> None:
    """Report to nobody."""
