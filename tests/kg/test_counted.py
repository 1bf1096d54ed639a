"""Counts in sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg.build import build
from kg.counted import counted
from kg.description import Description
from kg.report import report_lines


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "item", "0 items"),
        (1, "item", "1 item"),
        (2, "item", "2 items"),
        (1234, "row read", "1,234 rows read"),
        (1, "row read", "1 row read"),
        (1, "person", "1 person"),
        (3, "person", "3 people"),
        (1, "rating to train on", "1 rating to train on"),
        (2, "rating to train on", "2 ratings to train on"),
    ],
)
def test_one_is_singular(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words


def test_a_build_of_one_says_one(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,item,rating\nu,i,5\n")
    (tmp_path / "one.yaml").write_text("name: one\nratings: {file: ratings.csv, scale: [1, 5]}\n")
    told = "\n".join(report_lines(build(Description.load(tmp_path / "one.yaml")).report))
    assert "one: 1 item, 1 user, 1 rating from 5 to 5 stars" in told
    assert "ratings.csv: 1 row read, 1 kept" in told
