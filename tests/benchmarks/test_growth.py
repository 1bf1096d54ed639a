"""How costs grow: exponents of known laws, the files, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import scaling
from benchmarks.growth import COSTS, Growth, growth_tables, measure, run_growth
from benchmarks.scaling import exponents, rounded
from kg.errors import InputError
from training.isolation import ChildError

ROW = Growth(
    num_ratings=1000,
    num_users=10,
    num_items=20,
    embedding_size=4,
    prepare_seconds=1.0,
    step_seconds=0.5,
    run_seconds=10.0,
    step_wall_seconds=0.6,
    peak_memory_mb=100.0,
    run_memory_mb=200.0,
)


def test_exponents_of_known_laws() -> None:
    linear = {cost: 10 * getattr(ROW, cost) for cost in COSTS}
    laws = linear | {"step_seconds": 0.5 * 100, "peak_memory_mb": 100.0}  # squared, and constant
    found = exponents([ROW, replace(ROW, num_ratings=10_000, **laws)], "num_ratings", COSTS)
    assert len(found) == 1
    assert (found[0]["from"], found[0]["to"]) == (1000, 10_000)
    assert [found[0][cost] for cost in COSTS] == pytest.approx([1, 2, 1, 0, 1])
    assert exponents([ROW], "num_ratings", COSTS) == []


def test_tables_have_a_row_a_size_and_one_between_sizes() -> None:
    rows = [ROW, replace(ROW, num_ratings=2000)]
    content = {"rows": [rounded(row) for row in rows], "exponents": exponents(rows, "num_ratings", COSTS)}
    costs, slopes = growth_tables(content).values()
    assert costs["step"].tolist() == ["500.0 ms", "500.0 ms"]
    assert costs["step a rating"].tolist() == ["500000 ns", "250000 ns"]
    assert slopes["exponents"].tolist() == ["1,000 to 2,000"]


def test_samples_still_to_come_are_part_of_the_memory_of_a_run() -> None:
    """Of few ratings the standard recipe keeps 90 cold and 72 warm samples, in half precision; each is stacked once."""
    row = measure(1000, steps=20, embedding_size=4)
    users, items = row.num_users, row.num_items
    assert row.embedding_size == 4
    assert 0 < row.step_seconds < row.run_seconds
    # Factors and residuals alone take 2 (4 + 1) numbers a node, preferences 5 a user; the tables of messages come on top.
    least = (2 * (90 + 72) - 4) * 2 * ((users + items) * 2 * 5 + users * 5) / 1e6
    assert least < row.run_memory_mb - row.peak_memory_mb < 10 * least


def test_every_size_is_a_row_in_both_files(tmp_path: Path) -> None:
    found = run_growth(tmp_path / "growth", sizes=(1000, 2000), steps=20, embedding_size=4)
    assert json.loads((tmp_path / "growth" / "growth.json").read_text()) == found
    assert found["protocol"] == "growth"
    assert [row["num_ratings"] for row in found["rows"]] == [1000, 2000]
    assert set(COSTS) <= set(found["exponents"][0])
    assert pd.read_csv(tmp_path / "growth" / "growth.csv")["num_users"].tolist() == [
        row["num_users"] for row in found["rows"]
    ]


def test_sizes_before_one_that_needs_too_much_memory_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_child(job: partial[Growth]) -> Growth:
        if job.args[0] == 2000:
            raise ChildError("its process ended by signal 9")
        return ROW

    monkeypatch.setattr(scaling, "in_child", in_child)
    with pytest.raises(
        InputError, match="2,000 ratings could not be measured: its process ended by signal 9; give smaller sizes"
    ):
        run_growth(tmp_path / "growth", sizes=(1000, 2000))
    assert pd.read_csv(tmp_path / "growth" / "growth.csv")["num_ratings"].tolist() == [1000]
    assert len(json.loads((tmp_path / "growth" / "growth.json").read_text())["rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"sizes": ()}, "sizes must rise"), ({"sizes": (2000, 1000)}, "got 2000, 1000"), ({"steps": 4}, "got 4")],
)
def test_what_cannot_be_measured_is_refused(
    tmp_path: Path, arguments: dict[str, tuple[int, ...]], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        run_growth(tmp_path / "growth", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "growth").exists()
