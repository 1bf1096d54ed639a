"""What a text asks for, and what that does to a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kg.errors import InputError
from models.lists.text_query import MOST_CHARACTERS, REFUSED, WANTED, TextQuery
from models.recommender import Recommender


def test_refusals_are_told_from_wishes() -> None:
    text_query = TextQuery.read(
        " I love robots. No musicals, please! I don\N{RIGHT SINGLE QUOTATION MARK}t like horror but ghosts are fine "
    )
    assert text_query.wanted == "I love robots. ghosts are fine"
    assert text_query.refused == "musicals horror"


@pytest.mark.parametrize("text", ["No horror", "\N{ROBOT FACE}", "тихая драма", "x" * 100_000])
def test_any_text_has_something_to_read(text: str) -> None:
    text_query = TextQuery.read(text)
    assert text_query.readings
    assert all(0 < len(part) <= MOST_CHARACTERS for part in text_query.readings)


@pytest.mark.parametrize("text", ["", " \n ", "\ud800"])
def test_what_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        TextQuery.read(text)


@pytest.fixture(scope="module")
def recommender(tiny_run: Path) -> Recommender:
    return Recommender.load(tiny_run)


@pytest.mark.usefixtures("stand_in_encoder")
def test_concepts_move_a_list_as_the_words_ask(recommender: Recommender) -> None:
    """Odd items are dramas, even ones war films; beside the concept the words are the same."""
    dramas = np.arange(8) % 2 == 1

    asked = recommender.user_query(text="a drama")
    assert asked.understood == ("genre Drama",)
    refused = recommender.user_query(text="something new, no dramas")
    assert refused.understood == ("genre Drama: less",)
    for query, step in ((asked, WANTED), (refused, -REFUSED)):
        assert query.nearness is not None
        assert (query.nearness[dramas].mean() - query.nearness[~dramas].mean()) * np.sign(step) > abs(step) - 6.0
        scores = recommender.scores_of(query)
        assert np.sign(np.log(scores[dramas]).mean() - np.log(scores[~dramas]).mean()) == np.sign(step)


@pytest.mark.usefixtures("stand_in_encoder")
def test_titles_are_liked_and_not_listed(recommender: Recommender) -> None:
    query = recommender.user_query(text='something like "Film 3", not like "Film 2"')
    assert query.understood == ("like Film 3", "not like Film 2")
    assert query.named == (3, 2)
    rows = recommender.recommend(text='something like "Film 3", not like "Film 2"', k=8)
    assert not {"3", "2"} & set(rows["id"])
    assert rows.attrs["understood"] == query.understood
    again = recommender.recommend(text='something like "Film 3"', k=8, exclude_seen=False)
    assert "3" in set(again["id"])
