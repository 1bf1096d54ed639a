"""Several problems of a build are told at once; a single one is told as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from kg.build import build
from kg.description import Description
from kg.errors import InputError, JointInputError, Problems

DESCRIBED = """name: many
ratings: {file: ratings.csv, scale: [1, 5]}
items: [{file: items.csv, id: id, label: title, concepts: {year: {column: year, bins: [1990]}, adult: {flags: [adult]}}}]
users: [{file: users.csv, id: id, concepts: {age: {column: age, bins: [18]}}, relations: {friend: {column: near}}}]
"""
FILES = {
    "ratings.csv": "user,item,rating\nu1,i1,5\nu2,i2,4\nu9,i1,3\n",
    "items.csv": "id,title,year,adult\ni1,A,1980,0\ni2,B,1999,1\n",
    "users.csv": "id,age,near\nu1,20,u2\nu2,30,\n",
}


def told(folder: Path, **changed: str) -> InputError:
    for name, content in FILES.items():
        (folder / name).write_text(changed.get(name.removesuffix(".csv"), content))
    (folder / "d.yaml").write_text(DESCRIBED)
    with pytest.raises(InputError) as caught:
        build(Description.load(folder / "d.yaml"))
    return caught.value


def test_problems_of_all_tables_and_of_ratings_come_by_file_and_line(tmp_path: Path) -> None:
    error = told(
        tmp_path,
        items="id,title,year,adult\ni1,A,old,0\ni2,B,1999,maybe\n",
        users="id,age,near\nu1,young,u3\nu2,30,\n",
    )
    assert isinstance(error, JointInputError)
    lines = str(error).splitlines()
    assert lines[0] == "5 problems:"
    assert [line.removeprefix(f"{tmp_path}/").partition(": ")[0] for line in lines[1:]] == [
        "items.csv, line 2",
        "items.csv, line 3",
        "ratings.csv, line 4",
        "users.csv, line 2",
        "users.csv, line 2",
    ]
    assert "expected a number in the column 'year', found 'old'" in lines[1]
    assert "expected 0 or 1 in the column 'adult', found 'maybe'" in lines[2]
    assert "the user 'u9' has no row" in lines[3]
    assert (error.file, error.line) == (str(tmp_path / "items.csv"), 2)


def test_a_single_problem_is_told_as_it_is(tmp_path: Path) -> None:
    error = told(tmp_path, ratings="user,item,rating\nu1,i1,5\nu9,i1,3\n")
    assert not isinstance(error, JointInputError)
    assert str(error).startswith(f"{tmp_path}/ratings.csv, line 3: the user 'u9' has no row")


def test_ten_are_told_and_the_others_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"u{number},x,\n" for number in range(3, 20))
    error = told(tmp_path, users=FILES["users.csv"] + rows, ratings=FILES["ratings.csv"].replace("u9", "u1"))
    lines = str(error).splitlines()
    assert lines[0] == "18 problems:"  # the 17 ages, and the rating that now stands twice
    assert len(lines) == 12
    assert lines[-1] == "and 8 more"


def test_unknown_ids_are_not_told_where_the_ids_of_a_table_are_wrong(tmp_path: Path) -> None:
    error = told(tmp_path, items="id,title,year,adult\ni1,A,1980,0\ni1,B,1999,1\n,C,1999,1\n")
    assert [line.partition("line ")[2][:30] for line in str(error).splitlines()[1:]] == [
        "3: the item id 'i1' stands her",
        "4: expected an item id in the ",
    ]


def test_rows_of_other_lengths_are_told_each_unless_all_are(tmp_path: Path) -> None:
    error = told(tmp_path, users="id,age,near\nu1,20\nu2,30,\nu3,1,2,3\n")
    assert [line.partition("users.csv, line ")[2][:20] for line in str(error).splitlines()[1:]] == [
        "2: expected 3 fields",
        "4: expected 3 fields",
    ]
    assert not isinstance(told(tmp_path, users="id,age,near\nu1,20\nu2,30\n"), JointInputError)


def test_nothing_gathered_is_nothing_told() -> None:
    Problems().tell()
