"""What Python calls take: frames of any kind and dtype; anything else gets a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kg.errors import InputError
from kg.growth.new_entities import records_of
from kg.ratings import Ratings
from models.lists.given import history_of, ids_of, length_of, mapping_of, pairs_of, raw_id

USERS, ITEMS = [7, 8, 7], ["a", "b", "a"]
PAIRS = [("7", "a"), ("8", "b"), ("7", "a")]


class Polars:
    """The part of a Polars frame that is used."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.held = columns

    @property
    def columns(self) -> list[str]:
        return list(self.held)

    def to_dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.held, row, strict=True)) for row in zip(*self.held.values(), strict=True)]


class PolarsSeries:
    """The part of a Polars series that is used."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __iter__(self) -> Any:
        return iter(self.values)

    def to_list(self) -> list[Any]:
        return self.values


def frames(columns: dict[str, list[Any]]) -> dict[str, Any]:
    """The same table in every form."""
    plain = pd.DataFrame(columns)
    return {
        "plain": plain,
        "nullable": plain.convert_dtypes(),
        "categorical": plain.astype("category"),
        "arrow": plain.convert_dtypes(dtype_backend="pyarrow"),
        "arrow table": pa.table(columns),
        "polars": Polars(columns),
    }


FORMS = list(frames({}))


@pytest.mark.parametrize("form", FORMS)
def test_pairs_are_taken_in_every_form(form: str) -> None:
    assert pairs_of(frames({"user": USERS, "item": ITEMS, "more": [0, 0, 0]})[form]) == PAIRS


def test_pairs_are_taken_as_tuples_lists_and_rows_of_an_array() -> None:
    assert pairs_of([(7, "a"), ["8", "b"], (np.int64(7), "a")]) == PAIRS
    assert pairs_of(np.array([["7", "a"], ["8", "b"], ["7", "a"]])) == PAIRS
    assert pairs_of(zip(USERS, ITEMS, strict=True)) == PAIRS
    assert pairs_of([]) == []


@pytest.mark.parametrize("form", FORMS)
def test_histories_are_taken_in_every_form(form: str) -> None:
    table = frames({"item": [50, 181], "rating": [5, 4]})[form]
    assert history_of(table, implicit=False) == {"50": 5.0, "181": 4.0}


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "int64[pyarrow]", "category"])
def test_a_series_is_a_history_by_its_index(dtype: str) -> None:
    series = pd.Series([5, 4], index=[50, 181]).astype(dtype)
    assert history_of(series, implicit=False) == {"50": 5.0, "181": 4.0}


def test_of_choices_ids_alone_are_a_history() -> None:
    for ids in (["a", "b"], ("a", "b"), PolarsSeries(["a", "b"]), pa.array(["a", "b"]), np.array(["a", "b"])):
        assert history_of(ids, implicit=True) == {"a": 1.0, "b": 1.0}
    assert history_of(pd.DataFrame({"item": ["a", "b"]}), implicit=True) == {"a": 1.0, "b": 1.0}


def test_candidates_are_taken_as_any_column() -> None:
    for ids in (
        [7, "8"],
        {"7": 0, "8": 0}.keys(),
        pd.Series([7, 8], dtype="Int64"),
        pd.Index([7, 8]),
        PolarsSeries([7, 8]),
    ):
        assert ids_of(ids, "item") == ["7", "8"]


@pytest.mark.parametrize("form", FORMS)
def test_records_are_taken_in_every_form(form: str) -> None:
    table = frames({"id": [1, 2], "genre": ["War", None], "age": [30, None]})[form]
    assert [record.get("genre") for record in records_of(table, "item")] == ["War", None]
    found = [record.get("age") for record in records_of(table, "item")]
    assert (float(found[0]), found[1]) == (30.0, None)
    assert [int(record["id"]) for record in records_of(table, "item")] == [1, 2]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: pairs_of("ab"), "expected pairs of a user id and an item id, got 'ab' (str)"),
        (lambda: pairs_of(3), "expected pairs of a user id and an item id, got 3 (int)"),
        (lambda: pairs_of(["ab"]), "pair number 1 is 'ab' (str); expected a user id and an item id"),
        (lambda: pairs_of([("a", "b"), ("a",)]), "pair number 2 is ('a',) (tuple)"),
        (lambda: pairs_of([("a", None)]), "expected the id of one item, a text or a whole number, got None (NoneType)"),
        (lambda: pairs_of([(True, "a")]), "expected the id of one user, a text or a whole number, got True (bool)"),
        (lambda: pairs_of([(1.5, "a")]), "expected the id of one user, a text or a whole number, got 1.5 (float)"),
        (lambda: pairs_of(pd.DataFrame({"u": [1], "item": [2]})), "columns user and item; this one has u, item"),
        (lambda: history_of([1], implicit=False), "expected a history as item id: stars"),
        (lambda: history_of("abc", implicit=True), "expected a history as the ids of items"),
        (lambda: history_of({"a": "5"}, implicit=False), "expected a number of stars for item 'a', got '5' (str)"),
        (lambda: history_of({"a": pd.NA}, implicit=False), "expected a number of stars for item 'a', got <NA>"),
        (lambda: history_of({"a": True}, implicit=False), "expected a number of stars for item 'a', got True"),
        (lambda: history_of({1: 5, "1": 4}, implicit=False), "item '1' stands twice in the history"),
        (
            lambda: history_of(pd.DataFrame({"item": [1]}), implicit=False),
            "a history is a table with the columns item and",
        ),
        (lambda: ids_of("ab", "item"), "expected a list of item ids, got 'ab' (str)"),
        (lambda: ids_of(5, "item"), "expected a list of item ids, got 5 (int)"),
        (lambda: mapping_of(["Drama"], "filters"), "expected filters as relation: values"),
        (lambda: length_of("10"), "the length of the list must be a whole number, got '10' (str)"),
        (lambda: length_of(2.5), "the length of the list must be a whole number, got 2.5 (float)"),
        (lambda: length_of(0), "the length of the list must be at least 1, got 0"),
        (lambda: raw_id(None, "user"), "expected the id of one user"),
        (lambda: records_of(5, "item"), "expected a list of items, found a single int"),
    ],
)
def test_wrong_types_get_a_sentence(call: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert sentence in str(caught.value)


def test_numbers_that_ratings_hand_out_are_read_only() -> None:
    ratings = Ratings(user=[0, 1], item=[0, 0], value=[1.0, 2.0], time=None, num_users=2, num_items=1)  # type: ignore[arg-type]
    for array in (ratings.user_counts, ratings.item_counts, ratings.levels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
