"""What is done to sentences."""

from __future__ import annotations

import numpy as np

from benchmarks.perturbations import with_typos


def test_typos_come_at_their_rate() -> None:
    text = "abcdefghij" * 50
    assert with_typos(text, 0.0, np.random.default_rng(0)) == text
    assert with_typos("Ün\N{LATIN SMALL LETTER DOTLESS I} 123 \N{ROBOT FACE}", 1.0, np.random.default_rng(0)).endswith(
        "123 \N{ROBOT FACE}"
    )
