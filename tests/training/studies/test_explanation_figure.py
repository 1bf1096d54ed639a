"""Which parts of an explanation are shown, and how they add up."""

from __future__ import annotations

import pytest

from models.attribution.explanation import Explanation, Part
from training.studies.explanation_figure import explanation_figure, shown_parts


def part(name: str, stars: float, kind: str = "concept", side: str = "item") -> Part:
    return Part(kind=kind, side=side, name=name, stars=stars)


PARTS = (
    part("average of everything", 3.0, "mean", ""),
    part("genre: War", 0.3),
    part("director: Ann", -0.25),
    part("director: Ann", -0.1),  # stated by a second source, with a table of its own
    part("age: 30", 0.2, side="user"),
    part("year: 1990", 0.05),
)
EXPLANATION = Explanation(user="u", item="i", label="A film", score=3.2, parts=PARTS)


def test_each_source_has_its_line_where_sources_are_shown() -> None:
    assert [one.name for one in shown_parts(EXPLANATION)].count("director: Ann") == 2


def test_what_reads_the_same_is_one_bar_where_they_are_not() -> None:
    shown = shown_parts(EXPLANATION, by_name=True)
    assert [one.name for one in shown] == ["director: Ann", "genre: War", "age: 30", "year: 1990"]
    assert shown[0].stars == pytest.approx(-0.35)


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("most", [1, 2, 3, 10])
def test_nothing_is_lost_whatever_is_shown(most: int, by_name: bool) -> None:
    shown = shown_parts(EXPLANATION, most, by_name=by_name)
    assert sum(one.stars for one in shown) == pytest.approx(EXPLANATION.score - 3.0)
    assert len(shown) <= most + 1


def test_the_figure_has_a_line_a_part_between_start_and_prediction() -> None:
    axes = explanation_figure(EXPLANATION).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["average of everything", "director: Ann", "genre: War", "age: 30", "year: 1990", "prediction"]
