"""Recovery of true tastes: what is measured is known where the answer is, and holds on a trained film world."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks.film_tastes import run_film_world, taste_tables
from benchmarks.film_world import NOISE, Activity, film_concepts, simulate
from benchmarks.taste_ceiling import best_estimates, chances_of
from benchmarks.taste_measures import by_activity, correlations, coverage_of_weights, stars_of_a_star
from kg.errors import InputError
from models.people.concept_weights import ConceptWeights
from models.recommender import Recommender
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
    shown, _ = taste_tables({"rows": [row], "by_activity": []}).values()
    assert shown.to_numpy().tolist() == [["tastes", "all", "0.500 [0.400, 0.600]", "", "0.800"]]


def test_more_ratings_tell_more_and_the_ceiling_hears_choices() -> None:
    few = simulate(num_users=120, seed=3)
    many = simulate(num_users=120, seed=3, activity=Activity(median=110, spread=0.1, least=90))
    genres = sorted(set(film_concepts().query("family == 'genre'")["concept"]))
    found = []
    for world in (few, many):
        users = list(world.users["id"])
        truth = world.tastes.pivot_table(index="user", columns="concept", values="weight", fill_value=0.0)
        truth = truth.reindex(index=users, columns=genres, fill_value=0.0).to_numpy()
        values = correlations(best_estimates(world, users, genres), truth, truth != 0)
        found.append(np.nanmean(values))
    assert found[0] + 0.03 < found[1]


def test_correlations_by_activity_are_means_over_the_users_of_a_bin() -> None:
    counts = np.array([20, 29, 30, 300, 301])
    rows = by_activity(counts, {"genre": np.array([0.2, 0.4, 0.9, np.nan, 0.5])})
    assert [(row["least"], row["most"], row["num_users"], row["value"]) for row in rows] == [
        (20, 29, 2, pytest.approx(0.3)),
        (30, 44, 1, 0.9),
        (250, None, 2, 0.5),
    ]
    _, shown = taste_tables({"rows": [], "by_activity": rows}).values()
    assert shown["ratings"].tolist() == ["20 to 29", "30 to 44", "250 and more"]
    assert shown["genre"][1] == "0.900 [0.900, 0.900]"


def test_an_unknown_audience_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no audience 'movielens'; there are demo, movielens-100k"):
        run_film_world(tmp_path, quick, audience="movielens")


@pytest.mark.slow
def test_profiles_recover_tastes_better_than_the_average_user_does(tmp_path: Path) -> None:
    found = run_film_world(tmp_path, quick, audience="demo")
    assert json.loads((tmp_path / "results.json").read_text()) == found
    rows = pd.DataFrame(found["rows"]).set_index(["measure", "family"])
    assert 600 < found["num_users"] <= 640  # a few keep less than twenty ratings
    for family in ("genre", "decade", "top theme"):
        row = rows.loc[("tastes", family)]
        assert row["low"] > row["average_alone"]
        assert row["value"] < row["ceiling"]
    assert rows.loc[("affinities", "all"), "low"] > 0.4


def test_chances_of_choosing_sum_to_the_number_of_choices() -> None:
    share = np.array([0.5, 0.3, 0.15, 0.05])
    for count in (1, 2, 3):
        chance = chances_of(share, count)
        assert chance.sum() == pytest.approx(count)
        assert (np.diff(chance) < 0).all()
        assert chance.max() < 1
    assert chances_of(share, 4).tolist() == [1.0] * 4


@pytest.mark.parametrize(("spread", "held"), [(100.0, 1.0), (0.0, 0.0)])
def test_the_coverage_of_weights_is_the_share_of_intervals_that_hold_the_truth(spread: float, held: float) -> None:
    world = simulate(num_users=30, seed=1)
    concepts = film_concepts().drop_duplicates("concept").query("family == 'genre'")
    columns = pd.DataFrame(
        {"column": np.arange(len(concepts)), "concept": concepts["concept"].to_numpy(), "family": "genre"}
    )
    middle = np.full(len(columns), 50.0 * (spread == 0))
    weights = ConceptWeights(mean=middle, low=middle - spread, high=middle + spread, chance=np.ones(len(columns)))
    silent = SimpleNamespace(
        behaviour=SimpleNamespace(weights=lambda user: weights),
        graph=SimpleNamespace(users=SimpleNamespace(vocabulary=SimpleNamespace(ids=world.users["id"].to_numpy()))),
    )
    found = coverage_of_weights(cast(Recommender, silent), world, columns, np.arange(5))
    assert found == {"all": held, "genre": held}


def test_a_star_of_affinity_is_worth_less_than_a_star_near_the_ends_of_the_scale() -> None:
    """Against the mean of simulated ratings: what a little more affinity adds to rounded and clipped stars."""
    rng, step = np.random.default_rng(0), 0.05
    for expected in (np.array([3.0]), np.array([4.6]), np.linspace(1, 5, 9)):
        noise = rng.normal(0.0, NOISE, (200_000, 1))
        stars = [np.clip(np.rint(expected + side * step + noise), 1, 5).mean() for side in (-1, 1)]
        assert stars_of_a_star(expected) == pytest.approx((stars[1] - stars[0]) / (2 * step), abs=0.02)
