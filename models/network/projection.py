"""From the language model's vectors to the few text features the towers read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svd

__all__ = ["TextProjection"]


@dataclass(frozen=True, eq=False)
class TextProjection:
    """Principal components of item texts, not whitened, scaled to a mean square norm of 1.

    Fitted on the texts of the catalogue only, never on ratings. An item without text stands at the
    mean (a row of zeros): a stated case that says "text tells nothing here".

    Attributes:
        mean: `[dimension]`.
        components: `[num_features, dimension]`.
        scale: Root mean square norm before scaling.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scale: float

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], num_features: int) -> TextProjection:
        """Fit on the vectors of all items with text, `[num_texts, dimension]`."""
        kept = min(num_features, *vectors.shape)
        if not kept or not np.ptp(vectors, axis=0).any():  # no text, or all the same: nothing to tell items apart by
            return cls(np.zeros(vectors.shape[1], np.float32), np.zeros((0, vectors.shape[1]), np.float32), 1.0)
        # As scikit-learn's PCA to the last bit, with the sign of each component fixed here: its largest entry is positive.
        exact = vectors.astype(np.float64)
        mean = exact.mean(axis=0)
        components = svd(exact - mean, full_matrices=False)[2][:kept]
        components *= np.sign(components[np.arange(kept), np.abs(components).argmax(axis=1)])[:, None]
        projected = exact @ components.T - mean @ components.T
        scale = float(np.sqrt(np.square(projected).sum(axis=1).mean())) or 1.0
        # In the order of a file: what joins in memory and what joins a run that was read come to the same bits.
        return cls(mean.astype(np.float32), components.astype(np.float32, order="C"), scale)

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project vectors `[num_texts, dimension]` to features `[num_texts, num_features]`."""
        features: NDArray[np.float32] = ((vectors - self.mean) @ self.components.T / self.scale).astype(np.float32)
        return features
