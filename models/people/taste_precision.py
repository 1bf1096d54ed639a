"""The precision of one person's coordinates, factored by ratings or by coordinates, whichever are fewer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

__all__ = ["FewRatings", "ManyRatings"]

Floats = NDArray[np.float64]


class FewRatings:
    r"""$Q = D^{-1} + \Phi^\top R^{-1} \Phi$ with diagonal $D$ and $R = \sigma^2 I + \sigma_b^2 1 1^\top$, by Woodbury's identity.

    $$Q^{-1} = D - D \Phi^\top (R + \Phi D \Phi^\top)^{-1} \Phi D$$

    Args:
        rows: $\Phi$, `[num_ratings, size]`.
        loose: Diagonal of $D$, `[size]`.
        noise: $\sigma^2$.
        level: $\sigma_b^2$.
    """

    def __init__(self, rows: Floats, loose: Floats, noise: float, level: float) -> None:
        self._rows, self._loose, self._noise, self._level = rows, loose, noise, level
        self._spread = rows * loose
        gram = self._spread @ rows.T + level
        gram[np.diag_indices_from(gram)] += noise
        self._factor = cho_factor(gram, overwrite_a=True, check_finite=False)

    def solve(self, columns: Floats) -> Floats:
        """Return $Q^{-1}$ times columns, `[size]` or `[size, num_columns]`."""
        loose = (self._loose * columns.T).T
        solved = cho_solve(self._factor, self._rows @ loose, check_finite=False)
        return np.asarray(loose - self._spread.T @ solved)

    def errors(self, rng: np.random.Generator, num_draws: int) -> Floats:
        """Return draws from $N(0, Q^{-1})$, `[num_draws, size]`: draws beforehand, less what imagined ratings say of them."""
        drawn = np.sqrt(self._loose) * rng.normal(size=(num_draws, len(self._loose)))
        seen = drawn @ self._rows.T + np.sqrt(self._noise) * rng.normal(size=(num_draws, len(self._rows)))
        seen += np.sqrt(self._level) * rng.normal(size=(num_draws, 1))
        return np.asarray(drawn - cho_solve(self._factor, seen.T, check_finite=False).T @ self._spread)


class ManyRatings:
    """The same by its Cholesky factor. Arguments as of `FewRatings`."""

    def __init__(self, rows: Floats, loose: Floats, noise: float, level: float) -> None:
        total = rows.sum(axis=0)
        shared = level / (noise + len(rows) * level)
        precision = (rows.T @ rows - shared * np.outer(total, total)) / noise
        precision[np.diag_indices_from(precision)] += 1 / loose
        self._factor = cho_factor(precision, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, columns: Floats) -> Floats:
        """Return $Q^{-1}$ times columns, `[size]` or `[size, num_columns]`."""
        return np.asarray(cho_solve(self._factor, columns, check_finite=False))

    def errors(self, rng: np.random.Generator, num_draws: int) -> Floats:
        """Return draws from $N(0, Q^{-1})$, `[num_draws, size]`."""
        noise = rng.normal(size=(len(self._factor[0]), num_draws))
        return np.asarray(solve_triangular(self._factor[0], noise, lower=True, trans="T", check_finite=False).T)
