"""What `--history` says: ratings, or choices, of items whose ids may hold anything."""

from __future__ import annotations

import pytest

from kg.errors import InputError
from training.commands.history_option import read_history

KNOWN = {"50", "181", "a, b", "x=1", "id1=", 'say "hi"', " lead"}


@pytest.mark.parametrize(
    ("text", "ratings"),
    [
        ("", {}),
        ("50=5,181=4", {"50": 5.0, "181": 4.0}),
        (" 50 = 5 , 181=4 ", {"50": 5.0, "181": 4.0}),
        ('"a, b=3",50=1', {"a, b": 3.0, "50": 1.0}),
        ('50=1,"a, b=3"', {"a, b": 3.0, "50": 1.0}),
        ("x=1=2,id1==4", {"x=1": 2.0, "id1=": 4.0}),  # the last = counts
        ('"say ""hi""=2"', {'say "hi"': 2.0}),
        (" lead=2", {" lead": 2.0}),
        ("new=-7.5", {"new": -7.5}),
    ],
)
def test_ratings_are_read_as_csv_reads_cells(text: str, ratings: dict[str, float]) -> None:
    assert read_history(text, KNOWN) == ratings


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("50,181", ["50", "181"]),
        ("50=1,181", ["50", "181"]),
        ("x=1,id1=", ["x=1", "id1="]),
        ("x=1=1", ["x=1"]),
        ('"a, b", 50', ["a, b", "50"]),
        ("never heard of", ["never heard of"]),
        ("a=b=c", ["a=b=c"]),
    ],
)
def test_of_choices_ids_alone_are_enough(text: str, ids: list[str]) -> None:
    assert read_history(text, KNOWN, implicit=True) == dict.fromkeys(ids, 1.0)


@pytest.mark.parametrize(
    ("text", "implicit", "sentence"),
    [
        ("50,181=4", False, "expected item=stars, got '50'; for example --history 50=5,181=4"),
        ("=4", False, "expected item=stars, got '=4'"),
        ("50=x", False, "expected item=stars, got '50=x'"),
        ("50=5,50=4", False, "item '50' stands twice in the history"),
        ("50,50=1", True, "item '50' stands twice in the history"),
        ('"50=5', False, "a part with a comma stands in quotes, a quote in it twice"),
        ('"50"x,181', True, "a part with a comma stands in quotes, a quote in it twice"),
    ],
)
def test_what_is_no_history_gets_a_sentence(text: str, implicit: bool, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        read_history(text, KNOWN, implicit=implicit)
    assert sentence in str(caught.value)
