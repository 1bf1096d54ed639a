"""All that can be said of a graph by itself: shapes, a user's shapes, and what its build had to leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kg.checks.findings import Finding, in_order
from kg.checks.measures import measures
from kg.checks.shapes import ShapesFile
from kg.dataset import Dataset
from kg.validate import validate, validate_own

__all__ = ["check"]

_LOST = ("not valid", "left out", "replaced", "differ")  # of what a build counts, these are faults of the input


def check(
    dataset: Dataset,
    shapes: ShapesFile | None = None,
    *,
    now: float | None = None,
    progress: Callable[[str, int, int, str], None] | None = None,
) -> list[Finding]:
    """Return what is wrong with a graph, errors first.

    Args:
        dataset: Graph and ratings.
        shapes: The user's own shapes, checked beside those of kgrec.
        now: Unix time in seconds after which a rating lies in the future; by default the clock's.
        progress: Called with the nodes checked so far.
    """
    stated = measures(dataset, now=now)
    own = [] if shapes is None else validate_own(dataset, shapes, stated=stated, progress=progress)
    return in_order([*validate(dataset, stated=stated, progress=progress), *own, *_lost(dataset.report)])


def _lost(report: Mapping[str, Any]) -> Iterator[Finding]:
    for file, account in report.get("files", {}).items():
        examples = account.get("examples", {})
        for what, count in {**account.get("dropped", {}), **account.get("counts", {})}.items():
            if not any(word in what for word in _LOST):
                continue
            shown: list[str] = next((found for name, found in examples.items() if what.startswith(name)), [])
            yield Finding(
                check="Build",
                severity="warning",
                sentence=f"{file}: {count:,} of {account['rows']:,} rows: {what}"
                f"{', for example ' + '; '.join(shown) if shown else ''}.",
                remedy="correct the file, then build again",
                count=count,
                total=account["rows"],
                rows=[{"file": file, "example": example} for example in shown],
            )
