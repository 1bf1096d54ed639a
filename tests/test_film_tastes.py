"""Recovery of true tastes: what is measured is known where the answer is, and holds on a trained film world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from kg.films import film_concepts, simulate
from training.benchmarks.film_tastes import recovery_table, run_film_world
from training.benchmarks.taste_ceiling import best_estimates
from training.recipes import quick


def test_the_ceiling_knows_more_than_the_average_user_and_less_than_the_truth() -> None:
    world = simulate(num_users=120, seed=3)
    users = list(world.users["id"])
    genres = sorted(set(film_concepts().query("family == 'genre'")["concept"]))
    truth = world.tastes.pivot_table(index="user", columns="concept", values="weight", fill_value=0.0)
    truth = truth.reindex(index=users, columns=genres, fill_value=0.0).to_numpy()
    found = best_estimates(world, users, genres)
    assert found.shape == truth.shape
    mine = np.mean([spearmanr(a, b).statistic for a, b in zip(found, truth, strict=True)])
    average = np.mean([spearmanr(truth.mean(0), b).statistic for b in truth])
    assert average + 0.1 < mine < 0.95
    order = [users[5], users[2]]
    np.testing.assert_allclose(best_estimates(world, order, genres[:3]), found[[5, 2]][:, :3])


def test_the_table_shows_every_row() -> None:
    row = {
        "measure": "tastes",
        "family": "all",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "average_alone": None,
        "ceiling": 0.8,
    }
    shown = recovery_table({"rows": [row]})
    assert shown.to_numpy().tolist() == [["tastes", "all", "0.500 [0.400, 0.600]", "", "0.800"]]


@pytest.mark.slow
def test_profiles_recover_tastes_better_than_the_average_user_does(tmp_path: Path) -> None:
    found = run_film_world(tmp_path, quick)
    assert json.loads((tmp_path / "results.json").read_text()) == found
    rows = pd.DataFrame(found["rows"]).set_index(["measure", "family"])
    assert 600 < found["num_users"] <= 640  # a few keep less than twenty ratings
    for family in ("genre", "decade", "top theme"):
        row = rows.loc[("tastes", family)]
        assert row["low"] > row["average_alone"]
        assert row["value"] < row["ceiling"]
    assert rows.loc[("beyond the average user", "genre"), "low"] > 0.4
