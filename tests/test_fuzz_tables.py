"""Spoilt descriptions and tables: a build ends in a graph whose account adds up, or in one sentence.

Unlike in `test_fuzz.py`, cells, columns and keys are changed and then written properly, so that a file is often still a table: the
number of its rows is known beforehand. Each case is made from its number alone: `python tests/test_fuzz_tables.py 4711` runs case
4711, `python tests/test_fuzz_tables.py 0 10000` the first ten thousand.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from kg.errors import InputError, JointInputError
from training.cli import app

CASES = 300
MANY = int(os.environ.get("KGREC_FUZZ", "500"))

DESCRIPTION: dict[str, Any] = {
    "name": "fuzzed",
    "ratings": {"file": "ratings.csv", "scale": [1, 5], "unknown_ids": "drop"},
    "items": [
        {
            "file": "items.csv",
            "id": "id",
            "label": "{title} ({year})",
            "text": "{title}. {plot}",
            "missing": ["", "N/A"],
            "concepts": {
                "genre": {"column": "genres", "split": "|"},
                "decade": {"column": "year", "pattern": r"^(\d{3})", "wording": "{}0s"},
            },
        },
        {"file": "extra.json", "id": "key", "concepts": {"tag": {"column": "tags"}, "length": {"column": "minutes", "bins": [60, 90]}}},
    ],
    "users": [{"file": "users.tsv", "id": "id", "concepts": {"age": {"column": "age", "bins": [18, 25]}, "job": {"column": "job"}}}],
    "splits": {"canonical": {"test": "test.csv"}},
}  # fmt: skip
TABLES: dict[str, list[list[str]]] = {
    "ratings.csv": [
        ["user", "item", "rating", "time"],
        *([str(user), str(item), str(1 + (user * item) % 5), str(10**9 + item)] for user in range(4) for item in range(5)),
    ],
    "items.csv": [
        ["id", "title", "year", "genres", "plot"],
        *([str(item), f"Film {item}", str(1990 + item), "Drama|War", 'A "quoted", plot.'] for item in range(5)),
    ],
    "users.tsv": [["id", "age", "job"], *([str(user), str(15 + 5 * user), "spy"] for user in range(4))],
    "test.csv": [["user", "item", "rating", "time"], ["1", "1", "2", "1000000001"], ["2", "3", "2", "1000000003"]],
}  # fmt: skip
RECORDS: list[dict[str, Any]] = [
    {"key": str(item), "tags": ["long", "loud"], "minutes": 50 + 20 * item} for item in range(5)
]

HOSTILE = (
    "", " ", "N/A", "nan", "NaN", "inf", "-inf", "1e999", "-1e999", "1e-999", "9" * 30, "9" * 5_000, "-1", "-0", "0", "0x10", "1_000", "1,5", "1.5",
    "2.0", "٣", "1e3", "true", "null", "None", "2001-01-01", "2001-01-01T10:00:00Z", "1:30", "9223372036854775808", "\t", ",", "|", ";", "::", '"', '""', "'",
    "\\", "\n", "\r", "\r\n", "a\nb", "\x00", "\x1a", "\x1f", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ufeff", "\ufffe", "\ud800", "e\u0301", "é", "İ",
    "=1+1", "{title}", "{}", "[]", "*a", "&a", "#", "<b>", "&amp;", "🎬", "A" * 70_000,
)  # fmt: skip
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", " ", "no such", "ratings.csv", "items.csv", ".", "..", "/", "/dev/null", "\x00",
    [], [[]], [None], {}, {"a": 1}, [1, 5], [5, 1], ["id"], {"column": "id"}, "{", "{title", "}", "{no}", "(", "(a+)+$", "[", ",", "\t", '"', "::", "utf-16",
    "no-such-encoding", "implicit", "drop", "error", "A" * 300, "\ud800", {"file": "ratings.csv"}, ["ratings.csv", "ratings.csv"], ["ratings.csv", "test.csv"],
)  # fmt: skip
PIECES = (
    b"&a [*a]", b"*nothing", b"<<: *a\n", b"!!python/object:os.system {}", b"? ", b"- ", b": ", b"%YAML 9.9\n---\n", b"---\n", b"[" * 5_000, b"{a: " * 2_000,
    b"- " * 3_000, b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", b"\t", b"\x00", b"\xff", b"\xed\xa0\x80", b"2001-01-01: 1\n", b"~: 1\n", b"1: 1\n", b"name: again\n",
)  # fmt: skip


class Case:
    """The inputs of one case while they are being spoilt, and what is known of them."""

    def __init__(self, number: int) -> None:
        self.rng = random.Random(number)
        self.description: Any = json.loads(json.dumps(DESCRIPTION))
        self.tables = {name: [list(row) for row in rows] for name, rows in TABLES.items()}
        self.records: list[Any] = json.loads(json.dumps(RECORDS))
        self.raw: list[Callable[[dict[str, bytes]], None]] = []
        self.done: list[str] = []
        for change in self.rng.choices(CHANGES, k=self.rng.choice([1, 1, 1, 1, 2, 3])):
            change(self)
            self.done.append(change.__name__)

    def table(self) -> list[list[str]]:
        return self.tables[self.rng.choice(sorted(self.tables))]

    def files(self) -> dict[str, bytes]:
        """Return the inputs as files; bytes are spoilt last."""
        found = {name: written(rows, "\t" if name.endswith(".tsv") else ",") for name, rows in self.tables.items()}
        found["extra.json"] = json.dumps(self.records).encode()
        found["description.yaml"] = yaml.safe_dump(self.description, sort_keys=False, allow_unicode=False).encode()
        for spoil in self.raw:
            spoil(found)
        return found

    def rows(self) -> dict[str, int]:
        """Return how many rows the account of each file must know, where that is certain."""
        if self.raw or self.description != DESCRIPTION:
            return {}
        return {name: len(rows) - 1 for name, rows in self.tables.items()} | {"extra.json": len(self.records)}


def written(rows: list[list[str]], separator: str) -> bytes:
    if separator == "\t":  # without quotes
        return "".join("\t".join(row) + "\n" for row in rows).encode(errors="surrogatepass")
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows(rows)
    return content.getvalue().encode(errors="surrogatepass")


def swap_cells(case: Case) -> None:
    table = case.table()
    places = [(case.rng.randrange(len(table)), case.rng.randrange(len(table[0]))) for _ in range(2)]
    (a, b), (c, d) = places
    if b < len(table[a]) and d < len(table[c]):
        table[a][b], table[c][d] = table[c][d], table[a][b]


def hostile_cell(case: Case) -> None:
    table = case.table()
    for row in case.rng.sample(table[1:] or table, k=1) if case.rng.random() < 0.8 else table[1:]:
        if row:
            row[case.rng.randrange(len(row))] = case.rng.choice(HOSTILE)


def hostile_text(case: Case) -> None:
    """Spoil cells that may hold anything."""
    name, columns = case.rng.choice([("items.csv", (1, 2, 3, 4)), ("users.tsv", (2,)), ("ratings.csv", (0, 1))])
    for _ in range(case.rng.choice([1, 3, 10])):
        row = case.rng.choice(case.tables[name][1:] or [[]])
        place = case.rng.choice(columns)
        if place < len(row):
            value = case.rng.choice(HOSTILE)
            row[place] = case.rng.choice([value, row[place] + value, value + row[place]])


def unlisted_rows(case: Case) -> None:
    """Add ratings of users and items that have no row."""
    for number in range(case.rng.choice([1, 20])):
        value = case.rng.choice(["1", "5", "3", "2"])
        case.tables["ratings.csv"].append(
            [f"new{number}", case.rng.choice(["0", "9", "x y"]), value, "5"][: len(case.tables["ratings.csv"][0])]
        )


def hostile_column(case: Case) -> None:
    table = case.table()
    place, value = case.rng.randrange(len(table[0])), case.rng.choice(HOSTILE)
    for row in table[1:]:
        if place < len(row):
            row[place] = value


def hostile_header(case: Case) -> None:
    table = case.table()
    table[0][case.rng.randrange(len(table[0]))] = case.rng.choice([*HOSTILE, *table[0], "Title", "ID", "rating "])


def drop_column(case: Case) -> None:
    table = case.table()
    place = case.rng.randrange(len(table[0]))
    for row in table:
        del row[place : place + 1]


def ragged_row(case: Case) -> None:
    row = case.rng.choice(case.table())
    if case.rng.random() < 0.5:
        row.append(case.rng.choice(HOSTILE))
    else:
        del row[-1:]


def repeat_row(case: Case) -> None:
    table = case.table()
    row = case.rng.choice(table)
    table += [list(row)] * case.rng.choice([1, 1, 500])


def shuffle_rows(case: Case) -> None:
    table = case.table()
    case.rng.shuffle(table)


def drop_rows(case: Case) -> None:
    table = case.table()
    del table[case.rng.randrange(len(table)) : case.rng.choice([1, 2, 1_000])]
    if not table:
        table.append(["id"])


def wide_table(case: Case) -> None:
    table = case.table()
    for number, row in enumerate(table):
        row += [f"c{place}" if number == 0 else "x" for place in range(300)]


def spoil_record(case: Case) -> None:
    place = case.rng.randrange(len(case.records))
    value = case.rng.choice(
        [*HOSTILE[:60], *WRONG, ["a", ["b", {}]], [None], [float("nan")], {"a": {"b": []}}, 1e308, -0.0]
    )
    if isinstance(case.records[place], dict) and case.rng.random() < 0.8:
        case.records[place][case.rng.choice(["key", "tags", "minutes", "new", "", "key "])] = value
    else:
        case.records[place] = value


def repeat_record(case: Case) -> None:
    case.records += [case.rng.choice(case.records)] * case.rng.choice([1, 200])


def no_records(case: Case) -> None:
    case.records = case.rng.choice([[], [{}], [[]], [None], [1, 2]])


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Return all containers and keys within a description."""
    found: list[tuple[Any, Any]] = []
    entries = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in entries:
        found += [(value, key), *places_in(inner)]
    return found


def wrong_value(case: Case) -> None:
    container, key = case.rng.choice(places_in(case.description))
    container[key] = case.rng.choice(WRONG)


def lost_key(case: Case) -> None:
    container, key = case.rng.choice(places_in(case.description))
    del container[key]


def odd_key(case: Case) -> None:
    containers = [container for container, _ in places_in(case.description) if isinstance(container, dict)]
    case.rng.choice(containers or [{}])[case.rng.choice(["", "id", "file", "colum", 1, None, True, "split", "kind", "format", "match", "relations", "first", "where", "\x00"])] = case.rng.choice(WRONG)  # fmt: skip


def moved_value(case: Case) -> None:
    places = places_in(case.description)
    (one, key), (other, name) = case.rng.choice(places), case.rng.choice(places)
    one[key] = json.loads(json.dumps(other[name], default=str))


def known_choice(case: Case) -> None:
    options = [
        ("feedback", "implicit"), ("unknown_ids", "drop"), ("unknown_ids", "error"), ("user", "item"), ("rating", "time"), ("time", None), ("time", "rating"),
        ("scale", [0, 10]), ("scale", [1, 1e308]), ("file", ["ratings.csv", "test.csv"]), ("format", {"bad_bytes": "replace"}), ("format", {"encoding": "latin-1"}),
        ("format", {"skip_rows": 3}), ("format", {"quote": ""}), ("format", {"lines": "text"}), ("format", {"columns": ["user", "item", "rating", "time"]}),
    ]  # fmt: skip
    key, value = case.rng.choice(options)
    if isinstance(case.description, dict) and isinstance(case.description.get("ratings"), dict):
        case.description["ratings"][key] = value


def bytes_of(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Case], None]:
    def spoil(case: Case) -> None:
        name = case.rng.choice([*sorted(case.tables), "extra.json", "description.yaml"])
        seed = case.rng.random()

        def apply(files: dict[str, bytes]) -> None:
            files[name] = change(files[name], random.Random(seed))

        case.raw.append(apply)

    spoil.__name__ = change.__name__
    return spoil


def flipped(content: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(rng.choice([1, 1, 3])):
        if spoilt:
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def inserted(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return (
        content[:place]
        + rng.choice([*PIECES, *(text.encode(errors="surrogatepass") for text in HOSTILE)])
        + content[place:]
    )


def recoded(content: bytes, rng: random.Random) -> bytes:
    half = rng.choice([0, len(content) // 2])
    text = content[half:].decode(errors="replace") + rng.choice(["", "é", "İ"])
    return content[:half] + text.encode(
        rng.choice(["utf-16", "utf-8-sig", "latin-1", "cp1252", "utf-32"]), errors="replace"
    )


def emptied(content: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            b"\n",
            b"\xef\xbb\xbf",
            content.split(b"\n")[0],
            content.split(b"\n")[0] + b"\n",
            b" \n \n",
            b"\x00" * 100,
        ]
    )


def other_ends(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\n\r"]))


def other_separator(content: bytes, rng: random.Random) -> bytes:
    return content.replace(b",", rng.choice([b";", b"\t", b"|", b"::", b", "]))


def deep(content: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([100, 2_000, 50_000])
    return rng.choice([b"[" * depth, b'{"a":' * depth, b"- " * depth, b"{a: " * depth, b"[" * depth + b"]" * depth])


CHANGES: tuple[Callable[[Case], None], ...] = (
    swap_cells, hostile_cell, hostile_cell, *[hostile_text] * 9, *[unlisted_rows] * 3, shuffle_rows, hostile_column, hostile_header, drop_column, ragged_row, repeat_row, shuffle_rows, drop_rows, wide_table,
    spoil_record, spoil_record, repeat_record, no_records, wrong_value, wrong_value, wrong_value, lost_key, odd_key, moved_value, known_choice, known_choice,
    bytes_of(flipped), bytes_of(flipped), bytes_of(inserted), bytes_of(inserted), bytes_of(recoded), bytes_of(emptied), bytes_of(other_ends), bytes_of(other_separator), bytes_of(deep),
)  # fmt: skip


def lost_rows(report: dict[str, Any], expected: dict[str, int]) -> list[str]:
    """Return the files whose account does not explain each row."""
    found = []
    for file, account in report["files"].items():
        explained = account["kept"] + sum(account.get("dropped", {}).values())
        if account["rows"] != explained:
            found.append(f"{file}: {account['rows']} rows, {explained} explained: {account}")
        if account["rows"] != expected.get(file, account["rows"]):
            found.append(f"{file}: {account['rows']} rows of {expected[file]} that were written")
    return found


def outcome(number: int, folder: Path) -> tuple[str, str | None]:
    """Build one case as the command line does; return how it ended, and what is wrong with that."""
    case = Case(number)
    done = ", ".join(case.done)
    try:
        files = case.files()
    except (ValueError, yaml.YAMLError):  # what YAML or JSON cannot write is no input
        return "unwritable", None
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = ["build", str(folder / "description.yaml"), "--out", str(folder / "graph"), "--json"]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            app(command, standalone_mode=False)
    except InputError as error:
        for message in map(str, error.problems if isinstance(error, JointInputError) else [error]):
            if "\n" in message or len(message) > 2_000:
                return "refused", f"case {number} ({done}): a message of several lines or very long: {message[:300]!r}"
        return "refused", None
    except BaseException:
        return "failed", f"case {number} ({done}): {traceback.format_exc(limit=-4)}"
    lost = lost_rows(json.loads((folder / "graph" / "report.json").read_bytes()), case.rows())
    return "built", f"case {number} ({done}): {lost}" if lost else None


def run_cases(first: int, count: int) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    wrong = []
    with TemporaryDirectory() as folder:
        for number in range(first, first + count):
            end, problem = outcome(number, Path(folder))
            ends[end] += 1
            if problem is not None:
                wrong.append(problem)
    return ends, wrong


def test_the_unspoilt_tables_build_and_every_row_is_counted(tmp_path: Path) -> None:
    case = Case.__new__(Case)
    case.description, case.tables, case.records, case.raw = DESCRIPTION, TABLES, RECORDS, []
    for name, content in case.files().items():
        (tmp_path / name).write_bytes(content)
    app(["build", str(tmp_path / "description.yaml"), "--out", str(tmp_path / "graph")], standalone_mode=False)
    report = json.loads((tmp_path / "graph" / "report.json").read_bytes())
    assert {name: account["rows"] for name, account in report["files"].items()} == case.rows()
    assert lost_rows(report, case.rows()) == []


def test_spoilt_tables_end_in_a_graph_that_adds_up_or_in_a_sentence() -> None:
    ends, wrong = run_cases(0, CASES)
    assert not wrong, "\n".join(wrong[:20])
    assert min(ends["built"], ends["refused"]) > CASES // 6  # the changes neither miss nor destroy everything


@pytest.mark.slow
def test_many_more_spoilt_tables() -> None:
    """Hundreds of cases more, or as many as `KGREC_FUZZ` says."""
    _, wrong = run_cases(CASES, MANY)
    assert not wrong, "\n".join(wrong[:20])


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int((sys.argv[2:] or ["1"])[0])
    ends, wrong = run_cases(first, count)
    sys.stdout.write(json.dumps({"ends": ends, "wrong": wrong[:40]}, indent=1) + "\n")
    sys.exit(1 if wrong else 0)
