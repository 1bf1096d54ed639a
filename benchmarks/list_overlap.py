"""How alike two lists are."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["overlap", "rank_biased_overlap"]


def overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the share of the longer list that both hold; 1 for two empty ones."""
    length = max(len(first), len(second))
    return len(set(first) & set(second)) / length if length else 1.0


def rank_biased_overlap(first: Sequence[int], second: Sequence[int], *, persistence: float = 0.9) -> float:
    r"""Return the rank-biased overlap of two lists of equal length (Webber, Moffat & Zobel 2010, ACM TOIS 28(4)).

    With $A_d$ the share that the first $d$ places have in common, and $p$ the persistence of a reader who goes from
    place to place, the extrapolated form of two lists seen to depth $k$ is

    $$A_k p^k + (1 - p) \sum_{d=1}^{k} p^{d-1} A_d$$

    Args:
        first: Different items, best first.
        second: The same number of different items.
        persistence: $p$, in (0, 1); at 0.9 the first ten places carry 86 % of the weight.

    Raises:
        ValueError: If the lists are empty or differ in length.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"two lists of equal length are needed; got {len(first)} and {len(second)} items")
    total, agreed = 0.0, 0.0
    for depth in range(1, len(first) + 1):
        agreed = len(set(first[:depth]) & set(second[:depth])) / depth
        total += (1 - persistence) * persistence ** (depth - 1) * agreed
    return float(total + agreed * persistence ** len(first))
