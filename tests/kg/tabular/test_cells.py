from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError
from kg.tabular.cells import split_cells
from kg.tabular.table_format import TableFormat
from kg.tabular.tables import Table, read_table


def table_of(folder: Path, lines: list[str]) -> Table:
    (folder / "lists.dat").write_text("".join(f"{line}\n" for line in lines))
    return read_table(folder / "lists.dat", TableFormat(lines="ids"))


LISTS = st.lists(st.lists(st.integers(0, 99).map(str), max_size=5), max_size=6)


@given(lists=LISTS, split=st.sampled_from([" ", ",", "::"]))
def test_counted_lists_hold_what_was_written(lists: list[list[str]], split: str) -> None:
    with TemporaryDirectory() as folder:
        table = table_of(Path(folder), [split.join([str(len(members)), *members]) for members in lists])
        found = split_cells(table, "ids", split=split, unknown={""}, counted=True)
        written = [(row, member) for row, members in enumerate(lists) for member in members]
        assert list(found.itertuples(index=False, name=None)) == written


@given(lists=LISTS.filter(any), wrong=st.integers(1, 3))
def test_a_count_that_is_wrong_is_found_with_its_line(lists: list[list[str]], wrong: int) -> None:
    place = next(row for row, members in enumerate(lists) if members)
    lines = [" ".join([str(len(members) + wrong * (row == place)), *members]) for row, members in enumerate(lists)]
    with TemporaryDirectory() as folder:
        table = table_of(Path(folder), lines)
        with pytest.raises(InputError, match="expected as many values") as caught:
            split_cells(table, "ids", split=" ", unknown={""}, counted=True)
        assert caught.value.line == place + 1


def test_blank_cells_and_doubled_separators_are_no_values(tmp_path: Path) -> None:
    found = split_cells(table_of(tmp_path, ["", " 2  a b ", "0"]), "ids", split=" ", unknown={""}, counted=True)
    assert found["row"].tolist() == [1, 1]
    assert found["value"].tolist() == ["a", "b"]
