"""Findings of a check: plain sentences with counts and examples, and the same for machines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kg.schema import ITEM, USER

__all__ = ["EXAMPLES", "Finding", "Severity", "agree", "in_order", "kind_words", "shorten"]

Severity = Literal["error", "warning", "note"]

EXAMPLES = 3
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_CHOICE = re.compile(r"\[([^|\[\]]*)\|([^|\[\]]*)\]")
_LONGEST = 60


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong or worth knowing.

    Attributes:
        check: Name of the shape or of the check that found it.
        severity: `error`: it cannot be true, or must not be there; `warning`: results are worse for it; `note`.
        sentence: What was found, with counts and up to three examples.
        remedy: What to do about it, or an empty text.
        count: How many nodes or rows it is about.
        total: Of how many.
        kind: Node kind, where it is about nodes of one kind.
        rows: What it is about, row by row: ids of nodes, users, items, numbers of ratings.
    """

    check: str
    severity: Severity
    sentence: str
    remedy: str = ""
    count: int
    total: int
    kind: str | None = None
    rows: Sequence[dict[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return {**asdict(self), "rows": list(self.rows)}


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return errors first, then warnings, then notes; each in the order given."""
    return sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity))


def agree(message: str, count: int) -> str:
    """Choose the first of `[has|have]` for one, else the second."""
    return _CHOICE.sub(lambda choice: choice[1] if count == 1 else choice[2], message)


def kind_words(kind: str) -> str:
    """Return how nodes of a kind are spoken of: `items`, `users`, `concepts of kind 'genre'`."""
    return {ITEM: "items", USER: "users"}.get(kind, f"concepts of kind {kind!r}")


def shorten(text: object) -> str:
    """Return a text on one line, cut where it is long."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
