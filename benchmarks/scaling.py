"""What grows with a size: every size is measured in a process of its own, and costs are compared from one to the next."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kg.errors import InputError
from kg.storage.atomic import write_file
from training.isolation import ChildError, in_child
from training.progress import Progress

__all__ = [
    "check_sizes",
    "cumulated_power_law",
    "drawn",
    "exponent_table",
    "exponents",
    "in_own_process",
    "rounded",
    "write_rows",
]

Result = TypeVar("Result")


def check_sizes(sizes: Sequence[int], fewest: int, what: str) -> None:
    """Raise `InputError` unless sizes rise, from at least so many."""
    if not sizes or list(sizes) != sorted(set(sizes)) or sizes[0] < fewest:
        raise InputError(f"sizes must rise from {fewest:,} {what} or more; got {', '.join(map(str, sizes))}")


def in_own_process(job: Callable[[Progress], Result], what: str) -> Result:
    """Run a job in a fresh process; raise `InputError` if it dies, most likely for want of memory."""
    try:
        return in_child(job)
    except ChildError as error:
        raise InputError(f"{what} could not be measured: {error}; give smaller sizes") from None


def exponents(rows: Sequence[Any], size: str, costs: Sequence[str]) -> list[dict[str, float]]:
    r"""Return how each cost grows from a size to the next: $\log(c_2 / c_1) / \log(n_2 / n_1)$; 1 is proportional.

    Args:
        rows: Dataclasses of costs, by rising size.
        size: Name of the field that holds the size $n$.
        costs: Names of the fields that hold costs $c$.
    """
    slopes = []
    for small, large in pairwise(rows):
        growth = math.log(getattr(large, size) / getattr(small, size))
        slope = {cost: round(math.log(getattr(large, cost) / getattr(small, cost)) / growth, 3) for cost in costs}
        slopes.append({"from": getattr(small, size), "to": getattr(large, size), **slope})
    return slopes


def exponent_table(slopes: Sequence[dict[str, float]], headings: Sequence[str]) -> pd.DataFrame:
    """Return exponents as people read them; the headings are those of the costs, in their order."""
    lines = []
    for slope in slopes:
        first, last, *costs = slope.values()
        of_costs = {name: f"{cost:.2f}" for name, cost in zip(headings, costs, strict=True)}
        lines.append({"exponents": f"{first:,.0f} to {last:,.0f}", **of_costs})
    return pd.DataFrame(lines)


def write_rows(out: Path, content: dict[str, Any]) -> None:
    """Write `PROTOCOL.json`, and its `rows` as `PROTOCOL.csv`."""
    protocol = content["protocol"]
    write_file(out / f"{protocol}.json", json.dumps(content, indent=1) + "\n")
    write_file(out / f"{protocol}.csv", pd.DataFrame(content["rows"]).to_csv(index=False))


def rounded(row: Any) -> dict[str, Any]:
    """Return a dataclass of figures for people and files, with five digits after the point at most."""
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(row).items()}


def cumulated_power_law(number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return cumulated shares that fall off as one over the rank, flat for the first hundredth, in random order."""
    weight = 1.0 / (rng.permutation(number) + 1 + number / 100)
    return np.cumsum(weight / weight.sum())


def drawn(shares: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw so many numbers by cumulated shares."""
    return np.minimum(np.searchsorted(shares, rng.random(size)), len(shares) - 1)
