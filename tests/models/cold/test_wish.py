"""What a text asks for and what it refuses."""

from __future__ import annotations

import pytest

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
