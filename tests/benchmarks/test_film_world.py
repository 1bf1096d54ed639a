"""The film world: the facts are complete, and the simulated audience is what its docstring says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyoxigraph as ox
import pytest
from scipy.stats import spearmanr

import training.films
from benchmarks.film_world import Activity, FilmWorld, film_concepts, read_films, simulate
from kg.build import build
from kg.description import Description
from kg.errors import InputError
from training.films import write_film_source

SCHEMA = "https://schema.org/"
SKOS = "http://www.w3.org/2004/02/skos/core#"
LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
TTL = Path(training.films.__file__).with_name("films.ttl")


@pytest.fixture(scope="module")
def triples() -> pd.DataFrame:
    parsed = ox.parse(TTL.read_bytes(), format=ox.RdfFormat.TURTLE)
    rows = [(quad.subject.value, quad.predicate.value, quad.object.value) for quad in parsed]
    return pd.DataFrame(rows, columns=["subject", "predicate", "object"])


@pytest.fixture(scope="module")
def world() -> FilmWorld:
    return simulate()


@pytest.fixture(scope="module")
def affinity(world: FilmWorld) -> pd.Series:
    """The formula of the docstring, written a second time and with other means: a join for each rating."""
    concepts = film_concepts()
    pairs = world.tastes.merge(concepts, on="concept").groupby(["user", "film"])["weight"].sum()
    everything = pd.MultiIndex.from_product([world.users["id"], world.films["id"]], names=["user", "film"])
    size = concepts.groupby("film").size()
    found = pairs.reindex(everything, fill_value=0.0) / np.sqrt(size).reindex(everything, level="film")
    return found - found.groupby("user").transform("mean")


def test_every_film_is_complete(triples: pd.DataFrame) -> None:
    films = read_films()
    counts = pd.crosstab(triples["subject"], triples["predicate"]).loc[films["iri"]]
    assert len(films) >= 300
    assert films.notna().all(axis=None)
    assert films["label"].is_unique
    assert films["id"].is_unique
    assert films["id"].map(lambda name: re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None).all()
    assert (films["label"] == films["title"] + " (" + films["year"].astype(str) + ")").all()
    assert films["year"].between(1920, 2025).all()
    assert films["description"].str.len().between(60, 400).all()
    assert films["description"].is_unique
    for name, least in {"director": 1, "actor": 2, "genre": 1, "about": 1, "countryOfOrigin": 1}.items():
        assert (counts[SCHEMA + name] >= least).all(), name
    for one in (LABEL, SCHEMA + "name", SCHEMA + "datePublished", SCHEMA + "description"):
        assert (counts[one] == 1).all(), one


def test_alien_is_as_written() -> None:
    films = read_films().set_index("id")
    assert films.loc["alien-1979", ["label", "title", "year"]].to_list() == ["Alien (1979)", "Alien", 1979]
    assert films.loc["alien-1979", "iri"] == "https://kgrec.example/films/film/alien-1979"


def test_no_fact_stands_twice(triples: pd.DataFrame) -> None:
    assert not triples.duplicated().any()


def test_everything_named_has_one_label_and_is_used(triples: pd.DataFrame) -> None:
    relations = [SCHEMA + name for name in ("director", "actor", "genre", "about", "countryOfOrigin")]
    named = set(triples.loc[triples["predicate"].isin([*relations, SKOS + "broader"]), "object"])
    labels = triples[triples["predicate"].isin([LABEL, SKOS + "prefLabel"])]
    assert labels["subject"].is_unique
    assert named <= set(labels["subject"])
    assert set(labels["subject"]) - set(read_films()["iri"]) == named
    people = labels[labels["subject"].str.contains("/person/")]
    assert people["object"].is_unique


def test_every_theme_ends_at_a_top_theme(triples: pd.DataFrame) -> None:
    broader = triples[triples["predicate"] == SKOS + "broader"]
    assert broader["subject"].is_unique
    parent = dict(zip(broader["subject"], broader["object"], strict=True))
    for theme in parent:
        seen = [theme]
        while seen[-1] in parent:
            seen.append(parent[seen[-1]])
            assert len(seen) == len(set(seen)), f"a cycle: {seen}"
    themes = set(triples.loc[triples["predicate"] == SCHEMA + "about", "object"])
    assert themes <= set(parent)
    assert 10 <= len(set(parent.values()) - set(parent)) <= 16


def test_concepts_of_a_film_hold_the_broader_themes_and_the_decade() -> None:
    concepts = film_concepts()
    rocky = concepts[concepts["film"] == "rocky-1976"].set_index("concept")["family"]
    short = {iri.removeprefix("https://kgrec.example/films/"): family for iri, family in rocky.items()}
    assert short["theme/boxing"] == short["theme/sport"] == "theme"
    assert short["theme/heroes-and-fighters"] == "top theme"
    assert short["decade/1970s"] == "decade"
    assert short["person/john-g-avildsen"] == "director"
    assert "person/sylvester-stallone" not in short
    assert not concepts.duplicated(["film", "concept"]).any()


def test_same_seed_same_world(world: FilmWorld) -> None:
    again, other = simulate(), simulate(seed=1)
    for name in ("films", "users", "ratings", "tastes"):
        pd.testing.assert_frame_equal(getattr(world, name), getattr(again, name))
    pd.testing.assert_frame_equal(world.films, other.films)
    assert not world.ratings.equals(other.ratings)
    assert not world.users.equals(other.users)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shape_of_the_ratings(seed: int) -> None:
    world = simulate(seed=seed)
    ratings = world.ratings
    assert len(world.users) == 640
    assert 27_000 <= len(ratings) <= 33_000
    assert set(ratings["rating"].unique()) == {1, 2, 3, 4, 5}
    assert 3.4 <= ratings["rating"].mean() <= 3.8
    assert 0.95 <= ratings["rating"].std() <= 1.15
    assert ratings["rating"].value_counts(normalize=True).min() > 0.01
    assert not ratings.duplicated(["user", "item"]).any()
    assert set(ratings["user"]) == set(world.users["id"])
    assert set(ratings["item"]) <= set(world.films["id"])
    assert ratings.groupby("user").size().between(20, 120).all()
    popularity = ratings.groupby("item").size().sort_values()
    assert popularity.iloc[-len(popularity) // 10 :].sum() > 0.3 * len(ratings)  # heavy head
    assert (popularity < 10).sum() >= 20  # and a tail


def test_times_rise_in_sessions(world: FilmWorld) -> None:
    gaps = world.ratings.groupby("user")["time"].diff().dropna()
    assert (gaps > 0).all()
    assert (gaps <= 90).mean() == pytest.approx(0.9, abs=0.02)
    joined = world.ratings.groupby("user")["time"].min()
    assert joined.between(1_704_067_200, 1_704_067_200 + 3 * 365 * 86_400 + 90).all()


def test_ages_and_occupations_are_plausible(world: FilmWorld) -> None:
    users = world.users
    assert users.columns.to_list() == ["id", "age", "occupation"]
    assert users["age"].between(15, 84).all()
    assert users.loc[users["occupation"] == "retired", "age"].min() > 60
    assert users.loc[users["occupation"] == "student", "age"].max() < 27


def test_tastes_move_the_ratings(world: FilmWorld, affinity: pd.Series) -> None:
    rated = affinity.loc[pd.MultiIndex.from_frame(world.ratings[["user", "item"]])].to_numpy()
    correlation = spearmanr(rated, world.ratings["rating"]).statistic
    assert correlation > 0.45
    assert rated.mean() > 0.1  # people see what they tend to like
    shuffled = np.random.default_rng(0).permutation(rated)
    assert abs(spearmanr(shuffled, world.ratings["rating"]).statistic) < 0.03


def test_spread_of_the_affinity_is_as_documented(affinity: pd.Series) -> None:
    spread = affinity.groupby("user").std(ddof=0)
    assert np.log(spread).mean() == pytest.approx(np.log(0.7), abs=0.03)
    assert np.log(spread).std() == pytest.approx(0.2, abs=0.02)


def test_an_oracle_of_tastes_beats_user_and_item_means(world: FilmWorld, affinity: pd.Series) -> None:
    rated = affinity.loc[pd.MultiIndex.from_frame(world.ratings[["user", "item"]])].to_numpy()
    frame = world.ratings.assign(affinity=rated)
    held_out = np.random.default_rng(0).random(len(frame)) < 0.2
    train, test = frame[~held_out], frame[held_out]

    def rmse_of_means(weight: float) -> float:
        mean = (train["rating"] - weight * train["affinity"]).mean()
        rest = train["rating"] - weight * train["affinity"] - mean
        user, item = pd.Series(0.0, world.users["id"]), pd.Series(0.0, world.films["id"])
        for _ in range(5):
            item = (rest - train["user"].map(user)).groupby(train["item"]).mean().reindex(item.index, fill_value=0.0)
            user = (rest - train["item"].map(item)).groupby(train["user"]).mean().reindex(user.index, fill_value=0.0)
        predicted = mean + test["user"].map(user) + test["item"].map(item) + weight * test["affinity"]
        return float(np.sqrt(((predicted - test["rating"]) ** 2).mean()))

    assert rmse_of_means(1.0) < 0.75
    assert rmse_of_means(1.0) < rmse_of_means(0.0) - 0.12


def test_users_do_not_give_their_tastes_away(world: FilmWorld, affinity: pd.Series) -> None:
    # A leaning is wanted, but age and occupation together explain only a small part of what people like.
    likes = affinity.to_numpy().reshape(len(world.users), len(world.films))
    likes = likes - likes.mean(axis=0)  # what everybody likes is no secret
    traits = pd.get_dummies(world.users[["occupation"]]).assign(age=world.users["age"], one=1.0).to_numpy(dtype=float)
    fitted = traits @ np.linalg.lstsq(traits, likes, rcond=None)[0]
    assert ((likes - fitted) ** 2).sum() > 0.9 * (likes**2).sum()


def test_the_demo_is_the_world_as_it_is_drawn(world: FilmWorld, tmp_path: Path) -> None:
    demo, drawn = write_film_source(tmp_path / "demo"), write_film_source(tmp_path / "drawn", world.tables)
    for file in sorted(demo.parent.iterdir()):
        assert file.read_bytes() == (drawn.parent / file.name).read_bytes(), file.name


def test_the_written_source_builds(world: FilmWorld, tmp_path: Path) -> None:
    path = write_film_source(tmp_path / "films")
    assert path.name == "films.yaml"
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["films.csv", "films.ttl", "films.yaml", "ratings.csv", "users.csv"]
    assert (path.parent / "films.ttl").read_bytes() == TTL.read_bytes()
    assert (path.parent / "users.csv").read_text().splitlines()[0] == "id,age,occupation"
    assert not any("weight" in (path.parent / name).read_text().splitlines()[0] for name in names)

    dataset = build(Description.load(path))
    graph = dataset.graph
    assert graph.items.vocabulary.ids.tolist() == world.films["id"].to_list()
    assert len(dataset.ratings) == len(world.ratings)
    assert dataset.ratings.value.sum() == world.ratings["rating"].sum()
    assert graph.items.texts[graph.items.vocabulary.index_of("alien-1979")].startswith("Alien (1979). The crew of")
    relations = {edge_type.relation for edge_type in graph.edges}
    assert {"decade", "year", "age", "occupation"} <= relations
    assert {f"films:{name}" for name in ("director", "actor", "genre", "about", "countryOfOrigin")} <= relations
    assert sorted(graph.nodes["decade"].labels)[0] == "1920s"
    assert "Ridley Scott" in graph.nodes["films"].labels


def test_bad_requests_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1 user, received 0"):
        simulate(num_users=0)
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="choose another folder"):
        write_film_source(tmp_path / "taken")


def test_one_user_is_enough() -> None:
    assert simulate(num_users=1, seed=3).ratings["user"].unique().tolist() == ["u0001"]


def test_an_audience_is_as_active_as_it_should_be() -> None:
    activity = Activity(median=65, spread=1.0, most=500)
    counts = simulate(num_users=300, seed=2, activity=activity).ratings["user"].value_counts()
    assert counts.min() == 20
    assert counts.max() <= 500
    assert 52 < counts.median() < 80
    pd.testing.assert_frame_equal(simulate(num_users=40).ratings, simulate(num_users=40, activity=Activity()).ratings)
