from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError
from kg.tabular.concepts import concept_id, concept_label, concept_values
from kg.tabular.entity_description import Concept
from kg.tabular.tables import Table, read_table


def table(tmp_path: Path, *rows: str) -> Table:
    (tmp_path / "t.tsv").write_text("\n".join(["v\tw", *(f"{row}\t0" for row in rows)]) + "\n")
    return read_table(tmp_path / "t.tsv")


def values(tmp_path: Path, concept: Concept, *rows: str) -> list[tuple[int, str, str]]:
    found, _ = concept_values(table(tmp_path, *rows), concept, ["N/A"])
    return list(found[["row", "id", "label"]].itertuples(index=False, name=None))


def test_split_first_and_missing(tmp_path: Path) -> None:
    concept = Concept(column="v", split=",", first=2)
    assert values(tmp_path, concept, "Ann  Lee, N/A,ann lee,,BO", "N/A", "C,D,E") == [
        (0, "ann lee", "Ann Lee"),
        (0, "bo", "BO"),
        (2, "c", "C"),
        (2, "d", "D"),
    ]


def test_the_first_spelling_is_the_label_of_the_row(tmp_path: Path) -> None:
    assert values(tmp_path, Concept(column="v"), "Drama", "DRAMA") == [(0, "drama", "Drama"), (1, "drama", "DRAMA")]


def test_remove_before_split(tmp_path: Path) -> None:
    concept = Concept(column="v", split=",", remove=r"\([^)]*\)")
    assert values(tmp_path, concept, "A B (story, dialogue), C (play)") == [(0, "a b", "A B"), (0, "c", "C")]


def test_pattern_wording_and_count_of_what_does_not_match(tmp_path: Path) -> None:
    concept = Concept(column="v", pattern=r"\((\d{3})\d\)", wording="{}0s")
    found, without_match = concept_values(table(tmp_path, "A (1995)", "B"), concept, [])
    assert found["label"].tolist() == ["1990s"]
    assert without_match == 1


def test_bins(tmp_path: Path) -> None:
    concept = Concept(column="v", bins=(18, 25, 35))
    labels = [label for _, _, label in values(tmp_path, concept, "17", "18", "24", "25", "35", "99")]
    assert labels == ["under 18", "18-24", "18-24", "25-34", "35+", "35+"]
    assert [label for _, _, label in values(tmp_path, Concept(column="v", bins=(1, 2)), "1", "2")] == ["1", "2+"]
    fractions = values(tmp_path, Concept(column="v", bins=(0.5, 1.5)), "0.5", "0.4")
    assert [label for _, _, label in fractions] == ["0.5 to below 1.5", "under 0.5"]


def test_names_of_codes(tmp_path: Path) -> None:
    concept = Concept.model_validate({"column": "v", "names": {1: "artist"}})
    assert [label for _, _, label in values(tmp_path, concept, "1", "2")] == ["artist", "2"]


def test_flags_must_be_zero_or_one(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a,b\n1,0\n1,1\n0,\n2,0\n")
    read = read_table(tmp_path / "f.csv")
    with pytest.raises(InputError, match=r"f\.csv, line 5: expected 0 or 1 in the column 'a', found '2'"):
        concept_values(read, Concept(flags=("a", "b")), [])
    found, _ = concept_values(read, Concept.model_validate({"flags": {"Bee": "b"}}), [])
    assert found.to_numpy().tolist() == [[1, "bee", "Bee"]]


@given(name=st.text())
def test_the_id_of_a_label_is_stable(name: str) -> None:
    assert concept_id(concept_label(name)) == concept_id(name)
    assert concept_id(concept_id(name)) == concept_id(name)


def test_spellings_meet() -> None:
    assert len({concept_id(name) for name in ("Caf\u00e9 X", "cafe\u0301  x", " CAF\u00c9 X\n")}) == 1
    assert concept_id("Stra\u00dfe") == concept_id("STRASSE")
