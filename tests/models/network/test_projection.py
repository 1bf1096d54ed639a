"""Text features: principal components found by another road, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.network.projection import TextProjection


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(40, 6)) * [3, 2, 1, 0.5, 0.2, 0.1] @ rng.normal(size=(6, 6)) + 5
    return mixed.astype(np.float32)


def test_features_are_principal_components_by_eigenvectors(vectors: NDArray[np.float32]) -> None:
    """Their inner products are those of the centred vectors, projected on the leading eigenvectors of the covariance."""
    centred = vectors.astype(float) - vectors.mean(axis=0, dtype=float)
    _, eigenvectors = np.linalg.eigh(centred.T @ centred)
    slow = centred @ eigenvectors[:, -3:]
    slow /= np.sqrt((slow**2).sum(axis=1).mean())
    features = TextProjection.fit(vectors, 3)(vectors)
    assert features.shape == (40, 3)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features @ features.T, slow @ slow.T, atol=1e-4)


def test_features_are_centred_scaled_and_not_whitened(vectors: NDArray[np.float32]) -> None:
    features = TextProjection.fit(vectors, 4)(vectors)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    assert np.square(features).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
    spread = features.std(axis=0)
    assert (np.diff(spread) < 0).all()
    assert spread[0] > 2 * spread[3]


def test_all_components_keep_all_distances(vectors: NDArray[np.float32]) -> None:
    projection = TextProjection.fit(vectors, 6)
    features = projection(vectors)
    distance = np.linalg.norm(vectors[:1] - vectors, axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(features[:1] - features, axis=1) * projection.scale, distance, rtol=1e-3, atol=1e-3
    )


def test_the_order_of_the_texts_changes_nothing_but_signs(vectors: NDArray[np.float32]) -> None:
    order = np.random.default_rng(1).permutation(len(vectors))
    features, shuffled = TextProjection.fit(vectors, 3)(vectors), TextProjection.fit(vectors[order], 3)(vectors)
    np.testing.assert_allclose(np.abs(features), np.abs(shuffled), atol=1e-3)


def test_the_mean_text_and_a_new_text_are_projected_alike(vectors: NDArray[np.float32]) -> None:
    projection = TextProjection.fit(vectors, 3)
    np.testing.assert_allclose(projection(projection.mean[None]), 0, atol=1e-6)
    np.testing.assert_allclose(projection(vectors[7:8])[0], projection(vectors)[7], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "wanted", "kept"), [((40, 6), 64, 6), ((4, 6), 64, 4), ((1, 6), 64, 0), ((0, 6), 8, 0), ((9, 6), 0, 0)]
)
def test_there_are_never_more_features_than_the_texts_allow(
    vectors: NDArray[np.float32], shape: tuple[int, int], wanted: int, kept: int
) -> None:
    given = vectors[: shape[0], : shape[1]]
    features = TextProjection.fit(given, wanted)(given)
    assert features.shape == (shape[0], kept)
    assert np.isfinite(features).all()


def test_equal_texts_give_finite_features() -> None:
    features = TextProjection.fit(np.ones((5, 3), dtype=np.float32), 2)(np.ones((5, 3), dtype=np.float32))
    assert features.shape == (5, 0)  # equal texts tell nothing apart
