"""What is done to sentences, and how alike lists are afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.list_overlap import overlap, rank_biased_overlap
from benchmarks.perturbations import with_typos


def test_overlaps_of_lists() -> None:
    assert overlap([1, 2, 3, 4], [4, 3, 9, 8]) == 0.5
    assert rank_biased_overlap([1, 2, 3], [1, 2, 3]) == pytest.approx(1.0)
    assert rank_biased_overlap([1, 2], [3, 4]) == 0.0
    # Agreement 0 at depth 1 and 1 at depth 2: 1 * p^2 + (1 - p) * p.
    assert rank_biased_overlap([1, 2], [2, 1], persistence=0.5) == pytest.approx(0.5)


def test_typos_come_at_their_rate() -> None:
    text = "abcdefghij" * 50
    assert with_typos(text, 0.0, np.random.default_rng(0)) == text
    assert with_typos("Ün\N{LATIN SMALL LETTER DOTLESS I} 123 \N{ROBOT FACE}", 1.0, np.random.default_rng(0)).endswith(
        "123 \N{ROBOT FACE}"
    )
