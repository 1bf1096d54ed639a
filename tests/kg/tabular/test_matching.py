from __future__ import annotations

import pytest

from kg.tabular.matching import match_titles, normal_title, title_and_year


@pytest.mark.parametrize(
    ("title", "normal"),
    [
        ("Matrix, The (1999)", "thematrix"),
        ("The Matrix", "thematrix"),
        ("Seven (Se7en) (1995)", "seven"),
        ("Am\u00e9lie", "amelie"),
        ("Haine, La (1995)", "lahaine"),
        ("Good, the Bad and the Ugly, The", "thegoodthebadandtheugly"),
        ("M*A*S*H", "mash"),
        ("???", ""),
    ],
)
def test_normal_title(title: str, normal: str) -> None:
    assert normal_title(title) == normal


def test_year_of_a_label() -> None:
    assert title_and_year("Heat (1995)") == ("heat", 1995)
    assert title_and_year("1984") == ("1984", None)


def test_the_exact_year_comes_first_then_one_off() -> None:
    spellings = [(0, "heat", 1994), (1, "heat", 1995), (2, "twins", 1990), (3, "solo", 2001)]
    rows, num_ambiguous = match_titles(["Heat (1995)", "Heat (1993)", "Twins (1988)", "Solo (2000)", "Solo"], spellings)
    assert rows.tolist() == [1, 0, -1, 3, -1]
    assert num_ambiguous == 0


def test_two_rows_of_one_title_are_ambiguous_but_two_spellings_of_one_row_are_not() -> None:
    spellings = [(0, "heat", 1995), (1, "heat", 1995), (2, "solo", 2001), (2, "solo", 2001)]
    rows, num_ambiguous = match_titles(["Heat (1995)", "Solo (2001)"], spellings)
    assert rows.tolist() == [-1, 2]
    assert num_ambiguous == 1


def test_empty_titles_match_nothing() -> None:
    assert match_titles(["", "???"], [(0, "", None)], with_year=False)[0].tolist() == [-1, -1]


def test_the_title_alone_decides_on_request() -> None:
    assert match_titles(["Heat (1995)"], [(4, "heat", None)], with_year=False)[0].tolist() == [4]
