"""What a text asks for and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.list_overlap import overlap, rank_biased_overlap
from benchmarks.perturbations import with_typos
from kg.errors import InputError
from models.cold.wish import MOST_CHARACTERS, Wish


def test_refusals_are_told_from_wishes() -> None:
    wish = Wish.read(
        " I love robots. No musicals, please! I don\N{RIGHT SINGLE QUOTATION MARK}t like horror but ghosts are fine "
    )
    assert wish.wanted == "I love robots. ghosts are fine"
    assert wish.refused == "No musicals, please! I don\N{RIGHT SINGLE QUOTATION MARK}t like horror"
    assert wish.num_wanted == 2


@pytest.mark.parametrize("text", ["No horror", "\N{ROBOT FACE}", "тихая драма", "x" * 100_000])
def test_any_text_has_something_to_read(text: str) -> None:
    wish = Wish.read(text)
    assert wish.num_wanted == 1
    assert wish.readings
    assert all(0 < len(part) <= MOST_CHARACTERS for part in wish.readings)


@pytest.mark.parametrize("text", ["", " \n ", "\ud800"])
def test_what_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Wish.read(text)


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
