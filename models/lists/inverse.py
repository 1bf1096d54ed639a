"""The inverse of a large symmetric matrix, in its own memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

__all__ = ["inverse_of"]

_ROWS = 1024  # of a block that is mirrored at once


def inverse_of(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Invert a symmetric positive definite matrix by its Cholesky factor; the matrix is overwritten.

    Args:
        matrix: `[size, size]`, row by row in memory.

    Raises:
        ValueError: If the matrix is not positive definite to the precision of its numbers.
    """
    factorise, invert = get_lapack_funcs(("potrf", "potri"), (matrix,))
    factor, failed = factorise(matrix.T, lower=True, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = invert(factor, lower=True, overwrite_c=True)
    if failed:
        raise ValueError("the rows of the matrix depend on each other too closely to be told apart; raise its ridge")
    for start in range(0, len(inverse), _ROWS):  # LAPACK fills one triangle
        block = slice(start, min(start + _ROWS, len(inverse)))
        square = inverse[block, block]
        inverse[block, block] = np.tril(square) + np.tril(square, -1).T
        inverse[block, block.stop :] = inverse[block.stop :, block].T
    return inverse.T  # the same values, row by row: sparse products would copy anything else
