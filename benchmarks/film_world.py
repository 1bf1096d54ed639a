"""The film world: real films as facts, and a simulated audience whose true tastes are known.

The films, people, genres, themes and countries are in `training/films.ttl`, written by hand. The audience is drawn from one
generator, so that the same seed gives the same world. With `C(f)` the concepts of film `f` (its genres, themes, the
broader themes above them, directors, countries, and its decade) the simulation is

    w_u    = scale_u (sum_k m_uk B_k + d_u)         tastes: a mixture of 9 hidden archetypes B and own deviations d
    a_uf   = sum over c in C(f) of w_uc / sqrt(|C(f)|), centred over the films of each user      affinity, in stars
    r_uf   = clip(round(mean + b_u + q_f + a_uf + e_uf), 1, 5)                                   rating, in stars
    P(u sees f) ~ (rank_f + 10) ** -1.1 * exp(1.1 a_uf)                                           what users rate

where B, d are sparse and normal (some concepts loved, some disliked, most of no matter), `b_u ~ N(0, 0.4)` is
generosity, `q_f ~ N(0, 0.4)` the hidden quality of the film, `e ~ N(0, 0.65)` noise, and `scale_u` makes the standard
deviation of `a_u` log-normal around 0.7 stars. The rank of popularity depends in part on quality and on what draws
crowds (some genres, English, recent), and as much on chance. Users rate 20 to 120 films, log-normal, unless `Activity` says otherwise; films are drawn
without replacement. A user joins on a date within three years and rates in sessions: seconds between two ratings,
then weeks of silence. Age and occupation depend on the archetype, but weakly.

The demo's `training/films_*.csv.gz` are `simulate().tables`, packed; a test holds them equal.

What is *not* simulated: tastes that change, friends, fashions, and ratings that depend on earlier ratings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyoxigraph as ox
from numpy.typing import NDArray

from kg.errors import InputError

__all__ = ["NOISE", "Activity", "FilmWorld", "film_concepts", "read_films", "simulate"]

Floats = NDArray[np.float64]

_BASE = "https://kgrec.example/films/"
_SCHEMA = "https://schema.org/"
_RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_LABEL = "http://www.w3.org/2000/01/rdf-schema#label"
_BROADER = "http://www.w3.org/2004/02/skos/core#broader"

# Family of concepts: chance that an archetype has a taste for one of them, and the strength of such a taste.
_FAMILIES = {
    "genre": (0.5, 1.2),
    "top theme": (0.4, 0.9),
    "theme": (0.15, 0.9),
    "director": (0.05, 1.0),
    "country": (0.15, 0.7),
    "decade": (0.35, 0.7),
}
_CROWD_PLEASERS = [f"{_BASE}genre/{name}" for name in ("action", "adventure", "animation", "family", "science-fiction")]
_ENGLISH = [f"{_BASE}country/{name}" for name in ("united-kingdom", "united-states")]
_OCCUPATIONS = (
    *("artist", "clerk", "craftsman", "doctor", "engineer", "lawyer", "manager", "nurse", "programmer", "retired"),
    *("salesperson", "scientist", "student", "teacher", "writer"),
)
_NUM_ARCHETYPES = 9
NOISE = 0.65  # standard deviation of a rating in stars
_MEAN = 3.08  # people see what they tend to like, so that the mean of what they rate is about 3.6
_START = 1_704_067_200  # 1 January 2024: every film is out
_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How many films users rate: log-normal, cut off at both ends. The default is that of the demo.

    Attributes:
        median: Median of the uncut distribution, in films.
        spread: Standard deviation of its logarithm.
        least: Fewest films.
        most: Most films; nobody rates more than there are.
    """

    median: float = 42.0
    spread: float = 0.5
    least: int = 20
    most: int = 120


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmWorld:
    """Films, and an audience whose true tastes are known.

    Attributes:
        films: id (`alien-1979`), label, title, year, description, iri; sorted by id.
        users: id (`u0001`), age in years, occupation.
        ratings: user, item, rating (1 to 5 stars), time (Unix seconds); sorted by user and time.
        tastes: user, concept (IRI), weight in stars: the hidden truth, for tests only; never written to files.
        expected: What each rating would be without noise and on an endless, even scale, in stars: as hidden, `[num_ratings]`.
    """

    films: pd.DataFrame
    users: pd.DataFrame
    ratings: pd.DataFrame
    tastes: pd.DataFrame
    expected: Floats

    @property
    def tables(self) -> dict[str, str]:
        """What a user would have of it, as CSV, without the true tastes: see `training.films.write_film_source`."""
        frames = {"films": self.films, "users": self.users, "ratings": self.ratings}
        return {name: frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()}

    def weights_of(self, users: Iterable[str], concepts: Iterable[str]) -> Floats:
        """Return true tastes in stars, `[num_users, num_concepts]`; 0 where someone has none for a concept."""
        table = self.tastes.pivot_table(index="user", columns="concept", values="weight", fill_value=0.0)
        weights: Floats = table.reindex(index=list(users), columns=list(concepts), fill_value=0.0).to_numpy()
        return weights


def read_films() -> pd.DataFrame:
    """Read the films of `films.ttl`: columns id, label, title, year, description, iri; sorted by id."""
    triples = _triples()
    films = triples.loc[(triples["predicate"] == _RDF_TYPE) & (triples["object"] == f"{_SCHEMA}Movie"), "subject"]
    facts = triples[triples["subject"].isin(films)].drop_duplicates(["subject", "predicate"])
    facts = facts.pivot_table(index="subject", columns="predicate", values="object", aggfunc="first").sort_index()
    return pd.DataFrame(
        {
            "id": [_local_name(iri) for iri in facts.index],
            "label": facts[_LABEL].to_list(),
            "title": facts[f"{_SCHEMA}name"].to_list(),
            "year": facts[f"{_SCHEMA}datePublished"].astype(np.int64).to_list(),
            "description": facts[f"{_SCHEMA}description"].to_list(),
            "iri": facts.index.to_list(),
        }
    )


def film_concepts() -> pd.DataFrame:
    """Return the concepts that tastes are about: columns film (id), concept (IRI), family; each pair once.

    A film has its themes and every broader theme above them; a decade has an IRI of the same namespace.
    """
    triples, films = _triples(), read_films()
    relations = [f"{_SCHEMA}{name}" for name in ("director", "genre", "about", "countryOfOrigin")]
    broader = triples[triples["predicate"] == _BROADER].set_index("subject")["object"]
    levels = [triples.loc[triples["predicate"].isin(relations), ["subject", "object"]]]
    while len(levels[-1]):
        levels.append(levels[-1].assign(object=levels[-1]["object"].map(broader)).dropna())
    decades = _BASE + "decade/" + (films["year"] // 10 * 10).astype(str) + "s"
    pairs = pd.concat([*levels, pd.DataFrame({"subject": films["iri"], "object": decades})]).drop_duplicates()
    pairs = pairs.sort_values(["subject", "object"], ignore_index=True)
    family = pairs["object"].str.removeprefix(_BASE).str.partition("/")[0].replace("person", "director")
    top = (family == "theme") & ~pairs["object"].isin(broader.index)
    film, concept = pairs["subject"].map(_local_name), pairs["object"]
    return pd.DataFrame({"film": film, "concept": concept, "family": family.mask(top, "top theme")})


def simulate(*, num_users: int = 640, seed: int = 0, activity: Activity | None = None) -> FilmWorld:
    """Draw the audience; the module's docstring states the formula.

    Args:
        num_users: Number of users, at least 1.
        seed: Seed of the one generator; the same seed gives identical frames.
        activity: How many films users rate; by default as in the demo.

    Raises:
        InputError: If `num_users` is below 1.
    """
    if num_users < 1:
        raise InputError(f"expected at least 1 user, received {num_users}; give a positive number")
    rng = np.random.default_rng(seed)
    films, concepts = read_films(), film_concepts()
    membership = pd.crosstab(concepts["film"], concepts["concept"]).loc[films["id"]]
    has_concept = membership.to_numpy(dtype=np.float64)
    family = concepts.drop_duplicates("concept").set_index("concept")["family"].loc[membership.columns]

    mixture, tastes = _draw_tastes(num_users, family, has_concept, rng)
    affinity = _affinity(tastes, has_concept)
    quality = rng.normal(0.0, 0.4, len(films))
    users = _draw_users(mixture, rng)
    crowd, english = (membership[known].any(axis=1).to_numpy() for known in (_CROWD_PLEASERS, _ENGLISH))
    recent = (films["year"].to_numpy() - 1980) / 25
    appeal = quality / 0.4 + 0.8 * crowd + 1.2 * english + 0.6 * recent + rng.normal(0.0, 1.2, len(films))
    user, item, time = _draw_visits(appeal, affinity, activity or Activity(), rng)
    expected = _MEAN + rng.normal(0.0, 0.4, num_users)[user] + quality[item] + affinity[user, item]
    rating = np.clip(np.rint(expected + rng.normal(0.0, NOISE, len(user))), 1, 5).astype(np.int64)

    user_id, film_id = users["id"].to_numpy(), films["id"].to_numpy()
    rows, columns = np.nonzero(tastes)
    ratings = {"user": user_id[user], "item": film_id[item], "rating": rating, "time": time}
    weights = {"user": user_id[rows], "concept": membership.columns[columns], "weight": tastes[rows, columns]}
    return FilmWorld(
        films=films, users=users, ratings=pd.DataFrame(ratings), tastes=pd.DataFrame(weights), expected=expected
    )


@cache
def _triples() -> pd.DataFrame:
    """Read `films.ttl` into columns subject, predicate, object; literals as their text. Nobody changes the frame."""
    parsed = ox.parse((files("training") / "films.ttl").read_bytes(), format=ox.RdfFormat.TURTLE)
    terms = [(quad.subject, quad.predicate, quad.object) for quad in parsed]
    rows = [[getattr(term, "value", str(term)) for term in triple] for triple in terms]
    return pd.DataFrame(rows, columns=["subject", "predicate", "object"])


def _local_name(iri: str) -> str:
    return iri.rpartition("/")[2]


def _draw_tastes(
    num_users: int, family: pd.Series[str], has_concept: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the mixtures of archetypes `[num_users, 9]` and the tastes `[num_users, num_concepts]`."""
    chance, strength = np.array([_FAMILIES[name] for name in family]).T
    shape = (_NUM_ARCHETYPES, len(family))
    archetypes = (rng.random(shape) < chance) * rng.normal(0.0, strength, shape)
    mixture = rng.dirichlet(np.full(_NUM_ARCHETYPES, 0.3), num_users)
    mixture[mixture < 0.1] = 0.0  # a user is of a few kinds, not of all a little
    mixture /= mixture.sum(axis=1, keepdims=True)
    shape = (num_users, len(family))
    own = (rng.random(shape) < 0.2 * chance) * rng.normal(0.0, strength, shape)
    tastes = mixture @ archetypes + own
    spread = _affinity(tastes, has_concept).std(axis=1, keepdims=True)
    return mixture, tastes * (0.7 * np.exp(rng.normal(0.0, 0.2, (num_users, 1))) / spread)


def _affinity(tastes: Floats, has_concept: Floats) -> Floats:
    """Return `a_uf`, `[num_users, num_films]`, in stars: a taste sets films apart, it does not raise them all."""
    affinity: Floats = tastes @ (has_concept / np.sqrt(has_concept.sum(axis=1, keepdims=True))).T
    affinity -= affinity.mean(axis=1, keepdims=True)
    return affinity


def _draw_users(mixture: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Draw ages and occupations that lean a little on the archetypes."""
    num_users = len(mixture)
    typical_age = rng.uniform(24.0, 48.0, _NUM_ARCHETYPES)
    age = np.clip(np.rint(mixture @ typical_age + rng.normal(0.0, 12.0, num_users)), 15, 84).astype(np.int64)
    # The largest of scores with Gumbel noise is a draw from their softmax.
    score = mixture @ rng.normal(0.0, 0.8, (_NUM_ARCHETYPES, len(_OCCUPATIONS)))
    score += rng.gumbel(size=score.shape)
    student, retired = _OCCUPATIONS.index("student"), _OCCUPATIONS.index("retired")
    score[:, student] += np.where(age < 20, 9.0, np.where(age < 27, 2.0, -9.0))
    score[:, retired] += np.where(age > 66, 9.0, np.where(age > 60, 2.0, -9.0))
    ids = [f"u{number:04d}" for number in range(1, num_users + 1)]
    return pd.DataFrame({"id": ids, "age": age, "occupation": np.array(_OCCUPATIONS)[score.argmax(axis=1)]})


def _draw_visits(
    appeal: Floats, affinity: Floats, activity: Activity, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw who rates what and when: user, item and Unix time of each rating, in the order of users and times."""
    num_users, num_films = affinity.shape
    rank = np.empty(num_films)
    rank[np.argsort(-appeal)] = np.arange(1, num_films + 1)
    # Films in falling order of Gumbel scores are draws without replacement, the likely ones first.
    score = -1.1 * np.log(rank + 10.0) + 1.1 * affinity + rng.gumbel(size=affinity.shape)
    order = np.asarray(np.argsort(-score, axis=1), dtype=np.int64)
    drawn = np.exp(rng.normal(np.log(activity.median), activity.spread, num_users))
    counts: NDArray[np.float64] = np.clip(np.rint(drawn), activity.least, activity.most)
    user, position = np.argwhere(np.arange(num_films) < counts.reshape(-1, 1)).astype(np.int64).T
    new_session = (position > 0) & (rng.random(len(user)) < 0.1)
    pause = np.where(new_session, rng.exponential(25.0 * _DAY, len(user)), rng.uniform(8.0, 90.0, len(user)))
    joined = np.asarray(rng.integers(_START, _START + 3 * 365 * _DAY, num_users), dtype=np.int64)
    elapsed = pd.Series(np.ceil(pause)).groupby(user).cumsum().to_numpy().astype(np.int64)
    return user, order[user, position], joined[user] + elapsed
