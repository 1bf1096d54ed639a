"""Ridge regression of every item on the others, shrunk to a prior; its settings are chosen on held-out choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.lists.inverse import inverse_of

__all__ = ["OF_STARS", "ItemRegression", "RegressionSettings", "chosen_settings", "damped", "ndcg_of"]

RIDGES = (17.5, 35.0, 70.0)
DAMPINGS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
HELD_OUT = 0.1  # share of the choices that settings are chosen on
FEWEST_USERS, MOST_USERS = 100, 1_000  # of whom lists are measured for that
LIST_LENGTH = 20
_ROWS = 1024  # of a dense block

Floats = NDArray[np.float32]


class RegressionSettings(NamedTuple):
    """How strongly an item's regression is held to its prior, and how far popular items are damped.

    Attributes:
        ridge: In users, of an item of one choice.
        damping: Exponent by which popular items are damped.
        growth: Exponent by which the ridge grows with an item's users, from that of an item of the mean number.
    """

    ridge: float = 35.0
    damping: float = 0.1
    growth: float = 0.5


# Chosen on validation ratings: where liking is learned from stars, it says itself who is merely popular.
OF_STARS = RegressionSettings(damping=0.0, growth=0.0)


@dataclass(frozen=True, eq=False)
class ItemRegression:
    r"""Ridge regression of every item on the others that shrinks not to nothing, as EASE does, but to a prior $M$.

    $$W = \arg\min \|X - XW\|^2 + \|\Lambda^{1/2} (W - M)\|^2, \quad W_{jj} = 0, \quad \Lambda = \lambda \sqrt{\bar n} \, \mathrm{diag} (n / \bar n)^g$$
    $$\Rightarrow\quad W = I - P\,(\Lambda (I - M) + \mathrm{diag}\,\gamma), \quad P = (X^\top X + \Lambda)^{-1}$$

    where $X$ is who chose what, around each item's share of users, $n_i$ the number of users of an item, and $\gamma$ makes
    the diagonal zero. What many chose tells less of a person than what few chose: with $g > 0$ its ridge is larger.

    Attributes:
        inverse: $P$, `[num_items, num_items]`.
        prior: $M$, of zero diagonal.
        ridge: Diagonal of $\Lambda$, `[num_items]`.
        free: $\gamma$, `[num_items]`.
        share: Share of the users who chose each item, `[num_items]`.
    """

    inverse: Floats
    prior: Floats
    ridge: Floats
    free: Floats
    share: Floats

    @classmethod
    def fit(cls, chosen: sparse.csr_array, prior: Floats, settings: RegressionSettings) -> ItemRegression:
        r"""Fit on who chose what.

        Args:
            chosen: Ones, `[num_users, num_items]`.
            prior: $M$.
            settings: $\lambda$ and $g$.
        """
        counts = _counts(chosen)
        share, users = counts / np.float32(chosen.shape[0]), np.maximum(counts, 1)
        mean = users.mean()
        ridges = np.float32(settings.ridge) * np.sqrt(mean) * (users / mean) ** np.float32(settings.growth)
        size, inverse = len(counts), _inverse(chosen, share, ridges)
        reached = np.empty(size, dtype=np.float32)  # the diagonal of P Lambda (I - M)
        for block in _blocks(size):
            reached[block] = -np.einsum("ji,ij->j", inverse[block] * ridges, prior[:, block])
        diagonal = inverse.diagonal()
        return cls(inverse, prior, ridges, (1.0 - reached) / diagonal - ridges, share)

    def weights(self) -> Floats:
        """Return $W$, `[num_items, num_items]`."""
        weights = np.empty_like(self.inverse)
        for block in _blocks(len(weights)):
            weights[block] = self._beyond_self(self.inverse[block])
        np.fill_diagonal(weights, 0.0)
        return weights

    def scores(self, seen: Floats) -> Floats:
        """Return the scores of users for all items by what they chose, both `[num_users, num_items]`, without $W$."""
        propagated = np.asarray((seen - self.share) @ self.inverse, dtype=np.float32)
        return np.asarray(seen + self._beyond_self(propagated), dtype=np.float32)

    def _beyond_self(self, propagated: Floats) -> Floats:
        r"""Return $Y W - Y = Y P \Lambda M - Y P (\Lambda + \mathrm{diag}\,\gamma)$ for $Y P$."""
        through: Floats = np.asarray((propagated * self.ridge) @ self.prior, dtype=np.float32)
        through -= propagated * (self.ridge + self.free)
        return through


def chosen_settings(
    chosen: sparse.csr_array, prior: Floats, *, rng: int | np.random.Generator = 0
) -> RegressionSettings:
    """Return the settings whose lists hold most of a tenth of the choices that is held out for it, by NDCG@20.

    Of those within a standard error of the best it is the ones that damp least, then the most usual ridge.

    Args:
        chosen: Who chose what, ones `[num_users, num_items]`.
        prior: What the regression shrinks to.
        rng: Draws what is held out and, of more than 1,000 users, for whom lists are measured; with fewer than 100
            users there is too little to choose by, and the usual settings stay.
    """
    rng = np.random.default_rng(rng)
    held = rng.random(chosen.nnz) < HELD_OUT
    user, item = chosen.nonzero()
    held_out, kept = (
        sparse.csr_array((chosen.data[part], (user[part], item[part])), shape=chosen.shape) for part in (held, ~held)
    )
    asked = np.flatnonzero(np.diff(held_out.indptr))
    if len(asked) < FEWEST_USERS:
        return RegressionSettings()
    asked = np.sort(rng.permutation(asked)[:MOST_USERS])
    seen, wanted, counts = kept[asked].toarray(), held_out[asked].toarray() > 0, _counts(kept)
    measured: dict[RegressionSettings, NDArray[np.float64]] = {}
    for ridge in RIDGES:
        scores = ItemRegression.fit(kept, prior, RegressionSettings(ridge)).scores(seen)
        for damping in DAMPINGS:
            ranked = scores * damped(counts, damping)
            ranked[seen > 0] = -np.inf
            measured[RegressionSettings(ridge, damping)] = ndcg_of(ranked, wanted)
    best = max(measured.values(), key=np.mean)
    usual = RegressionSettings().ridge
    for settings in sorted(measured, key=lambda each: (each.damping, abs(np.log(each.ridge / usual)))):
        lost = best - measured[settings]
        if lost.mean() <= lost.std() / np.sqrt(len(lost)):
            break  # at the latest at the best, which lose nothing
    return settings


def damped(counts: NDArray[np.floating], damping: float) -> Floats:
    """Return what the scores of each item are multiplied by, `[num_items]`: less for what many chose, 1 for the mean."""
    at_least_one = np.maximum(counts, 1)
    return np.asarray((at_least_one / at_least_one.mean()) ** -damping, dtype=np.float32)


def _inverse(chosen: sparse.csr_array, share: Floats, ridges: Floats) -> Floats:
    """Return $P$."""
    num_users, size = chosen.shape
    gram = np.empty((size, size), dtype=np.float32)
    by_item = chosen.T.tocsr()
    for block in _blocks(size):
        gram[block] = (by_item[block] @ chosen).toarray() - num_users * np.outer(share[block], share)
    gram[np.diag_indices(size)] += ridges
    return inverse_of(gram)


def _counts(chosen: sparse.csr_array) -> Floats:
    return np.asarray(chosen.sum(axis=0), dtype=np.float32)


def ndcg_of(scores: Floats, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return NDCG@20 of each user, `[num_users]`; everyone wants something."""
    length = min(LIST_LENGTH, scores.shape[1])
    top = np.argpartition(-scores, length - 1, axis=1)[:, :length]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    hits = np.take_along_axis(wanted, np.take_along_axis(top, order, axis=1), axis=1)
    gains = 1.0 / np.log2(np.arange(2, length + 2))
    ideal = gains.cumsum()[np.minimum(wanted.sum(axis=1), length) - 1]
    return np.asarray(hits @ gains / ideal, dtype=np.float64)


def _blocks(size: int) -> list[slice]:
    return [slice(start, start + _ROWS) for start in range(0, size, _ROWS)]
