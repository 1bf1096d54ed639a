"""How well profiles recover the true tastes of a simulated audience: the film world, where they are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.film_world import Activity, FilmWorld, film_concepts, simulate
from benchmarks.taste_ceiling import best_estimates
from benchmarks.taste_measures import by_activity, correlations, coverage_of_weights, estimate_of
from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.storage.atomic import write_file
from models.recommender import Recommender
from training.bundle import load_run
from training.config import RunConfig
from training.films import write_film_source
from training.progress import Progress, silent
from training.runs import train_run

__all__ = ["AUDIENCES", "recovery", "run_film_world", "taste_tables"]

LEAST_RATINGS = 20
AUDIENCES = {
    "demo": (640, Activity()),
    "movielens-100k": (943, Activity(median=65, spread=1.0, most=500)),  # as many users and as active as there
}
_SHOWN_BY_ACTIVITY = ("genre", "top theme", "decade", "theme", "all")  # families with enough tastes a user
_RELATIONS = {
    "decade": "decade",
    "films:director": "director",
    "films:genre": "genre",
    "films:about": "theme",
    "films:countryOfOrigin": "country",
}

Floats = NDArray[np.float64]


def run_film_world(
    out: Path,
    recipe: Callable[[int], RunConfig],
    settings: Sequence[str] = (),
    *,
    seed: int = 0,
    audience: str = "movielens-100k",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Simulate the audience, train on its ratings, and compare profiles with the tastes it was made with.

    Args:
        out: Where `graph/`, `run/` and `results.json` are written.
        recipe: Configuration by the number of ratings.
        settings: Changes to it. A hundredth of the ratings is held out; nothing is measured on them.
        seed: Seed of the audience.
        audience: One of `AUDIENCES`: how many users rate how many films.
        progress: Called with (stage, done, total, message).

    Returns:
        `protocol`, `seed`, `audience`, `ratings_per_user` (mean and median), `train_seconds`, and what `recovery` says.

    Raises:
        InputError: If there is no such audience.
    """
    if audience not in AUDIENCES:
        raise InputError(f"there is no audience {audience!r}; there are {', '.join(AUDIENCES)}")
    num_users, activity = AUDIENCES[audience]
    world = simulate(seed=seed, num_users=num_users, activity=activity)
    with TemporaryDirectory() as folder:
        dataset = build(Description.load(write_film_source(Path(folder), world.tables)))
    graph = out / "graph"
    if not graph.exists() or Dataset.load(graph).fingerprint != dataset.fingerprint:
        dataset.save(graph)
    config = recipe(len(dataset.ratings)).updated(["split.name=random", "split.test_share=0.01", *settings])
    train_run(graph, config, out / "run", overwrite=True, keep_same=True, progress=progress)
    run = load_run(out / "run")
    counts = world.ratings["user"].value_counts()
    content = {
        "protocol": "film-world",
        "seed": seed,
        "audience": audience,
        "ratings_per_user": {"mean": float(counts.mean()), "median": float(counts.median())},
        "train_seconds": run.manifest["train_seconds"],
        **recovery(run.recommender, world),
    }
    write_file(out / "results.json", json.dumps(content, indent=1) + "\n")
    return content


def recovery(recommender: Recommender, world: FilmWorld) -> dict[str, Any]:
    r"""Compare the weights of profiles with true tastes by Spearman's rank correlation, user by user.

    `tastes` are compared over the concepts for which the user has a taste ($w_{uc} \ne 0$). The tastes $w_{uc}$ of the
    simulation are absolute, so they are compared with what a concept adds for the user: the weight of the profile plus what
    the concept adds for the average user. `affinities` are compared over all films: scores beyond the average user's against
    the simulated affinities beyond the average.

    Concepts of a single film are left out: no one can tell them from the film.

    Args:
        recommender: Trained on the ratings of the audience.
        world: The audience.

    Returns:
        `num_users` (with at least twenty training ratings), `num_concepts` (all of at least two films, rated or not), `rows`,
        one a measure and family of concepts: `measure`, `family`, `value`, `low`, `high` (95 % bootstrap interval over users),
        `num_users`, and what the average user's taste gives for everyone, `average_alone`, and what `best_estimates` gives,
        `ceiling`; `by_activity`: correlations of `tastes` by how much users rated; `coverage_80`: `coverage_of_weights`.
    """
    columns = _columns(recommender)
    ids = recommender.graph.users.vocabulary.ids
    users = np.flatnonzero(recommender.train.user_counts >= LEAST_RATINGS)
    behaviour = recommender.behaviour.warm
    weights = behaviour.mean_weights(recommender.predictor.samples.users[:, users])[:, columns["column"]].astype(
        np.float64
    )
    average = behaviour.of_average[columns["column"]].astype(np.float64)
    truth = world.weights_of(ids, columns["concept"])[users]
    everything = sorted(set(film_concepts()["concept"]))
    estimates = best_estimates(world, list(ids[users]), everything)
    best = estimates[:, pd.Index(everything).get_indexer(columns["concept"])]
    has = truth != 0
    rows, of_family = [], {}
    families = {"all": np.ones(len(columns), dtype=bool)}
    families |= {name: (columns["family"] == name).to_numpy() for name in sorted(set(columns["family"]))}
    for family, members in families.items():
        ours, alone, ceiling = (
            correlations(some[:, members], truth[:, members], has[:, members])
            for some in (weights + average, np.broadcast_to(average, truth.shape), best)
        )
        of_family[family] = ours
        rows.append({**_row("tastes", family, ours), "average_alone": _mean(alone), "ceiling": _mean(ceiling)})
    ours, ceiling = _affinities(recommender, world, users, estimates)
    rows.append({**_row("affinities", "all", ours), "average_alone": None, "ceiling": _mean(ceiling)})
    counts = recommender.train.user_counts[users]
    return {
        "num_users": len(users),
        "num_concepts": len(columns),
        "rows": rows,
        "by_activity": by_activity(counts, {name: of_family[name] for name in _SHOWN_BY_ACTIVITY}),
        "coverage_80": coverage_of_weights(recommender, world, columns, users),
    }


def _columns(recommender: Recommender) -> pd.DataFrame:
    """Return the concepts of profiles that tastes are about: column of the profile's table, concept (IRI), family."""
    table = recommender.behaviour.concepts
    families = film_concepts().drop_duplicates("concept").set_index("concept")["family"]
    decades = {iri.rpartition("/")[2]: iri for iri in families.index[families == "decade"]}
    rows = []
    for column, key in enumerate(table.keys):
        relation = table.relations[table.relation[column]]
        if relation in _RELATIONS:
            raw_id = key.removeprefix(f"{relation}:")
            concept = decades.get(raw_id, raw_id)
            rows.append((column, concept, families.get(concept)))
    return pd.DataFrame(rows, columns=["column", "concept", "family"]).dropna()


def _affinities(
    recommender: Recommender, world: FilmWorld, users: NDArray[np.int64], estimates: Floats
) -> tuple[Floats, Floats]:
    """Return rank correlations with true affinities a user: of our scores, and of the affinities that estimates of all tastes give."""
    concepts = film_concepts()
    has = pd.crosstab(concepts["film"], concepts["concept"])
    shares = has.to_numpy(dtype=np.float64) / np.sqrt(has.to_numpy().sum(axis=1, keepdims=True))
    tastes = world.weights_of(recommender.graph.users.vocabulary.ids, has.columns)
    true = tastes @ shares.T
    phase, space = recommender.predictor.samples, recommender.behaviour.warm
    films = recommender.graph.items.vocabulary.indices(list(has.index))
    given = np.zeros((len(users), len(films)))
    for number, average in enumerate(space.average):
        own = phase.users[number, users, :-1] - average[:-1]
        given += (own @ phase.items[number, films, :-1].t()).numpy()
    true = true - true.mean(axis=1, keepdims=True)
    true = (true - true.mean(axis=0))[users]
    best = (estimates - tastes.mean(axis=0)) @ shares.T
    every = np.ones(true.shape, dtype=bool)
    return correlations(given, true, every), correlations(best, true, every)


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _row(measure: str, family: str, values: Floats) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    return {"measure": measure, "family": family, **estimate_of(values), "num_users": len(known)}


def taste_tables(report: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Lay out what `run_film_world` returned, as tables of text by title."""

    def figure(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def estimate(row: Mapping[str, Any]) -> str:
        return "" if row["value"] is None else f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"

    rows = [
        {
            "compared": row["measure"],
            "concepts": row["family"],
            "profiles": estimate(row),
            "average user alone": figure(row["average_alone"]),
            "ceiling": figure(row["ceiling"]),
        }
        for row in report["rows"]
    ]
    bins: dict[str, dict[str, str]] = {}
    for row in report["by_activity"]:
        ratings = f"{row['least']} to {row['most']}" if row["most"] else f"{row['least']} and more"
        line = bins.setdefault(ratings, {"ratings": ratings, "users": str(row["num_users"])})
        line[row["family"]] = estimate(row)
    return {
        "film-world: Spearman correlation with true tastes": pd.DataFrame(rows),
        "tastes, by how many ratings users gave": pd.DataFrame(bins.values()),
    }
