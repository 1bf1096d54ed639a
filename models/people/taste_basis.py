"""Tastes in few coordinates: what concepts can say of items, and who came across what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["TasteBasis", "chances_of"]

LEAST_CHOICE = 0.1  # ratings that an item without any counts as, when it comes to what people choose

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TasteBasis:
    r"""Coordinates in which tastes for concepts are independent beforehand, and choices speak of each on its own.

    With $X$ the concepts of the items around the mean chosen item, $\tau^2$ a variance for each concept (alike within a
    relation) and $p$ the items' shares of all ratings, the affinities $a = X w$ have the prior covariance
    $X \,\mathrm{diag}(\tau^2) X^\top$. From its eigenvectors under $p$,

    $$\sqrt p\, X \,\mathrm{diag}(\tau^2) X^\top \sqrt p = V \Lambda V^\top, \qquad \Phi = p^{-1/2} V \Lambda^{1/2},$$

    follow affinities $a = \Phi v$ and tastes $w = \mathrm{diag}(\tau^2) X^\top \sqrt p\, V \Lambda^{-1/2} v$ for
    $v \sim N(0, I)$. Since $\Phi^\top \mathrm{diag}(p) \Phi = \Lambda$, counts of choices are independent in them.

    Attributes:
        features: $\Phi$, `[num_items, size]`.
        spectrum: $\Lambda$, falling, summing to 1: the affinity for a chosen item has variance 1, `[size]`.
        to_tastes: Tastes of coordinates, `[num_concepts, size]`.
        share: $p$, `[num_items]`.
    """

    features: Floats
    spectrum: Floats
    to_tastes: Floats
    share: Floats

    @classmethod
    def of(cls, membership: sparse.csr_array, variance: Floats, counts: NDArray[np.int64], size: int) -> TasteBasis:
        """Find the coordinates that matter most.

        Args:
            membership: Weights of the edges from concepts to items, `[num_items, num_concepts]`.
            variance: Of the tastes for each concept, on any scale, `[num_concepts]`.
            counts: Ratings of each item, `[num_items]`.
            size: Most coordinates that are kept.
        """
        share = np.maximum(counts, LEAST_CHOICE) / np.maximum(counts, LEAST_CHOICE).sum()
        root = np.sqrt(share)
        centred = membership.toarray().astype(np.float64)
        centred -= share @ centred
        half = root[:, None] * centred * np.sqrt(variance)
        values, vectors = np.linalg.eigh(half @ half.T)
        kept = np.flatnonzero(values > 1e-9 * max(float(values[-1]), 1e-300))[::-1][:size]
        values, vectors = values[kept], vectors[:, kept]
        total = float(values.sum()) if len(kept) else 1.0
        spectrum = values / total
        projected = centred.T @ (root[:, None] * vectors)
        return cls(
            features=vectors * np.sqrt(spectrum) / root[:, None],
            spectrum=spectrum,
            to_tastes=variance[:, None] / total * projected / np.sqrt(spectrum),
            share=share,
        )

    def choices(self, item: NDArray[np.int64]) -> tuple[Floats, float]:
        r"""Return $\Phi^\top (y - \pi)$ of who rated these items, `[size]`, and their number of free choices $\sum \pi (1 - \pi)$."""
        chance = chances_of(self.share, len(item))
        return self.features[item].sum(axis=0) - chance @ self.features, float((chance * (1 - chance)).sum())


def chances_of(share: Floats, count: int) -> Floats:
    r"""Return $\pi = 1 - e^{-c p}$ with $\sum \pi$ = count: the chance that someone who rates so many items rates each.

    Nobody rates an item twice, so who rated nearly all of them chose nearly nothing.

    Args:
        share: $p$, positive, `[num_items]`.
        count: How many items the person rates.
    """
    if count >= len(share):
        return np.ones(len(share))
    low, high = 0.0, 1.0
    while -np.expm1(-high * share).sum() < count:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if -np.expm1(-middle * share).sum() < count else (low, middle)
    return -np.expm1(-high * share)
