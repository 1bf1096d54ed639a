from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError
from kg.tables import LIST_SEPARATOR, Table, read_table
from kg.tabular.table_format import TableFormat

ROWS = [["007", "9223372036854775808", "NA"], ["null", "1.50", " x "]]


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in table.frame.itertuples(index=False)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "json", "parquet", "dat"])
def test_every_format_gives_the_same_text(tmp_path: Path, suffix: str, packed: bool) -> None:
    columns = ["a", "b", "c"]
    path = tmp_path / f"table.{suffix}"
    separator = {"csv": ",", "tsv": "\t", "dat": "::"}.get(suffix)
    if separator:
        path.write_text("".join(separator.join(row) + "\r\n" for row in [columns, *ROWS]), newline="")
    elif suffix == "json":
        path.write_text(json.dumps([dict(zip(columns, row, strict=True)) for row in ROWS]))
    else:
        pd.DataFrame(ROWS, columns=columns).to_parquet(path)
    if packed:
        path = path.with_name(path.name + ".gz")
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
    table = read_table(path, TableFormat(separator="::" if suffix == "dat" else None))
    assert list(table.frame.columns) == columns
    assert cells(table) == ROWS


def test_numbers_and_lists_of_json_and_parquet_become_text(tmp_path: Path) -> None:
    record = {"id": 2**63 + 1, "year": 1995, "score": 4.5, "yes": True, "none": None, "cast": ["A, B", "C"]}
    (tmp_path / "a.json").write_text(json.dumps([record, {"id": 1}]))
    first, second = cells(read_table(tmp_path / "a.json"))
    assert first == ["9223372036854775809", "1995", "4.5", "true", "", f"A, B{LIST_SEPARATOR}C"]
    assert second == ["1", "", "", "", "", ""]
    pd.DataFrame([{"id": 2**62, "cast": ["A", "B"]}, {"id": 1, "cast": None}]).to_parquet(tmp_path / "a.parquet")
    assert cells(read_table(tmp_path / "a.parquet")) == [[str(2**62), f"A{LIST_SEPARATOR}B"], ["1", ""]]


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00")), min_size=2, max_size=2
        ),
        max_size=5,
    )
)
def test_any_quoted_csv_round_trips(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b"], *rows])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(text.getvalue().encode())
        table = read_table(path)
        assert cells(table) == rows
        for row in range(len(rows)):
            before = text.getvalue().split("\n")[: table.line(row) - 1]
            assert sum(line.count('"') for line in before) % 2 == 0


CELLS = st.text(st.sampled_from('ab",\n\r '), max_size=3)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=6),
    blanks=st.lists(st.integers(0, 2), min_size=7, max_size=7),
    end=st.sampled_from(["\n", "\r\n"]),
    skipped=st.integers(0, 2),
    last=st.booleans(),
)
def test_every_row_knows_the_line_where_it_starts(
    rows: list[tuple[str, str]], blanks: list[int], end: str, skipped: int, last: bool
) -> None:
    """The oracle counts line breaks while it writes; quoted cells may hold some, and blank lines lie between."""
    text, starts = "skipped\n" * skipped, []
    for row, blank in zip([("a", "b"), *rows], blanks, strict=False):
        text += blank * end
        starts.append(1 + text.replace("\r\n", "\n").replace("\r", "\n").count("\n"))
        text += ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + end
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes((text if last else text.removesuffix(end)).encode())
        table = read_table(path, TableFormat(skip_rows=skipped))
        assert len(table) == len(rows)
        assert table.lines(np.arange(len(rows))).tolist() == starts[1:]
        assert [table.line(row) for row in range(len(rows))] == starts[1:]


def test_line_numbers_count_header_blank_and_quoted_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id,t\n\n1,"a\nb"\n2,c\n')
    table = read_table(tmp_path / "t.csv")
    assert [table.line(row) for row in range(len(table))] == [3, 5]
    (tmp_path / "t.dat").write_text("about\nthis file\n1|a\n\n2|b\n")
    skipping = read_table(tmp_path / "t.dat", TableFormat(separator="|", columns=("id", "t"), skip_rows=2))
    assert cells(skipping) == [["1", "a"], ["2", "b"]]
    assert [skipping.line(row) for row in range(2)] == [3, 5]


@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    first=st.integers(0, 3),
    skipped=st.integers(0, 2),
)
def test_any_lines_come_back_whole_with_their_numbers(lines: list[str], end: str, first: int, skipped: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lines.json"  # the suffix does not matter
        # A byte order mark is no text, so the first line is one that has none.
        path.write_bytes("".join(line + end for line in [*(["x"] * skipped), "first", *lines]).encode())
        table = read_table(path, TableFormat(lines="text", first_line=first, skip_rows=skipped))
        assert table.column("text").tolist() == ["first", *lines]
        assert table.column("line").tolist() == [str(first + number) for number in range(len(lines) + 1)]
        assert [table.line(row) for row in range(len(table))] == [skipped + row + 1 for row in range(len(table))]


def test_the_last_line_may_lack_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\n\ntwo")
    assert read_table(tmp_path / "a.txt", TableFormat(lines="text")).column("text").tolist() == ["one", "", "two"]
    (tmp_path / "b.txt").write_bytes(b"")
    assert len(read_table(tmp_path / "b.txt", TableFormat(lines="text"))) == 0


def test_quotes_are_plain_text_unless_fields_are_separated_by_commas(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('id\tt\n1\t"Crocodile" Dundee\n2\t"open\n')
    assert cells(read_table(tmp_path / "t.tsv")) == [["1", '"Crocodile" Dundee'], ["2", '"open']]
    assert cells(read_table(tmp_path / "t.tsv", TableFormat(quote="'"))) == [
        ["1", '"Crocodile" Dundee'],
        ["2", '"open'],
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfid,t\n1,a\n")
    assert list(read_table(tmp_path / "t.csv").frame.columns) == ["id", "t"]


def test_bad_bytes_are_replaced_on_request_and_counted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,t\n1,caf\xe9\n2,\xff\n")
    table = read_table(tmp_path / "t.csv", TableFormat(bad_bytes="replace"))
    assert cells(table) == [["1", "caf�"], ["2", "�"]]
    assert table.replaced == 2
    assert cells(read_table(tmp_path / "t.csv", TableFormat(encoding="latin-1"))) == [["1", "café"], ["2", "ÿ"]]


def test_utf_16_is_read_when_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("id,t\n1,é\n".encode("utf-16"))
    assert cells(read_table(tmp_path / "t.csv", TableFormat(encoding="utf-16"))) == [["1", "é"]]


def test_a_table_with_columns_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_text("")
    table = read_table(tmp_path / "t.dat", TableFormat(separator="|", columns=("id", "t")))
    assert (len(table), list(table.frame.columns)) == (0, ["id", "t"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", b'[{"a": 1},\n {"a" 2}]', "line 2: expected JSON"),
        ("t.json", b'{"a": 1}', "expected a JSON list of objects"),
        ("t.json", b'[{"a": "\xff"}]', "line 1: expected UTF-8"),
        ("t.json", b'[{"a": "\\ud800"}]', "lone surrogate"),
        ("t.json", b'[{"a": ' + b"9" * 5_000 + b"}]", "a whole number of thousands of digits"),
        ("t.parquet", b"not parquet", "expected a Parquet file"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], "cut off or damaged"),
        ("t.csv", b'a,b\n0,0\n1,"open\n2,3\n', "line 3: the quotes of a field are not closed"),
        ("t.csv", b'a,b\n1,"open\n2,"shut"\n', "line 2: the quotes of a field are not closed"),
    ],
)
def test_damaged_files_are_input_errors(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


def test_an_unknown_encoding_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n")
    with pytest.raises(InputError, match="'latin-99' is unknown"):
        read_table(tmp_path / "t.csv", TableFormat(encoding="latin-99"))


def test_a_directory_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "t.csv")


def test_the_last_column_may_take_the_rest_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('user,artist\n1,"Earth, Wind & Fire\n\n2,Moby\n')
    table = read_table(tmp_path / "t.csv", TableFormat(rest=True))
    assert cells(table) == [["1", '"Earth, Wind & Fire'], ["2", "Moby"]]
    assert [table.line(row) for row in range(2)] == [2, 4]
    (tmp_path / "t.csv").write_text("1,a,b\n2\n")
    with pytest.raises(InputError, match=r"line 2: expected 2 fields separated by ',' \(user, artist\), found 1"):
        read_table(tmp_path / "t.csv", TableFormat(rest=True, columns=("user", "artist")))
