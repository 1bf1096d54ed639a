"""How well profiles recover the true tastes of a simulated audience: the film world, where they are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.taste_ceiling import best_estimates
from benchmarks.taste_measures import by_activity, correlations, coverage_of_weights
from benchmarks.taste_tables import mean_rows
from kg.build import build
from kg.dataset import Dataset
from kg.description import Description
from kg.errors import InputError
from kg.storage.atomic import write_file
from models.recommender import Recommender
from training.bundle import load_run
from training.config import RunConfig
from training.films import Activity, FilmWorld, film_concepts, simulate, write_source
from training.metrics import bootstrap
from training.progress import Progress, silent
from training.runs import train_run

__all__ = [
    "AUDIENCES",
    "Recovery",
    "recovery",
    "run_audiences",
    "run_film_world",
]

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


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Mean rank correlations over users.

    Attributes:
        num_users: Users with at least twenty training ratings.
        num_concepts: Concepts compared: all of at least two films, rated or not.
        by_activity: `by_activity`: correlations of `tastes` by how much users rated.
        coverage: `coverage_of_weights`: share of the true weights within the 80 % intervals of profiles, by family.
        rows: A row a measure and family of concepts: `measure`, `family`, `value`, `low`, `high` (95 % bootstrap interval
            over users), `num_users`, and beside them what the average user's taste gives for everyone,
            `average_alone`, and what `taste_ceiling` gives, `ceiling`; None where these say nothing.
    """

    num_users: int
    num_concepts: int
    rows: tuple[dict[str, Any], ...]
    by_activity: tuple[dict[str, Any], ...]
    coverage: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "num_users": self.num_users,
            "num_concepts": self.num_concepts,
            "rows": list(self.rows),
            "by_activity": list(self.by_activity),
            "coverage_80": self.coverage,
        }


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
        `protocol`, `seed`, `audience`, `ratings_per_user` (mean and median), `train_seconds`, and what `Recovery.as_json` says.

    Raises:
        InputError: If there is no such audience.
    """
    if audience not in AUDIENCES:
        raise InputError(f"there is no audience {audience!r}; there are {', '.join(AUDIENCES)}")
    num_users, activity = AUDIENCES[audience]
    world = simulate(seed=seed, num_users=num_users, activity=activity)
    with TemporaryDirectory() as folder:
        dataset = build(Description.load(write_source(world, Path(folder))))
    graph = out / "graph"
    if not graph.exists() or Dataset.load(graph).fingerprint != dataset.fingerprint:
        dataset.save(graph)
    config = recipe(len(dataset.ratings)).updated(["split.name=random", "split.test_share=0.01", *settings])
    train_run(graph, config, out / "run", overwrite=True, keep_same=True, progress=progress)
    run = load_run(out / "run")
    found = recovery(run.recommender, world)
    counts = world.ratings["user"].value_counts()
    content = {
        "protocol": "film-world",
        "seed": seed,
        "audience": audience,
        "ratings_per_user": {"mean": float(counts.mean()), "median": float(counts.median())},
        "train_seconds": run.manifest["train_seconds"],
        **found.as_json(),
    }
    write_file(out / "results.json", json.dumps(content, indent=1) + "\n")
    return content


def run_audiences(
    out: Path,
    recipe: Callable[[int], RunConfig],
    settings: Sequence[str] = (),
    *,
    seeds: int,
    audience: str = "movielens-100k",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run `run_film_world` for several audiences; arguments as there, `seeds` the number of audiences.

    Returns:
        `protocol`, `audience`, `seeds`, `runs` (what `run_film_world` returned of each), and `rows`: mean over audiences and
        standard deviation between them of `value`, means of `average_alone` and `ceiling`.
    """
    runs = []
    for seed in range(seeds):
        folder = out / f"seed-{seed}"
        runs.append(run_film_world(folder, recipe, settings, seed=seed, audience=audience, progress=progress))
    content = {"protocol": "film-world", "audience": audience, "seeds": seeds, "rows": mean_rows(runs), "runs": runs}
    write_file(out / "results.json", json.dumps(content, indent=1) + "\n")
    return content


def recovery(recommender: Recommender, world: FilmWorld) -> Recovery:
    r"""Compare the weights of profiles with true tastes by Spearman's rank correlation, user by user.

    The tastes $w_{uc}$ of the simulation are absolute, so they are compared with what a concept adds for the user:
    the weight of the profile plus what the concept adds for the average user.

    Measures:
        tastes: over the concepts for which the user has a taste ($w_{uc} \ne 0$).
        tastes and indifference: over all concepts; most are of no matter to a user, and as ties they bound the value.
        beyond the average user: weights alone against $w_{uc} - \bar w_c$, over the concepts of `tastes`.
        affinities: over all films, scores beyond the average user's against the simulated affinities beyond the average.

    Concepts of a single film are left out: no one can tell them from the film.

    Args:
        recommender: Trained on the ratings of the audience.
        world: The audience.
    """
    behaviour = recommender.behaviour
    columns = _columns(recommender)
    vocabulary = recommender.graph.users.vocabulary
    users = np.flatnonzero(recommender.train.user_counts >= LEAST_RATINGS)
    rows = recommender.predictor.samples.users[:, users]
    weights = behaviour.warm.mean_weights(rows)[:, columns["column"]].astype(np.float64)
    average = behaviour.warm.of_average[columns["column"]].astype(np.float64)
    everyone = world.weights_of(vocabulary.ids, columns["concept"])
    truth, mean = everyone[users], everyone.mean(axis=0)
    has = truth != 0
    measures = {
        "tastes": (weights + average, truth, has),
        "tastes and indifference": (weights + average, truth, np.ones_like(has)),
        "beyond the average user": (weights, truth - mean, has),
    }
    everything = sorted(set(film_concepts()["concept"]))
    limit_of_all = best_estimates(world, list(vocabulary.ids[users]), everything)
    best = limit_of_all[:, pd.Index(everything).get_indexer(columns["concept"])]
    found = []
    per_user: dict[str, Floats] = {}
    families = {"all": np.ones(len(columns), dtype=bool)}
    families |= {name: (columns["family"] == name).to_numpy() for name in sorted(set(columns["family"]))}
    for measure, (given, true, wanted) in measures.items():
        for family, mine in families.items():
            values = correlations(given[:, mine], true[:, mine], wanted[:, mine])
            absolute = measure != "beyond the average user"
            if measure == "tastes":
                per_user[family] = values
            alone, limit = np.broadcast_to(average, given.shape), best if absolute else best - mean
            beside = {"average_alone": alone if absolute else None, "ceiling": limit}
            found.append(
                _row(measure, family, values)
                | {
                    name: None if other is None else _mean(correlations(other[:, mine], true[:, mine], wanted[:, mine]))
                    for name, other in beside.items()
                }
            )
    ours, theirs = _affinities(recommender, world, users, limit_of_all)
    found.append(_row("affinities", "all", ours) | {"average_alone": None, "ceiling": _mean(theirs)})
    counts = recommender.train.user_counts[users]
    return Recovery(
        num_users=len(users),
        num_concepts=len(columns),
        rows=tuple(found),
        by_activity=by_activity(counts, {name: per_user[name] for name in _SHOWN_BY_ACTIVITY}),
        coverage=coverage_of_weights(recommender, world, columns, users),
    )


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
    found = bootstrap(known, rng=0).as_json() if len(known) else {"value": None, "low": None, "high": None}
    return {"measure": measure, "family": family, **found, "num_users": len(known)}
