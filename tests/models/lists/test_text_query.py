"""What a text asks for and what it refuses."""

from __future__ import annotations

import pytest

from kg.errors import InputError
from models.lists.text_query import MOST_CHARACTERS, TextQuery


def test_refusals_are_told_from_wishes() -> None:
    text_query = TextQuery.read(
        " I love robots. No musicals, please! I don\N{RIGHT SINGLE QUOTATION MARK}t like horror but ghosts are fine "
    )
    assert text_query.wanted == "I love robots. ghosts are fine"
    assert text_query.refused == "No musicals, please! I don\N{RIGHT SINGLE QUOTATION MARK}t like horror"
    assert text_query.num_wanted == 2


@pytest.mark.parametrize("text", ["No horror", "\N{ROBOT FACE}", "тихая драма", "x" * 100_000])
def test_any_text_has_something_to_read(text: str) -> None:
    text_query = TextQuery.read(text)
    assert text_query.num_wanted == 1
    assert text_query.readings
    assert all(0 < len(part) <= MOST_CHARACTERS for part in text_query.readings)


@pytest.mark.parametrize("text", ["", " \n ", "\ud800"])
def test_what_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        TextQuery.read(text)
