"""Ratings as people have them: event logs, repeats, codes for "not rated", times of any kind, held-out files apart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.growth.forget import forget
from kg.growth.update import update
from kg.report import report_lines

FIVE = ["u,i,5,10", "u,j,3,20", "v,i,1,30", "v,j,2,40", "w,i,4,50"]


def rows(*lines: str, header: str = "user,item,rating,time") -> str:
    return "".join(f"{line}\n" for line in (header, *lines))


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """A function that builds a data set of `ratings.csv` and other files."""

    def make(
        content: str, files: Mapping[str, str] | None = None, *, rest: Mapping[str, Any] | None = None, **keys: Any
    ) -> Dataset:
        for name, text in {"ratings.csv": content, **(files or {})}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        table = {"file": "ratings.csv", **keys}
        (tmp_path / "d.yaml").write_text(yaml.safe_dump({"name": "d", "ratings": table, **(rest or {})}))
        return build(Description.load(tmp_path / "d.yaml"))

    return make


def of(dataset: Dataset) -> dict[tuple[str, str], float]:
    """The value of each rating, by raw ids."""
    users, items = dataset.graph.users.vocabulary, dataset.graph.items.vocabulary
    ratings = dataset.ratings
    return {
        (users.id_of(user), items.id_of(item)): value
        for user, item, value in zip(ratings.user, ratings.item, ratings.value.tolist(), strict=True)
    }


def account(dataset: Dataset, file: str = "ratings.csv") -> Any:
    return dataset.report["files"][file]  # type: ignore[index]


# Repeats

AGAIN = rows("u,i,5,30", "u,j,2,10", "u,i,1,20", "v,i,3,5", "u,i,3,10", "u,j,2,10")


@pytest.mark.parametrize(
    ("repeats", "first", "second", "time"),
    [("last", 5, 2, 30), ("first", 3, 2, 10), ("mean", 3, 2, 30), ("sum", 9, 4, 30), ("count", 3, 2, 30)],
)
def test_repeats_become_one_rating(made: Any, repeats: str, first: float, second: float, time: int) -> None:
    dataset = made(AGAIN, repeats=repeats)
    alone = 1 if repeats == "count" else 3
    assert of(dataset) == {("u", "i"): first, ("u", "j"): second, ("v", "i"): alone}
    times = dict(zip(of(dataset), dataset.ratings.time.tolist(), strict=True))
    assert times == {("u", "i"): time, ("u", "j"): 10, ("v", "i"): 5}
    assert (account(dataset)["rows"], account(dataset)["kept"]) == (6, 3)
    assert sum(account(dataset)["dropped"].values()) == 3
    assert next(iter(account(dataset)["dropped"])).startswith("repeats")


def test_without_times_the_order_of_rows_decides(made: Any) -> None:
    lines = ("u,i,5", "u,i,1", "v,i,3", "u,i,2")
    assert of(made(rows(*lines, header="user,item,rating"), repeats="last"))["u", "i"] == 2
    assert of(made(rows(*lines, header="user,item,rating"), repeats="first"))["u", "i"] == 5


def test_the_error_counts_all_repeats_and_names_the_key(made: Any) -> None:
    with pytest.raises(
        InputError,
        match=r"line 4: user 'u' rates item 'i' for the second time, first in line 2 \(2 such pairs in all\); keep one of the two, or give repeats: last",
    ):
        made(AGAIN)


def test_choices_count_once_at_their_first_time(made: Any) -> None:
    dataset = made(rows("u,i,30", "u,j,10", "u,i,20", header="user,item,time"), feedback="implicit")
    assert of(dataset) == {("u", "j"): 1, ("u", "i"): 1}
    assert dataset.ratings.time.tolist() == [10, 20]
    assert dataset.ratings.weight is None
    assert account(dataset)["dropped"] == {"repeats, counted once": 1}


def test_sums_and_counts_are_held_to_a_scale_that_is_given(made: Any) -> None:
    assert made(AGAIN, repeats="sum").scale == (3, 9)
    assert made(AGAIN, repeats="sum", scale=[1, 10]).scale == (1, 10)
    with pytest.raises(
        InputError, match="the rows of user 'u' and item 'i' make a rating of 9, the scale goes from 1 to 5"
    ):
        made(AGAIN, repeats="sum", scale=[1, 5])
    ones = made(rows("u,i", "v,i", header="user,item"), repeats="count")
    assert (ones.scale, ones.implicit) == ((1, 2), False)


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from("uv"), st.sampled_from("ij"), st.integers(1, 5), st.integers(1, 9)),
        min_size=1,
        max_size=19,
    ),
    repeats=st.sampled_from(["last", "first", "mean", "sum", "count"]),
)
def test_repeats_agree_with_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str, int, int]], repeats: str
) -> None:
    folder = tmp_path_factory.mktemp("repeats")
    (folder / "r.csv").write_text(rows(*(",".join(map(str, row)) for row in pairs)))
    description = Description.model_validate({"name": "r", "ratings": {"file": "r.csv", "repeats": repeats}})
    expected: dict[tuple[str, str], list[int]] = {}
    for user, item, value, _ in sorted(pairs, key=lambda row: row[3]):
        expected.setdefault((user, item), []).append(value)
    join = {
        "last": lambda values: values[-1],
        "first": lambda values: values[0],
        "mean": lambda values: sum(values) / len(values),
        "sum": sum,
        "count": len,
    }[repeats]
    found = of(build(description, data=folder))
    assert found == pytest.approx({pair: join(values) for pair, values in expected.items()})


# Events

EVENTS = rows(
    "1,u,view,i",
    "2,u,view,i",
    "3,u,purchase,i",
    "4,u,view,j",
    "5,v,purchase,i",
    "6,v,addtocart,j",
    header="timestamp,visitorid,event,itemid",
)
LOG = {"user": "visitorid", "item": "itemid", "time": "timestamp", "feedback": "implicit"}


def test_only_some_events_are_meant_and_the_others_counted(made: Any) -> None:
    dataset = made(EVENTS, where={"event": ["purchase", "addtocart"]}, **LOG)
    assert set(of(dataset)) == {("u", "i"), ("v", "i"), ("v", "j")}
    assert account(dataset)["dropped"] == {"event is not as in where": 3}
    assert set(of(made(EVENTS, where={"event": "purchase"}, **LOG))) == {("u", "i"), ("v", "i")}
    assert set(of(made(EVENTS, where={"event": "view", "timestamp": "< 4"}, **LOG))) == {("u", "i")}
    assert set(of(made(EVENTS, where="timestamp >= 5", **LOG))) == {("v", "i"), ("v", "j")}
    assert set(of(made(EVENTS, where={"timestamp": [4.0, "6"]}, **LOG))) == {("u", "j"), ("v", "j")}


def test_a_value_that_no_row_has_is_named_with_those_there_are(made: Any) -> None:
    with pytest.raises(
        InputError,
        match=r"where: no row has 'transaction' in the column 'event'; it has 'view' \(3\), 'purchase' \(2\), 'addtocart' \(1\)",
    ):
        made(EVENTS, where={"event": ["purchase", "transaction"]}, **LOG)
    with pytest.raises(InputError, match="expected a column 'kind'"):
        made(EVENTS, where={"kind": "purchase"}, **LOG)


@pytest.mark.parametrize(
    ("repeats", "weights", "time"),
    [(None, 1.0, 1), ("sum", 1.5, 3), ("last", 1.0, 3), ("first", 0.25, 1), ("mean", 0.5, 3)],
)
def test_events_have_weights(made: Any, repeats: str | None, weights: float, time: int) -> None:
    weight = {"column": "event", "values": {"view": 0.25, "purchase": 1, "addtocart": 0.5}}
    dataset = made(EVENTS, weight=weight, repeats=repeats, **LOG)
    found = dict(zip(of(dataset), dataset.ratings.weight.tolist(), strict=True))
    assert found == {("u", "i"): weights, ("u", "j"): 0.25, ("v", "i"): 1, ("v", "j"): 0.5}
    assert set(dataset.ratings.value.tolist()) == {1.0}
    assert dict(zip(of(dataset), dataset.ratings.time.tolist(), strict=True))["u", "i"] == time


def test_counted_choices_have_their_number_as_weight(made: Any) -> None:
    dataset = made(EVENTS, repeats="count", **LOG)
    assert dict(zip(of(dataset), dataset.ratings.weight.tolist(), strict=True))["u", "i"] == 3


def test_a_column_of_weights_stays_with_the_graph(made: Any, tmp_path: Path) -> None:
    dataset = made(rows("u,i,5,10", "v,i,3,0.5", header="user,item,rating,plays"), weight="plays")
    assert dataset.ratings.weight.tolist() == [10, 0.5]
    dataset.save(tmp_path / "graph")
    loaded = Dataset.load(tmp_path / "graph")
    assert loaded.ratings.weight is not None
    assert loaded.ratings.weight.tolist() == [10, 0.5]
    with pytest.raises(InputError, match=r"line 3: expected a weight, a number above 0, found '0'"):
        made(rows("u,i,5,10", "v,i,3,0", header="user,item,rating,plays"), weight="plays")
    with pytest.raises(
        InputError, match=r"line 2: expected one of 'b' in the column 'rating', found '5'; give it a weight"
    ):
        made(rows("u,i,5", "v,i,4", header="user,item,rating"), weight={"column": "rating", "values": {"b": 1}})


def test_a_graph_without_weights_has_no_column_of_them(made: Any, tmp_path: Path) -> None:
    made(rows(*FIVE)).save(tmp_path / "graph")
    assert "weight" not in pq.read_table(tmp_path / "graph" / "ratings.parquet").column_names
    assert Dataset.load(tmp_path / "graph").ratings.weight is None


def test_a_log_of_events_as_shops_have_it(made: Any) -> None:
    """An event log with views, carts and transactions, repeats, and milliseconds."""
    kinds = ("view", "addtocart", "transaction")
    lines = [f"{1433221332117 + 1000 * n},{100 + n % 15},{kinds[n % 3]},{(n * n) % 12}," for n in range(120)]
    content = rows(*lines, header="timestamp,visitorid,event,itemid,transactionid")
    keys = {**LOG, "where": {"event": "transaction"}, "repeats": "count"}
    dataset = made(content, **keys)
    counts: dict[tuple[str, str], int] = {}
    times: dict[tuple[str, str], int] = {}
    for n in range(2, 120, 3):
        pair = (str(100 + n % 15), str((n * n) % 12))
        counts[pair] = counts.get(pair, 0) + 1
        times[pair] = 1433221332 + n
    assert dict(zip(of(dataset), dataset.ratings.weight.tolist(), strict=True)) == counts
    assert dict(zip(of(dataset), dataset.ratings.time.tolist(), strict=True)) == times
    found = account(dataset)
    assert found["dropped"] == {"event is not as in where": 80, "repeats, counted": 40 - len(counts)}
    assert found["counts"] == {"times in milliseconds": 40}


# What was not rated, and stars that say nothing


def test_codes_for_not_rated_are_left_aside_and_counted(made: Any) -> None:
    content = rows(*FIVE, "w,j,0,60", "x,i,-1,70", "x,j,0.0,80")
    dataset = made(content, missing=[0, -1])
    assert of(dataset) == of(made(rows(*FIVE)))
    assert account(dataset) == {"rows": 8, "kept": 5, "dropped": {"not rated: missing": 3}}
    with pytest.raises(
        InputError, match=r"line 7: expected a rating from 1 to 5, found 0; .*give missing: \[0\] under ratings"
    ):
        made(rows(*FIVE, "w,j,0,60"))
    with pytest.raises(InputError, match=r"found 'NA', which is not a number, as in 2 of 7 rows; .*missing: \['NA'\]"):
        made(rows(*FIVE, "w,j,NA,60", "x,j,NA,60"))
    assert of(made(rows(*FIVE, "w,j,NA,60"), missing="NA")) == of(made(rows(*FIVE)))


def books(codes: int, code: float = 0) -> str:
    """Ratings from 1 to 10 of a list of books, and some of a code."""
    rated = [f"u{n},i{n % 7},{n % 10 + 1}" for n in range(100)]
    return rows(*rated, *(f"v{n},i{n % 7},{code}" for n in range(codes)), header="user,item,rating")


@pytest.mark.parametrize(("code", "number"), [(-1, 10), (0, 200)])
def test_many_codes_far_from_the_scale_are_a_question(made: Any, code: float, number: int) -> None:
    with pytest.raises(
        InputError,
        match=rf"{number} of {100 + number} ratings are {code} and .*give missing: \[{code}\] .* missing: \[\]",
    ):
        made(books(number, code), scale=[code, 10])
    assert len(made(books(number, code), scale=[code, 10], missing=[]).ratings) == 100 + number
    assert len(made(books(number, code), scale=[code, 10], missing=[code]).ratings) == 100


@pytest.mark.parametrize(
    "content",
    [
        books(3, -1),  # few
        books(30, 0),  # a level like the others
        rows(*(f"u{n},i{n % 7},{n % 2}" for n in range(40)), header="user,item,rating"),  # thumbs up and down
        rows(*(f"u{n},i{n % 7},{n % 21 - 10}" for n in range(100)), header="user,item,rating"),  # from -10 to 10
    ],
)
def test_low_ratings_are_left_in_peace(made: Any, content: str) -> None:
    assert len(made(content, scale=[-10, 10]).ratings) == content.count("\n") - 1


ALIKE = rows(*(f"u{n % 30},i{n // 30},5" for n in range(240)), header="user,item,rating")


def test_stars_that_are_all_the_same_name_implicit_feedback(made: Any) -> None:
    with pytest.raises(
        InputError,
        match="every rating is 5, so they say no more than that something was chosen; give feedback: implicit under ratings and leave out scale",
    ):
        made(ALIKE, scale=[1, 5])
    dataset = made(ALIKE, feedback="implicit")
    assert (len(dataset.ratings), dataset.implicit) == (240, True)
    assert account(dataset)["counts"] == {"values of the column 'rating', not read": 240}
    half = made(rows("u,i,5", "u,j,3", "v,i,4", header="user,item,rating"), feedback="implicit", where="rating >= 4")
    assert set(of(half)) == {("u", "i"), ("v", "i")}
    assert account(half) == {"rows": 3, "kept": 2, "dropped": {"rating is not as in where": 1}}


def test_a_continuous_scale_is_built_and_told(made: Any) -> None:
    values = np.random.default_rng(0).uniform(-10, 10, 240).round(2)
    dataset = made(
        rows(*(f"u{n % 30},i{n // 30},{value}" for n, value in enumerate(values)), header="user,item,rating"),
        scale=[-10, 10],
    )
    np.testing.assert_allclose(dataset.ratings.value, values.astype(np.float32))
    assert f"in {len(set(values))} different values" in report_lines(dataset.report)[0]
    whole = made(
        rows(*(f"u{n % 30},i{n // 30},{n % 21 - 10}" for n in range(240)), header="user,item,rating"), scale=[-10, 10]
    )
    assert whole.ratings.levels.tolist() == list(range(-10, 11))
    assert "different values" not in report_lines(whole.report)[0]


# Times

SECONDS = [1_434_301_332, 1_439_816_532, 0, 1_500_000_000, 1_600_000_001]


def timed(times: list[Any]) -> str:
    return rows(*(f"u,i{n},{n % 5 + 1},{time}" for n, time in enumerate(times)))


@pytest.mark.parametrize(("factor", "unit"), [(10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")])
def test_unix_times_in_any_unit_are_recognised_and_told(made: Any, factor: int, unit: str) -> None:
    dataset = made(timed([second * factor + (factor // 2 if second else 0) for second in SECONDS]))
    assert dataset.ratings.time.tolist() == SECONDS
    assert account(dataset)["counts"] == {f"times in {unit}": 5}
    assert any(f"5 times in {unit}" in line for line in report_lines(dataset.report))


def test_seconds_stay_seconds(made: Any) -> None:
    plain = made(timed(SECONDS))
    assert plain.ratings.time.tolist() == SECONDS
    assert account(plain) == {"rows": 5, "kept": 5}
    assert made(timed(["1433221332.117", "0.5"])).ratings.time.tolist() == [1433221332, 0]
    assert made(timed([-8640009, -259200017])).ratings.time.tolist() == [-8640009, -259200017]
    with pytest.raises(InputError, match="line 2: expected a Unix time, found '99999999999999999999'"):
        made(timed(["99999999999999999999"]))


def test_two_units_in_one_column_are_refused(made: Any) -> None:
    with pytest.raises(
        InputError,
        match="line 4: expected a Unix time in milliseconds as in most rows, found '1434301332', which looks like seconds",
    ):
        made(timed([1434301332117, 1434301332118, 1434301332]))


def test_dates_as_text_are_read_in_utc_unless_they_say_otherwise(made: Any) -> None:
    noon = int(datetime(2015, 6, 1, 12, tzinfo=UTC).timestamp())
    day = noon - 12 * 3600
    given = [
        "2015-06-01T12:00:00+02:00",
        "2015-06-01 12:00:00",
        "2015-06-01T12:00:00Z",
        "2015-06-01",
        "2015-06-01T12:00:00.75",
    ]
    iso = made(timed(given))
    assert iso.ratings.time.tolist() == [noon - 7200, noon, noon, day, noon]
    assert account(iso)["counts"] == {"times written in ISO 8601": 5}
    american = made(timed(["06/01/2015 12:00:00 PM", "06/01/2015 01:00:00 AM"]), time_format="%m/%d/%Y %I:%M:%S %p")
    assert american.ratings.time.tolist() == [noon, day + 3600]
    assert made(timed(["01.06.2015 12:00 +0200"]), time_format="%d.%m.%Y %H:%M %z").ratings.time.tolist() == [
        noon - 7200
    ]
    assert made(timed(["20150601", "20150602"])).ratings.time.tolist() == [day, day + 86400]


@given(st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5), st.integers(-14, 14))
def test_any_iso_time_is_the_second_it_names(
    tmp_path_factory: pytest.TempPathFactory, moments: list[datetime], hours: int
) -> None:
    folder = tmp_path_factory.mktemp("iso")
    east = UTC if hours == 0 else timezone(timedelta(hours=hours))
    written = [moment.replace(microsecond=0, tzinfo=east) for moment in moments]
    (folder / "r.csv").write_text(timed([moment.isoformat() for moment in written]))
    ratings = build(Description.model_validate({"name": "r", "ratings": {"file": "r.csv"}}), data=folder).ratings
    assert ratings.time is not None
    assert ratings.time.tolist() == [int(moment.timestamp()) for moment in written]


@pytest.mark.parametrize(
    ("times", "keys", "sentence"),
    [
        (["yesterday"], {}, "line 2: expected a Unix time or an ISO 8601 date, found 'yesterday'; correct it, or give another time_format"),
        (["1434301332", "2015-06-01", "1434301332"], {}, "line 3: expected a Unix time, found '2015-06-01'; correct it, or give time_format"),
        (["01/31/2015", "31/01/2015"], {"time_format": "%m/%d/%Y"}, "line 3: expected a time written '%m/%d/%Y', found '31/01/2015'"),
        (["2015"], {"time_format": "%Q"}, "time_format: '%Q' is no format of dates"),
        (["2015"], {"time_format": "%Y", "time": None}, "time_format needs a column of times"),
    ],
)  # fmt: skip
def test_other_times_are_refused(made: Any, times: list[str], keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        made(timed(times), **keys)


# Held-out ratings in files of their own

PART = {"splits": {"mine": {"parts": {"warm": "test.csv"}}}}
TEST = {"splits": {"mine": {"test": "test.csv"}}}
CHOSEN = ("u,i", "u,j", "v,i")
PAIRS = "user,item"


@pytest.mark.parametrize("rest", [PART, TEST])
def test_a_held_out_file_that_is_no_file_of_ratings_joins_them(made: Any, rest: dict[str, Any]) -> None:
    files = {"test.csv": rows("v,j", "w,k", header=PAIRS)}
    dataset = made(rows(*CHOSEN, header=PAIRS), files, rest=rest, feedback="implicit")
    assert list(of(dataset)) == [("u", "i"), ("u", "j"), ("v", "i"), ("v", "j"), ("w", "k")]
    (held_out,) = dataset.splits["mine"].roles.values()
    assert held_out.tolist() == [3, 4]
    assert account(dataset, "test.csv") == {
        "rows": 2, "kept": 2, "counts": {"held-out ratings that are in no file of ratings, added": 2},
    }  # fmt: skip


def test_a_held_out_file_may_repeat_ratings_or_add_some_but_not_both(made: Any) -> None:
    files = {"test.csv": rows("v,i", "u,j", header=PAIRS)}
    dataset = made(rows(*CHOSEN, header=PAIRS), files, rest=PART, feedback="implicit")
    assert len(dataset.ratings) == 3
    assert dataset.splits["mine"].parts["warm"].tolist() == [1, 2]
    files = {"test.csv": rows("v,i", "u,j", "w,i", header=PAIRS)}
    with pytest.raises(InputError, match=r"item 'k' by user 'v' is not among the ratings, as are 1 of the 2 here"):
        made(
            rows(*CHOSEN, "w,k", header=PAIRS),
            {"test.csv": rows("v,i", "v,k", header=PAIRS)},
            rest=PART,
            feedback="implicit",
        )


def test_stars_and_times_come_with_held_out_files(made: Any) -> None:
    files = {"test.csv": rows("x,i,2,60", "u,k,5,70"), "second.csv": rows("x,j,1,80")}
    rest = {
        "splits": {"mine": {"parts": {"warm": "test.csv", "validation": "second.csv"}}, "again": {"test": "test.csv"}}
    }
    dataset = made(rows(*FIVE), files, rest=rest)
    assert of(dataset)["u", "k"] == 5
    assert dataset.ratings.time.tolist() == [10, 20, 30, 40, 50, 60, 70, 80]
    assert dataset.splits["mine"].parts["warm"].tolist() == dataset.splits["again"].test_ratings.tolist() == [5, 6]
    assert dataset.splits["mine"].validation_ratings.tolist() == [7]
    with pytest.raises(InputError, match=r"test\.csv: expected times as in ratings\.csv, found none"):
        made(rows(*FIVE), {"test.csv": rows("x,i,2", header="user,item,rating")}, rest=TEST)


@pytest.mark.parametrize("repeats", [None, "last"])
def test_what_is_held_out_is_never_joined_with_what_is_not(made: Any, repeats: str | None) -> None:
    files = {"test.csv": rows("w,i", "u,i", header=PAIRS)}
    with pytest.raises(
        InputError,
        match=r"test\.csv, line 3: user 'u' chooses item 'i' for the second time, first in \S*ratings\.csv, line 2.*a split holds out",
    ):
        made(
            rows(*CHOSEN, header=PAIRS),
            files,
            rest=PART,
            file=["ratings.csv", "test.csv"],
            feedback="implicit",
            repeats=repeats,
        )


def test_repeats_in_a_held_out_part_are_an_error_unless_the_key_is_given(made: Any) -> None:
    files = {"test.csv": rows("w,i", "w,i", header=PAIRS)}
    with pytest.raises(
        InputError, match=r"test\.csv, line 3: user 'w' chooses item 'i' for the second time, first in line 2"
    ):
        made(rows(*CHOSEN, header=PAIRS), files, rest=PART, file=["ratings.csv", "test.csv"], feedback="implicit")
    joined = made(rows(*CHOSEN, header=PAIRS), files, rest=PART, feedback="implicit", repeats="last")
    assert joined.splits["mine"].parts["warm"].tolist() == [3]


# Ids without a row

TABLES = {
    "items.csv": "id,title\ni,Eye\nj,Jay\n",
    "more.csv": "id,title\nk,Kay\n",
    "users.csv": "id,age\nu,20\nv,40\n",
}
ABOUT = {
    "items": [{"file": "items.csv", "id": "id", "label": "title", "text": "{title}"}],
    "users": [{"file": "users.csv", "id": "id", "concepts": {"age": {"column": "age", "bins": [30]}}}],
}
GHOSTS = rows("u,i,5,1", "v,j,3,2", "ghost,i,4,3", "u,k,2,4", "ghost,k,1,5")


def test_ids_without_a_row_may_join_and_are_counted(made: Any, tmp_path: Path) -> None:
    dataset = made(GHOSTS, TABLES, rest=ABOUT, unlisted="keep")
    users, items = dataset.graph.users, dataset.graph.items
    assert (list(users.vocabulary), list(items.vocabulary)) == (["u", "v", "ghost"], ["i", "j", "k"])
    assert (items.labels.tolist(), items.texts.tolist()) == (["Eye", "Jay", "k"], ["Eye", "Jay", None])
    assert len(dataset.ratings) == 5
    assert account(dataset, "users.csv") == {
        "rows": 2,
        "kept": 2,
        "counts": {"users of the ratings without a row, kept": 1},
    }
    assert account(dataset, "items.csv") == {
        "rows": 2,
        "kept": 2,
        "counts": {"items of the ratings without a row, kept": 1},
    }
    dataset.save(tmp_path / "graph")
    (tmp_path / "ratings.csv").write_text(GHOSTS + "third,i,5,6\n")
    again = update(Description.load(tmp_path / "d.yaml"), tmp_path / "graph").dataset
    assert list(again.graph.users.vocabulary) == ["u", "v", "ghost", "third"]


def test_later_tables_add_to_ids_without_a_row(made: Any) -> None:
    more = [*ABOUT["items"], {"file": "more.csv", "id": "id", "label": "title"}]
    dataset = made(GHOSTS, TABLES, rest={**ABOUT, "items": more}, unlisted="keep")
    assert dataset.graph.items.labels.tolist() == ["Eye", "Jay", "Kay"]


@pytest.mark.parametrize("key", ["unlisted", "unknown_ids"])
def test_ids_without_a_row_may_be_dropped_by_either_name_of_the_key(made: Any, key: str) -> None:
    dataset = made(GHOSTS, TABLES, rest=ABOUT, **{key: "drop"})
    assert set(of(dataset)) == {("u", "i"), ("v", "j")}
    assert account(dataset)["dropped"] == {"no user of this id": 2, "no item of this id": 1}


def test_ids_without_a_row_are_counted_in_the_error_that_names_the_key(made: Any) -> None:
    with pytest.raises(
        InputError,
        match=r"line 4: the user 'ghost' has no row .* \(2 such ratings in all\); add it there, or give unlisted: keep \(or drop\)",
    ):
        made(GHOSTS, TABLES, rest=ABOUT)
    with pytest.raises(InputError, match="unlisted is the new name of unknown_ids"):
        made(GHOSTS, TABLES, rest=ABOUT, unlisted="drop", unknown_ids="drop")


def test_ids_that_differ_in_their_unicode_form_are_told(made: Any) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    dataset = made(rows(f"u,{composed},5,1", f"v,{decomposed},3,2"))
    assert len(dataset.graph.items) == 2
    (note,) = (one for one in dataset.report["notes"] if "Unicode" in one)
    assert f"{composed!r} of 4 and {decomposed!r} of 5 code points" in note
    with pytest.raises(InputError, match="another Unicode form"):
        made(
            rows(f"u,{decomposed},5,1"),
            {"items.csv": f"id\n{composed}\n"},
            rest={"items": [{"file": "items.csv", "id": "id"}]},
        )
    assert made(rows("u,\u00e9,5,1", "u,e,4,2")).report["notes"] == []


# What was shown and not taken

SHOWN = rows("u,i,1,1", "u,j,0,2", "u,k,0,3", "u,j,0,4", "u,k,1,5", "v,i,0,6", "v,j,1,7", header="user,item,click,time")
IMPRESSIONS = {"feedback": "implicit", "clicked": "click"}


def shown(dataset: Dataset) -> set[tuple[str, str]]:
    assert dataset.shown is not None
    users, items = dataset.graph.users.vocabulary, dataset.graph.items.vocabulary
    return {(users.id_of(u), items.id_of(i)) for u, i in zip(dataset.shown.user, dataset.shown.item, strict=True)}


def test_what_was_shown_and_not_taken_is_no_choice(made: Any, tmp_path: Path) -> None:
    dataset = made(SHOWN, **IMPRESSIONS)
    assert of(dataset) == {("u", "i"): 1, ("u", "k"): 1, ("v", "j"): 1}
    assert shown(dataset) == {("u", "j"), ("v", "i")}
    assert dataset.ratings.user_counts.tolist() == [2, 1]
    assert account(dataset) == {
        "rows": 7,
        "kept": 5,
        "dropped": {"shown, and taken another time": 1, "shown several times, counted once": 1},
    }
    assert (
        "3 choices (implicit feedback: no stars); 2 more were shown and not taken." in report_lines(dataset.report)[0]
    )
    dataset.save(tmp_path / "graph")
    loaded = Dataset.load(tmp_path / "graph")
    assert (of(loaded), shown(loaded)) == (of(dataset), shown(dataset))
    assert loaded.fingerprint == dataset.fingerprint
    with pytest.raises(
        InputError, match=r"line 3: expected 1 \(taken\) or 0 \(shown, not taken\) in the column 'click', found 'x'"
    ):
        made(SHOWN.replace("u,j,0,2", "u,j,x,2"), **IMPRESSIONS)


def test_lists_of_what_was_shown_and_taken(made: Any) -> None:
    lists = rows("u,i j k,i k,1", "u,j,,2", "v,i j,j,3", header="user,impressions,clicks,time")
    keys = {"feedback": "implicit", "shown": "impressions", "clicked": "clicks", "split": " "}
    dataset = made(lists, **keys)
    assert of(dataset) == {("u", "i"): 1, ("u", "k"): 1, ("v", "j"): 1}
    assert shown(dataset) == {("u", "j"), ("v", "i")}
    assert dataset.ratings.time.tolist() == [1, 1, 3]
    assert account(dataset) == {"rows": 6, "kept": 5, "dropped": {"shown several times, counted once": 1}}
    text = '[{"user": "u", "impressions": ["i", "j"], "clicks": ["i"]}, {"user": "v", "impressions": ["i"], "clicks": ["k"]}]'
    json = made("", {"r.json": text}, **{**keys, "split": None}, file="r.json")
    assert (set(of(json)), shown(json)) == ({("u", "i"), ("v", "k")}, {("u", "j"), ("v", "i")})


def test_what_was_shown_in_a_held_out_part_is_left_aside(made: Any) -> None:
    files = {"test.csv": rows("u,x,1,8", "u,y,0,9", "v,i,1,9", "v,k,0,9", header="user,item,click,time")}
    dataset = made(SHOWN, files, rest=TEST, **IMPRESSIONS)
    assert dataset.splits["mine"].test_ratings.tolist() == [3, 4]
    assert shown(dataset) == {("u", "j")}
    assert account(dataset, "test.csv")["dropped"] == {"shown and not taken, in a part that is held out": 2}


def test_people_who_are_forgotten_leave_nothing_they_were_shown(made: Any) -> None:
    left = forget(made(SHOWN, **IMPRESSIONS), ["v"]).dataset
    assert shown(left) == {("u", "j")}
    assert left.report["ratings"]["shown"] == 1  # type: ignore[index]


def test_an_update_keeps_the_indices_of_what_was_shown(made: Any, tmp_path: Path) -> None:
    made(SHOWN, **IMPRESSIONS).save(tmp_path / "graph")
    (tmp_path / "ratings.csv").write_text("user,item,click,time\nw,z,1,1\nw,j,0,2\n" + SHOWN.partition("\n")[2])
    found = update(Description.load(tmp_path / "d.yaml"), tmp_path / "graph").dataset
    assert list(found.graph.users.vocabulary) == ["u", "v", "w"]
    assert shown(found) == {("u", "j"), ("v", "i"), ("w", "j")}
    assert found.ledger_version == 2


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"clicked": "click"}, "clicked goes with feedback: implicit"),
        ({"feedback": "implicit", "shown": "s"}, "shown needs clicked"),
        ({"feedback": "implicit", "clicked": "click", "split": " "}, "split goes with shown"),
        ({"feedback": "implicit", "clicked": "c", "shown": "s", "item": "i"}, "leave out item"),
    ],
)
def test_keys_of_impressions_go_together(made: Any, keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        made(SHOWN, **keys)


def test_merged_items_were_taken_if_one_of_them_was(made: Any) -> None:
    content = rows("u,i,1,1", "u,k,0,2", "v,i,0,3", "v,k,0,4", "v,j,1,5", header="user,item,click,time")
    items = {"items.csv": "id,link\ni,http://x.example/a\nk,http://x.example/a\nj,http://x.example/b\n"}
    rest = {"items": [{"file": "items.csv", "id": "id", "same_as": "link"}], "merge": True}
    dataset = made(content, items, rest=rest, **IMPRESSIONS)
    assert set(of(dataset)) == {("u", "i"), ("v", "j")}
    assert shown(dataset) == {("v", "i")}
