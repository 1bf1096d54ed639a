from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import UnknownNameError
from kg.vocabulary import Vocabulary

IDS = st.lists(
    st.one_of(
        st.text(),
        st.integers(-(2**64), 2**64).map(str),
        st.sampled_from(["007", "a/b", "a b", "🎬", "", "nan", "None"]),
    ),
    unique=True,
)


@given(ids=IDS)
def test_any_ids_round_trip(ids: list[str]) -> None:
    vocabulary = Vocabulary("item", ids)
    assert list(vocabulary) == ids
    assert vocabulary.indices(ids).tolist() == list(range(len(ids)))
    assert [vocabulary.id_of(index) for index in range(len(ids))] == ids
    assert all(raw_id in vocabulary for raw_id in ids)
    assert vocabulary == Vocabulary("item", ids)


def test_an_unknown_id_is_the_callers_choice() -> None:
    vocabulary = Vocabulary("user", ["7", "007"])
    assert vocabulary.find(["007", "07", "7"]).tolist() == [1, -1, 0]
    with pytest.raises(UnknownNameError, match=r"user '07' is not among the 2 known user ids\. Did you mean '007'"):
        vocabulary.indices(["7", "07"])


def test_an_index_outside_raises() -> None:
    for index in (-1, 1):
        with pytest.raises(IndexError, match=r"outside 0 \.\. 0"):
            Vocabulary("user", ["a"]).id_of(index)


def test_ids_are_text_and_unique() -> None:
    with pytest.raises(ValueError, match="7 is a int; ids must be text"):
        Vocabulary("user", ["a", 7])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="'a' stands twice"):
        Vocabulary("user", ["a", "b", "a"])


def test_it_cannot_be_changed_through_its_array() -> None:
    vocabulary = Vocabulary("user", ["a"])
    vocabulary.ids[0] = "b"
    assert list(vocabulary) == ["a"]


def test_other_kind_or_order_is_another_vocabulary() -> None:
    assert Vocabulary("user", ["a", "b"]) != Vocabulary("item", ["a", "b"])
    assert Vocabulary("user", ["a", "b"]) != Vocabulary("user", ["b", "a"])
    assert Vocabulary("user", np.array(["a"], dtype=object)) == Vocabulary("user", ["a"])
