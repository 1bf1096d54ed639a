"""Cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from training.spreadsheet import as_csv
from training.studies import profile_report

FORMULAS = ['=HYPERLINK("http://x.example")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "=1\n=2"]


def test_text_that_begins_like_a_formula_gets_an_apostrophe_and_nothing_else_does() -> None:
    plain = ["a=b", "", " =1", "1-2", "'quoted", "-1", "+4.5", "-1e3", "Ä"]
    table = pd.DataFrame({"=name": [*FORMULAS, *plain], "number": range(-3, 13)})
    rows = list(csv.reader(io.StringIO(as_csv(table), newline="")))
    assert rows[0] == ["'=name", "number"]
    assert [row[0] for row in rows[1:]] == [f"'{cell}" for cell in FORMULAS] + plain
    assert [row[1] for row in rows[1:]] == [str(number) for number in range(-3, 13)]


@pytest.mark.parametrize("formula", FORMULAS)
def test_members_of_segments_are_safe(formula: str, tmp_path: Path) -> None:
    class Found:
        members = pd.DataFrame({"user": [formula, "-1"], "segment": [1, 2]})

        def as_json(self) -> dict[str, object]:
            return {}

    profile_report.write_segments(Found(), tmp_path)  # type: ignore[arg-type]
    with (tmp_path / "members.csv").open(newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["user", f"'{formula}", "-1"]
