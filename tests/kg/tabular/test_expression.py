"""Regular expressions of descriptions: what they find, and which of them are refused before or while they are used."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.description import Description
from kg.errors import InputError
from kg.tabular import expression
from kg.tabular.expression import check_expression, first_groups, without_matches

FILE = Path("items.csv")


@given(
    st.sampled_from(
        [r"^(\d{3})", r"\((\d{4})\)", r"(a|b)?c", r"(?i)x(\w*)$", r"'(?=[^']+')([a-z])", r"(\s*)", r"([^_]+)_(?!b)"]
    ),
    st.lists(st.none() | st.text("abcxX'_ 0123()\n\u0663\u00e9", max_size=12), max_size=6),
)
def test_they_mean_what_they_mean_in_python(pattern: str, texts: list[str | None]) -> None:
    values = pd.Series(texts, dtype=object)
    groups = [None if text is None else (found := re.search(pattern, text)) and found.group(1) for text in texts]
    assert first_groups(pattern, values, FILE).tolist() == groups
    rest = [None if text is None else re.sub(pattern, "", text) for text in texts]
    assert without_matches(pattern, values, FILE).tolist() == rest


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a", "not a regular expression"),
        ("(" * 900, "nested too deeply|not a regular expression"),
        (r"^(\d{" + "9" * 30 + "})", "10,000"),
        (r"^(\d{9223372036854775808})", "10,000"),
        (r"^(\d{2000000000})", "10,000"),
        (r"((\d{200}){200})", "10,000"),
        ("(a{3,20000})", "10,000"),
        ("(" + "a" * 70_000 + ")", "at most 1,000 characters"),
        ("(abc){e}", "backslash"),
        ("(abc){i<=1}", "backslash"),
        ("{id}", "backslash"),
    ],
)
def test_what_no_machine_could_follow_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_expression(pattern)


@pytest.mark.parametrize("pattern", ["[{}]", r"\{id\}", r"(.{0,200})", r"(\d{4})-\d{2}-\d{2}", r"\{e\}"])
def test_ordinary_ones_are_not(pattern: str) -> None:
    check_expression(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$"])
def test_an_endless_search_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    monkeypatch.setattr(expression, "SECONDS", 0.05)
    values = pd.Series(["a", "a" * 50_000 + "b"], dtype=object)
    for use in (first_groups, without_matches):
        with pytest.raises(InputError, match=r"^items\.csv: the regular expression '.*' needs more than .* seconds"):
            use(pattern, values, FILE)


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000, "9223372036854775808"])
def test_a_description_with_a_huge_repetition_ends_in_a_sentence(tmp_path: Path, number: str) -> None:
    path = tmp_path / "description.yaml"
    concept = rf"{{column: year, pattern: '^(\d{{{number}}})'}}"
    path.write_text(
        f"name: huge\nratings: {{file: r.csv, scale: [1, 5]}}\nitems: [{{file: i.csv, id: i, concepts: {{decade: {concept}}}}}]\n"
    )
    with pytest.raises(InputError, match="pattern"):
        Description.load(path)
