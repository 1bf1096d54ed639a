"""The map from a sentence to a taste, against a direct solution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.cold.sentence_map import SentenceMap
from models.saved.flat import arrays_below, flat, read_tensors, write_tensors

NUM_TEXTS, DIMENSION, NUM_ITEMS, NUM_SAMPLES, SIZE = 40, 6, 9, 3, 4


def units(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


VECTORS, NEW = units(NUM_TEXTS, 0), units(1, 1)[0]
CHOSEN = (np.random.default_rng(2).random((NUM_TEXTS, NUM_ITEMS)) < 0.4).astype(np.float32)
ROWS = torch.from_numpy(np.random.default_rng(3).normal(size=(NUM_SAMPLES, NUM_TEXTS, SIZE)).astype(np.float32))


def solved(
    vectors: NDArray[np.float32], target: NDArray[np.floating], new: NDArray[np.float32], ridge: float
) -> NDArray:
    """Ridge regression as least squares on rows that say "every weight is 0"; the mean is not shrunk."""
    design = np.vstack([vectors - vectors.mean(axis=0), np.sqrt(ridge) * np.eye(DIMENSION)])
    wanted = np.vstack([target - target.mean(axis=0), np.zeros((DIMENSION, target.shape[1]))])
    weights = np.linalg.lstsq(design.astype(float), wanted.astype(float), rcond=None)[0]
    found: NDArray = target.mean(axis=0) + (new - vectors.mean(axis=0)) @ weights
    return found


@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_it_is_ridge_regression_of_choices_and_of_the_rows_in_each_sample(ridge: float) -> None:
    found = SentenceMap.fit(VECTORS, CHOSEN, ROWS, ridge=ridge)
    np.testing.assert_allclose(found.seen(NEW), solved(VECTORS, CHOSEN, NEW, ridge), atol=1e-5)
    for sample in range(NUM_SAMPLES):
        expected = solved(VECTORS, ROWS[sample].numpy(), NEW, ridge)
        np.testing.assert_allclose(found.rows(NEW)[sample], expected, atol=1e-5)


def test_the_spread_is_the_error_for_portraits_that_had_no_say() -> None:
    """The oracle fits once a portrait, without it."""
    found = SentenceMap.fit(VECTORS, CHOSEN, ROWS, ridge=0.5)
    flat = ROWS.permute(1, 0, 2).reshape(NUM_TEXTS, -1).numpy()
    errors = []
    for left_out in range(NUM_TEXTS):
        others = np.arange(NUM_TEXTS) != left_out
        errors.append(flat[left_out] - solved(VECTORS[others], flat[others], VECTORS[left_out], 0.5))
    expected = np.sqrt(np.square(errors).mean(axis=0)).reshape(NUM_SAMPLES, SIZE)
    np.testing.assert_allclose(found.spread, expected, rtol=0.01)


def test_what_sentences_tell_exactly_is_found_without_spread() -> None:
    weights = np.random.default_rng(4).normal(size=(DIMENSION, NUM_SAMPLES * SIZE))
    told = (VECTORS @ weights).reshape(NUM_TEXTS, NUM_SAMPLES, SIZE).transpose(1, 0, 2).astype(np.float32)
    found = SentenceMap.fit(VECTORS, CHOSEN, torch.from_numpy(told), ridge=1e-9)
    np.testing.assert_allclose(found.rows(NEW), (NEW @ weights).reshape(NUM_SAMPLES, SIZE), atol=1e-4)
    assert found.spread.max() < 1e-4


def test_draws_have_the_mean_and_the_spread_of_the_map() -> None:
    one = SentenceMap.fit(VECTORS, CHOSEN, ROWS[:1])
    parts = {name: np.repeat(getattr(one, name), 20_000, axis=0) for name in ("row_base", "spread")}
    many = SentenceMap(
        mean=one.mean,
        seen_base=one.seen_base,
        seen_weights=one.seen_weights,
        row_weights=np.repeat(one.row_weights, 20_000, axis=1),
        **parts,
    )
    taste = many.user_embedding(NEW, 5, generator=torch.Generator().manual_seed(0))
    assert taste.preferences.shape == (20_000, 5)
    assert not taste.preferences.any()
    np.testing.assert_allclose(taste.rows.mean(0).numpy(), one.rows(NEW)[0], atol=5 * one.spread.max() / 20_000**0.5)
    np.testing.assert_allclose(taste.rows.std(0).numpy(), one.spread[0], rtol=0.03)


def test_it_is_in_a_file_what_it_was(tmp_path: Path) -> None:
    found = SentenceMap.fit(VECTORS, CHOSEN, ROWS)
    write_tensors(tmp_path / "lists.safetensors", flat("sentences", vars(found)))
    again = SentenceMap(**arrays_below(read_tensors(tmp_path / "lists.safetensors"), "sentences"))
    for name, part in vars(found).items():
        np.testing.assert_array_equal(getattr(again, name), part)
