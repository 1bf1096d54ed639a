"""Sentences say what the figures say, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.people.concept_interest import Evidence, Interest
from models.people.drift import ChangePoint, Drift
from models.people.habits import Habits
from models.people.profile_summary import enumeration, sentence_of, tags_of

STEADY = Drift(status="steady", days=100.0, num_sessions=9)
HABITS = Habits(num_ratings=50, activity=0.5)


def interest(name: str, weight: float = 0.4, chance: float = 1.0, count: int = 3) -> Interest:
    relation, _, label = name.partition(": ")
    return Interest(
        concept=f"{relation}:{label.lower()}",
        name=name,
        relation=relation,
        label=label,
        weight=weight,
        low=weight - 0.1,
        high=weight + 0.1,
        chance=chance,
        of_average=0.0,
        evidence=Evidence(count=count, above_expected=None, lift=None, items=()),
    )


def sentence(liked: list[Interest], avoided: list[Interest], habits: Habits = HABITS, drift: Drift = STEADY) -> str:
    return sentence_of(liked, avoided, habits, drift, implicit=False, groups=("job: spy",), edited=False)


def test_labels_stand_under_their_relation_each_once() -> None:
    liked = [
        interest(name)
        for name in ("genre: Drama", "director: Ann Lee", "writer: Ann Lee", "genre: War", "decade: 1960s")
    ]
    assert sentence(liked, [interest("genre: Horror", -0.3, 0.0)]) == (
        "Prefers Drama and War (genre), Ann Lee (director) and 1960s (decade); avoids Horror (genre); shows no change over time."
    )


def test_what_is_not_sure_is_said_with_care_or_not_at_all() -> None:
    assert sentence([interest("genre: Drama", chance=0.85)], []).startswith("Perhaps leans to Drama (genre);")
    assert "avoids" not in sentence([], [interest("genre: Horror", -0.3, 0.15)])
    assert sentence([], []).startswith("Shows no clear preference yet;")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"generosity": -0.44}, "rates strictly, 0.4 stars below others on the same items"),
        ({"generosity": 0.3}, "rates generously, 0.3 stars above others on the same items"),
        ({"popularity_rank": 0.05}, "rates less popular items than most"),
        ({"popularity_rank": 0.95}, "rates more popular items than most"),
        ({"breadth_rank": 0.1}, "likes few kinds of items"),
        ({"num_ratings": 0}, "has rated nothing yet, so that this is the taste of people like them (job: spy)"),
    ],
)
def test_habits_are_said_where_they_stand_out(changed: dict[str, float], told: str) -> None:
    assert told.lower() in sentence([], [], replace(HABITS, **changed)).lower()
    assert told.lower() not in sentence([], []).lower()


def test_a_change_names_what_rose_what_fell_and_when() -> None:
    change = ChangePoint(
        time=862_000_000,
        what="choice",
        p_value=0.01,
        before={"Drama": 0.2, "War": 0.9},
        after={"Drama": 0.8, "War": 0.1},
    )
    drift = Drift(status="changed", days=200.0, num_sessions=9, change_points=(change,))
    assert sentence([], [], drift=drift).endswith("rates more Drama and less War since April 1997.")


def test_tags_prefer_what_own_ratings_bear_out() -> None:
    liked = [interest("genre: War", count=0), interest("genre: Drama"), interest("decade: 1960s")]
    assert tags_of(liked, HABITS) == ("Drama", "1960s")
    assert tags_of(liked[:1], HABITS) == ("War",)
    assert tags_of([], replace(HABITS, generosity=-0.5, activity=0.95)) == ("strict", "active")


def test_enumerations_read_well() -> None:
    assert [enumeration(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
