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
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import LIST_SEPARATOR, Table, read_table

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


LINES = (
    '{"id": 1, "reviewer": {"id": "a"}, "style": {"Color:": "Red"}, "tags": ["x", ["y"]]}\n'
    "\n"
    '{"id": 2, "style": {"Color:": "Blue", "Size:": {"cm": 4}}, "genres": [{"name": "Drama"}, {"name": "War", "id": 7}]}\n'
)


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.jsonl.gz", "t.ndjson.gz", "t.json", "t.json.gz"])
def test_json_lines_are_read_with_fields_of_objects_by_their_paths(tmp_path: Path, name: str) -> None:
    content = LINES.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table = read_table(tmp_path / name)
    assert [table.line(row) for row in range(len(table))] == [1, 3]
    found = {path: table.column(path).tolist() for path in ("id", "reviewer.id", "style.Color:", "style.Size:.cm")}
    assert found == {
        "id": ["1", "2"],
        "reviewer.id": ["a", ""],
        "style.Color:": ["Red", "Blue"],
        "style.Size:.cm": ["", "4"],
    }
    assert table.column("tags").tolist() == [f"x{LIST_SEPARATOR}y", ""]
    assert table.column("genres.name").tolist() == ["", f"Drama{LIST_SEPARATOR}War"]
    with pytest.raises(
        InputError,
        match=r"line 1: the column 'style' holds an object, which is no value; name a field of it: 'style.Color:', 'style.Size:.cm'$",
    ):
        table.column("style")
    with pytest.raises(InputError, match=r"line 3: the column 'genres' holds an object"):
        table.column("genres")
    with pytest.raises(InputError, match=r"expected a column 'reviewer.name'.*Did you mean 'reviewer.id'"):
        table.column("reviewer.name")


def test_objects_in_a_list_of_json_and_in_parquet_have_paths_as_well(tmp_path: Path) -> None:
    records = [json.loads(line) for line in LINES.splitlines() if line]
    (tmp_path / "t.json").write_text(json.dumps(records, indent=1))
    pd.DataFrame({"id": [1, 2], "reviewer": [{"id": "a"}, None]}).to_parquet(tmp_path / "t.parquet")
    for name in ("t.json", "t.parquet"):
        assert read_table(tmp_path / name).column("reviewer.id").tolist() == ["a", ""]
        with pytest.raises(InputError, match=r"line 1: the column 'reviewer' holds an object"):
            read_table(tmp_path / name).column("reviewer")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", '{"a": 1}\n{"a": \n', "line 2: expected JSON, found an error"),
        ("t.jsonl", '{"a": 1}\n\n[1]\n', r"line 3: expected an object on each line \(JSON Lines\), found list"),
        ("t.json", '{"a": 1}\n{"a" 2}\n', "line 2: expected JSON, found an error"),
        ("t.json", '[{"a": 1},\n{"a" 2}]\n', "line 2: expected JSON, found an error"),
        ("t.json", '{"a": 1}\n', "expected a JSON list of objects.*or an object a line"),
        ("t.jsonl", "{'a': u'1'}\n", r"line 1: expected JSON, found single quotes, as Python writes.*literal_eval"),
        ("t.json", "{'a': 1}\n{'a': 2}\n", "line 1: expected JSON, found single quotes"),
        ("t.ndjson", '{"a": ' + "[" * 200_000 + "\n", "nested too deeply"),
        ("t.ndjson", '{"a": "\\ud800"}\n', "half of a character pair"),
    ],
)
def test_what_is_no_json_lines_is_told_with_its_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        '"User-ID";"ISBN";"Age"\n"1";"a;b";"27"\n"2";"c";NULL\n',  # the header is in quotes
        'User-ID;ISBN;Age\n1;"a;b";"27"\n2;"c";NULL\n',  # a column is
        'User-ID;ISBN;Age\r\n1;"a;b";"27"\r\n\r\n2;"c";NULL\r\n',
    ],
)
def test_quotes_count_with_any_separator_where_the_first_rows_show_them(tmp_path: Path, text: str) -> None:
    for separator in ";|\t":
        (tmp_path / "t.dat").write_bytes(text.replace(";", separator).encode())
        table = read_table(tmp_path / "t.dat", TableFormat(separator=separator))
        assert list(table.frame.columns) == ["User-ID", "ISBN", "Age"]
        assert cells(table) == [["1", f"a{separator}b", "27"], ["2", "c", "NULL"]]
        assert table.line(1) == text.count("\n")


def test_a_row_that_quotes_would_mend_names_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('id;t\n1;a\n2;"b; c"\n')
    with pytest.raises(InputError, match=r"line 3: expected 2 fields, found 3, for fields are in quotes.*quote: '\"'"):
        read_table(tmp_path / "t.csv", TableFormat(separator=";"))
    assert cells(read_table(tmp_path / "t.csv", TableFormat(separator=";", quote='"'))) == [["1", "a"], ["2", "b; c"]]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    long = "word, " * 50_000
    (tmp_path / "t.csv").write_text(f'id,t\n1,"{long}"\n')
    table = read_table(tmp_path / "t.csv")
    assert cells(table) == [["1", long]]
    assert table.line(0) == 2


def test_whole_numbers_that_pandas_wrote_as_floats_are_whole(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [1, 2, 3], "year": [2008, None, 1995], "stars": [4.0, 3.5, 1.0], "code": ["1.0", "01.0", ""]}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.csv", "t.parquet", "t.jsonl"):
        table = read_table(tmp_path / name)
        assert table.column("year").tolist() == ["2008", "", "1995"]
        assert table.column("stars").astype(float).tolist() == [4.0, 3.5, 1.0]
        assert table.column("code").tolist() == ["1.0", "01.0", ""]
        assert table.whole == ({} if name == "t.parquet" else {"year": 2})


def test_utf_16_is_read_by_its_mark(tmp_path: Path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "t.tsv").write_bytes("\ufeffid\tt\n1\té\n".encode(encoding))
        assert cells(read_table(tmp_path / "t.tsv")) == [["1", "é"]]
