"""Benchmark tables: one row a model, means and spreads by hand, published rows apart."""

from __future__ import annotations

import numpy as np
import pytest

from kg.errors import InputError
from training.benchmark import ABLATIONS, summary
from training.config import RunConfig
from training.protocols import PROTOCOLS, protocol_named

ROWS = [
    {"model": "kgrec", "part": "warm", "seed": seed, "rmse": rmse, "train_seconds": 10.0 * (seed + 1), "source": "this run", "uses_test_date": False}
    for seed, rmse in enumerate((0.87, 0.88, 0.89))
] + [
    {"model": "mean", "part": "warm", "rmse": 1.15, "source": "this run", "uses_test_date": False},
    {"model": "mean", "part": "cold_items", "rmse": 1.2, "source": "this run", "uses_test_date": False},
    {"model": "other", "part": "warm", "rmse": 0.9, "source": "arXiv:1", "uses_test_date": True},
]  # fmt: skip


def test_seeds_become_a_mean_with_its_spread() -> None:
    table = summary(ROWS, PROTOCOLS["ml-100k-u1"], "warm").set_index("model")
    assert list(table.index) == ["kgrec, 3 seeds", "mean", "other (arXiv:1)"]
    assert table.loc["kgrec, 3 seeds", "rmse"] == f"0.8800 ± {np.std([0.87, 0.88, 0.89], ddof=1):.4f}"
    assert table.loc["kgrec, 3 seeds", "seconds"] == "20"
    assert table.loc["mean", "rmse"] == "1.1500"
    assert list(table["test date"]) == ["", "", "used"]


def test_a_part_shows_its_own_rows() -> None:
    table = summary(ROWS, PROTOCOLS["ml-100k-cold-items"], "cold_items")
    assert table["model"].tolist() == ["mean"]
    assert table["rmse"].tolist() == ["1.2000"]


def test_an_unknown_protocol_is_a_sentence() -> None:
    with pytest.raises(InputError, match="Did you mean 'ml-100k-u1'"):
        protocol_named("ml-100k-u2")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_protocols_and_ablations_are_valid_configurations(protocol: object) -> None:
    base = RunConfig().updated([*protocol.split])  # type: ignore[attr-defined]
    changed = [base.updated([change]) for change in ABLATIONS.values()]
    assert len({config.model_dump_json() for config in [base, *changed]}) == len(ABLATIONS) + 1
