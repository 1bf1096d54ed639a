from __future__ import annotations

from pathlib import Path

import pytest

from kg.tabular.tables import read_table
from kg.tabular.templates import render, template_fields

TEMPLATE = "{title} ({year}). {genres}. {plot}"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("Heat\t1995\tCrime\tA heist.", "Heat (1995). Crime. A heist."),
        ("Heat\t\tCrime\tA heist.", "Heat. Crime. A heist."),
        ("Heat\t1995\tN/A\tA heist.", "Heat (1995). A heist."),
        ("Heat\t1995\tCrime\t", "Heat (1995). Crime."),
        ("Heat\t\t\t", "Heat."),
        ("\t1995\tCrime\tA heist.", "(1995). Crime. A heist."),
        ("\t\t\tA heist.", "A heist."),
        ("\t\tCrime\t", "Crime."),
        ("\tN/A\t \t", None),
        ("...and (so) on\t\tA {b}\tOh ( ) . no", "...and (so) on. A {b}. Oh ( ). no"),
    ],
)
def test_unknown_fields_vanish_with_their_punctuation(tmp_path: Path, row: str, text: str | None) -> None:
    (tmp_path / "t.tsv").write_text(f"title\tyear\tgenres\tplot\n{row}\n")
    assert render(read_table(tmp_path / "t.tsv"), TEMPLATE, ["N/A"])[0] == [text]


def test_known_fields_are_counted(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("title\tyear\nA\t1\nB\t\n\t\n")
    known = render(read_table(tmp_path / "t.tsv"), "{title} {year}", [])[1]
    assert {name: there.tolist() for name, there in known.items()} == {
        "title": [True, True, False],
        "year": [True, False, False],
    }


def test_a_template_without_braces_is_a_column() -> None:
    assert template_fields("title") == ["title"]
    assert template_fields("{a b} and {c}") == ["a b", "c"]
