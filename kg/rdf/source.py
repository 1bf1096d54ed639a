"""One source of knowledge: as it is given, and as it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kg.rdf.knowledge_description import Knowledge
from kg.report import FileAccount

if TYPE_CHECKING:
    from kg.rdf.statement_tables import Statements

__all__ = ["GivenSource", "Source"]


@dataclass(frozen=True, kw_only=True, eq=False)
class GivenSource:
    """A source that is there.

    Attributes:
        knowledge: What the description says of it.
        name: The file as the description names it, or the address of the endpoint.
        path: Where it lies.
    """

    knowledge: Knowledge
    name: str
    path: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Source(GivenSource):
    """A source that has been read.

    Attributes:
        statements: What it holds.
        account: What became of its statements.
    """

    statements: Statements
    account: FileAccount
