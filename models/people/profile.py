"""Profiles of users: interests with their evidence, habits, change over time, and a taste that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kg.errors import InputError
from kg.rating_levels import nearest_level
from kg.schema import USER
from models.lists.recommendation_rows import AVERAGE, DEMOGRAPHICS, FEW
from models.lists.trained import Trained
from models.lists.user_query import UserQuery, known_user_query
from models.people.behaviour import Behaviour
from models.people.concept_interest import Evidence, Interest
from models.people.concept_weights import ConceptWeights
from models.people.drift import Drift, drift_of
from models.people.edits import what_ratings_settle, with_weights
from models.people.habits import Habits, habits_of
from models.people.interests import TasteSpace
from models.people.profile_summary import sentence_of, tags_of
from models.posterior import SampledNetwork, UserEmbedding

__all__ = ["Profile", "profile_of"]

SHOWN = 12  # interests, and dislikes, of a profile
LEAST_EVIDENCE = 2  # own ratings that a concept of few items needs: the best of thousands is good by chance
SIMILAR = 10  # users named
LEAST_CHANCE = 0.8  # of the sign of an interest

Lists = Callable[[UserQuery, int, int], pd.DataFrame]


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A user as the model sees them; a value: `set` returns another one.

    Attributes:
        user: The user's id.
        label: What people read.
        unit: `stars`, or `score` of implicit feedback: unit of the weights.
        source: What the taste is based on: `warm`, `few ratings`, `cold: demographics`, or `average` where nothing is known.
        groups: What the graph says of the user, as `age: 25-34`.
        interests: At most twelve that are positive with a chance of at least 80 %, by the lower end of the interval: what
            has no evidence has a wide one. Concepts of few items are among them from two own ratings on, since the highest of thousands
            of uncertain weights is high by chance.
        dislikes: The same by the upper end.
        tags: Short words for the taste.
        sentence: The profile in plain English.
        habits: How the user rates.
        drift: Whether that changed over time.
        similar: Users of like taste: id, label, similarity in [-1, 1].
        edits: Weights that were set, by the concept's key.
    """

    user: str
    label: str
    unit: str
    source: str
    groups: tuple[str, ...]
    interests: tuple[Interest, ...]
    dislikes: tuple[Interest, ...]
    tags: tuple[str, ...]
    sentence: str
    habits: Habits
    drift: Drift
    similar: tuple[dict[str, Any], ...]
    edits: Mapping[str, float]
    _reader: _Reader = field(repr=False)

    def weight(self, concept: str) -> float:
        """Return the weight of any concept, by `relation:id`, `genre: Drama`, or its label alone."""
        return self.interest(concept).weight

    def interest(self, concept: str) -> Interest:
        """Return all that is known of one concept, whether among the interests or not."""
        return self._reader.interest(self._reader.behaviour.concepts.find(concept))

    def set(self, concept: str, weight: float) -> Profile:
        """Return the profile of someone who says what a concept adds for them; what was set before still holds.

        Args:
            concept: `relation:id`, `genre: Drama`, or a label that only one concept has.
            weight: Beyond the average user, in the profile's unit.

        Raises:
            UnknownNameError: If there is no such concept.
            InputError: If the weight is beyond the scale, or cannot hold together with those set before.
        """
        recommender, concepts = self._reader.recommender, self._reader.behaviour.concepts
        low, high = recommender.scale
        most = 1.0 if recommender.implicit else high - low
        if not abs(weight) <= most:
            raise InputError(f"the weight of {concept!r} is {weight:g}; expected {-most:g} to {most:g} {self.unit}")
        reader = self._reader.edited({**self.edits, concepts.keys[concepts.find(concept)]: float(weight)})
        return replace(self, **reader.taste(self.habits, self.drift, self.groups))

    def recommend(self, k: int = 10, *, num_reasons: int = 2) -> pd.DataFrame:
        """Return the best unrated items for this taste, edited or not; columns as of `Recommender.recommend`."""
        return self._reader.recommend(k, num_reasons)

    @property
    def implicit(self) -> bool:
        """Whether ratings only say that a user chose an item."""
        return self.unit == "score"

    def as_json(self) -> dict[str, Any]:
        """Return the profile as JSON values."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("_")}
        return plain | {
            "interests": [asdict(interest) for interest in self.interests],
            "dislikes": [asdict(interest) for interest in self.dislikes],
            "habits": asdict(self.habits),
            "drift": asdict(self.drift),
            "edits": dict(self.edits),
        }


def profile_of(behaviour: Behaviour, user: str, lists: Lists) -> Profile:
    """Return the profile of a user of the graph.

    Args:
        behaviour: What the model says of people.
        user: Id of the user.
        lists: UserQuery, length and number of reasons -> the best items that the person has not rated.

    Raises:
        UnknownNameError: If the graph does not know the user.
    """
    recommender, graph = behaviour.recommender, behaviour.recommender.graph
    index = graph.users.vocabulary.index_of(user)
    reader = _Reader(
        behaviour=behaviour,
        user=index,
        warm=UserEmbedding.learned(recommender.predictor.samples, index),
        cold=UserEmbedding.learned(recommender.predictor.cold_samples, index),
        weights=behaviour.weights(index),
        edits={},
        lists=lists,
    )
    unrated = DEMOGRAPHICS if recommender.with_concepts[USER][index] else AVERAGE
    habits, drift = habits_of(behaviour.habits, index), reader.drift()
    groups = tuple(
        f"{edge_type.relation}: {label}"
        for edge_type, concepts in graph.concepts_of(USER, index)
        for label in graph.nodes[edge_type.target].labels[concepts]
    )
    return Profile(
        user=user,
        label=str(graph.users.labels[index]),
        unit="score" if recommender.implicit else "stars",
        source=unrated if not habits.num_ratings else "few ratings" if habits.num_ratings < FEW else "warm",
        groups=groups,
        habits=habits,
        drift=drift,
        **reader.taste(habits, drift, groups),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reader:
    """Reads a taste, as it is or as it was edited."""

    behaviour: Behaviour
    user: int
    warm: UserEmbedding
    cold: UserEmbedding
    weights: ConceptWeights
    edits: Mapping[str, float]
    lists: Lists

    @cached_property
    def ratings(self) -> NDArray[np.int64]:
        """Positions of the user's training ratings."""
        return self.behaviour.ratings_of(self.user)

    @property
    def recommender(self) -> Trained:
        """The model."""
        return self.behaviour.recommender

    def edited(self, edits: Mapping[str, float]) -> _Reader:
        """Return the reader of the unedited taste with all these weights set."""
        recommender, behaviour = self.recommender, self.behaviour
        wanted = {behaviour.concepts.find(key): weight for key, weight in edits.items()}
        item = torch.from_numpy(recommender.train.item[self.ratings])
        level = torch.from_numpy(nearest_level(recommender.train.value[self.ratings], recommender.levels))
        if recommender.implicit:
            level = torch.full_like(level, len(recommender.levels) - 1)

        def with_wanted(samples: SampledNetwork, space: TasteSpace) -> UserEmbedding:
            precision = what_ratings_settle(samples, self.user, item, level)
            return with_weights(UserEmbedding.learned(samples.predictor, self.user), precision, space, wanted)

        cold = warm = with_wanted(recommender.samples, behaviour.warm)
        if len(recommender.samples) > len(recommender.cold_samples):
            cold = with_wanted(recommender.cold_samples, behaviour.cold)
        rows = (warm if len(self.ratings) else cold).rows
        weights = behaviour.weights(self.user, rows, list(wanted))
        return replace(self, warm=warm, cold=cold, weights=weights, edits=edits)

    def taste(self, habits: Habits, drift: Drift, groups: tuple[str, ...]) -> dict[str, Any]:
        """Return the fields of a profile that an edit moves."""
        item = self.recommender.train.item[self.ratings]
        num_rated = np.asarray(self.behaviour.concepts.holds[item].sum(axis=0))
        fit = self.behaviour.common | (num_rated >= LEAST_EVIDENCE)
        chance = self.weights.chance
        interests = self._first(-self.weights.low, fit & (chance >= LEAST_CHANCE))
        dislikes = self._first(self.weights.high, fit & (chance <= 1 - LEAST_CHANCE))
        implicit, edited = self.recommender.implicit, bool(self.edits)
        return {
            "interests": interests,
            "dislikes": dislikes,
            "tags": tags_of(interests, habits),
            "sentence": sentence_of(
                interests, dislikes, habits, drift, implicit=implicit, groups=groups, edited=edited
            ),
            "similar": self._similar(),
            "edits": dict(self.edits),
            "_reader": self,
        }

    def interest(self, concept: int) -> Interest:
        """Return all that is known of one concept."""
        concepts, weights = self.behaviour.concepts, self.weights
        space = self.behaviour.warm if len(self.ratings) else self.behaviour.cold
        name, label = concepts.names[concept], concepts.labels[concept]
        return Interest(
            concept=concepts.keys[concept],
            name=name,
            relation=name.removesuffix(f": {label}"),
            label=label,
            weight=float(weights.mean[concept]),
            low=float(weights.low[concept]),
            high=float(weights.high[concept]),
            chance=float(weights.chance[concept]),
            of_average=float(space.of_average[concept]),
            evidence=self._evidence(concept),
        )

    def recommend(self, k: int, num_reasons: int) -> pd.DataFrame:
        """Rank as `Recommender.recommend` does, by this taste."""
        query = known_user_query(self.recommender, self.recommender.graph.users.vocabulary.id_of(self.user))
        query = replace(query, warm=None if query.warm is None else self.warm, cold=self.cold)
        return self.lists(query, k, num_reasons)

    def drift(self) -> Drift:
        """Return whether the ratings changed over time."""
        train, behaviour = self.recommender.train, self.behaviour
        broad = behaviour.concepts.broad
        holds = behaviour.concepts.holds[:, broad].tocsr()[train.item[self.ratings]].toarray() > 0
        time = None if train.time is None else train.time[self.ratings]
        labels = [behaviour.concepts.labels[concept] for concept in broad]
        return drift_of(time, holds, labels, behaviour.above_expected(self.ratings))

    def _first(self, order: NDArray[np.float64], clear: NDArray[np.bool_]) -> tuple[Interest, ...]:
        """Return the first interests in rising order, those that are clear, each name once."""
        first: dict[str, int] = {}
        for concept in np.argsort(order, kind="stable"):
            if clear[concept]:
                first.setdefault(self.behaviour.concepts.names[concept], int(concept))
            if len(first) == SHOWN:
                break
        return tuple(self.interest(concept) for concept in first.values())

    def _evidence(self, concept: int) -> Evidence:
        train = self.recommender.train
        holds = self.behaviour.concepts.holds[:, [concept]].toarray()[:, 0] > 0
        own = self.ratings[holds[train.item[self.ratings]]]
        above = self.behaviour.above_expected(own)
        usual = float(train.item_counts[holds].sum()) / max(len(train), 1)
        return Evidence(
            count=len(own),
            above_expected=None if above is None or not len(own) else float(above.mean()),
            lift=len(own) / len(self.ratings) / usual if len(self.ratings) and usual else None,
            items=tuple(self.recommender.graph.items.vocabulary.ids[train.item[own]].tolist()),
        )

    def _similar(self) -> tuple[dict[str, Any], ...]:
        nodes = self.recommender.graph.users
        similarity = self.behaviour.similar(self.user, self.warm.rows)
        best = np.argsort(-similarity, kind="stable")[:SIMILAR]  # NaN last
        return tuple(
            {
                "id": nodes.vocabulary.id_of(int(user)),
                "label": str(nodes.labels[user]),
                "similarity": float(similarity[user]),
            }
            for user in best
            if np.isfinite(similarity[user])
        )
