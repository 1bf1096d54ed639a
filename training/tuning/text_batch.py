"""Batches of texts for an encoder: words left out, lengths grouped, padded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["augmented", "batches_by_length", "tokens_of"]

_POOL = 8  # batches among which texts are sorted by length
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def tokens_of(encoder: SentenceTransformer, texts: Sequence[str], max_length: int) -> dict[str, Tensor]:
    """Return what the encoder reads of texts, each entry `[num_texts, num_tokens]`."""
    features: dict[str, Tensor] = dict(
        encoder.tokenizer(list(texts), truncation=True, max_length=max_length, padding=True, return_tensors="pt")
    )
    return features


def batches_by_length(lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield all places in random batches, each of texts of about the same length, so that little is padded."""
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _POOL * size):
        pool = order[start : start + _POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[first : first + size] for first in range(0, len(pool), size)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def augmented(text: str, share: float, rng: np.random.Generator) -> str:
    """Return a text with a share of its words and of its sentences left out, and the sentences in another order.

    One sentence and one word always stay.
    """
    if share == 0:
        return text
    sentences = _SENTENCE.split(text)
    kept = [sentence for sentence in sentences if rng.random() >= share] or sentences[:1]
    order = rng.permutation(len(kept))
    words = [word for place in order for word in kept[place].split()]
    return " ".join(word for word in words if rng.random() >= share) or words[0]
